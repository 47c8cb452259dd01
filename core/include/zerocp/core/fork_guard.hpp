/// Whether this process is a fork of the one that made a handle. A child shares its parent's mappings but not its
/// right to change them, so every handle answers Forked there. Any thread; one relaxed load on the data path.
#pragma once

#include <atomic>
#include <cstdint>

namespace ZeroCP::fork_guard
{

namespace detail
{
inline std::atomic<std::uint64_t> g_generation{0};
} // namespace detail

/// Counts the forks between the first process and this one, from the first call of watch() on.
[[nodiscard]] inline std::uint64_t generation() noexcept
{
    return detail::g_generation.load(std::memory_order_relaxed); // changed only while a child has a single thread
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
