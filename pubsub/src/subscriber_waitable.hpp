/// Private to the pubsub room: a subscriber's port in a wait set, for its messages or for its QoS events.
#pragma once

#include <memory>

#include "zerocp/pubsub/subscriber_port.hpp"
#include "zerocp/pubsub/waitable.hpp"

namespace ZeroCP
{

class SubscriberWaitable final : public Waitable
{
  public:
    using For = SubscriberPort::Interest;

    SubscriberWaitable(SubscriberPort& port, For what) : m_link(port.link()), m_for(what) {}

    bool attach(const std::shared_ptr<Waiter>& waiter) override
    {
        return m_link->m_port->attachFor(m_for, waiter->number());
    }
    void detach() noexcept override
    {
        if (m_link->m_port != nullptr)
        {
            m_link->m_port->detachFor(m_for);
        }
    }
    bool isGone() const noexcept override { return m_link->m_port == nullptr; }
    void mark() noexcept override { notifier::markAsleep(m_link->m_port->record()); }
    void unmark() noexcept override { notifier::stayAwake(m_link->m_port->record()); }
    bool isMarked() const noexcept override { return notifier::isMarked(m_link->m_port->record()); }
    bool poll() override
    {
        SubscriberPort& port = *m_link->m_port;
        return m_for == For::Messages ? port.hasNext() : port.newEvents() != 0;
    }
    std::int64_t nextNs() noexcept override
    {
        return m_for == For::Messages ? Waiter::kNever : m_link->m_port->nextEventNs();
    }

  private:
    std::shared_ptr<SubscriberPort::Link> m_link;
    const For m_for;
};

} // namespace ZeroCP
