#include "zerocp/core/fork_guard.hpp"

#include <mutex>

#include <pthread.h>

namespace ZeroCP::fork_guard
{

namespace
{

std::atomic<ChildHandler> g_handler{nullptr};

/// Held by a forking thread from before the fork to after it, in parent and child.
std::mutex& forkMutex() noexcept
{
    static std::mutex mutex;
    return mutex;
}

void beforeFork() noexcept
{
    forkMutex().lock();
}

void inParent() noexcept
{
    forkMutex().unlock();
}

void inChild() noexcept
{
    detail::g_generation.fetch_add(1, std::memory_order_relaxed);
    // Above every address of a thread (47 or 56 bits), so that names of different generations never meet; they repeat
    // after 64 generations at the earliest, in which nobody keeps a handle of the first.
    constexpr std::uintptr_t kAboveAddresses = 1ULL << 58;
    detail::g_salt.fetch_add(kAboveAddresses, std::memory_order_relaxed);
    if (const ChildHandler handler = g_handler.load(std::memory_order_acquire); handler != nullptr)
    {
        handler();
    }
    forkMutex().unlock();
}

} // namespace

void watch(ChildHandler handler) noexcept
{
    g_handler.store(handler, std::memory_order_release);
    static const int installed = ::pthread_atfork(beforeFork, inParent, inChild);
    static_cast<void>(installed);
}

Hold::Hold() noexcept
{
    forkMutex().lock();
}

Hold::~Hold()
{
    forkMutex().unlock();
}

} // namespace ZeroCP::fork_guard
