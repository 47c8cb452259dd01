/// The two things that zerocp_real_time_check does.
#pragma once

#include "traffic.hpp"

namespace realtime
{

/// Prints what each process of a pair was charged for its messages after the warm-up; false if anything is not 0.
[[nodiscard]] bool checkCosts(Pools pools);

/// Prints how long publishes and takes last, under SCHED_FIFO if that is permitted.
[[nodiscard]] bool printTimes(Pools pools);

} // namespace realtime
