/// What an event loop waits for with epoll or poll instead of calling wait(): an epoll descriptor that holds the FIFO of a
/// waiter (wake_pipe.hpp) and a timer. Readable says that there may be something; armed, that it will become readable when
/// there is. It is always one of both. Used by the one thread that takes; ends with its subscriber or wait set.
///
/// [sync:sleep] Who finds nothing arms it, in this order:
///
///   disarm()        empties the FIFO. What the bytes were written for stands in the queues already.
///   mark, barrier   from now on a publisher that has something turns the port's word, and then writes
///   look            what came before that. If there is something: ring(), so that it stays readable
///   arm()           the timer: nobody sleeps longer than a slice, since who wakes may die before he writes
#pragma once

#include <cstdint>
#include <memory>

#include "zerocp/core/error.hpp"
#include "zerocp/pubsub/waiter.hpp"

namespace ZeroCP
{

class WakeDescriptor
{
  public:
    /// Readable at first. Control call: NoSpace, PermissionDenied, SystemError (no descriptors left), Timeout, Forked.
    [[nodiscard]] static Expected<std::unique_ptr<WakeDescriptor>, Error> create(std::shared_ptr<Waiter> waiter);

    WakeDescriptor(const WakeDescriptor&) = delete;
    WakeDescriptor& operator=(const WakeDescriptor&) = delete;
    ~WakeDescriptor();

    /// For the event loop.
    [[nodiscard]] int number() const noexcept { return m_epoll; }
    [[nodiscard]] const Waiter& waiter() const noexcept { return *m_waiter; }

    /// Whether it is armed and nothing has rung since. No system call; but every 64th time the answer is no, in case
    /// somebody has written and not yet, or never, said so.
    [[nodiscard]] bool isArmed(std::int64_t nowNs) noexcept;
    /// Whether the timer has run out.
    [[nodiscard]] bool isDue(std::int64_t nowNs) const noexcept { return nowNs >= m_untilNs; }
    /// Whether somebody has written since the last disarm().
    [[nodiscard]] bool isRung() const noexcept { return m_waiter->rung() != m_rungSeen; }

    void disarm() noexcept;
    /// It becomes readable at `untilNs` (CLOCK_MONOTONIC) at the latest.
    void arm(std::int64_t nowNs, std::int64_t untilNs) noexcept;
    /// Readable, until the next disarm().
    void ring() noexcept;

  private:
    WakeDescriptor(std::shared_ptr<Waiter> waiter, int pipe) noexcept : m_waiter(std::move(waiter)), m_pipe(pipe) {}
    [[nodiscard]] Expected<void, Error> open();

    std::shared_ptr<Waiter> m_waiter;
    int m_pipe;
    int m_timer{-1};
    int m_epoll{-1};
    std::int64_t m_untilNs{0}; ///< what the timer is set to
    std::uint32_t m_rungSeen{0};
    std::uint32_t m_trusted{0}; ///< times that isArmed() was true since the last disarm()
    bool m_isArmed{false};
};

} // namespace ZeroCP
