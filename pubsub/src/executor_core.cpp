#include "executor_core.hpp"

#include <algorithm>
#include <utility>

#include "zerocp/core/log.hpp"

namespace ZeroCP
{

using State = Task::State;

/// One callback under way.
class ExecutorCore::Run final : public Task::Reentry
{
  public:
    Run(ExecutorCore& core, Task& task) noexcept : m_core(core), m_task(task), m_frame(task) {}
    Run(const Run&) = delete;
    Run& operator=(const Run&) = delete;
    ~Run() = default;

    void open() override
    {
        m_core.m_callbacks.fetch_add(1, std::memory_order_relaxed);
        if (m_task.m_group->m_type == CallbackGroupType::Reentrant)
        {
            m_isOpen = true;
            m_core.rest(m_task, false);
        }
    }
    [[nodiscard]] bool isOpen() const noexcept { return m_isOpen; }

  private:
    ExecutorCore& m_core;
    Task& m_task;
    Task::Frame m_frame;
    bool m_isOpen{false};
};

ExecutorCore::ExecutorCore(std::uint32_t threads)
    : m_threads(threads != 0 ? threads : std::max(1U, std::thread::hardware_concurrency())),
      m_slice(notifier::afterMarking()),
      m_queue(128)
{
    put(nullptr);
}

ExecutorCore::~ExecutorCore()
{
    if (m_generation != fork_guard::generation())
    {
        return; // a forked child's: everything is the parent's
    }
    for (Task* task = nullptr; m_queue.pop(task);)
    {
        if (task != nullptr && std::exchange(task->m_hasGroup, false))
        {
            leaveGroup(*task); // puts the next of its group into the queue
        }
    }
    for (const std::shared_ptr<Task>& task : m_tasks)
    {
        // To Running, as for a callback, so that its handle may be closing it meanwhile.
        if (task->change(State::Idle, State::Queued) || task->state() == State::Queued)
        {
            if (task->begin())
            {
                task->attach(nullptr);
                task->m_attached = false;
                task->end(true, State::Detached);
            }
        }
        task->m_listed.store(0, std::memory_order_relaxed);
    }
    for (const std::shared_ptr<CallbackGroup::Core>& group : m_groups)
    {
        group->unbind(this);
    }
    for (const Served& served : m_nodes)
    {
        static_cast<void>(served.m_node->serve(nullptr));
    }
}

Expected<void, Error> ExecutorCore::add(const std::shared_ptr<Domain>& domain, const std::shared_ptr<NodeTasks>& node)
{
    const std::lock_guard guard(m_nodesMutex);
    if (m_waiterHeld == nullptr)
    {
        auto waiter = Waiter::create(domain);
        if (!waiter)
        {
            return tl::unexpected(waiter.error());
        }
        m_waiterHeld = std::move(*waiter);
    }
    if (!m_waiterHeld->isOf(domain))
    {
        return failure(ErrorCode::ConfigInvalid, "this executor serves another domain than the node's; use an executor "
                                                 "of its own for each domain");
    }
    const auto tasks = node->all();
    if (std::any_of(tasks.begin(), tasks.end(),
                    [this](const std::shared_ptr<Task>& task) { return task->m_group->isOfAnother(this); }))
    {
        return failure(ErrorCode::ConfigInvalid,
                       "a callback group of the node belongs to another executor already; make "
                       "one group for each executor");
    }
    if (!node->serve(m_waiterHeld))
    {
        return failure(ErrorCode::ConfigInvalid, "the node was added to an executor already");
    }
    m_nodes.push_back({node, 0});
    m_waiter.store(m_waiterHeld.get(), std::memory_order_release);
    m_waiterHeld->wake(); // it may be asleep
    return {};
}

Expected<void, Error> ExecutorCore::enter()
{
    const Waiter* waiter = m_waiter.load(std::memory_order_acquire);
    if (waiter != nullptr && waiter->domain().isForked())
    {
        return failure(ErrorCode::Forked, "this executor was created before fork(); create a new one in the child");
    }
    if (m_entered.exchange(true, std::memory_order_acquire))
    {
        return failure(ErrorCode::Closed,
                       "this executor is spinning already; a callback must not spin its own executor");
    }
    return {};
}

void ExecutorCore::stop() noexcept
{
    m_stop.store(true, std::memory_order_release);
    // Parked threads are woken by the one that has the token: it is running, or asleep on the waiter.
    if (Waiter* waiter = m_waiter.load(std::memory_order_acquire); waiter != nullptr)
    {
        waiter->wake();
    }
}

void ExecutorCore::spin()
{
    std::vector<std::thread> others;
    for (std::uint32_t i = 1; i < m_threads; ++i)
    {
        others.emplace_back([this] { work(); });
    }
    work();
    for (std::thread& other : others)
    {
        other.join();
    }
}

void ExecutorCore::work()
{
    while (!isStopped())
    {
        if (step(true, Waiter::kNever) == Step::Empty)
        {
            park();
        }
    }
    const std::lock_guard guard(m_parkMutex);
    m_parkCondition.notify_all();
}

std::size_t ExecutorCore::spinSome()
{
    const std::uint64_t before = callbackCount();
    look(false, 0); // the token is in the queue: nobody else is in here
    // What comes behind these entries has had its callback or became ready later.
    for (std::uint32_t left = m_queued.load(std::memory_order_relaxed); left > 0 && !isStopped(); --left)
    {
        static_cast<void>(step(false, 0));
    }
    return static_cast<std::size_t>(callbackCount() - before);
}

ExecutorCore::Step ExecutorCore::step(bool maySleep, std::int64_t untilNs)
{
    Task* task = nullptr;
    if (!m_queue.pop(task))
    {
        return Step::Empty;
    }
    m_queued.fetch_sub(1, std::memory_order_relaxed);
    if (task != nullptr)
    {
        execute(*task);
        letLookerRun();
        return Step::Ran;
    }
    look(maySleep, untilNs);
    put(nullptr);
    return Step::Looked;
}

/// Who looks for new work may have lost its core to us: then those who wait for their first callback wait for long.
void ExecutorCore::letLookerRun() noexcept
{
    constexpr std::uint32_t kMany = 16;
    thread_local std::uint32_t t_callbacks = 0;
    t_callbacks = m_looking.load(std::memory_order_relaxed) ? t_callbacks + 1 : 0;
    if (t_callbacks >= kMany)
    {
        t_callbacks = 0;
        std::this_thread::yield();
    }
}

void ExecutorCore::park()
{
    std::unique_lock lock(m_parkMutex);
    // [sync:park] seq_cst, with put(): either we see the entry, or it sees us.
    m_parked.fetch_add(1, std::memory_order_seq_cst);
    m_parkCondition.wait(lock, [this] { return m_queued.load(std::memory_order_seq_cst) != 0 || isStopped(); });
    m_parked.fetch_sub(1, std::memory_order_relaxed);
}

void ExecutorCore::put(Task* task, bool isBusy)
{
    const std::uint32_t before = m_queued.fetch_add(1, std::memory_order_seq_cst); // [sync:park]
    m_queue.push(task);
    if ((isBusy || before != 0) && m_parked.load(std::memory_order_seq_cst) != 0)
    {
        const std::lock_guard guard(m_parkMutex);
        m_parkCondition.notify_one();
    }
    if (isBusy)
    {
        m_waiterHeld->wake(); // who has the token may be asleep, and nobody parked
    }
}

bool ExecutorCore::queueIfIdle(Task& task, bool isBusy)
{
    // Listed first: once it is Queued its handle may close it, and who has the token forget it.
    task.m_listed.fetch_add(1, std::memory_order_relaxed);
    if (!task.change(State::Idle, State::Queued))
    {
        task.m_listed.fetch_sub(1, std::memory_order_release);
        return false;
    }
    put(&task, isBusy);
    return true;
}

void ExecutorCore::execute(Task& task) noexcept
{
    const std::shared_ptr<Task> keep = task.shared_from_this(); // listed, so it exists
    if (!task.m_hasGroup && !task.m_group->enter(task))
    {
        return; // still listed: leaveGroup() will queue it
    }
    task.m_hasGroup = false;
    task.m_listed.fetch_sub(1, std::memory_order_release); // we keep it
    if (!task.begin())
    {
        leaveGroup(task); // closed meanwhile
        return;
    }
    Run run(*this, task);
    if (!task.m_attached)
    {
        task.attach(m_waiterHeld);
        task.m_attached = true;
    }
    task.run(run);
    leaveGroup(task);
    run.isOpen() ? static_cast<void>(task.end(false, State::Idle)) : rest(task, true);
}

void ExecutorCore::leaveGroup(Task& task)
{
    if (Task* next = task.m_group->leave(); next != nullptr)
    {
        next->m_hasGroup = true;
        put(next); // listed all the time
    }
}

void ExecutorCore::rest(Task& task, bool callEnds)
{
    const bool more = task.state() != State::Closing && (task.hasMore() || task.arm());
    const State to = more ? State::Queued : State::Idle;
    if (more)
    {
        task.m_listed.fetch_add(1, std::memory_order_relaxed); // before others may find it in Queued
    }
    const bool open = callEnds ? task.end(true, to) : task.change(State::Running, to);
    if (more && !open)
    {
        task.m_listed.fetch_sub(1, std::memory_order_release); // closing
    }
    if (!open)
    {
        return;
    }
    if (more)
    {
        put(&task, !callEnds);
        return;
    }
    // [sync:task] Idle first, then the look: who makes it due before that is seen here, later by who has the token.
    if (task.isDue(Waiter::now()))
    {
        static_cast<void>(queueIfIdle(task, !callEnds));
    }
    else if (task.nextNs() != Waiter::kNever)
    {
        m_waiterHeld->wake(); // who sleeps did not know of this moment
    }
}

void ExecutorCore::look(bool maySleep, std::int64_t untilNs)
{
    m_looking.store(true, std::memory_order_relaxed); // a hint
    meetNewTasks();
    forgetClosed();
    const bool alone = !queueWhatIsDue() && m_queued.load(std::memory_order_relaxed) == 0;
    m_looking.store(false, std::memory_order_relaxed);
    if (alone && maySleep && !isStopped())
    {
        sleep(untilNs);
    }
}

void ExecutorCore::meetNewTasks()
{
    const std::lock_guard guard(m_nodesMutex);
    for (Served& served : m_nodes)
    {
        const std::uint64_t version = served.m_node->version();
        if (version == served.m_version)
        {
            continue;
        }
        served.m_version = version;
        for (std::shared_ptr<Task>& task : served.m_node->all())
        {
            if (task->state() == State::Detached && !bind(task->m_group))
            {
                log(LogLevel::Error, "a callback is never called: its group belongs to another executor");
            }
            else if (task->state() == State::Detached)
            {
                m_tasks.push_back(task);
                task->m_listed.fetch_add(1, std::memory_order_relaxed);
                if (task->change(State::Detached, State::Queued)) // its first run attaches it
                {
                    put(task.get());
                }
                else
                {
                    task->m_listed.fetch_sub(1, std::memory_order_relaxed); // closed
                }
            }
        }
    }
}

/// Remembers the groups that are ours, to let go of them in the end.
bool ExecutorCore::bind(const std::shared_ptr<CallbackGroup::Core>& group)
{
    const bool ours = group->bind(this);
    if (ours && std::find(m_groups.begin(), m_groups.end(), group) == m_groups.end())
    {
        m_groups.push_back(group);
    }
    return ours;
}

void ExecutorCore::forgetClosed()
{
    std::erase_if(m_tasks,
                  [](const std::shared_ptr<Task>& task)
                  {
                      // Closed first: a task that is closed is not listed again.
                      return task->state() == State::Closed && task->m_listed.load(std::memory_order_acquire) == 0;
                  });
}

bool ExecutorCore::queueWhatIsDue()
{
    const std::int64_t now = Waiter::now();
    if (now - m_lastRescueNs >= m_slice.count())
    {
        m_lastRescueNs = now;
        queueAllThatDependOnOthers();
    }
    bool any = false;
    for (const std::shared_ptr<Task>& task : m_tasks)
    {
        any |= task->isDue(now) && queueIfIdle(*task);
    }
    return any;
}

/// Somebody may have died before he could say that a task is due.
void ExecutorCore::queueAllThatDependOnOthers()
{
    if (Waiter* waiter = m_waiter.load(std::memory_order_acquire); waiter != nullptr)
    {
        waiter->domain().recoverDeadSoon();
    }
    for (const std::shared_ptr<Task>& task : m_tasks)
    {
        if (task->dependsOnOthers())
        {
            static_cast<void>(queueIfIdle(*task));
        }
    }
}

std::int64_t ExecutorCore::nextNs(std::int64_t untilNs) const noexcept
{
    for (const std::shared_ptr<Task>& task : m_tasks)
    {
        if (task->state() == State::Idle)
        {
            untilNs = std::min(untilNs, task->nextNs());
        }
    }
    return untilNs;
}

/// Until something may be due. Spins for wait.spin first.
void ExecutorCore::sleep(std::int64_t untilNs)
{
    constexpr std::chrono::milliseconds kWithoutNodes{10};
    Waiter* waiter = m_waiter.load(std::memory_order_acquire);
    if (waiter == nullptr)
    {
        std::this_thread::sleep_for(kWithoutNodes); // nobody could wake us
        return;
    }
    const std::uint32_t seen = waiter->signals();
    const std::int64_t spinUntil = Waiter::now() + waiter->domain().config().wait.spin.count();
    do
    {
        if (queueWhatIsDue() || isStopped() || waiter->signals() != seen ||
            m_queued.load(std::memory_order_relaxed) != 0)
        {
            return;
        }
    } while (Waiter::now() < spinUntil);
    waiter->sleepUntil(seen, nextNs(untilNs), m_slice);
}

} // namespace ZeroCP
