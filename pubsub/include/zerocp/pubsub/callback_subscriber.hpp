/// A subscriber whose messages an executor gives to a callback. Move-only handle, without take() and wait(); destroying it
/// leaves the topic.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "zerocp/pubsub/port_watch.hpp"
#include "zerocp/pubsub/subscriber.hpp"
#include "zerocp/pubsub/task.hpp"

namespace ZeroCP
{

/// What handle and executor share of such a subscriber.
class SubscriptionTask : public Task
{
  public:
    using EventCallback = std::function<void(const QosEventInfo&)>;

    SubscriptionTask(SubscriberPort& port, const CallbackGroup& group)
        : Task(group),
          m_port(port),
          m_set(port.poolSet()),
          m_record(port.record()),
          m_watch(m_record),
          m_waiters(port.view().waiters()),
          m_topic(port.topic())
    {
    }

    void attach(const std::shared_ptr<Waiter>& waiter) override
    {
        m_port.attachTo(waiter == nullptr ? 0 : waiter->number());
    }
    [[nodiscard]] bool hasMore() override
    {
        const bool hasEvent = lookForEvents();
        return m_watch.found(m_port.work()) || hasEvent;
    }
    [[nodiscard]] bool arm() override
    {
        const bool ready = m_watch.arm([this] { return m_port.work(); });
        return lookForEvents() || ready;
    }
    [[nodiscard]] bool isDue(std::int64_t nowNs) const noexcept override
    {
        return m_watch.isDue(nowNs) || nowNs >= m_nextEventNs.load(std::memory_order_relaxed);
    }
    [[nodiscard]] std::int64_t nextNs() const noexcept override
    {
        return std::min(m_watch.nextNs(), m_nextEventNs.load(std::memory_order_relaxed));
    }
    [[nodiscard]] bool dependsOnOthers() const noexcept override { return true; }

    [[nodiscard]] const std::string& topic() const noexcept { return m_topic; }
    /// Any thread.
    [[nodiscard]] std::uint64_t missed() const noexcept { return m_record.m_missed.load(std::memory_order_relaxed); }

    /// From now on QoS events go to `callback`; an empty one: to nobody. Any thread.
    void onEvent(EventCallback callback)
    {
        {
            const std::lock_guard guard(m_eventMutex);
            m_onEvent = callback ? std::make_shared<const EventCallback>(std::move(callback)) : nullptr;
        }
        notifier::wakeIfAsleep(m_record, m_waiters); // so that the executor looks for the next moment of one
    }

  protected:
    /// Tells one event, if there is one and a message has had its turn since the last.
    [[nodiscard]] bool tellEvent(Reentry& reentry)
    {
        QosEventInfo info;
        const std::shared_ptr<const EventCallback> callback = eventCallback();
        const bool told = callback != nullptr && !m_isMessagesTurn && m_port.readEvent(info);
        m_isMessagesTurn = told;
        if (told)
        {
            reentry.open(); // from here on the task may be another thread's
            (*callback)(info);
        }
        return told;
    }
    void forgetEvents() noexcept
    {
        const std::lock_guard guard(m_eventMutex);
        m_onEvent = nullptr;
    }

  private:
    [[nodiscard]] std::shared_ptr<const EventCallback> eventCallback() const
    {
        const std::lock_guard guard(m_eventMutex);
        return m_onEvent;
    }
    /// Whether there is one to tell, and when there may be the next.
    [[nodiscard]] bool lookForEvents()
    {
        const bool wanted = eventCallback() != nullptr;
        // Relaxed: written by the thread that has the task, read by who looks for due tasks after it went Idle.
        m_nextEventNs.store(wanted ? m_port.nextEventNs() : Waiter::kNever, std::memory_order_relaxed);
        return wanted && m_port.newEvents() != 0;
    }

    SubscriberPort& m_port;               ///< until release()
    const std::shared_ptr<PoolSet> m_set; ///< keeps m_record mapped, which the executor looks at to the end
    PortRecord& m_record;
    PortWatch m_watch;
    const WaiterTable m_waiters;
    const std::string m_topic;
    mutable std::mutex m_eventMutex;
    std::shared_ptr<const EventCallback> m_onEvent;
    std::atomic<std::int64_t> m_nextEventNs{Waiter::kNever};
    bool m_isMessagesTurn{false}; ///< Running only
};

template <typename Message, typename Callback>
class MessageTask final : public SubscriptionTask
{
  public:
    MessageTask(Subscriber<Message> subscriber, SubscriberPort& port, Callback callback, const CallbackGroup& group)
        : SubscriptionTask(port, group), m_subscriber(std::move(subscriber)), m_callback(std::move(callback))
    {
    }

    void run(Reentry& reentry) override
    {
        if (tellEvent(reentry))
        {
            return;
        }
        if (auto sample = m_subscriber.take())
        {
            reentry.open();
            (*m_callback)(std::move(*sample));
        }
    }

  protected:
    void release() noexcept override
    {
        m_subscriber = {};
        m_callback.reset();
        forgetEvents();
    }

  private:
    Subscriber<Message> m_subscriber;
    std::optional<Callback> m_callback;
};

template <typename Message>
class [[nodiscard]] CallbackSubscriber
{
  public:
    CallbackSubscriber() noexcept = default; ///< empty
    CallbackSubscriber(const CallbackSubscriber&) = delete;
    CallbackSubscriber& operator=(const CallbackSubscriber&) = delete;
    CallbackSubscriber(CallbackSubscriber&& other) noexcept = default;
    CallbackSubscriber& operator=(CallbackSubscriber&& other) noexcept
    {
        CallbackSubscriber old(std::move(other));
        std::swap(m_task, old.m_task);
        return *this;
    }
    /// When it returns the callback does not run any more, unless it is the caller. Control call.
    ~CallbackSubscriber()
    {
        if (m_task != nullptr)
        {
            m_task->close();
        }
    }

    /// QoS events go to `callback(const QosEventInfo&)` from now on, in the same group as messages and in turn with them: a
    /// missed deadline, a publisher that comes, leaves, dies or lets its lease run out, lost or expired messages. An empty
    /// function: to nobody. Must not throw; may destroy this handle. Any thread.
    void onEvent(SubscriptionTask::EventCallback callback)
    {
        if (m_task != nullptr)
        {
            m_task->onEvent(std::move(callback));
        }
    }

    /// As Subscriber::missed(), as far as the executor has come. Any thread.
    [[nodiscard]] std::uint64_t missed() const noexcept { return m_task == nullptr ? 0 : m_task->missed(); }
    /// Normalised; empty when empty.
    [[nodiscard]] std::string topic() const { return m_task == nullptr ? std::string() : m_task->topic(); }

  private:
    friend class Node;

    explicit CallbackSubscriber(std::shared_ptr<SubscriptionTask> task) noexcept : m_task(std::move(task)) {}

    std::shared_ptr<SubscriptionTask> m_task;
};

} // namespace ZeroCP
