/// Whether this process is a fork of the one that made a handle. A child shares its parent's mappings but not its
/// right to change them, so every handle answers Forked there. Any thread.
#pragma once

#include <atomic>
#include <cstdint>

namespace ZeroCP::fork_guard
{

namespace detail
{
inline std::atomic<std::uint64_t> g_generation{0};
inline std::atomic<std::uintptr_t> g_salt{0}; ///< differs in every generation
} // namespace detail

/// Counts the forks between the first process and this one, from the first call of watch() on.
[[nodiscard]] inline std::uint64_t generation() noexcept
{
    return detail::g_generation.load(std::memory_order_relaxed); // changed only while a child has a single thread
}

/// Names the calling thread: no two threads have the same name, nor has a thread and its copy in a forked child.
/// Two loads: its thread control block's address, which the copy shares, plus what differs.
[[nodiscard]] inline std::uintptr_t threadName() noexcept
{
    return reinterpret_cast<std::uintptr_t>(__builtin_thread_pointer()) +
           detail::g_salt.load(std::memory_order_relaxed); // changed only while a child has a single thread
}

/// Called in a forked child, in the thread that forked; async-signal-safe calls only.
using ChildHandler = void (*)() noexcept;

/// Installs the counting, once per process, and `handler`, which every child runs.
void watch(ChildHandler handler) noexcept;

/// While one exists, no thread of this process forks (fork() waits). For steps that a child must see done or not begun.
class Hold
{
  public:
    Hold() noexcept;
    Hold(const Hold&) = delete;
    Hold& operator=(const Hold&) = delete;
    ~Hold();
};

} // namespace ZeroCP::fork_guard
