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

} // namespace latency
