/// Tells a publisher's QoS events to a callback in the node's executor: deadlines it has missed, leases it has lost. Move-only
/// handle; destroying it ends that. The publisher may be used on any other thread, and may go first.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <utility>

#include "zerocp/pubsub/publisher_books.hpp"
#include "zerocp/pubsub/task.hpp"

namespace ZeroCP
{

template <typename Callback>
class PublisherEventTask final : public Task
{
  public:
    PublisherEventTask(std::shared_ptr<const PublisherBooks> books, Callback callback, const CallbackGroup& group)
        : Task(group), m_reader(std::move(books)), m_callback(std::move(callback))
    {
    }

    void attach(const std::shared_ptr<Waiter>&) override {} // these events come by the clock
    void run(Reentry& reentry) override
    {
        const std::uint32_t bits = m_reader.newEvents();
        if (bits == 0)
        {
            return;
        }
        const bool deadline = (bits & bitOf(QosEvent::DeadlineMissed)) != 0;
        const QosEventInfo info{.event = deadline ? QosEvent::DeadlineMissed : QosEvent::LivelinessLost,
                                .count = deadline ? m_reader.deadlineMissed() : m_reader.livelinessLost()};
        if (m_reader.books().isClosed())
        {
            return; // what was read may be another port's
        }
        reentry.open();
        (*m_callback)(info);
    }
    [[nodiscard]] bool hasMore() override
    {
        // Messages only move the moment away, and say nothing to us. While there is none, before the first message or after
        // a lost lease, we look now and then.
        const bool never = m_reader.books().isEmpty() || m_reader.books().isClosed();
        const std::int64_t next = m_reader.nextEventNs();
        // Relaxed: written by the thread that has the task, read by who looks for due tasks after it went Idle.
        m_nextNs.store(never || next != Waiter::kNever ? next : Waiter::after(kLook), std::memory_order_relaxed);
        return m_reader.newEvents() != 0;
    }
    [[nodiscard]] bool arm() override { return false; }
    [[nodiscard]] bool isDue(std::int64_t nowNs) const noexcept override { return nowNs >= nextNs(); }
    [[nodiscard]] std::int64_t nextNs() const noexcept override { return m_nextNs.load(std::memory_order_relaxed); }

  protected:
    void release() noexcept override { m_callback.reset(); }

  private:
    static constexpr std::chrono::milliseconds kLook{50};

    PublisherBookReader m_reader;
    std::optional<Callback> m_callback;
    std::atomic<std::int64_t> m_nextNs{Waiter::kNever};
};

class [[nodiscard]] EventHandler
{
  public:
    EventHandler() noexcept = default; ///< empty
    EventHandler(const EventHandler&) = delete;
    EventHandler& operator=(const EventHandler&) = delete;
    EventHandler(EventHandler&& other) noexcept = default;
    EventHandler& operator=(EventHandler&& other) noexcept
    {
        EventHandler old(std::move(other));
        std::swap(m_task, old.m_task);
        return *this;
    }
    /// When it returns the callback does not run any more, unless it is the caller.
    ~EventHandler()
    {
        if (m_task != nullptr)
        {
            m_task->close();
        }
    }

  private:
    friend class Node;

    explicit EventHandler(std::shared_ptr<Task> task) noexcept : m_task(std::move(task)) {}

    std::shared_ptr<Task> m_task;
};

} // namespace ZeroCP
