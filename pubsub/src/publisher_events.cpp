// PublisherPort's QoS events: the books that it keeps for its subscribers and for itself.
#include <limits>

#include "zerocp/core/monotonic_clock.hpp"
#include "zerocp/pubsub/publisher_port.hpp"

namespace ZeroCP
{

/// Before the message is in any slot: who takes it finds the books as they are with it.
[[gnu::noinline]] void PublisherPort::keepBooks(std::uint64_t nowNs) noexcept
{
    m_books->noteMessage(nowNs);
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
    if (!m_books->hasLease() || !m_gate.adopt())
    {
        return;
    }
    const Busy busy(*this);
    if (m_books->noteAlive(monotonicNs()))
    {
        // [sync:sleep] After the book; the sleeper announces itself, runs a barrier on this core and then looks at it.
        std::atomic_signal_fence(std::memory_order_seq_cst);
        wakeReceivers();
    }
}

EventCount PublisherPort::deadlineMissed()
{
    return m_gate.adopt() ? m_events.deadlineMissed() : EventCount{}; // a forked child has none
}

EventCount PublisherPort::livelinessLost()
{
    return m_gate.adopt() ? m_events.livelinessLost() : EventCount{};
}

std::uint32_t PublisherPort::newEvents()
{
    return m_books->isEmpty() || !m_gate.adopt() ? 0 : m_events.newEvents();
}

std::int64_t PublisherPort::nextEventNs() const
{
    return isForked() ? std::numeric_limits<std::int64_t>::max() : m_events.nextEventNs();
}

} // namespace ZeroCP
