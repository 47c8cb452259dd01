/// The FIFO of a waiter that somebody waits for with a file descriptor: `<prefix><row>.<number>`, in the directory of the
/// domain's segments, so that whoever has these can open it, in whichever pid or network namespace. A byte in it says "look"
/// and no more. Its maker holds both ends, so no reader ever finds it hung up and no writer is killed by SIGPIPE.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "zerocp/core/error.hpp"
#include "zerocp/core/waiter_record.hpp"

namespace ZeroCP::wake_pipe
{

/// Longer paths are refused, since who wakes, perhaps in a signal handler, builds them on its stack.
inline constexpr std::size_t kLongestPath = 1024;

/// Path, or name, of a FIFO.
[[nodiscard]] std::string pathOf(std::string_view prefix, std::uint32_t row, std::uint32_t number);

/// Makes the FIFO for its owner alone and opens it, for reading and writing, non-blocking; both ends of it. -1 if the name is
/// taken. NoSpace, PermissionDenied, SystemError.
[[nodiscard]] Expected<int, Error> make(const std::string& path);

/// Removes its name. No error if it is gone.
void remove(std::string_view prefix, std::uint32_t row, std::uint32_t number) noexcept;

/// Writes a byte into FIFO `number` of `waiter`, a row of `waiters`, and counts it. Any thread of any process;
/// async-signal-safe. If it cannot (no descriptor is left, say), the waiter looks by itself before long.
void ring(WaiterRecord& waiter, const WaiterTable& waiters, std::uint32_t number) noexcept;

/// The same by a descriptor of make(), uncounted.
void ring(int descriptor) noexcept;

/// Takes all bytes out.
void drain(int descriptor) noexcept;

} // namespace ZeroCP::wake_pipe
