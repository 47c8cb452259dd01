/// What both sides do with the memory of a message, in place; the same for all systems. A value of one process.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "latency/subject.hpp"

namespace latency
{

class Payload
{
  public:
    /// A multiple of 8, at least 16.
    Payload(std::uint64_t bytes, Touch touch) noexcept : m_count(bytes / 8), m_isFull(touch == Touch::Full) {}

    [[nodiscard]] std::size_t wordCount() const noexcept { return m_count; }

    /// `number` into every word that is touched.
    void write(std::uint64_t* words, std::uint64_t number) const noexcept
    {
        if (m_isFull)
        {
            return writeAll(words, number);
        }
        words[0] = number;
        words[m_count - 1] = number;
    }

    /// The number, if write() left the same one in every word that is touched; else a message is torn.
    [[nodiscard]] bool read(const std::uint64_t* words, std::uint64_t& number) const noexcept
    {
        number = words[0];
        return m_isFull ? isAll(words, number) : words[m_count - 1] == number;
    }

  private:
    static constexpr std::size_t kBlock = 8; ///< words of a cache line, which compilers handle a few at a time

    void writeAll(std::uint64_t* words, std::uint64_t number) const noexcept
    {
        std::size_t i = 0;
        for (; i + kBlock <= m_count; i += kBlock)
        {
            for (std::size_t k = 0; k < kBlock; ++k)
            {
                words[i + k] = number;
            }
        }
        for (; i < m_count; ++i)
        {
            words[i] = number;
        }
    }

    [[nodiscard]] bool isAll(const std::uint64_t* words, std::uint64_t number) const noexcept
    {
        std::array<std::uint64_t, kBlock> differences{};
        std::size_t i = 0;
        for (; i + kBlock <= m_count; i += kBlock)
        {
            for (std::size_t k = 0; k < kBlock; ++k)
            {
                differences[k] |= words[i + k] ^ number;
            }
        }
        for (; i < m_count; ++i)
        {
            differences[0] |= words[i] ^ number;
        }
        std::uint64_t any = 0;
        for (const std::uint64_t difference : differences)
        {
            any |= difference;
        }
        return any == 0;
    }

    std::size_t m_count;
    bool m_isFull;
};

} // namespace latency
