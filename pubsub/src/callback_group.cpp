#include "zerocp/pubsub/callback_group.hpp"

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

Task* CallbackGroup::Core::leave() noexcept
{
    if (m_type == CallbackGroupType::Reentrant ||
        m_count.fetch_sub(1, std::memory_order_acq_rel) == 1) // [sync:callback-group]
    {
        return nullptr;
    }
    Task* next = nullptr;
    while (!m_waiting.pop(next)) // it is counted already, and about to be pushed
    {
        std::this_thread::yield();
    }
    return next;
}

} // namespace ZeroCP
