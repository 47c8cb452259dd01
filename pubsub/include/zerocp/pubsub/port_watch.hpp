/// How an executor watches one subscriber port: by its sleep word, and by the clock while messages wait that cannot be
/// taken because too many samples are held. Whoever drops a sample says nothing to the executor, so it looks again.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

#include "zerocp/core/notifier.hpp"
#include "zerocp/pubsub/waiter.hpp"

namespace ZeroCP
{

/// What a port has for who would take.
enum class PortWork : std::uint8_t
{
    None,
    Ready,
    TooManyHeld, ///< something, but not before a sample is dropped
};

class PortWatch
{
  public:
    static constexpr std::chrono::milliseconds kRetry{1};

    explicit PortWatch(PortRecord& record) noexcept : m_record(record) {}

    /// `look()` gives the port's work. Whether there is something to do; if not, isDue() will say when.
    template <typename Look>
    [[nodiscard]] bool arm(const Look& look)
    {
        notifier::markAsleep(m_record);
        static_cast<void>(notifier::afterMarking()); // [sync:sleep] then the last look
        const bool ready = found(look());
        if (ready)
        {
            notifier::stayAwake(m_record);
        }
        return ready;
    }

    [[nodiscard]] bool found(PortWork work) noexcept
    {
        const bool full = work == PortWork::TooManyHeld;
        // Relaxed: written by the thread that has the task, read by who looks for due tasks after it went Idle.
        m_retryNs.store(full ? Waiter::after(kRetry) : Waiter::kNever, std::memory_order_relaxed);
        return work == PortWork::Ready;
    }

    [[nodiscard]] bool isDue(std::int64_t nowNs) const noexcept
    {
        return notifier::isWoken(m_record) || nowNs >= nextNs();
    }
    [[nodiscard]] std::int64_t nextNs() const noexcept { return m_retryNs.load(std::memory_order_relaxed); }

  private:
    PortRecord& m_record;
    std::atomic<std::int64_t> m_retryNs{Waiter::kNever};
};

} // namespace ZeroCP
