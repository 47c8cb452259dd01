#include "zerocp/discovery/domain.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <new>
#include <system_error>
#include <utility>

#include <unistd.h>

#include "domain_control.hpp"
#include "zerocp/core/contract.hpp"
#include "zerocp/core/fork_guard.hpp"
#include "zerocp/core/log.hpp"
#include "zerocp/core/notifier.hpp"

namespace ZeroCP
{

namespace
{

/// Memberships of this process, so that all nodes of a domain share one.
struct Memberships
{
    struct Entry
    {
        std::string m_root;
        std::uint32_t m_domain;
        std::uint64_t m_generation;
        std::weak_ptr<Domain> m_membership;
    };

    std::mutex m_mutex;
    std::vector<Entry> m_entries;
};

Memberships& memberships()
{
    static auto* const all = new Memberships; // outlives static handles
    return *all;
}

std::string processName()
{
    return program_invocation_short_name == nullptr ? std::string("unknown") : program_invocation_short_name;
}

std::uint64_t tableBytes(std::uint64_t rows, std::uint64_t rowBytes)
{
    return alignUp(rows * rowBytes, kPageBytes);
}

void placeTable(Table& table, std::uint64_t& offset, std::uint32_t rows, std::uint64_t rowBytes)
{
    table.m_offset = offset;
    table.m_capacity = rows;
    table.m_highWater.store(0, std::memory_order_relaxed);
    offset += tableBytes(rows, rowBytes);
}

bool tableFits(const Table& table, std::uint64_t rowBytes, std::uint64_t bytes)
{
    return table.m_offset <= bytes && table.m_capacity <= (bytes - table.m_offset) / rowBytes &&
           table.m_offset % kCacheLineBytes == 0;
}

/// Who wakes opens a FIFO whenever it must, wherever the process has gone meanwhile.
std::string wholePathOf(const std::filesystem::path& path)
{
    std::error_code error;
    const std::filesystem::path whole = std::filesystem::absolute(path, error);
    return error ? path.native() : whole.native();
}

/// Sets of a domain's own making plus one for every topic.
std::uint32_t poolSetRows(const Config& config)
{
    return config.limits.topics + 1024U;
}

/// Fills the header of a new discovery segment and returns the bytes that the tables need.
std::uint64_t layOutTables(DiscoveryHeader& header, const Config& config)
{
    std::uint64_t offset = kPageBytes;
    placeTable(header.m_processes, offset, config.limits.processes, sizeof(ProcessRecord));
    placeTable(header.m_nodes, offset, config.limits.endpoints, sizeof(NodeRecord));
    placeTable(header.m_topics, offset, config.limits.topics, sizeof(TopicRecord));
    placeTable(header.m_endpoints, offset, config.limits.endpoints, sizeof(EndpointRecord));
    placeTable(header.m_poolSets, offset, poolSetRows(config), sizeof(PoolSetRecord));
    placeTable(header.m_waiters, offset, config.limits.endpoints, sizeof(WaiterRecord));
    header.m_poolSetBytes = config.limits.poolSetBytes;
    header.m_maxMessageBytes = config.limits.maxMessageBytes;
    header.m_portsPerTopic = config.limits.portsPerTopic;
    header.m_domain = config.domain;
    return offset;
}

} // namespace

std::string Domain::fileName(std::uint32_t domain, std::string_view part)
{
    return "zerocp." + std::to_string(domain) + "." + std::string(part);
}

Domain::Domain(Config config, std::filesystem::path root)
    : m_config(std::move(config)),
      m_root(std::move(root)),
      m_pipes(wholePathOf(m_root / fileName(m_config.domain, kPipes))),
      m_generation(fork_guard::generation())
{
}

bool Domain::isForked() const noexcept
{
    return m_generation != fork_guard::generation();
}

Expected<std::shared_ptr<Domain>, Error> Domain::join(const Config& config, const std::filesystem::path& root)
{
    notifier::registerProcess();
    Memberships& all = memberships();
    const std::lock_guard guard(all.m_mutex);
    const std::string where = root.lexically_normal().native();
    std::erase_if(all.m_entries, [](const Memberships::Entry& entry) { return entry.m_membership.expired(); });
    for (const Memberships::Entry& entry : all.m_entries)
    {
        if (entry.m_root == where && entry.m_domain == config.domain && entry.m_generation == fork_guard::generation())
        {
            if (auto existing = entry.m_membership.lock())
            {
                return existing;
            }
        }
    }
    auto domain = std::shared_ptr<Domain>(new Domain(config, root));
    if (auto entered = domain->enter(); !entered)
    {
        return tl::unexpected(entered.error());
    }
    all.m_entries.push_back({where, config.domain, fork_guard::generation(), domain});
    if (auto recovered = domain->recoverDead(); recovered)
    {
        domain->m_atJoin = *recovered;
    }
    else
    {
        log(LogLevel::Warn, "joining " + fileName(config.domain, "*") + ": " + recovered.error().message());
    }
    return domain;
}

Expected<void, Error> Domain::enter()
{
    auto lock = DomainLock::openForInit(m_root / fileName(m_config.domain, "lock"), m_config.access);
    if (!lock)
    {
        return tl::unexpected(lock.error());
    }
    m_lock = std::move(*lock);
    if (!m_lock.anyoneAlive())
    {
        removeAllFiles(); // left by a crash of everyone or by an earlier boot
    }
    auto result = openOrBuildDiscovery();
    result = result ? takeSlot() : result;
    if (!result && result.error().code() == ErrorCode::LimitReached && recoverDead())
    {
        result = takeSlot(); // the slots of the dead are free now
    }
    if (!result)
    {
        if (!m_lock.anyoneAlive()) // we are alone: leave nothing behind
        {
            removeAllFiles();
            static_cast<void>(SharedMemory::remove(m_root, fileName(m_config.domain, "lock")));
        }
        m_discovery = SharedMemory();
        return result;
    }
    m_lock.unlockInit();
    return {};
}

Expected<void, Error> Domain::openOrBuildDiscovery()
{
    const std::string name = fileName(m_config.domain, "discovery");
    if (!SharedMemory::exists(m_root, name))
    {
        return buildDiscovery();
    }
    const SharedMemory::Trust trust{m_config.access.group, static_cast<mode_t>(m_config.access.mode)};
    auto memory = SharedMemory::open(m_root, name, AccessMode::READ_WRITE, kPageBytes, trust);
    if (!memory)
    {
        return tl::unexpected(memory.error());
    }
    m_discovery = std::move(*memory);
    const std::uint64_t bytes = m_discovery.bytes();
    if (auto checked = checkSegmentHeader(*reinterpret_cast<const SegmentHeader*>(m_discovery.base()),
                                          SegmentKind::Discovery, discoveryLayoutHash(), bytes, name);
        !checked)
    {
        return checked;
    }
    const DiscoveryHeader& found = header();
    if (!tableFits(found.m_processes, sizeof(ProcessRecord), bytes) ||
        !tableFits(found.m_nodes, sizeof(NodeRecord), bytes) ||
        !tableFits(found.m_topics, sizeof(TopicRecord), bytes) ||
        !tableFits(found.m_endpoints, sizeof(EndpointRecord), bytes) ||
        !tableFits(found.m_poolSets, sizeof(PoolSetRecord), bytes) ||
        !tableFits(found.m_waiters, sizeof(WaiterRecord), bytes))
    {
        return failure(ErrorCode::Corrupt, name + ": a table does not fit the segment; end the domain's processes and "
                                                  "remove its files");
    }
    return {};
}

Expected<void, Error> Domain::buildDiscovery()
{
    DiscoveryHeader plan{};
    const std::uint64_t bytes = layOutTables(plan, m_config);
    auto memory = SharedMemory::createUnnamed(m_root, fileName(m_config.domain, "discovery"), bytes,
                                              Perms(static_cast<mode_t>(m_config.access.mode)));
    if (!memory)
    {
        return tl::unexpected(memory.error());
    }
    m_discovery = std::move(*memory);
    auto done = applyAccess(m_discovery.descriptor(), m_discovery.name(), m_config.access);
    done = done ? m_discovery.commit(0, kPageBytes) : done;
    if (!done)
    {
        return done;
    }
    auto* made = ::new (m_discovery.base() + sizeof(SegmentHeader)) DiscoveryHeader{};
    layOutTables(*made, m_config);
    made->m_nextEndpointId = 1;
    made->m_nextPoolSet = 1;
    ::new (m_discovery.base()) SegmentHeader(makeSegmentHeader(SegmentKind::Discovery, discoveryLayoutHash(), bytes));
    const auto published = m_discovery.publish();
    if (!published)
    {
        return tl::unexpected(published.error());
    }
    return *published ? Expected<void, Error>{}
                      : failure(ErrorCode::SystemError, m_discovery.name() + ": appeared while it was being made, "
                                                                             "although the init byte is held");
}

Expected<void, Error> Domain::takeSlot()
{
    Table& table = header().m_processes;
    const std::uint32_t known = rowsOf(table);
    // Free rows first; then new ones; rows of dead processes are for recoverDead(), which needs their lock bytes.
    for (std::uint32_t slot = 0; slot < table.m_capacity; ++slot)
    {
        if (slot >= known)
        {
            if (auto committed = m_discovery.commit(table.m_offset, sizeof(ProcessRecord) * (slot + 1ULL)); !committed)
            {
                return committed;
            }
            table.m_highWater.store(slot + 1, std::memory_order_release); // [sync:tables]
        }
        auto& record = row<ProcessRecord>(table, slot);
        const bool free =
            record.m_state.load(std::memory_order_acquire) == static_cast<std::uint32_t>(RecordState::Free);
        if (free && m_lock.tryLockSlot(slot))
        {
            m_slot = slot;
            record.m_pid = static_cast<std::uint32_t>(::getpid());
            record.m_name.assign(processName());
            record.m_state.store(static_cast<std::uint32_t>(RecordState::Used), std::memory_order_release);
            return {};
        }
    }
    return failure(ErrorCode::LimitReached, fileName(m_config.domain, "discovery") + ": all " +
                                                std::to_string(table.m_capacity) +
                                                " process slots are in use; raise limits.processes" + whoHas(table));
}

Domain::~Domain()
{
    if (isForked())
    {
        return; // the parent's
    }
    if (m_slot != ~0U)
    {
        leave();
    }
}

void Domain::leave() noexcept
{
    if (!m_lock.lockInit())
    {
        return; // the kernel drops our byte when the descriptor closes; the next to join cleans up
    }
    row<ProcessRecord>(header().m_processes, m_slot)
        .m_state.store(static_cast<std::uint32_t>(RecordState::Free), std::memory_order_release);
    if (!m_lock.anyoneAlive() && m_lock.isCurrent())
    {
        removeAllFiles();
        static_cast<void>(SharedMemory::remove(m_root, fileName(m_config.domain, "lock")));
    }
}

void Domain::removeFilesBut(std::vector<std::string> kept) noexcept
{
    std::sort(kept.begin(), kept.end());
    const std::string prefix = fileName(m_config.domain, "");
    std::error_code error;
    std::vector<std::string> names;
    for (std::filesystem::directory_iterator it(m_root, error), end; !error && it != end; it.increment(error))
    {
        const std::string name = it->path().filename().native();
        if (name.starts_with(prefix) && !std::binary_search(kept.begin(), kept.end(), name))
        {
            names.push_back(name);
        }
    }
    for (const std::string& name : names)
    {
        if (const auto removed = SharedMemory::remove(m_root, name); !removed)
        {
            log(LogLevel::Warn, removed.error().message());
        }
    }
}

DiscoveryHeader& Domain::header() const noexcept
{
    return *std::launder(reinterpret_cast<DiscoveryHeader*>(m_discovery.base() + sizeof(SegmentHeader)));
}

RecoveryReport Domain::recoveredAtJoin(RecoveryReport report) noexcept
{
    const std::lock_guard guard(m_controlMutex);
    const RecoveryReport before = std::exchange(m_atJoin, RecoveryReport{});
    report.processes += before.processes;
    report.endpoints += before.endpoints;
    return report;
}

std::uint32_t Domain::rowsOf(const Table& table) const noexcept
{
    return std::min(table.m_highWater.load(std::memory_order_acquire), table.m_capacity); // [sync:tables]
}

bool Domain::isAlive(std::uint32_t process) const
{
    return process == m_slot || m_lock.isAlive(process); // never ask about oneself: it would answer "free"
}

Expected<std::uint32_t, Error> Domain::addNode(const std::string& name)
{
    Control control(*this);
    if (!control)
    {
        return tl::unexpected(control.error());
    }
    const auto index = takeRow<NodeRecord>(header().m_nodes, "limits.endpoints");
    if (index)
    {
        auto& node = row<NodeRecord>(header().m_nodes, *index);
        node.m_process = m_slot;
        node.m_name.assign(name);
        node.m_state.store(static_cast<std::uint32_t>(RecordState::Used), std::memory_order_release);
        graphChanged();
    }
    return index;
}

/// Without the control lock: the row is ours until it says Free, and others only look for such.
void Domain::removeNode(std::uint32_t node)
{
    if (!isForked())
    {
        row<NodeRecord>(header().m_nodes, node)
            .m_state.store(static_cast<std::uint32_t>(RecordState::Free), std::memory_order_release);
        graphChanged();
    }
}

} // namespace ZeroCP
