/// Promises between parts of the library. A broken one means a bug here, not bad input, so the process stops.
/// Bytes from another process, a file or the command line are never checked with this: they are answered with an error.
#pragma once

namespace ZeroCP::detail
{

/// Prints file, line and text to stderr and calls abort(). Async-signal-safe.
[[noreturn]] void brokenContract(const char* condition, const char* text, const char* file, int line) noexcept;

} // namespace ZeroCP::detail

/// Checks what a caller of internal code promised. Stays on in release builds.
#define ZCP_EXPECTS(condition, text) \
    (static_cast<bool>(condition) ? static_cast<void>(0) \
                                  : ::ZeroCP::detail::brokenContract(#condition, text, __FILE__, __LINE__))
