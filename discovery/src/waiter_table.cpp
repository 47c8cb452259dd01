// Domain's waiters: the words on which wait sets and executors sleep.
#include "domain_control.hpp"
#include "zerocp/core/notifier.hpp"

namespace ZeroCP
{

WaiterRecord& Domain::waiter(std::uint32_t row) const noexcept
{
    return this->row<WaiterRecord>(header().m_waiters, row);
}

WaiterTable Domain::waiterTable() const noexcept
{
    // Rows behind the high water mark are address space; who follows a number looks at the mark first.
    const Table& table = header().m_waiters;
    return {std::launder(reinterpret_cast<WaiterRecord*>(m_discovery.base() + table.m_offset)), &table.m_highWater};
}

Expected<std::uint32_t, Error> Domain::addWaiter()
{
    recoverDeadOrWarn(); // what the dead had does not count
    Control control(*this);
    if (!control)
    {
        return tl::unexpected(control.error());
    }
    const auto index = takeRow<WaiterRecord>(header().m_waiters, "limits.endpoints");
    if (index)
    {
        WaiterRecord& record = waiter(*index);
        record.m_process = m_slot;
        record.m_asleep.store(0, std::memory_order_relaxed);
        record.m_wantsGraph.store(0, std::memory_order_relaxed);
        // m_signal goes on: who wakes a former user of the row costs the new one a look, no more.
        record.m_state.store(kUsed, std::memory_order_release);
    }
    return index;
}

/// Without the control lock, as removeNode().
void Domain::removeWaiter(std::uint32_t row)
{
    if (!isForked())
    {
        waiter(row).m_state.store(kFree, std::memory_order_release);
    }
}

void Domain::releaseWaitersOf(std::uint32_t process) noexcept
{
    for (std::uint32_t i = 0; i < rowsOf(header().m_waiters); ++i)
    {
        WaiterRecord& record = waiter(i);
        if (isUsed(record.m_state) && record.m_process == process)
        {
            record.m_state.store(kFree, std::memory_order_release);
        }
    }
}

void Domain::wakeWaitersForGraph() noexcept
{
    for (std::uint32_t i = 0; i < rowsOf(header().m_waiters); ++i)
    {
        WaiterRecord& record = waiter(i);
        // [sync:graph] The version has moved: a waiter that sets m_wantsGraph later looks at it afterwards.
        if (isUsed(record.m_state) && record.m_wantsGraph.load(std::memory_order_seq_cst) != 0)
        {
            notifier::wake(record);
        }
    }
}

} // namespace ZeroCP
