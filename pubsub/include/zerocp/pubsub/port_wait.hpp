/// Waiting for a subscriber port that several threads use under one mutex. One of them sleeps on the port's futex word;
/// the others wait for that one, since the word has room for one sleeper, and take its place when it leaves.
///
/// When the port is attached to an executor, the executor is woken for it. Then nobody sleeps on the word: who waits is told
/// by whoever settles something, the executor's thread for one, and looks himself every kBesideExecutor, since the executor
/// may not be spinning, or be waiting for the very caller.
#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>

#include "zerocp/core/notifier.hpp"
#include "zerocp/pubsub/subscriber_port.hpp"

namespace ZeroCP
{

class PortWait
{
  public:
    static constexpr std::chrono::milliseconds kBesideExecutor{1};

    explicit PortWait(SubscriberPort& port) noexcept
        : m_port(&port), m_record(&port.record()), m_waiters(port.view().waiters())
    {
    }

    /// From now on publishers wake waiter number `waiter` for the port, 0: who sleeps here. Under the lock, which it gives up
    /// until nobody sleeps on the word any more: he would be woken by nobody, and take away what an executor announces.
    void attachTo(std::uint32_t waiter, std::unique_lock<std::mutex>& lock)
    {
        m_port->attachTo(waiter);
        notifier::wakeIfAsleep(*m_record);
        m_changed.notify_all();
        m_changed.wait(lock, [this] { return !m_hasSleeper; });
    }

    /// Until a message comes, wakeAll() or `longest` has passed; returns early without reason. `look` is called under the
    /// lock after the announcement, and says whether there is anything to do already.
    template <typename Look>
    void sleep(std::unique_lock<std::mutex>& lock, std::chrono::nanoseconds longest, const Look& look)
    {
        if (m_hasSleeper || m_port->isAttached())
        {
            const std::chrono::nanoseconds most =
                m_hasSleeper ? std::chrono::nanoseconds(notifier::kSlice) : std::chrono::nanoseconds(kBesideExecutor);
            m_changed.wait_for(lock, std::min(longest, most));
            return;
        }
        m_hasSleeper = true;
        const std::chrono::nanoseconds slice = std::min(notifier::announceSleep(*m_record), longest); // about 1 us
        if (look()) // [sync:sleep] after the announcement
        {
            notifier::stayAwake(*m_record);
        }
        else
        {
            lock.unlock();
            static_cast<void>(notifier::sleep(*m_record, slice));
            lock.lock();
        }
        m_hasSleeper = false;
        m_changed.notify_all(); // somebody else sleeps on the port now
    }

    /// Whether a thread is inside sleep() for the port itself, which must not end meanwhile. Under the lock.
    [[nodiscard]] bool hasSleeper() const noexcept { return m_hasSleeper; }

    /// Under the lock, before the port is closed, after what the sleepers wait for: one that has not looked yet will see it.
    /// Wakes whoever sleeps on the port, also an executor.
    void wakeAll() noexcept
    {
        notifier::wakeIfAsleep(*m_record, m_waiters);
        m_changed.notify_all();
    }

  private:
    SubscriberPort* m_port; ///< until it is closed
    PortRecord* m_record;
    WaiterTable m_waiters;
    bool m_hasSleeper{false};
    std::condition_variable m_changed;
};

/// CLOCK_MONOTONIC, as services count.
[[nodiscard]] inline std::int64_t steadyNowNs() noexcept
{
    const auto now = std::chrono::steady_clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::nanoseconds>(now).count();
}

/// `timeout` from now; for ever if it is negative or huge.
[[nodiscard]] inline std::int64_t deadlineNs(std::chrono::nanoseconds timeout) noexcept
{
    const std::int64_t now = steadyNowNs();
    const bool forEver = timeout.count() < 0 || timeout.count() > INT64_MAX - now;
    return forEver ? INT64_MAX : now + timeout.count();
}

} // namespace ZeroCP
