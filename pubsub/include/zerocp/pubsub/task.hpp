/// Something that an executor does when it is ready: the callback of a subscriber, timer, service or client. Its handle and
/// the executor share it; any thread.
///
///   Detached    no executor knows it
///   Idle        the executor watches it                    -> Queued when it is due
///   Queued      it stands in the executor's queue, or waits for its callback group
///   Running     one thread has it to itself                -> Queued if there is more to do, else Idle
///   Closing     its handle is gone, a callback is still running
///   Closed      nobody calls it any more
///
/// The state and the number of callbacks under way are one word, so that exactly one of handle and executor frees what
/// the task uses: who closes it while nothing runs, or the last callback that ends.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "zerocp/core/fork_guard.hpp"
#include "zerocp/pubsub/callback_group.hpp"
#include "zerocp/pubsub/waiter.hpp"

namespace ZeroCP
{

class Task : public std::enable_shared_from_this<Task>
{
  public:
    enum class State : std::uint32_t
    {
        Detached,
        Idle,
        Queued,
        Running,
        Closing,
        Closed,
    };

    /// What run() calls when it has what its callback needs and before it calls it: in a reentrant group other threads may
    /// then run the same task.
    class Reentry
    {
      public:
        virtual void open() = 0;

      protected:
        ~Reentry() = default;
    };

    explicit Task(const CallbackGroup& group) noexcept : m_group(group.m_core) {}
    Task(const Task&) = delete;
    Task& operator=(const Task&) = delete;
    virtual ~Task() = default;

    /// By the handle. When it returns no callback of the task runs, and what the task uses is released. Called from a
    /// callback of the task it does not wait: the last one that ends releases. Does nothing in a forked child.
    void close() noexcept;

    // What the executor asks. Those that are not const are called by one thread at a time, in state Running.

    /// From now on it wakes `waiter`; null: nobody.
    virtual void attach(const std::shared_ptr<Waiter>& waiter) = 0;
    /// One callback, if there is something for it.
    virtual void run(Reentry& reentry) = 0;
    /// Whether run() has something to do.
    [[nodiscard]] virtual bool hasMore() = 0;
    /// Makes sure that isDue() will say when there is something to do; whether there is now.
    [[nodiscard]] virtual bool arm() = 0;
    /// Any thread, any state, also Closed.
    [[nodiscard]] virtual bool isDue(std::int64_t nowNs) const noexcept = 0;
    [[nodiscard]] virtual std::int64_t nextNs() const noexcept { return Waiter::kNever; }
    /// Whether somebody else, who may die, has to say that it is due: then it is looked at now and then all the same.
    [[nodiscard]] virtual bool dependsOnOthers() const noexcept { return false; }

  protected:
    /// Frees what the task uses: its endpoint, its callback. Once, when nothing runs.
    virtual void release() noexcept = 0;

  private:
    friend class ExecutorCore;
    friend struct CallbackGroup::Core;

    static constexpr std::uint32_t kStateBits = 4;
    static constexpr std::uint32_t kOneCall = 1U << kStateBits;
    [[nodiscard]] static State stateOf(std::uint32_t word) noexcept
    {
        return static_cast<State>(word & (kOneCall - 1));
    }

    [[nodiscard]] State state() const noexcept { return stateOf(m_word.load(std::memory_order_acquire)); }
    /// `from` to `to`, with the number of calls unchanged. False if it was in another state.
    [[nodiscard]] bool change(State from, State to) noexcept;
    /// Queued to Running, with one more call.
    [[nodiscard]] bool begin() noexcept;
    /// A call ends that left Running before, or (`wasRunning`) goes from Running to `to`. False: closed.
    bool end(bool wasRunning, State to) noexcept;
    [[nodiscard]] bool isCurrent() const noexcept;

    /// Callbacks that the calling thread is in.
    struct Frame
    {
        explicit Frame(const Task& task) noexcept;
        Frame(const Frame&) = delete;
        Frame& operator=(const Frame&) = delete;
        ~Frame();

        const Task& m_task;
        const Frame* m_outer;
    };

    const std::uint64_t m_generation{fork_guard::generation()};
    std::atomic<std::uint32_t> m_word{static_cast<std::uint32_t>(State::Detached)};
    std::shared_ptr<CallbackGroup::Core> m_group;
    std::atomic<std::uint32_t> m_listed{0}; ///< entries of queues, there or on their way: then it must not be freed
    bool m_attached{false};                 ///< Running only
    bool m_hasGroup{false};                 ///< its turn in the group has come; set before it is queued again
};

} // namespace ZeroCP
