#include "zerocp/core/notifier.hpp"

#include <cerrno>
#include <climits>
#include <ctime>

#include <linux/futex.h>
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "zerocp/core/wake_pipe.hpp"

namespace ZeroCP::notifier
{

namespace
{

constexpr auto kAwake = static_cast<std::uint32_t>(Sleep::Awake);
constexpr auto kAsleep = static_cast<std::uint32_t>(Sleep::Asleep);
constexpr auto kWoken = static_cast<std::uint32_t>(Sleep::Woken);

timespec toTimespec(std::chrono::nanoseconds duration) noexcept
{
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(duration);
    timespec result{};
    result.tv_sec = seconds.count();
    result.tv_nsec = (duration - seconds).count();
    return result;
}

long membarrier(int command) noexcept
{
    return ::syscall(SYS_membarrier, command, 0, 0);
}

} // namespace

bool registerProcess() noexcept
{
    static const bool registered = membarrier(MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED) == 0;
    return registered;
}

bool barrierEverywhere() noexcept
{
    std::atomic_thread_fence(std::memory_order_seq_cst);
    return membarrier(MEMBARRIER_CMD_GLOBAL_EXPEDITED) == 0;
}

void wake(PortRecord& port, const WaiterTable& waiters) noexcept
{
    std::uint32_t asleep = kAsleep;
    // [sync:sleep] Of several publishers one makes the system call. Release: a waiter that finds the word Woken finds the
    // slots. Acquire: which waiter sleeps for the port was written before the word said Asleep.
    if (!port.m_sleep.compare_exchange_strong(asleep, kWoken, std::memory_order_acq_rel))
    {
        return;
    }
    if (WaiterRecord* waiter = waiters.find(port.m_waiter.load(std::memory_order_relaxed)); waiter != nullptr)
    {
        wake(*waiter, waiters);
        return;
    }
    ::syscall(SYS_futex, &port.m_sleep, FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
}

std::chrono::nanoseconds announceSleep(PortRecord& port) noexcept
{
    markAsleep(port);
    return afterMarking();
}

void markAsleep(PortRecord& port) noexcept
{
    // [sync:sleep] The word first, then the barrier on every core, then the caller's look at the slots. The order of the
    // store also says whose waiter sleeps: m_waiter was written before.
    port.m_sleep.store(kAsleep, std::memory_order_seq_cst);
}

std::chrono::nanoseconds afterMarking() noexcept
{
    if (barrierEverywhere())
    {
        return kSlice;
    }
    return kFallbackSlice;
}

bool sleep(PortRecord& port, std::chrono::nanoseconds longest) noexcept
{
    const timespec timeout = toTimespec(longest);
    port.m_naps.store(port.m_naps.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    // Returns at once if the word is no longer Asleep. It may also return because of the last wake: who turned the word then was
    // stopped before its system call, and we were gone before that came.
    const bool timedOut =
        ::syscall(SYS_futex, &port.m_sleep, FUTEX_WAIT, kAsleep, &timeout, nullptr, 0) != 0 && errno == ETIMEDOUT;
    return port.m_sleep.exchange(kAwake, std::memory_order_relaxed) == kWoken || !timedOut;
}

void stayAwake(PortRecord& port) noexcept
{
    port.m_sleep.store(kAwake, std::memory_order_relaxed);
}

void wake(WaiterRecord& waiter, const WaiterTable& waiters) noexcept
{
    // [sync:signal] seq_cst, with sleep(): either the sleeper finds the new number, or we find it asleep.
    waiter.m_signal.fetch_add(1, std::memory_order_seq_cst);
    // It stays asleep for everybody until it runs: whoever dies before its system call owes it for its own port only.
    if (waiter.m_asleep.load(std::memory_order_seq_cst) != 0)
    {
        ::syscall(SYS_futex, &waiter.m_signal, FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
    }
    // [sync:pipe] seq_cst, after what the caller has done: either we find the FIFO, or who has just made it, and looks after
    // a barrier of its own, finds what was done. Partner: Domain::openPipe().
    if (const std::uint32_t number = waiter.m_pipe.load(std::memory_order_seq_cst); number != 0) [[unlikely]]
    {
        wake_pipe::ring(waiter, waiters, number);
    }
}

void sleep(WaiterRecord& waiter, std::uint32_t seen, std::chrono::nanoseconds longest) noexcept
{
    if (longest <= std::chrono::nanoseconds::zero())
    {
        return;
    }
    waiter.m_asleep.store(1, std::memory_order_seq_cst); // [sync:signal]
    if (waiter.m_signal.load(std::memory_order_seq_cst) == seen)
    {
        // Returns at once if the number has moved. Interrupted and timed-out waits look the same to the caller.
        const timespec timeout = toTimespec(longest);
        ::syscall(SYS_futex, &waiter.m_signal, FUTEX_WAIT, seen, &timeout, nullptr, 0);
    }
    waiter.m_asleep.store(0, std::memory_order_relaxed);
}

void moveEpoch(std::atomic<std::uint64_t>& epoch) noexcept
{
    // [sync:epoch] Release: what was changed comes before the epoch that announces it. Partner: the acquire load at the
    // start of every publish and take.
    epoch.fetch_add(1, std::memory_order_acq_rel);
    ::syscall(SYS_futex, &epoch, FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0); // its low half, little endian
}

void waitForEpoch(const std::atomic<std::uint64_t>& epoch, std::uint64_t seen,
                  std::chrono::nanoseconds longest) noexcept
{
    const timespec timeout = toTimespec(longest);
    if (epoch.load(std::memory_order_acquire) == seen)
    {
        ::syscall(SYS_futex, &epoch, FUTEX_WAIT, static_cast<std::uint32_t>(seen), &timeout, nullptr, 0);
    }
}

} // namespace ZeroCP::notifier
