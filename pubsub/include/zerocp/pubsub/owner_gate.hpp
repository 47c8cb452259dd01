/// Lets one thread at a time use a port's private state without a locked instruction, while handles may be dropped on
/// any thread. The owner is the thread that used the port last; somebody else's drop takes another way.
///
/// A publisher or subscriber belongs to one thread at a time, but a Loan or Sample of it may be dropped anywhere, also
/// on the thread that used to own it. So every owner has a token of its own, in which it says that it is inside; whoever
/// becomes owner runs a barrier on every core and waits until the former owner is out.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "zerocp/core/fork_guard.hpp"
#include "zerocp/core/notifier.hpp"

namespace ZeroCP
{

class OwnerGate
{
    struct Token
    {
        std::uintptr_t m_thread{0};
        std::atomic<bool> m_inside{false};
    };

  public:
    /// What enter() gives and leave() takes: says that its thread is inside. Null: it is not.
    using Pass = Token*;

    OwnerGate() : m_needsFence(!notifier::registerProcess()), m_generation(fork_guard::generation()) {}
    OwnerGate(const OwnerGate&) = delete;
    OwnerGate& operator=(const OwnerGate&) = delete;

    /// The calling thread is now the owner: it is the one that uses the port. Allocates and may wait for a drop under
    /// way elsewhere, but only when the thread has changed. False in a forked child: the port is its parent's.
    [[nodiscard]] bool adopt()
    {
        // Acquire: another thread's token was filled before it was stored here.
        return m_current.load(std::memory_order_acquire)->m_thread == fork_guard::threadName() || takeOver();
    }

    /// A pass if the calling thread is the owner: it may use the private state until leave().
    [[nodiscard]] Pass enter() noexcept
    {
        Token* token = m_current.load(std::memory_order_acquire);
        if (token->m_thread != fork_guard::threadName()) [[unlikely]]
        {
            return nullptr;
        }
        // [sync:owner-gate] Store, then load again: a new owner stores m_current, runs a barrier on every core and then
        // reads m_inside. Without registration for that barrier the fence stands here.
        token->m_inside.store(true, std::memory_order_relaxed);
        if (m_needsFence) [[unlikely]]
        {
            std::atomic_thread_fence(std::memory_order_seq_cst);
        }
        std::atomic_signal_fence(std::memory_order_seq_cst);
        if (m_current.load(std::memory_order_relaxed) == token) [[likely]]
        {
            return token;
        }
        token->m_inside.store(false, std::memory_order_release);
        return nullptr;
    }

    /// Takes no lock: whoever becomes owner meanwhile holds it while it waits for us.
    void leave(Pass pass) noexcept
    {
        // [sync:owner-gate] Release: what the owner did inside is visible to the next owner.
        pass->m_inside.store(false, std::memory_order_release);
    }

    /// Nobody owns the port any more; every later enter() answers null. When this returns, nobody is inside.
    void close()
    {
        const std::lock_guard guard(m_mutex);
        m_closed = true;
        evict();
    }

  private:
    [[gnu::noinline]] bool takeOver()
    {
        if (m_generation != fork_guard::generation())
        {
            return false; // before the mutex: some thread of the parent may have held it
        }
        const std::lock_guard guard(m_mutex);
        if (!m_closed)
        {
            Token* mine = tokenFor(fork_guard::threadName());
            evict();
            m_current.store(mine, std::memory_order_release);
        }
        return true;
    }

    /// Takes the port from its owner and waits until that thread is out.
    void evict()
    {
        const Token* former = m_current.exchange(&m_nobody, std::memory_order_seq_cst);
        if (former == &m_nobody)
        {
            return;
        }
        static_cast<void>(notifier::barrierEverywhere());                              // [sync:owner-gate]
        for (int tries = 0; former->m_inside.load(std::memory_order_acquire); ++tries) // a few instructions long
        {
            // Yielding does not let a thread of lower priority finish on the same core; sleeping does.
            constexpr int kYields = 100;
            tries < kYields ? std::this_thread::yield() : std::this_thread::sleep_for(std::chrono::microseconds(50));
        }
    }

    /// A thread that ended and one that started may share an id: then they share the token, one after the other.
    Token* tokenFor(std::uintptr_t thread)
    {
        for (const std::unique_ptr<Token>& token : m_tokens)
        {
            if (token->m_thread == thread)
            {
                return token.get();
            }
        }
        m_tokens.push_back(std::make_unique<Token>());
        m_tokens.back()->m_thread = thread;
        return m_tokens.back().get();
    }

    Token m_nobody; ///< no thread's: spares the data path a comparison
    std::atomic<Token*> m_current{&m_nobody};
    const bool m_needsFence;
    const std::uint64_t m_generation;
    bool m_closed{false};
    std::mutex m_mutex;
    std::vector<std::unique_ptr<Token>> m_tokens;
};

} // namespace ZeroCP
