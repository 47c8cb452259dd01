/// The one door to the log. Control path only: process start, attach, peer lost, configuration rejected.
/// Any thread; may allocate and block; level from ZEROCP_LOG (trace, debug, info, warn, error, off; default warn).
#pragma once

#include <cstdint>
#include <string_view>

namespace ZeroCP
{

enum class LogLevel : std::uint8_t
{
    Debug,
    Info,
    Warn,
    Error,
};

void log(LogLevel level, std::string_view message) noexcept;

} // namespace ZeroCP
