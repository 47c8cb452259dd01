/// What a control call answers when it cannot do what was asked: a code for programs, a sentence for people.
/// Process-local value; copied freely; never lives in shared memory.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include <tl/expected.hpp>

namespace ZeroCP
{

/// Why a control call failed. Ordered by who can mend it: the caller, the administrator, nobody.
enum class ErrorCode : std::uint8_t
{
    InvalidName,      ///< a topic, node or segment name breaks the naming rules
    TypeMismatch,     ///< the topic already carries another message type
    IncompatibleQoS,  ///< publisher and subscriber can never match
    LimitReached,     ///< a configured limit is used up; the message names its key
    NoSpace,          ///< the file system has less free space than was needed
    PermissionDenied, ///< a segment belongs to somebody else or its mode forbids the access
    VersionMismatch,  ///< a segment was written by a build with another layout
    ConfigInvalid,    ///< a configuration value cannot be used
    Corrupt,          ///< shared memory holds a value that no healthy process writes
    Timeout,          ///< the call waited as long as it was allowed to
    SystemError,      ///< the operating system refused; the message has call and errno
    Closed,           ///< the handle was moved from or its node is gone
    Forked,           ///< the handle was created before fork() and is used in the child
};

[[nodiscard]] std::string_view toString(ErrorCode code) noexcept;

/// An error of the control path. message() is a full sentence: object, numbers, way out.
class [[nodiscard]] Error
{
  public:
    Error(ErrorCode code, std::string message) : m_code(code), m_message(std::move(message)) {}

    [[nodiscard]] ErrorCode code() const noexcept { return m_code; }
    [[nodiscard]] const std::string& message() const noexcept { return m_message; }

  private:
    ErrorCode m_code;
    std::string m_message;
};

template <typename Value, typename Failure>
using Expected = tl::expected<Value, Failure>;

[[nodiscard]] inline tl::unexpected<Error> failure(ErrorCode code, std::string message)
{
    return tl::unexpected<Error>(Error(code, std::move(message)));
}

/// The error of a failed POSIX call: which object, which call, errno with its text.
/// EACCES and EPERM become PermissionDenied, ENOSPC and EDQUOT NoSpace, everything else SystemError.
[[nodiscard]] Error systemError(std::string_view object, std::string_view call, int errnoValue);

} // namespace ZeroCP
