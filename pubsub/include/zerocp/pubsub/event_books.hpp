/// A subscriber port's own part in its QoS events: what it has asked for, sums over those who are gone, and what its handle
/// has read. The port's owner thread.
#pragma once

#include <cstddef>
#include <cstdint>

#include "zerocp/pubsub/qos_events.hpp"

namespace ZeroCP
{

struct SubscriberEvents
{
    std::uint64_t m_deadlineNs{0}; ///< asked for; 0: none
    // Of publishers that are gone and whose queue is empty.
    std::uint64_t m_deadlinesGone{0};
    std::uint64_t m_deadlineGoneNs{0};
    std::uint64_t m_leasesGone{0};
    std::uint64_t m_leaseGoneNs{0};
    std::size_t m_died{0};
    std::uint64_t m_missedNs{0}; ///< when a loss was last noticed
    std::uint64_t m_expired{0};
    std::uint64_t m_expiredNs{0};
    detail::EventCursor m_deadlinesRead;
    detail::EventCursor m_missedRead;
    detail::EventCursor m_expiredRead;
    LivelinessStatus m_livelinessRead;
};

} // namespace ZeroCP
