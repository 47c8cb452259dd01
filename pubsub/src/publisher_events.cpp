// PublisherPort's QoS events: the books that it keeps for its subscribers and for itself.
#include <algorithm>

#include "zerocp/core/monotonic_clock.hpp"
#include "zerocp/pubsub/publisher_port.hpp"

namespace ZeroCP
{

/// Before the message is in any slot: who takes it finds the books as they are with it.
[[gnu::noinline]] void PublisherPort::keepBooks(std::uint64_t nowNs) noexcept
{
    if (m_events.m_deadlineNs != 0)
    {
        m_events.m_deadlines.note(nowNs, m_events.m_deadlineNs);
    }
    if (m_events.m_leaseNs != 0)
    {
        static_cast<void>(m_record->m_leases.note(nowNs, m_events.m_leaseNs));
    }
    for (const Connection& connection : m_connections)
    {
        if (const std::uint64_t periodNs = connection.periodNs(); periodNs != 0) // once: a peer may write there
        {
            connection.m_pair.m_head->m_deadlines.note(nowNs, periodNs);
        }
    }
}

void PublisherPort::assertLiveliness() noexcept
{
    if (m_events.m_leaseNs == 0 || !m_gate.adopt())
    {
        return;
    }
    const Busy busy(*this);
    if (m_record->m_leases.note(monotonicNs(), m_events.m_leaseNs))
    {
        // [sync:sleep] After the book; the sleeper announces itself, runs a barrier on this core and then looks at it.
        std::atomic_signal_fence(std::memory_order_seq_cst);
        wakeReceivers();
    }
}

Deadlines PublisherPort::deadlinesAt(std::uint64_t nowNs) const noexcept
{
    return m_events.m_deadlineNs == 0 ? Deadlines{} : m_events.m_deadlines.at(nowNs, m_events.m_deadlineNs);
}

Leases PublisherPort::leasesAt(std::uint64_t nowNs) const noexcept
{
    return m_events.m_leaseNs == 0 ? Leases{} : m_record->m_leases.at(nowNs, m_events.m_leaseNs);
}

EventCount PublisherPort::deadlineMissed()
{
    if (!m_gate.adopt())
    {
        return {}; // a forked child's
    }
    const Deadlines deadlines = deadlinesAt(monotonicNs());
    return m_events.m_deadlinesRead.read(deadlines.m_count, deadlines.m_lastNs);
}

EventCount PublisherPort::livelinessLost()
{
    if (!m_gate.adopt())
    {
        return {}; // a forked child's
    }
    const Leases leases = leasesAt(monotonicNs());
    return m_events.m_leasesRead.read(leases.m_lost, leases.m_lostNs);
}

std::uint32_t PublisherPort::newEvents()
{
    if ((m_events.m_deadlineNs == 0 && m_events.m_leaseNs == 0) || !m_gate.adopt())
    {
        return 0;
    }
    const std::uint64_t nowNs = monotonicNs();
    return (m_events.m_deadlinesRead.isBehind(deadlinesAt(nowNs).m_count) ? bitOf(QosEvent::DeadlineMissed) : 0U) |
           (m_events.m_leasesRead.isBehind(leasesAt(nowNs).m_lost) ? bitOf(QosEvent::LivelinessLost) : 0U);
}

std::int64_t PublisherPort::nextEventNs() const
{
    if ((m_events.m_deadlineNs == 0 && m_events.m_leaseNs == 0) || isForked())
    {
        return std::numeric_limits<std::int64_t>::max();
    }
    const std::uint64_t nowNs = monotonicNs();
    return detail::momentOf(std::min(deadlinesAt(nowNs).m_nextNs, leasesAt(nowNs).m_nextNs));
}

} // namespace ZeroCP
