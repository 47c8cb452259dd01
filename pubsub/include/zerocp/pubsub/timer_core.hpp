/// The state of a timer: a grid of moments, start + k x period, on CLOCK_MONOTONIC. Shared by the handle and by whoever
/// waits for it; any thread.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

#include "zerocp/pubsub/wake_link.hpp"

namespace ZeroCP
{

class TimerCore
{
  public:
    /// `period` is at least 1 ns.
    explicit TimerCore(std::chrono::nanoseconds period) noexcept
        : m_period(period.count()), m_next(Waiter::now() + period.count())
    {
    }

    /// Whether a moment of the grid has come; then the next one is the first after `now`, and those in between are counted
    /// as missed. Of several threads that ask at once one gets true.
    [[nodiscard]] bool fire(std::int64_t now) noexcept
    {
        std::int64_t next = m_next.load(std::memory_order_relaxed);
        do
        {
            if (now < next)
            {
                return false;
            }
        } while (!m_next.compare_exchange_weak(next, next + ((now - next) / m_period + 1) * m_period,
                                               std::memory_order_relaxed)); // the word carries no other data
        m_missed.fetch_add(static_cast<std::uint64_t>((now - next) / m_period), std::memory_order_relaxed);
        return true;
    }

    /// CLOCK_MONOTONIC nanoseconds; kNever when cancelled.
    [[nodiscard]] std::int64_t nextNs() const noexcept { return m_next.load(std::memory_order_relaxed); }
    [[nodiscard]] std::uint64_t missed() const noexcept { return m_missed.load(std::memory_order_relaxed); }
    [[nodiscard]] std::chrono::nanoseconds period() const noexcept { return std::chrono::nanoseconds(m_period); }

    void cancel() noexcept { m_next.store(Waiter::kNever, std::memory_order_relaxed); }
    /// A new grid: the next moment is one period from now.
    void reset() noexcept
    {
        m_next.store(Waiter::now() + m_period, std::memory_order_relaxed);
        m_link.wake(); // who sleeps may sleep for too long
    }

    [[nodiscard]] WakeLink& link() noexcept { return m_link; }

  private:
    const std::int64_t m_period;
    std::atomic<std::int64_t> m_next;
    std::atomic<std::uint64_t> m_missed{0};
    WakeLink m_link;
};

} // namespace ZeroCP
