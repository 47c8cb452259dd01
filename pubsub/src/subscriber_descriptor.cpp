// SubscriberPort in an event loop: its file descriptor.
#include <algorithm>

#include "zerocp/pubsub/subscriber_port.hpp"

namespace ZeroCP
{

/// While it exists, a take that finds nothing does not arm the descriptor.
class SubscriberPort::WithoutArming
{
  public:
    explicit WithoutArming(SubscriberPort& port) noexcept : m_port(port) { m_port.m_arms = false; }
    WithoutArming(const WithoutArming&) = delete;
    WithoutArming& operator=(const WithoutArming&) = delete;
    ~WithoutArming() { m_port.m_arms = true; }

  private:
    SubscriberPort& m_port;
};

Expected<int, Error> SubscriberPort::descriptor()
{
    if (!m_gate.adopt())
    {
        return failure(ErrorCode::Forked, "topic '" + topic() +
                                              "': this subscriber was created before fork(); create a new node and "
                                              "subscriber in the child");
    }
    if (m_descriptor != nullptr)
    {
        return m_descriptor->number();
    }
    if (isAttached())
    {
        return failure(ErrorCode::ConfigInvalid,
                       "topic '" + topic() +
                           "': the subscriber is attached to a wait set; use WaitSet::fd(), or "
                           "detach it there first");
    }
    auto waiter = Waiter::create(m_domain);
    if (!waiter)
    {
        return tl::unexpected(waiter.error());
    }
    auto made = WakeDescriptor::create(*waiter);
    if (!made)
    {
        return tl::unexpected(made.error());
    }
    m_descriptor = std::move(*made);
    attachTo((*waiter)->number());
    m_arms = true;
    return m_descriptor->number();
}

/// take() has found nothing. What came meanwhile, or NoData, and then the descriptor is armed.
Expected<SubscriberPort::HeldChunk, TakeError> SubscriberPort::armDescriptor()
{
    const std::int64_t now = Waiter::now();
    if (notifier::isMarked(*m_record) && m_descriptor->isArmed(now))
    {
        return tl::unexpected(TakeError::NoData);
    }
    const WithoutArming look(*this);
    if (m_descriptor->isDue(now))
    {
        noticeRescue();
    }
    m_descriptor->disarm();
    const std::chrono::nanoseconds slice = notifier::announceSleep(*m_record);
    auto taken = takeAny(); // [sync:sleep] after the announcement
    // It may also have found so many expired ones that it gave up.
    if (taken || taken.error() != TakeError::NoData || hasNext())
    {
        notifier::stayAwake(*m_record);
        m_descriptor->ring(); // there may be more
        return taken;
    }
    m_descriptor->arm(now, std::min(now + slice.count(), nextEventNs()));
    return taken;
}

/// The slice is over: somebody may have died before it could wake us, perhaps between turning our word and writing.
void SubscriberPort::noticeRescue()
{
    m_domain->recoverDeadSoon();
    if (notifier::isWoken(*m_record) && !m_descriptor->isRung())
    {
        m_record->m_rescues.store(m_record->m_rescues.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    }
}

/// The last thing a Subscriber does with it; what is left of the port needs none.
void SubscriberPort::closeDescriptor() noexcept
{
    if (m_descriptor != nullptr)
    {
        m_arms = false;
        attachTo(0);
        notifier::stayAwake(*m_record);
        m_descriptor.reset();
    }
}

} // namespace ZeroCP
