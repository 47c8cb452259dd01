/// Whom a timer or user event wakes: the waiter it is attached to, if any. wake() may come from any thread and from a
/// signal handler; attaching comes from the waiter's side.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <thread>

#include "zerocp/core/fork_guard.hpp"
#include "zerocp/pubsub/waiter.hpp"

namespace ZeroCP
{

class WakeLink
{
  public:
    /// Null: nobody. Returns when no wake() can use the former waiter any more.
    void set(std::shared_ptr<Waiter> waiter)
    {
        if (m_generation != fork_guard::generation())
        {
            return; // a forked child: some thread of the parent may be in wake() for ever
        }
        const std::lock_guard guard(m_mutex);
        // [sync:wake-link] seq_cst, with wake(): a wake that has not counted itself yet finds the new waiter.
        m_waiter.store(waiter.get(), std::memory_order_seq_cst);
        for (int tries = 0; m_waking.load(std::memory_order_seq_cst) != 0; ++tries) // some instructions long
        {
            // Yielding does not let a thread of lower priority finish on the same core; sleeping does.
            constexpr int kYields = 100;
            tries < kYields ? std::this_thread::yield() : std::this_thread::sleep_for(std::chrono::microseconds(50));
        }
        m_held = std::move(waiter);
    }

    void wake() noexcept
    {
        m_waking.fetch_add(1, std::memory_order_seq_cst); // [sync:wake-link]
        if (Waiter* waiter = m_waiter.load(std::memory_order_seq_cst); waiter != nullptr)
        {
            waiter->wake();
        }
        m_waking.fetch_sub(1, std::memory_order_release);
    }

    [[nodiscard]] bool isSet() const noexcept { return m_waiter.load(std::memory_order_relaxed) != nullptr; }

  private:
    const std::uint64_t m_generation{fork_guard::generation()};
    std::atomic<Waiter*> m_waiter{nullptr};
    std::atomic<std::uint32_t> m_waking{0};
    std::mutex m_mutex;
    std::shared_ptr<Waiter> m_held; ///< keeps m_waiter
};

} // namespace ZeroCP
