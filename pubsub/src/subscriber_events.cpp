// SubscriberPort's QoS events: what the publishers' books say, and messages that come too late.
#include <algorithm>

#include "zerocp/core/monotonic_clock.hpp"
#include "zerocp/pubsub/subscriber_port.hpp"

namespace ZeroCP
{

namespace
{

/// The difference; nothing if a peer wrote nonsense.
std::uint64_t lessOf(std::uint64_t all, std::uint64_t before) noexcept
{
    return all - std::min(all, before);
}

} // namespace

/// What of one publisher is alive, and what it has lost since the pair was made.
struct SubscriberPort::Life
{
    std::uint64_t m_lost{0};
    std::uint64_t m_lostNs{0};
    std::uint64_t m_nextNs{std::numeric_limits<std::uint64_t>::max()};
    bool m_isAlive{false};
    bool m_isNotAlive{false}; ///< neither: it has left
};

void SubscriberPort::countLost(std::uint64_t count) noexcept
{
    if (count != 0)
    {
        m_missed += count;
        m_events.m_missedNs = monotonicNs();
        m_record->m_missed.store(m_missed, std::memory_order_relaxed); // a figure
    }
}

Deadlines SubscriberPort::deadlinesOf(const Connection& connection, std::uint64_t nowNs) const noexcept
{
    const PairHead& head = *connection.m_pair.m_head;
    const std::uint64_t endNs = head.m_endNs.load(std::memory_order_acquire);
    Deadlines deadlines = head.m_deadlines.at(endNs == 0 ? nowNs : endNs, m_events.m_deadlineNs);
    if (endNs != 0)
    {
        deadlines.m_nextNs = std::numeric_limits<std::uint64_t>::max();
    }
    return deadlines;
}

/// Of all publishers, also those that are gone.
Deadlines SubscriberPort::deadlinesAt(std::uint64_t nowNs) const noexcept
{
    Deadlines all{.m_count = m_events.m_deadlinesGone, .m_lastNs = m_events.m_deadlineGoneNs};
    if (m_events.m_deadlineNs == 0)
    {
        return all;
    }
    for (const Connection& connection : m_connections)
    {
        if (connection.m_used)
        {
            const Deadlines of = deadlinesOf(connection, nowNs);
            all.m_count += of.m_count;
            all.m_lastNs = std::max(all.m_lastNs, of.m_lastNs);
            all.m_nextNs = std::min(all.m_nextNs, of.m_nextNs);
        }
    }
    return all;
}

SubscriberPort::Life SubscriberPort::lifeOf(const Connection& connection, std::uint64_t nowNs) const noexcept
{
    const PairHead& head = *connection.m_pair.m_head;
    const std::uint64_t before = head.m_leasesBefore.load(std::memory_order_relaxed); // since the pair was made
    const std::uint64_t lease =
        connection.m_writer == nullptr ? 0 : connection.m_writer->m_leaseNs.load(std::memory_order_acquire);
    const Leases leases = lease == 0 ? Leases{} : connection.m_writer->m_leases.at(nowNs, lease);
    // [sync:gone] After the book, whose loads are acquire: its record may be another port's once the flag is set, and then the last figures
    // stand in the pair. Partner: recovery.
    const std::uint32_t state = m_view.pair(connection.m_record).m_state.load(std::memory_order_acquire);
    Life life;
    if ((state & PairRecord::PublisherGone) == 0)
    {
        life = {.m_lost = lessOf(leases.m_lost, before),
                .m_lostNs = leases.m_lostNs,
                .m_nextNs = leases.m_nextNs,
                .m_isAlive = !leases.m_isLost,
                .m_isNotAlive = leases.m_isLost};
    }
    else
    {
        life = {.m_lost = lessOf(head.m_leasesLost.load(std::memory_order_relaxed), before),
                .m_lostNs = head.m_leaseLostNs.load(std::memory_order_relaxed),
                .m_isNotAlive = (state & PairRecord::PublisherDied) != 0};
    }
    life.m_lostNs = life.m_lost == 0 ? 0 : life.m_lostNs; // the last one was before our time
    return life;
}

/// The changes are for who asks. `nextNs`: when a lease runs out.
LivelinessStatus SubscriberPort::livelinessAt(std::uint64_t nowNs, std::uint64_t& nextNs) const noexcept
{
    LivelinessStatus status{.notAlive = m_events.m_died, .lost = m_events.m_leasesGone};
    std::uint64_t lastNs = m_events.m_leaseGoneNs;
    nextNs = std::numeric_limits<std::uint64_t>::max();
    for (const Connection& connection : m_connections)
    {
        if (!connection.m_used)
        {
            continue;
        }
        const Life life = lifeOf(connection, nowNs);
        status.alive += life.m_isAlive ? 1U : 0U;
        status.notAlive += life.m_isNotAlive ? 1U : 0U;
        status.lost += life.m_lost;
        lastNs = std::max(lastNs, life.m_lostNs);
        nextNs = std::min(nextNs, life.m_nextNs);
    }
    status.lastNs = static_cast<std::int64_t>(lastNs);
    return status;
}

/// What a pair's books say goes into the sums, before its block may be another pair's.
void SubscriberPort::settleBooks(const Connection& connection) noexcept
{
    const std::uint64_t nowNs = monotonicNs();
    if (m_events.m_deadlineNs != 0)
    {
        const Deadlines deadlines = deadlinesOf(connection, nowNs);
        m_events.m_deadlinesGone += deadlines.m_count;
        m_events.m_deadlineGoneNs = std::max(m_events.m_deadlineGoneNs, deadlines.m_lastNs);
    }
    const Life life = lifeOf(connection, nowNs);
    m_events.m_leasesGone += life.m_lost;
    m_events.m_leaseGoneNs = std::max(m_events.m_leaseGoneNs, life.m_lostNs);
    m_events.m_died += life.m_isNotAlive ? 1U : 0U;
}

/// The one whose turn it is, then the others.
Expected<SubscriberPort::HeldChunk, TakeError> SubscriberPort::takeNext()
{
    const std::uint32_t index = m_next < m_connections.size() ? m_next : 0;
    std::uint64_t value = 0;
    if (!m_connections.empty() && m_connections[index].m_used && poll(m_connections[index], value))
    {
        m_next = index + 1 < m_connections.size() ? index + 1 : 0;
        return accept(index, value);
    }
    m_next = index; // the others, each once
    return takeRound();
}

/// takeOther() where messages may expire.
[[gnu::noinline]] Expected<SubscriberPort::HeldChunk, TakeError> SubscriberPort::takeFresh()
{
    const std::uint64_t startNs = monotonicNs();
    for (;;)
    {
        auto taken = takeNext();
        const std::uint64_t lifespan = taken ? m_connections[taken->m_connection].m_lifespanNs : 0;
        if (lifespan == 0)
        {
            return taken;
        }
        const std::uint64_t nowNs = monotonicNs();
        if (lessOf(nowNs, taken->m_header->m_publishTimeNs) <= lifespan)
        {
            return taken;
        }
        const bool isNewer = taken->m_header->m_publishTimeNs > startNs;
        release(*taken);
        ++m_events.m_expired;
        m_events.m_expiredNs = nowNs;
        if (isNewer)
        {
            // They expire faster than we can take them: no end in sight. Who waits for an edge needs another one.
            return m_arms ? armDescriptor() : Expected<HeldChunk, TakeError>(tl::unexpected(TakeError::NoData));
        }
    }
}

/// Meets who came and notices who went, as every take does. False in a forked child.
bool SubscriberPort::lookAround()
{
    if (!m_gate.adopt())
    {
        return false;
    }
    if (m_epochWord->load(std::memory_order_acquire) != m_epoch) // [sync:epoch]
    {
        onEpoch();
    }
    return true;
}

EventCount SubscriberPort::deadlineMissed()
{
    if (!lookAround())
    {
        return {};
    }
    const Deadlines deadlines = deadlinesAt(monotonicNs());
    return m_events.m_deadlinesRead.read(deadlines.m_count, deadlines.m_lastNs);
}

LivelinessStatus SubscriberPort::livelinessChanged()
{
    if (isForked())
    {
        return {};
    }
    m_domain->recoverDeadSoon(); // those who died are not alive
    static_cast<void>(lookAround());
    std::uint64_t nextNs = 0;
    LivelinessStatus status = livelinessAt(monotonicNs(), nextNs);
    LivelinessStatus& read = m_events.m_livelinessRead;
    status.aliveChange = static_cast<std::int64_t>(status.alive) - static_cast<std::int64_t>(read.alive);
    status.notAliveChange = static_cast<std::int64_t>(status.notAlive) - static_cast<std::int64_t>(read.notAlive);
    read = status;
    return status;
}

EventCount SubscriberPort::messageLost()
{
    if (!m_gate.adopt())
    {
        return {};
    }
    const std::uint64_t lost = missed();
    return m_events.m_missedRead.read(lost, m_events.m_missedNs);
}

EventCount SubscriberPort::expired()
{
    return m_gate.adopt() ? m_events.m_expiredRead.read(m_events.m_expired, m_events.m_expiredNs) : EventCount{};
}

std::uint32_t SubscriberPort::newEvents()
{
    if (!lookAround())
    {
        return 0;
    }
    const std::uint64_t nowNs = monotonicNs();
    std::uint64_t nextNs = 0;
    const LivelinessStatus status = livelinessAt(nowNs, nextNs);
    const LivelinessStatus& read = m_events.m_livelinessRead;
    const bool changed = status.alive != read.alive || status.notAlive != read.notAlive || status.lost != read.lost;
    return (m_events.m_deadlinesRead.isBehind(deadlinesAt(nowNs).m_count) ? bitOf(QosEvent::DeadlineMissed) : 0U) |
           (changed ? bitOf(QosEvent::LivelinessChanged) : 0U) |
           (m_events.m_missedRead.isBehind(missed()) ? bitOf(QosEvent::MessageLost) : 0U) |
           (m_events.m_expiredRead.isBehind(m_events.m_expired) ? bitOf(QosEvent::Expired) : 0U);
}

std::int64_t SubscriberPort::nextEventNs() const
{
    if (isForked())
    {
        return std::numeric_limits<std::int64_t>::max();
    }
    const std::uint64_t nowNs = monotonicNs();
    std::uint64_t nextNs = 0;
    static_cast<void>(livelinessAt(nowNs, nextNs));
    return detail::momentOf(std::min(nextNs, deadlinesAt(nowNs).m_nextNs));
}

bool SubscriberPort::readEvent(QosEventInfo& info)
{
    const std::uint32_t bits = newEvents();
    info.event = static_cast<QosEvent>(bits & (~bits + 1)); // the lowest
    switch (info.event)
    {
    case QosEvent::DeadlineMissed: info.count = deadlineMissed(); return true;
    case QosEvent::LivelinessChanged: info.liveliness = livelinessChanged(); return true;
    case QosEvent::MessageLost: info.count = messageLost(); return true;
    case QosEvent::Expired: info.count = expired(); return true;
    case QosEvent::LivelinessLost: break; // a publisher's
    }
    return false;
}

} // namespace ZeroCP
