/// Why a call to a service has no answer. Ordered by how the caller should react.
#pragma once

#include <cstdint>
#include <string_view>

namespace ZeroCP
{

enum class CallError : std::uint8_t
{
    NoServer,     ///< nobody offers the service now: Client::waitForService(); nothing was sent
    TooManyCalls, ///< every server has ClientOptions::depth calls of this client; calls given up count until their late
                  ///< answer has come or the server is gone. Nothing was sent
    NoChunk,      ///< the request's loan failed, or belongs to another client; nothing was sent
    Timeout,      ///< no answer in time; the server may still do what was asked
    ServerGone,   ///< the server died or its Service was destroyed before it answered; it may have done what was asked
    NoAnswer,     ///< the server dropped the call without an answer
    Closed,       ///< the client was moved from or destroyed
    Forked,       ///< the client was created before fork()
};

[[nodiscard]] std::string_view toString(CallError error) noexcept;

} // namespace ZeroCP
