#include "zerocp/pubsub/call_error.hpp"

namespace ZeroCP
{

std::string_view toString(CallError error) noexcept
{
    switch (error)
    {
    case CallError::NoServer: return "NoServer";
    case CallError::TooManyCalls: return "TooManyCalls";
    case CallError::NoChunk: return "NoChunk";
    case CallError::Timeout: return "Timeout";
    case CallError::ServerGone: return "ServerGone";
    case CallError::NoAnswer: return "NoAnswer";
    case CallError::Closed: return "Closed";
    case CallError::Forked: return "Forked";
    }
    return "unknown CallError";
}

} // namespace ZeroCP
