/// Private to the pubsub room: a subscriber's port in a wait set.
#pragma once

#include <memory>

#include "zerocp/pubsub/subscriber_port.hpp"
#include "zerocp/pubsub/waitable.hpp"

namespace ZeroCP
{

class SubscriberWaitable final : public Waitable
{
  public:
    explicit SubscriberWaitable(SubscriberPort& port) : m_link(port.link()) {}

    bool attach(const std::shared_ptr<Waiter>& waiter) override
    {
        if (m_link->m_port->isAttached())
        {
            return false;
        }
        m_link->m_port->attachTo(waiter->number());
        return true;
    }
    void detach() noexcept override
    {
        if (m_link->m_port != nullptr)
        {
            m_link->m_port->attachTo(0);
        }
    }
    bool isGone() const noexcept override { return m_link->m_port == nullptr; }
    void mark() noexcept override { notifier::markAsleep(m_link->m_port->record()); }
    void unmark() noexcept override { notifier::stayAwake(m_link->m_port->record()); }
    bool poll() override { return m_link->m_port->hasNext(); }

  private:
    std::shared_ptr<SubscriberPort::Link> m_link;
};

} // namespace ZeroCP
