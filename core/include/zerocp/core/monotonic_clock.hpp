/// The clock of publish times, deadlines and leases: CLOCK_MONOTONIC, one for all processes of the host, and not moved
/// when somebody sets the date. Any thread.
#pragma once

#include <cstdint>
#include <ctime>

namespace ZeroCP
{

[[nodiscard]] inline std::uint64_t monotonicNs() noexcept
{
    timespec now;                           // filled in: this clock always exists
    ::clock_gettime(CLOCK_MONOTONIC, &now); // vDSO: no system call
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000U + static_cast<std::uint64_t>(now.tv_nsec);
}

} // namespace ZeroCP
