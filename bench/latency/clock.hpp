/// CLOCK_MONOTONIC.
#pragma once

#include <chrono>
#include <cstdint>

namespace latency
{

[[nodiscard]] inline std::int64_t nowNs() noexcept
{
    return std::chrono::steady_clock::now().time_since_epoch().count();
}

/// What one of many reads in a row takes, in nanoseconds.
[[nodiscard]] inline double clockReadNs() noexcept
{
    constexpr int kReads = 10'000;
    const std::int64_t start = nowNs();
    std::int64_t last = start;
    for (int i = 0; i < kReads; ++i)
    {
        last = nowNs();
    }
    return static_cast<double>(last - start) / kReads;
}

} // namespace latency
