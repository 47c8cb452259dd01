/// Something that happens every `period`: a callback of an executor, or a wait set that becomes ready. Move-only handle;
/// destroying it ends the timer.
///
/// The moments lie on a grid of CLOCK_MONOTONIC, so the period does not drift however late a callback is. Moments that pass
/// while the last one is still being handled are counted and left out.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include "zerocp/pubsub/task.hpp"
#include "zerocp/pubsub/timer_core.hpp"

namespace ZeroCP
{

class [[nodiscard]] Timer
{
  public:
    Timer() noexcept = default; ///< empty: never happens
    Timer(const Timer&) = delete;
    Timer& operator=(const Timer&) = delete;
    Timer(Timer&& other) noexcept = default;
    Timer& operator=(Timer&& other) noexcept
    {
        Timer old(std::move(other));
        std::swap(m_core, old.m_core);
        std::swap(m_task, old.m_task);
        return *this;
    }
    /// When it returns the callback does not run any more, unless it is the caller.
    ~Timer()
    {
        if (m_core != nullptr)
        {
            m_core->cancel();
        }
        if (m_task != nullptr)
        {
            m_task->close();
        }
    }

    /// No more moments until reset(). Any thread; a callback under way goes on.
    void cancel() noexcept
    {
        if (m_core != nullptr)
        {
            m_core->cancel();
        }
    }
    /// The next moment is one period from now, the others follow. Any thread.
    void reset() noexcept
    {
        if (m_core != nullptr)
        {
            m_core->reset();
        }
    }
    /// Any thread. Also true when empty.
    [[nodiscard]] bool isCancelled() const noexcept { return m_core == nullptr || m_core->nextNs() == Waiter::kNever; }
    /// Moments that were left out because they passed unhandled. Any thread.
    [[nodiscard]] std::uint64_t missed() const noexcept { return m_core == nullptr ? 0 : m_core->missed(); }
    [[nodiscard]] std::chrono::nanoseconds period() const noexcept
    {
        return m_core == nullptr ? std::chrono::nanoseconds(0) : m_core->period();
    }

  private:
    friend class Node;
    friend class WaitSet;

    explicit Timer(std::shared_ptr<TimerCore> core, std::shared_ptr<Task> task = nullptr) noexcept
        : m_core(std::move(core)), m_task(std::move(task))
    {
    }

    std::shared_ptr<TimerCore> m_core;
    std::shared_ptr<Task> m_task;
};

/// A timer's callback in an executor.
template <typename Callback>
class TimerTask final : public Task
{
  public:
    TimerTask(std::shared_ptr<TimerCore> core, Callback callback, const CallbackGroup& group)
        : Task(group), m_core(std::move(core)), m_callback(std::move(callback))
    {
    }

    void attach(const std::shared_ptr<Waiter>& waiter) override { m_core->link().set(waiter); }
    void run(Reentry& reentry) override
    {
        if (m_core->fire(Waiter::now()))
        {
            reentry.open();
            (*m_callback)();
        }
    }
    [[nodiscard]] bool hasMore() override { return isDue(Waiter::now()); }
    [[nodiscard]] bool arm() override { return false; }
    [[nodiscard]] bool isDue(std::int64_t nowNs) const noexcept override { return nowNs >= m_core->nextNs(); }
    [[nodiscard]] std::int64_t nextNs() const noexcept override { return m_core->nextNs(); }

  protected:
    void release() noexcept override
    {
        m_core->link().set(nullptr);
        m_callback.reset();
    }

  private:
    std::shared_ptr<TimerCore> m_core;
    std::optional<Callback> m_callback;
};

} // namespace ZeroCP
