// Domain's dead: who died, and what goes with a process.
#include <algorithm>
#include <chrono>

#include "domain_control.hpp"
#include "zerocp/core/log.hpp"
#include "zerocp/discovery/recovery.hpp"

namespace ZeroCP
{

Expected<RecoveryReport, Error> Domain::recoverDead(bool thorough, std::chrono::nanoseconds longest)
{
    RecoveryReport report;
    std::vector<std::uint32_t> dead;
    for (std::uint32_t i = 0; i < rowsOf(header().m_processes); ++i)
    {
        if (isUsed(row<ProcessRecord>(header().m_processes, i).m_state) && !isAlive(i))
        {
            dead.push_back(i);
        }
    }
    // A control call waits for publishers that are in a call; who is publishing or taking leaves that to the next one.
    const PortsLeft before = header().m_portsLeft.load(std::memory_order_relaxed);
    const bool isControlCall = longest != std::chrono::nanoseconds::zero();
    if (dead.empty() && !thorough && before != PortsLeft::Abandoned && !(before == PortsLeft::Swept && isControlCall))
    {
        return report;
    }
    Control control(*this, longest);
    if (!control)
    {
        return tl::unexpected(control.error());
    }
    for (const std::uint32_t process : dead)
    {
        // A description of its own keeps the dead one's byte locked to the end; locks of ours would never conflict.
        auto lock = DomainLock::open(m_lock.file(), m_config.access);
        if (!lock)
        {
            return tl::unexpected(lock.error());
        }
        const bool stillUsed = isUsed(row<ProcessRecord>(header().m_processes, process).m_state);
        if (stillUsed && lock->tryLockSlot(process))
        {
            recoverProcess(process, report);
        }
    }
    // [sync:abandoned] Acquire, and taken away before the look: a port that is abandoned later says so again.
    const bool anyLeft = header().m_portsLeft.exchange(PortsLeft::None, std::memory_order_acquire) != PortsLeft::None;
    // On request and with nobody dead there is time to look everywhere, whatever the sets say of themselves.
    report.pending = retireDyingPorts(thorough && dead.empty());
    if (anyLeft || !dead.empty()) // a dead one may have been where we are now
    {
        releaseWhatNobodyUses();
    }
    if (report.pending != 0)
    {
        notePortsLeft();
    }
    return report;
}

void Domain::notePortsLeft() const noexcept
{
    auto none = PortsLeft::None; // else somebody has said it, or has abandoned a port meanwhile
    header().m_portsLeft.compare_exchange_strong(none, PortsLeft::Swept, std::memory_order_relaxed);
}

void Domain::recoverDeadSoon()
{
    constexpr std::int64_t kPauseNs = 10'000'000;
    const std::int64_t now = std::chrono::steady_clock::now().time_since_epoch().count();
    std::int64_t last = m_lastRecoveryNs.load(std::memory_order_relaxed);
    if (isForked() || now - last < kPauseNs ||
        !m_lastRecoveryNs.compare_exchange_strong(last, now, std::memory_order_relaxed))
    {
        return;
    }
    try
    {
        // Whoever is in a control call now will not be waited for: it, or the next try, does it.
        static_cast<void>(recoverDead(false, std::chrono::nanoseconds::zero()));
    }
    catch (const std::bad_alloc&)
    {
        log(LogLevel::Warn, "no memory to recover a dead process with; the next try does it");
    }
}

void Domain::recoverDeadOrWarn()
{
    if (const auto report = isForked() ? RecoveryReport{} : recoverDead(); !report)
    {
        log(LogLevel::Warn, report.error().message());
    }
}

std::atomic<std::uint64_t>& Domain::unsettled(std::uint32_t set) const noexcept
{
    return row<PoolSetRecord>(header().m_poolSets, set).m_unsettled;
}

void Domain::noteUnsettled(std::uint32_t topic) const noexcept
{
    const std::uint32_t set = row<TopicRecord>(header().m_topics, topic).m_poolSet;
    if (set < rowsOf(header().m_poolSets)) // else scribbled on
    {
        // [sync:unsettled] Release: the port's state comes before. Partner: retireDyingPorts().
        unsettled(set).fetch_add(1, std::memory_order_release);
    }
}

/// Sets that the rows of its endpoints lead to. Of a port without a row the set says that it is not settled.
std::vector<bool> Domain::setsWithPortsOf(std::uint32_t process) const
{
    std::vector<bool> sets(rowsOf(header().m_poolSets), false);
    for (std::uint32_t i = 0; i < rowsOf(header().m_endpoints); ++i)
    {
        const auto& endpoint = row<EndpointRecord>(header().m_endpoints, i);
        if (!isUsed(endpoint.m_state) || endpoint.m_process != process)
        {
            continue;
        }
        const bool known = endpoint.m_topic < rowsOf(header().m_topics);
        const std::uint32_t set = known ? row<TopicRecord>(header().m_topics, endpoint.m_topic).m_poolSet : ~0U;
        if (set >= sets.size())
        {
            return std::vector<bool>(sets.size(), true); // scribbled on: it may be anywhere
        }
        sets[set] = true;
    }
    return sets;
}

/// The ports that the process had in a set. False: one could not be looked at, or the set could not be opened.
bool Domain::recoverPortsIn(std::uint32_t index, std::uint32_t process, RecoveryReport& report)
{
    const auto set = openSet(index);
    if (!set)
    {
        log(LogLevel::Error, "recovering process slot " + std::to_string(process) + ": " + set.error().message());
        return false;
    }
    const auto alive = [this, process](std::uint32_t slot) { return slot != process && isAlive(slot); };
    PoolView& view = (*set)->control();
    bool complete = true;
    const std::uint32_t ports =
        std::min(view.header().m_portHighWater.load(std::memory_order_acquire), view.portCapacity());
    for (std::uint32_t p = 1; p < ports; ++p)
    {
        const PortRecord& port = view.port(p);
        const bool used = port.m_state.load(std::memory_order_acquire) != static_cast<std::uint32_t>(PortState::Off);
        if (!used || port.m_processSlot.load(std::memory_order_relaxed) != process)
        {
            continue;
        }
        if (!recovery::retire(view, p, alive, m_patience, [&set](std::uint32_t last) { (*set)->giveBack(last); }))
        {
            unsettled(index).fetch_add(1, std::memory_order_release); // before the rows that lead to it are free
            // Dying ports are found again without their process; one that could not be looked at is not.
            complete &= port.m_state.load(std::memory_order_acquire) == static_cast<std::uint32_t>(PortState::Dying);
        }
        ++report.endpoints;
    }
    return complete;
}

void Domain::recoverProcess(std::uint32_t process, RecoveryReport& report)
{
    bool complete = true;
    const std::vector<bool> sets = setsWithPortsOf(process);
    for (std::uint32_t s = 0; s < sets.size(); ++s)
    {
        const bool look = sets[s] || unsettled(s).load(std::memory_order_acquire) != 0;
        if (look && isUsed(row<PoolSetRecord>(header().m_poolSets, s).m_state) && !recoverPortsIn(s, process, report))
        {
            unsettled(s).fetch_add(1, std::memory_order_release); // the rows that lead to it go now
            complete = false;
        }
    }
    for (std::uint32_t i = 0; i < rowsOf(header().m_endpoints); ++i)
    {
        auto& endpoint = row<EndpointRecord>(header().m_endpoints, i);
        if (isUsed(endpoint.m_state) && endpoint.m_process == process)
        {
            endpoint.m_state.store(kFree, std::memory_order_release);
        }
    }
    for (std::uint32_t i = 0; i < rowsOf(header().m_nodes); ++i)
    {
        auto& node = row<NodeRecord>(header().m_nodes, i);
        if (isUsed(node.m_state) && node.m_process == process)
        {
            node.m_state.store(kFree, std::memory_order_release);
        }
    }
    releaseWaitersOf(process);
    graphChanged();
    if (!complete)
    {
        return; // the row stays Used, so that the next one to look repeats this
    }
    releaseWhatNobodyUses();
    auto& record = row<ProcessRecord>(header().m_processes, process);
    log(LogLevel::Warn, "process " + std::to_string(record.m_pid) + " (" + std::string(record.m_name.view()) +
                            ") died; what it held is free again");
    record.m_state.store(kFree, std::memory_order_release); // last: until here the recovery is repeated
    ++report.processes;
}

/// Every topic without endpoints, every automatic set without topics, every file without a set: the dead one may have
/// been making or removing them.
void Domain::releaseWhatNobodyUses()
{
    std::vector<bool> used(rowsOf(header().m_topics), false);
    for (std::uint32_t i = 0; i < rowsOf(header().m_endpoints); ++i)
    {
        const auto& endpoint = row<EndpointRecord>(header().m_endpoints, i);
        if (isUsed(endpoint.m_state) && endpoint.m_topic < used.size())
        {
            used[endpoint.m_topic] = true;
        }
    }
    std::vector<bool> named(rowsOf(header().m_poolSets), false);
    for (std::uint32_t i = 0; i < used.size(); ++i)
    {
        const auto& topic = row<TopicRecord>(header().m_topics, i);
        if (isUsed(topic.m_state) && !used[i])
        {
            releaseTopic(i);
        }
        if (isUsed(topic.m_state) && topic.m_poolSet < named.size())
        {
            named[topic.m_poolSet] = true;
        }
    }
    std::vector<std::string> listed{fileName(m_config.domain, "lock"), fileName(m_config.domain, "discovery")};
    for (std::uint32_t i = 0; i < named.size(); ++i)
    {
        auto& set = row<PoolSetRecord>(header().m_poolSets, i);
        if (isUsed(set.m_state) && set.m_automatic != 0 && !named[i])
        {
            set.m_state.store(kFree, std::memory_order_release);
            m_sets.erase(i);
        }
        if (isUsed(set.m_state))
        {
            const std::string base = fileName(m_config.domain, set.m_name.view());
            listed.insert(listed.end(), {base + ".data", base + ".mgmt"});
        }
    }
    for (std::string& name : pipesInUse())
    {
        listed.push_back(std::move(name));
    }
    removeFilesBut(std::move(listed));
}

bool Domain::retirePort(PoolSet& set, std::uint32_t port)
{
    return recovery::retire(
        set.control(), port, [this](std::uint32_t slot) { return isAlive(slot); }, m_patience,
        [&set](std::uint32_t last) { set.giveBack(last); });
}

bool Domain::hasRow(const PortRecord& port) const noexcept
{
    const std::uint32_t slot = port.m_endpointSlot.load(std::memory_order_relaxed);
    if (slot >= rowsOf(header().m_endpoints))
    {
        return false;
    }
    const auto& endpoint = row<EndpointRecord>(header().m_endpoints, slot);
    return isUsed(endpoint.m_state) && endpoint.m_id == port.m_endpointId.load(std::memory_order_relaxed);
}

/// Whether nobody has to look at the set but for the rows that lead to it.
bool Domain::isSettled(const PoolView& view) const noexcept
{
    const std::uint32_t ports =
        std::min(view.header().m_portHighWater.load(std::memory_order_acquire), view.portCapacity());
    for (std::uint32_t p = 1; p < ports; ++p)
    {
        const auto state = static_cast<PortState>(view.port(p).m_state.load(std::memory_order_acquire));
        if (state != PortState::Off && (state == PortState::Dying || !hasRow(view.port(p))))
        {
            return false;
        }
    }
    return true;
}

std::uint32_t Domain::retireDyingPorts(bool everywhere)
{
    std::uint32_t left = 0;
    for (std::uint32_t s = 0; s < rowsOf(header().m_poolSets); ++s)
    {
        // [sync:unsettled] Acquire, and before the look: a port that is abandoned later counts on.
        std::uint64_t said = unsettled(s).load(std::memory_order_acquire);
        const bool look = (said != 0 || everywhere) && isUsed(row<PoolSetRecord>(header().m_poolSets, s).m_state);
        if (!look)
        {
            continue;
        }
        if (const auto set = openSet(s))
        {
            left += retireDyingPorts(**set);
            if (isSettled((*set)->control()))
            {
                unsettled(s).compare_exchange_strong(said, 0, std::memory_order_acq_rel);
            }
        }
    }
    return left;
}

std::uint32_t Domain::retireDyingPorts(PoolSet& set)
{
    return recovery::retireDying(
        set.control(), [this](std::uint32_t slot) { return isAlive(slot); }, m_patience,
        [this, &set](std::uint32_t port)
        {
            releaseRowOf(set.control().port(port));
            set.giveBack(port);
        });
}

/// The endpoint's row of a port that was abandoned; those of others went with their endpoint.
void Domain::releaseRowOf(const PortRecord& port)
{
    if (hasRow(port))
    {
        auto& endpoint = row<EndpointRecord>(header().m_endpoints, port.m_endpointSlot.load(std::memory_order_relaxed));
        if (const std::uint32_t topic = endpoint.m_topic; topic < rowsOf(header().m_topics))
        {
            noteUnsettled(topic); // we may die before the port is Off, and its owner before it says so itself
        }
        endpoint.m_state.store(kFree, std::memory_order_release);
        graphChanged();
    }
}

} // namespace ZeroCP
