/// Which callbacks of a node may run at the same time when its executor has several threads. A handle; copies mean the same
/// group. The default group of a node is mutually exclusive.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include <boost/lockfree/queue.hpp>

namespace ZeroCP
{

class Task;
class ExecutorCore;

enum class CallbackGroupType : std::uint8_t
{
    MutuallyExclusive, ///< at most one callback of the group runs at a time
    Reentrant,         ///< any number, also of the same subscriber or timer
};

class CallbackGroup
{
  public:
    /// Its callbacks belong to nodes of one executor.
    explicit CallbackGroup(CallbackGroupType type);

    [[nodiscard]] CallbackGroupType type() const noexcept { return m_core->m_type; }

  private:
    friend class Task;
    friend class ExecutorCore;

    struct Core
    {
        explicit Core(CallbackGroupType type) : m_type(type), m_waiting(0) {}

        /// Whether `task` may run now; else it waits here until leave() answers it. Any thread of the executor.
        [[nodiscard]] bool enter(Task& task);
        /// The callback is done. Whose turn it is next, which need not enter(); null: nobody waits.
        [[nodiscard]] Task* leave() noexcept;

        /// Whether the group is, or is now, of `executor`: an exclusive one hands its turns on in that one's queue.
        [[nodiscard]] bool bind(const ExecutorCore* executor) noexcept;
        void unbind(const ExecutorCore* executor) noexcept;
        [[nodiscard]] bool isOfAnother(const ExecutorCore* executor) const noexcept;

        const CallbackGroupType m_type;
        std::atomic<const ExecutorCore*> m_executor{nullptr};
        std::atomic<std::uint32_t> m_count{0}; ///< exclusive: one that runs and those that wait
        boost::lockfree::queue<Task*> m_waiting;
    };

    std::shared_ptr<Core> m_core;
};

} // namespace ZeroCP
