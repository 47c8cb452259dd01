/// The callbacks of one node, for the executor that the node is added to. Shared by the node, the handles of its callbacks
/// and the executor; any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "zerocp/pubsub/task.hpp"
#include "zerocp/pubsub/wake_link.hpp"

namespace ZeroCP
{

class NodeTasks
{
  public:
    NodeTasks() : m_defaultGroup(CallbackGroupType::MutuallyExclusive) {}
    NodeTasks(const NodeTasks&) = delete;
    NodeTasks& operator=(const NodeTasks&) = delete;

    [[nodiscard]] const CallbackGroup& defaultGroup() const noexcept { return m_defaultGroup; }

    void add(const std::shared_ptr<Task>& task)
    {
        {
            const std::lock_guard guard(m_mutex);
            std::erase_if(m_tasks, [](const std::weak_ptr<Task>& old) { return old.expired(); });
            m_tasks.push_back(task);
            m_version.fetch_add(1, std::memory_order_release); // [sync:node-tasks] partner: version()
        }
        m_link.wake();
    }

    /// Moves with every add().
    [[nodiscard]] std::uint64_t version() const noexcept { return m_version.load(std::memory_order_acquire); }

    [[nodiscard]] std::vector<std::shared_ptr<Task>> all() const
    {
        const std::lock_guard guard(m_mutex);
        std::vector<std::shared_ptr<Task>> tasks;
        for (const std::weak_ptr<Task>& task : m_tasks)
        {
            if (auto alive = task.lock())
            {
                tasks.push_back(std::move(alive));
            }
        }
        return tasks;
    }

    /// Whether the caller is now the node's executor. Null: it is no longer.
    [[nodiscard]] bool serve(const std::shared_ptr<Waiter>& waiter)
    {
        const std::lock_guard guard(m_mutex);
        if (waiter != nullptr && m_link.isSet())
        {
            return false;
        }
        m_link.set(waiter);
        return true;
    }

  private:
    mutable std::mutex m_mutex;
    std::vector<std::weak_ptr<Task>> m_tasks;
    std::atomic<std::uint64_t> m_version{1};
    CallbackGroup m_defaultGroup;
    WakeLink m_link;
};

} // namespace ZeroCP
