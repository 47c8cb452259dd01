#include "zerocp/pubsub/qos_events.hpp"

namespace ZeroCP
{

std::string_view toString(QosEvent event) noexcept
{
    switch (event)
    {
    case QosEvent::DeadlineMissed: return "DeadlineMissed";
    case QosEvent::LivelinessLost: return "LivelinessLost";
    case QosEvent::LivelinessChanged: return "LivelinessChanged";
    case QosEvent::MessageLost: return "MessageLost";
    case QosEvent::Expired: return "Expired";
    }
    return "unknown QosEvent";
}

} // namespace ZeroCP
