#include "zerocp/core/fork_guard.hpp"

#include <pthread.h>

namespace ZeroCP::fork_guard
{

namespace
{

std::atomic<ChildHandler> g_handler{nullptr};

void inChild() noexcept
{
    detail::g_generation.fetch_add(1, std::memory_order_relaxed);
    if (const ChildHandler handler = g_handler.load(std::memory_order_acquire); handler != nullptr)
    {
        handler();
    }
}

} // namespace

void watch(ChildHandler handler) noexcept
{
    g_handler.store(handler, std::memory_order_release);
    static const int installed = ::pthread_atfork(nullptr, nullptr, inChild);
    static_cast<void>(installed);
}

} // namespace ZeroCP::fork_guard
