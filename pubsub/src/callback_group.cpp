#include "zerocp/pubsub/callback_group.hpp"

#include <chrono>
#include <thread>

namespace ZeroCP
{

CallbackGroup::CallbackGroup(CallbackGroupType type) : m_core(std::make_shared<Core>(type)) {}

bool CallbackGroup::Core::enter(Task& task)
{
    // [sync:callback-group] Acquire: what the last callback of the group did is visible to this one. Partner: leave().
    if (m_type == CallbackGroupType::Reentrant || m_count.fetch_add(1, std::memory_order_acq_rel) == 0)
    {
        return true;
    }
    m_waiting.push(&task);
    return false;
}

bool CallbackGroup::Core::bind(const ExecutorCore* executor) noexcept
{
    const ExecutorCore* nobody = nullptr;
    return m_type == CallbackGroupType::Reentrant || m_executor.compare_exchange_strong(nobody, executor) ||
           nobody == executor;
}

void CallbackGroup::Core::unbind(const ExecutorCore* executor) noexcept
{
    m_executor.compare_exchange_strong(executor, nullptr);
}

bool CallbackGroup::Core::isOfAnother(const ExecutorCore* executor) const noexcept
{
    const ExecutorCore* bound = m_executor.load();
    return m_type != CallbackGroupType::Reentrant && bound != nullptr && bound != executor;
}

Task* CallbackGroup::Core::leave() noexcept
{
    if (m_type == CallbackGroupType::Reentrant ||
        m_count.fetch_sub(1, std::memory_order_acq_rel) == 1) // [sync:callback-group]
    {
        return nullptr;
    }
    Task* next = nullptr;
    for (int tries = 0; !m_waiting.pop(next); ++tries) // it is counted already, and about to be pushed
    {
        constexpr int kYields = 100; // as in WakeLink::set()
        tries < kYields ? std::this_thread::yield() : std::this_thread::sleep_for(std::chrono::microseconds(50));
    }
    return next;
}

} // namespace ZeroCP
