/// A subscriber whose messages an executor gives to a callback. Move-only handle, without take() and wait(); destroying it
/// leaves the topic.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
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
    SubscriptionTask(SubscriberPort& port, const CallbackGroup& group)
        : Task(group),
          m_port(port),
          m_set(port.poolSet()),
          m_record(port.record()),
          m_watch(m_record),
          m_topic(port.topic())
    {
    }

    void attach(const std::shared_ptr<Waiter>& waiter) override
    {
        m_port.attachTo(waiter == nullptr ? 0 : waiter->number());
    }
    [[nodiscard]] bool hasMore() override { return m_watch.found(m_port.work()); }
    [[nodiscard]] bool arm() override
    {
        return m_watch.arm([this] { return m_port.work(); });
    }
    [[nodiscard]] bool isDue(std::int64_t nowNs) const noexcept override { return m_watch.isDue(nowNs); }
    [[nodiscard]] std::int64_t nextNs() const noexcept override { return m_watch.nextNs(); }
    [[nodiscard]] bool dependsOnOthers() const noexcept override { return true; }

    [[nodiscard]] const std::string& topic() const noexcept { return m_topic; }
    /// Any thread.
    [[nodiscard]] std::uint64_t missed() const noexcept { return m_record.m_missed.load(std::memory_order_relaxed); }

  private:
    SubscriberPort& m_port;               ///< until release()
    const std::shared_ptr<PoolSet> m_set; ///< keeps m_record mapped, which the executor looks at to the end
    PortRecord& m_record;
    PortWatch m_watch;
    const std::string m_topic;
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
