/// A service in an executor: its requests are handled as callbacks.
#pragma once

#include <memory>
#include <utility>

#include "zerocp/pubsub/service_port.hpp"
#include "zerocp/pubsub/task.hpp"

namespace ZeroCP
{

class ServiceTask final : public Task
{
  public:
    ServiceTask(std::shared_ptr<ServicePort> port, const CallbackGroup& group)
        : Task(group),
          m_port(std::move(port)),
          m_set(m_port->subscriberPort().poolSet()),
          m_watch(m_port->subscriberPort().record())
    {
    }

    void attach(const std::shared_ptr<Waiter>& waiter) override
    {
        m_port->attachTo(waiter == nullptr ? 0 : waiter->number());
    }
    void run(Reentry& reentry) override
    {
        static_cast<void>(m_port->runOne([&reentry] { reentry.open(); }));
    }
    [[nodiscard]] bool hasMore() override { return m_watch.found(m_port->work()); }
    [[nodiscard]] bool arm() override { return m_port->arm(m_watch); }
    [[nodiscard]] bool isDue(std::int64_t nowNs) const noexcept override { return m_watch.isDue(nowNs); }
    [[nodiscard]] std::int64_t nextNs() const noexcept override { return m_watch.nextNs(); }
    [[nodiscard]] bool dependsOnOthers() const noexcept override { return true; }

  protected:
    void release() noexcept override {} // the handle closes the port

  private:
    const std::shared_ptr<ServicePort> m_port;
    const std::shared_ptr<PoolSet> m_set; ///< keeps the record mapped, which the executor looks at to the end
    PortWatch m_watch;
};

} // namespace ZeroCP
