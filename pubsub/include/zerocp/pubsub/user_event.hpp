/// Something that the application itself announces to a wait set or executor: a key was pressed, a job is done, stop.
/// A handle; copies mean the same event.
#pragma once

#include <atomic>
#include <memory>

#include "zerocp/pubsub/wake_link.hpp"

namespace ZeroCP
{

class UserEvent
{
  public:
    UserEvent() : m_core(std::make_shared<Core>()) {}

    /// Any thread; async-signal-safe; a system call only if somebody sleeps. Triggers before somebody looks count as one.
    void trigger() const noexcept
    {
        // [sync:user-event] Release: what the caller did before is visible to whoever the event makes ready.
        m_core->m_triggered.store(true, std::memory_order_release);
        m_core->m_link.wake();
    }

  private:
    friend class WaitSet;

    struct Core
    {
        std::atomic<bool> m_triggered{false};
        WakeLink m_link;
    };

    std::shared_ptr<Core> m_core;
};

} // namespace ZeroCP
