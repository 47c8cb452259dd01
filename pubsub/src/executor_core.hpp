/// Private to the pubsub room: the queue and the threads of an executor.
///
/// One queue, for which Boost.Lockfree is used, carries tasks that are ready, and one token (null). Whoever takes a task
/// runs one callback of it; whoever takes the token looks which tasks have become ready, and if there is nothing to do at
/// all sleeps until somebody wakes the waiter. Since the token goes round with the tasks, new work is looked for once per
/// round, also when the queue never empties. Threads that find the queue empty park until there is something in it.
#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include <boost/lockfree/queue.hpp>

#include "zerocp/pubsub/node_tasks.hpp"

namespace ZeroCP
{

class ExecutorCore
{
  public:
    enum class Step
    {
        Ran,    ///< a callback, or a task that had none
        Looked, ///< for tasks that are ready, and may have slept
        Empty,  ///< somebody else has the token
    };

    explicit ExecutorCore(std::uint32_t threads);
    ExecutorCore(const ExecutorCore&) = delete;
    ExecutorCore& operator=(const ExecutorCore&) = delete;
    ~ExecutorCore();

    Expected<void, Error> add(const std::shared_ptr<Domain>& domain, const std::shared_ptr<NodeTasks>& node);

    /// Runs until stop() on `m_threads` threads.
    void spin();
    [[nodiscard]] std::size_t spinSome();
    /// One entry of the queue. With it the caller may sleep until `untilNs`.
    Step step(bool maySleep, std::int64_t untilNs);

    /// Only one thread at a time is let in from outside; false: there is one already, or the process is a fork.
    [[nodiscard]] Expected<void, Error> enter();
    void leave() noexcept { m_entered.store(false, std::memory_order_release); }

    void stop() noexcept;
    [[nodiscard]] bool isStopped() const noexcept { return m_stop.load(std::memory_order_acquire); }
    /// From now on it is not stopped.
    void takeStop() noexcept { m_stop.store(false, std::memory_order_relaxed); }
    [[nodiscard]] std::uint64_t callbackCount() const noexcept { return m_callbacks.load(std::memory_order_relaxed); }

  private:
    class Run;
    struct Served
    {
        std::shared_ptr<NodeTasks> m_node;
        std::uint64_t m_version;
    };

    void work();
    void park();
    void letLookerRun() noexcept;
    /// Who puts in a first entry takes it himself, unless he is busy: then somebody is woken for it.
    void put(Task* task, bool isBusy = false);
    bool queueIfIdle(Task& task, bool isBusy = false);
    void execute(Task& task) noexcept;
    /// The task has been looked at in Running: queued again if there is more to do, else Idle. False: it is closing.
    void rest(Task& task, bool callEnds);
    void leaveGroup(Task& task);

    // By the thread that has the token.
    void look(bool maySleep, std::int64_t untilNs);
    void meetNewTasks();
    bool queueWhatIsDue();
    void queueAllThatDependOnOthers();
    void forgetClosed();
    [[nodiscard]] bool bind(const std::shared_ptr<CallbackGroup::Core>& group);
    [[nodiscard]] std::int64_t nextNs(std::int64_t untilNs) const noexcept;
    void sleep(std::int64_t untilNs);

    const std::uint64_t m_generation{fork_guard::generation()};
    const std::uint32_t m_threads;
    const std::chrono::nanoseconds m_slice; ///< nobody waits longer for what somebody who died did not say
    std::atomic<bool> m_entered{false};
    std::atomic<bool> m_stop{false};
    std::atomic<std::uint64_t> m_callbacks{0};

    std::mutex m_nodesMutex;
    std::vector<Served> m_nodes;
    std::shared_ptr<Waiter> m_waiterHeld;
    std::atomic<Waiter*> m_waiter{nullptr}; ///< once set it stays

    std::vector<std::shared_ptr<Task>> m_tasks; ///< of the thread that has the token
    std::int64_t m_lastRescueNs{0};
    std::vector<std::shared_ptr<CallbackGroup::Core>> m_groups; ///< bound to this executor

    boost::lockfree::queue<Task*> m_queue;
    std::atomic<std::uint32_t> m_queued{0}; ///< entries, counted before they are there
    std::atomic<bool> m_looking{false};     ///< somebody looks for tasks that are ready, and is not asleep
    std::atomic<std::uint32_t> m_parked{0};
    std::mutex m_parkMutex;
    std::condition_variable m_parkCondition;
};

} // namespace ZeroCP
