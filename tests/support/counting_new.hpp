/// Counts what the calling thread allocates. A test program that uses it has support/counting_new.cpp among its sources,
/// which replaces operator new.
#pragma once

#include <cstdint>

namespace ZeroCP::test
{

/// Calls of operator new by this thread so far.
[[nodiscard]] std::uint64_t allocationsOfThisThread() noexcept;

} // namespace ZeroCP::test
