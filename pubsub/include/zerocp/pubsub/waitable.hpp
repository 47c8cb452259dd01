/// One thing that a wait set waits for: a subscriber, a timer, a user event, the graph. Used by the wait set's thread only.
#pragma once

#include <memory>

#include "zerocp/pubsub/waiter.hpp"

namespace ZeroCP
{

class Waitable
{
  public:
    Waitable() = default;
    Waitable(const Waitable&) = delete;
    Waitable& operator=(const Waitable&) = delete;
    virtual ~Waitable() = default;

    /// From now on it wakes `waiter`. False if it is attached elsewhere already.
    [[nodiscard]] virtual bool attach(const std::shared_ptr<Waiter>& waiter) = 0;
    virtual void detach() noexcept = 0;

    /// Whether its handle was destroyed. Then nothing else is called but detach().
    [[nodiscard]] virtual bool isGone() const noexcept { return false; }
    /// Before the last look ahead of a sleep, and after it.
    virtual void mark() noexcept {}
    virtual void unmark() noexcept {}
    /// Whether it is as mark() has left it.
    [[nodiscard]] virtual bool isMarked() const noexcept { return true; }
    /// Whether it is ready. Timers, user events and the graph are ready once for each time that something happened.
    [[nodiscard]] virtual bool poll() = 0;
    /// CLOCK_MONOTONIC nanoseconds at which it becomes ready by itself.
    [[nodiscard]] virtual std::int64_t nextNs() noexcept { return Waiter::kNever; }
};

} // namespace ZeroCP
