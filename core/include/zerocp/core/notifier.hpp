/// Sleeping until a publisher has something, and waking who sleeps. One futex word per subscriber port, in the
/// management segment (PortRecord::m_sleep):
///
///   Awake -> Asleep     the waiter, before it looks at its queues for the last time
///   Asleep -> Woken     the one publisher that then makes the system call
///   any -> Awake        the waiter, when it goes on
///
/// [sync:sleep] The publisher stores a slot and then reads the word; the waiter stores the word and then reads the
/// slots. Each must see the other's store, which needs a store-load barrier on both sides. Waiting is rare and publishing
/// is not, so the waiter pays for both: sys_membarrier runs a barrier on every core that executes a registered process.
/// A process that could not register fences in publish; a waiter without membarrier sleeps in slices of kFallbackSlice.
///
/// A port that is attached to a wait set or executor does not sleep itself: its word is Asleep all the same, and who turns
/// it to Woken wakes the waiter's row (waiter_record.hpp), which sleeps for all its ports. So the waiter finds by the
/// words of its ports who has something. If somebody waits for the row with a file descriptor, who wakes it also writes to
/// its FIFO (wake_pipe.hpp).
///
/// A publisher killed between its exchange and its system call leaves a waiter asleep with data: therefore nobody
/// sleeps longer than kSlice without looking again. Such a rescue is counted (PortRecord::m_rescues).
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

#include "zerocp/core/port_record.hpp"
#include "zerocp/core/waiter_record.hpp"

namespace ZeroCP::notifier
{

enum class Sleep : std::uint32_t
{
    Awake,
    Asleep,
    Woken,
};

inline constexpr std::chrono::milliseconds kSlice{500};
inline constexpr std::chrono::milliseconds kFallbackSlice{1};

/// What no epoch ever is: a port for which this is the latest looks again each time, after a fence.
inline constexpr std::uint64_t kNeverAnEpoch = ~0ULL;

/// Registers this process for barriers on behalf of others; once per process, later calls are free. False if the kernel
/// has no sys_membarrier or forbids it: then publish fences.
bool registerProcess() noexcept;

/// A barrier on every running thread of every registered process, and in the caller. False if the kernel refused; the
/// caller has fenced itself all the same. About 1 us.
bool barrierEverywhere() noexcept;

/// Makes the system call that wakes who sleeps for `port`, if it is still asleep. Slow path of wakeIfAsleep().
void wake(PortRecord& port, const WaiterTable& waiters) noexcept;

/// After the last slot store of a publish. One load of a line that is written only by those who sleep.
inline void wakeIfAsleep(PortRecord& port, const WaiterTable& waiters = {}) noexcept
{
    // [sync:sleep] Relaxed: ordered after the slot stores by the barrier that the waiter runs on this core, or by the
    // caller's own fence in a process that is not registered.
    if (port.m_sleep.load(std::memory_order_relaxed) == static_cast<std::uint32_t>(Sleep::Asleep)) [[unlikely]]
    {
        wake(port, waiters);
    }
}

/// Announces that the caller is about to sleep. After it, the caller looks at its queues once more and then calls
/// either sleep() or stayAwake(). The value to pass to sleep() as longest slice is returned.
[[nodiscard]] std::chrono::nanoseconds announceSleep(PortRecord& port) noexcept;

/// The two halves of announceSleep(), for a waiter with many ports: marks one, and after all are marked one barrier.
void markAsleep(PortRecord& port) noexcept;
[[nodiscard]] std::chrono::nanoseconds afterMarking() noexcept;

/// Whether somebody has woken a port that was marked. Any thread of the waiter's process.
[[nodiscard]] inline bool isWoken(const PortRecord& port) noexcept
{
    // [sync:sleep] Acquire: pairs with the exchange in wake(), so that the look at the slots that follows is not older.
    return port.m_sleep.load(std::memory_order_acquire) == static_cast<std::uint32_t>(Sleep::Woken);
}

/// Whether a port is still as markAsleep() has left it. The waiter's own threads; of somebody who wakes meanwhile nothing
/// is read.
[[nodiscard]] inline bool isMarked(const PortRecord& port) noexcept
{
    return port.m_sleep.load(std::memory_order_relaxed) == static_cast<std::uint32_t>(Sleep::Asleep);
}

/// Sleeps until woken, at most `longest`. False: the time has passed, and nobody has. It may wake without reason.
bool sleep(PortRecord& port, std::chrono::nanoseconds longest) noexcept;

void stayAwake(PortRecord& port) noexcept;

/// Wakes a waiter, a row of `waiters`. Any thread of any process; async-signal-safe; a system call only if it sleeps, three
/// more if it has a FIFO.
void wake(WaiterRecord& waiter, const WaiterTable& waiters) noexcept;

/// How often the waiter has been woken: load it, look at everything it waits for, then sleep() with it.
[[nodiscard]] inline std::uint32_t signalsOf(const WaiterRecord& waiter) noexcept
{
    return waiter.m_signal.load(std::memory_order_acquire); // [sync:signal] partner: wake()
}

/// Sleeps until the waiter is woken after `seen`, at most `longest`. The waiter's own thread.
void sleep(WaiterRecord& waiter, std::uint32_t seen, std::chrono::nanoseconds longest) noexcept;

/// Moves a pool set's epoch and wakes whoever waits for that. Control path.
void moveEpoch(std::atomic<std::uint64_t>& epoch) noexcept;

/// Sleeps until the epoch is no longer `seen`, at most `longest`.
void waitForEpoch(const std::atomic<std::uint64_t>& epoch, std::uint64_t seen,
                  std::chrono::nanoseconds longest) noexcept;

} // namespace ZeroCP::notifier
