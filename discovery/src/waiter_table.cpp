// Domain's waiters: the words on which wait sets and executors sleep, and the FIFOs of those that have a descriptor.
#include <cerrno>

#include <sys/stat.h>
#include <unistd.h>

#include "domain_control.hpp"
#include "zerocp/core/notifier.hpp"
#include "zerocp/core/wake_pipe.hpp"

namespace ZeroCP
{

namespace
{

/// Whoever may write the domain's files may wake its waiters, whatever the waiter's own configuration says.
Expected<void, Error> copyAccess(int from, int to, const std::string& name)
{
    struct stat domain = {};
    struct stat mine = {};
    if (::fstat(from, &domain) != 0 || ::fstat(to, &mine) != 0)
    {
        return tl::unexpected(systemError(name, "fstat", errno));
    }
    if (mine.st_gid != domain.st_gid && ::fchown(to, static_cast<uid_t>(-1), domain.st_gid) != 0)
    {
        return tl::unexpected(systemError(name, "fchown to group " + std::to_string(domain.st_gid), errno));
    }
    if (::fchmod(to, domain.st_mode & 07777U) != 0)
    {
        return tl::unexpected(systemError(name, "fchmod", errno));
    }
    return {};
}

} // namespace

WaiterRecord& Domain::waiter(std::uint32_t row) const noexcept
{
    return this->row<WaiterRecord>(header().m_waiters, row);
}

WaiterTable Domain::waiterTable() const noexcept
{
    // Rows behind the high water mark are address space; who follows a number looks at the mark first.
    const Table& table = header().m_waiters;
    return {std::launder(reinterpret_cast<WaiterRecord*>(m_discovery.base() + table.m_offset)), &table.m_highWater,
            m_pipes.c_str()};
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
        record.m_pipe.store(0, std::memory_order_relaxed);
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

Expected<int, Error> Domain::openPipe(std::uint32_t row)
{
    Control control(*this); // who removes files that belong to nobody has it too
    if (!control)
    {
        return tl::unexpected(control.error());
    }
    WaiterRecord& record = waiter(row);
    Expected<int, Error> made(-1);
    std::string path;
    constexpr int kTries = 100; // more files of others than that are no accident
    for (int i = 0; i < kTries && made && *made < 0; ++i)
    {
        record.m_pipes += record.m_pipes + 1 == 0 ? 2 : 1;
        path = wake_pipe::pathOf(m_pipes, row, record.m_pipes);
        made = wake_pipe::make(path);
    }
    if (!made)
    {
        return made;
    }
    if (*made < 0)
    {
        return failure(ErrorCode::SystemError, path + ": files of this name and of the " + std::to_string(kTries - 1) +
                                                   " numbers before it exist already; remove them");
    }
    if (auto applied = copyAccess(m_discovery.descriptor(), *made, path); !applied)
    {
        ::close(*made);
        wake_pipe::remove(m_pipes, row, record.m_pipes);
        return tl::unexpected(applied.error());
    }
    // [sync:pipe] seq_cst: the FIFO first, then a look at everything, behind a fence. Partner: notifier::wake().
    record.m_pipe.store(record.m_pipes, std::memory_order_seq_cst);
    return made;
}

/// Without the control lock: the row is ours, and so is the name as long as the row says it.
void Domain::removePipe(std::uint32_t row) noexcept
{
    if (isForked())
    {
        return;
    }
    WaiterRecord& record = waiter(row);
    wake_pipe::remove(m_pipes, row, record.m_pipe.load(std::memory_order_relaxed));
    record.m_pipe.store(0, std::memory_order_relaxed);
}

/// Names of the files.
std::vector<std::string> Domain::pipesInUse() const
{
    std::vector<std::string> names;
    for (std::uint32_t i = 0; i < rowsOf(header().m_waiters); ++i)
    {
        const WaiterRecord& record = waiter(i);
        if (const std::uint32_t number = record.m_pipe.load(std::memory_order_relaxed);
            isUsed(record.m_state) && number != 0)
        {
            names.push_back(wake_pipe::pathOf(fileName(m_config.domain, kPipes), i, number));
        }
    }
    return names;
}

void Domain::releaseWaitersOf(std::uint32_t process) noexcept
{
    for (std::uint32_t i = 0; i < rowsOf(header().m_waiters); ++i)
    {
        WaiterRecord& record = waiter(i);
        if (isUsed(record.m_state) && record.m_process == process)
        {
            record.m_pipe.store(0, std::memory_order_relaxed); // its file goes with those that belong to nobody
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
            notifier::wake(record, waiterTable());
        }
    }
}

} // namespace ZeroCP
