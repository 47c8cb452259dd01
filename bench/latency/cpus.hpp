/// Where processes run.
#pragma once

#include <vector>

namespace latency
{

/// CPUs that this process may use, ascending.
[[nodiscard]] std::vector<int> allowedCpus();

/// This process runs there and nowhere else. False if the system refuses.
[[nodiscard]] bool pinTo(int cpu) noexcept;

/// Keeps this process's CPU from being idle without taking it from anybody (SCHED_IDLE), for ever. Returns if the system
/// refuses.
void keepAwake() noexcept;

} // namespace latency
