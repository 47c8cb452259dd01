/// Somebody sets the date. A test program that has support/jumping_wall_clock.cpp among its sources finds the wall clock
/// ten days further on or back at every look; the monotonic clock is as always.
#pragma once

#include <cstdint>

namespace ZeroCP::test
{

/// Looks at the wall clock by this process so far.
[[nodiscard]] std::uint64_t wallClockLooks() noexcept;

} // namespace ZeroCP::test
