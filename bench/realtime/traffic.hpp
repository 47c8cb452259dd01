/// One publisher and one subscriber in processes of their own, both busy: what the check and the times have in common.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>

#include <unistd.h>

#include "../reliability/worker.hpp"
#include "zerocp/zerocp.hpp"

namespace realtime
{

inline constexpr const char* kTopic = "real/time";
inline constexpr unsigned kWatchdogSeconds = 300;

enum class Pools
{
    Prefaulted, ///< a configured pool set with prefault and lock
    Automatic,
};

template <std::size_t Bytes>
struct Message
{
    std::array<std::uint64_t, Bytes / 8> m_words;
};

/// Where the two tell each other how far they are.
struct Progress
{
    alignas(64) std::atomic<std::uint64_t> m_published;
    alignas(64) std::atomic<std::uint64_t> m_taken;
    std::atomic<bool> m_isSubscribed;
};

template <typename Value>
Value orEnd(ZeroCP::Expected<Value, ZeroCP::Error> result)
{
    if (!result)
    {
        std::fprintf(stderr, "%s\n", result.error().message().c_str());
        ::_exit(1);
    }
    return std::move(*result);
}

/// A domain that is `creator`'s own.
inline std::uint32_t domainOf(pid_t creator)
{
    return 40000 + static_cast<std::uint32_t>(creator) % 10000;
}

inline ZeroCP::Node nodeOf(pid_t creator, Pools pools, std::uint64_t bytes, std::uint32_t window)
{
    ZeroCP::Config config;
    if (pools == Pools::Prefaulted)
    {
        const ZeroCP::MemoryConfig memory{.prefault = true, .lock = true, .hugePages = false, .numaNode = {}};
        config.pools = {{"real_time", {{bytes, window + 64}}, {}, memory, ""}};
        config.topics = {{kTopic, "real_time", {}, ""}};
    }
    return orEnd(ZeroCP::Node::create("real_time",
                                      {.domain = domainOf(creator), .configFile = {}, .root = {}, .config = config}));
}

/// Waits for room in the window without giving the CPU away, and writes all of the message.
template <std::size_t Bytes>
bool publishOne(ZeroCP::Publisher<Message<Bytes>>& publisher, Progress& progress, std::uint32_t window)
{
    const std::uint64_t number = progress.m_published.load(std::memory_order_relaxed);
    while (number - progress.m_taken.load(std::memory_order_acquire) >= window)
    {
    }
    auto loan = publisher.loan();
    if (!loan)
    {
        return false;
    }
    (*loan)->m_words.fill(number);
    const bool published = publisher.publish(std::move(*loan)).has_value();
    progress.m_published.store(number + 1, std::memory_order_release);
    return published;
}

/// Waits for the next message without giving the CPU away, and reads all of it. False if it is not the next one.
template <std::size_t Bytes>
bool takeOne(ZeroCP::Subscriber<Message<Bytes>>& subscriber, Progress& progress)
{
    auto sample = subscriber.take();
    while (!sample && sample.error() == ZeroCP::TakeError::NoData)
    {
        sample = subscriber.take();
    }
    const std::uint64_t number = progress.m_taken.load(std::memory_order_relaxed);
    bool good = sample.has_value();
    for (std::size_t i = 0; good && i < Bytes / 8; ++i)
    {
        good = (*sample)->m_words[i] == number;
    }
    sample = tl::make_unexpected(ZeroCP::TakeError::NoData); // released before the publisher hears of it
    progress.m_taken.store(number + 1, std::memory_order_release);
    return good;
}

} // namespace realtime
