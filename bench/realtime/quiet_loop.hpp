/// What the kernel and the heap have done for this process between two moments: page faults, system calls, allocations.
#pragma once

#include <cstdint>

namespace realtime
{

struct Costs
{
    std::uint64_t m_minorFaults;
    std::uint64_t m_majorFaults;
    std::uint64_t m_systemCalls;
    std::uint64_t m_allocations;
};

/// Counts from now on. Every system call of this thread but getrusage(), write() and exit_group() is counted instead of made,
/// for the rest of its life. False if the kernel does not let a process watch itself.
[[nodiscard]] bool startCounting();

/// Since startCounting().
[[nodiscard]] Costs costsSoFar();

} // namespace realtime
