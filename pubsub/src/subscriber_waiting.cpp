// SubscriberPort as one of many that a wait set or executor waits for.
#include "zerocp/pubsub/subscriber_port.hpp"

namespace ZeroCP
{

bool SubscriberPort::hasNext()
{
    if (!m_gate.adopt())
    {
        return false; // a forked child's
    }
    if (m_epochWord->load(std::memory_order_acquire) != m_fastEpoch) // [sync:epoch]
    {
        checkEpoch();
    }
    if (m_historiesPending != 0 && hasHistory())
    {
        return true;
    }
    for (Connection& connection : m_connections) // all of them: m_connectionCount is for the fast path of take()
    {
        std::uint64_t value = 0;
        if (connection.m_used && look<false>(connection, value))
        {
            return true;
        }
    }
    if (m_goneCount != 0)
    {
        forgetDrained();
    }
    return false;
}

PortWork SubscriberPort::work()
{
    if (!hasNext())
    {
        return PortWork::None;
    }
    return m_samples.out() < m_heldLimit || mayHoldMore() ? PortWork::Ready : PortWork::TooManyHeld;
}

/// Whether nextOfHistory() has something to take, or something that was overwritten meanwhile to count. What is exhausted
/// is closed, so that its queue can be looked at.
bool SubscriberPort::hasHistory() noexcept
{
    for (Connection& connection : m_connections)
    {
        if (!connection.m_used || !connection.m_historyPending)
        {
            continue;
        }
        const std::uint64_t join = connection.m_pair.m_head->m_join.load(std::memory_order_acquire); // [sync:join]
        const bool met = join != PairHead::kWantsToJoin && join != 0;
        if (!connection.m_pins.empty() || (met && connection.m_historyNext < join))
        {
            return true;
        }
        if (met)
        {
            closeHistory(connection);
        }
    }
    return false;
}

void SubscriberPort::attachTo(std::uint32_t waiter) noexcept
{
    if (!isForked()) // else it is the parent's
    {
        m_record->m_waiter.store(waiter, std::memory_order_relaxed); // ordered by the store in markAsleep()
    }
}

bool SubscriberPort::attachFor(Interest interest, std::uint32_t waiter) noexcept
{
    const auto bit = static_cast<std::uint32_t>(interest);
    const std::uint32_t attached = m_record->m_waiter.load(std::memory_order_relaxed);
    if (attached != 0 && (attached != waiter || m_interests == 0 || (m_interests & bit) != 0))
    {
        return false;
    }
    attachTo(waiter);
    m_interests |= bit;
    return true;
}

void SubscriberPort::detachFor(Interest interest) noexcept
{
    m_interests &= ~static_cast<std::uint32_t>(interest);
    if (m_interests == 0 && !isForked())
    {
        notifier::stayAwake(*m_record); // a wait set with a descriptor leaves it marked
        attachTo(0);
    }
}

std::shared_ptr<SubscriberPort::Link> SubscriberPort::link()
{
    if (m_link == nullptr)
    {
        m_link = std::make_shared<Link>(this);
    }
    return m_link;
}

} // namespace ZeroCP
