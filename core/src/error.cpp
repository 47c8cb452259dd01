#include "zerocp/core/error.hpp"

#include <cerrno>
#include <system_error>

namespace ZeroCP
{

std::string_view toString(ErrorCode code) noexcept
{
    switch (code)
    {
    case ErrorCode::InvalidName: return "InvalidName";
    case ErrorCode::TypeMismatch: return "TypeMismatch";
    case ErrorCode::IncompatibleQoS: return "IncompatibleQoS";
    case ErrorCode::LimitReached: return "LimitReached";
    case ErrorCode::NoSpace: return "NoSpace";
    case ErrorCode::PermissionDenied: return "PermissionDenied";
    case ErrorCode::VersionMismatch: return "VersionMismatch";
    case ErrorCode::ConfigInvalid: return "ConfigInvalid";
    case ErrorCode::Corrupt: return "Corrupt";
    case ErrorCode::Timeout: return "Timeout";
    case ErrorCode::SystemError: return "SystemError";
    case ErrorCode::Closed: return "Closed";
    case ErrorCode::Forked: return "Forked";
    }
    return "unknown ErrorCode";
}

namespace
{

ErrorCode codeFor(int errnoValue) noexcept
{
    switch (errnoValue)
    {
    case EACCES:
    case EPERM: return ErrorCode::PermissionDenied;
    case ENOSPC:
    case EDQUOT: return ErrorCode::NoSpace;
    default: return ErrorCode::SystemError;
    }
}

} // namespace

Error systemError(std::string_view object, std::string_view call, int errnoValue)
{
    std::string message(object);
    message.append(": ").append(call).append(" failed: ");
    message.append(std::generic_category().message(errnoValue)).append(" (errno ");
    message.append(std::to_string(errnoValue)).append(")");
    return Error(codeFor(errnoValue), std::move(message));
}

} // namespace ZeroCP
