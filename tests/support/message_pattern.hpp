/// Messages whose every byte follows from (publisher, sequence), so that a torn, overwritten or misdelivered one shows.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>

#include "support/shared_board.hpp"

namespace ZeroCP::test
{

struct PatternHead
{
    std::uint32_t m_publisher;
    std::uint32_t m_bytes;
    std::uint64_t m_sequence;
};

inline constexpr std::size_t kLeastPattern = sizeof(PatternHead);

inline std::uint64_t patternSeed(std::uint32_t publisher, std::uint64_t sequence)
{
    return sequence * 1'000'003U + publisher;
}

/// `message` has at least kLeastPattern bytes.
inline void writePattern(std::span<std::byte> message, std::uint32_t publisher, std::uint64_t sequence)
{
    const PatternHead head{publisher, static_cast<std::uint32_t>(message.size()), sequence};
    std::memcpy(message.data(), &head, sizeof head);
    Random next(patternSeed(publisher, sequence));
    for (std::size_t at = sizeof head; at < message.size(); at += 8)
    {
        const std::uint64_t word = next();
        std::memcpy(message.data() + at, &word, std::min<std::size_t>(8, message.size() - at));
    }
}

/// The message's head if all of it is as it was written.
inline std::optional<PatternHead> readPattern(std::span<const std::byte> message)
{
    PatternHead head{};
    if (message.size() < sizeof head)
    {
        return std::nullopt;
    }
    std::memcpy(&head, message.data(), sizeof head);
    if (head.m_bytes != message.size())
    {
        return std::nullopt;
    }
    Random next(patternSeed(head.m_publisher, head.m_sequence));
    for (std::size_t at = sizeof head; at < message.size(); at += 8)
    {
        const std::uint64_t word = next();
        if (std::memcmp(message.data() + at, &word, std::min<std::size_t>(8, message.size() - at)) != 0)
        {
            return std::nullopt;
        }
    }
    return head;
}

} // namespace ZeroCP::test
