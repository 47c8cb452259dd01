// PoolSet's pages: what an endpoint of this process will touch is mapped, and locked if the set says so, before it runs.
#include <algorithm>

#include "pool_set_tables.hpp"
#include "zerocp/core/log.hpp"
#include "zerocp/discovery/pool_set.hpp"

namespace ZeroCP
{

namespace
{

/// What a set that holds its pages has in advance of records and queues, so that endpoints which join later cost those that
/// run no page fault. 64 ports, 1024 pairs, and queues of depth 10 for all of these: 1.1 MiB.
constexpr std::uint32_t kReservedPorts = 64;
constexpr std::uint32_t kReservedPairs = 1024;
constexpr std::uint64_t kReservedPairAreaBytes = 1U << 20;

} // namespace

Expected<void, Error> PoolSet::preparePages(const PoolSetPlan& plan, SharedMemory& data)
{
    if (plan.m_memory.hugePages)
    {
        if (auto aligned = data.useHugePages(); !aligned)
        {
            return aligned;
        }
        if (const std::string why = data.whyNoHugePages(); !why.empty())
        {
            log(LogLevel::Warn, m_baseName + ": its chunks get small pages, no huge ones: " + why);
        }
    }
    return plan.m_memory.numaNode ? data.bindToNode(*plan.m_memory.numaNode) : Expected<void, Error>();
}

Expected<void, Error> PoolSet::commitPages(SharedMemory& data, std::uint64_t bytes) const
{
    if (m_pagePolicy.m_hugePages)
    {
        // Where the file system is mounted with huge=advise, only a page fault in this mapping gets a huge page, and
        // fallocate() a small one. Without room for all of them the second has to say so, with all of it free. Never a
        // touch: what is not committed yet may not be there to be had.
        static_cast<void>(data.populate(0, bytes));
        auto committed = data.commit(0, bytes);
        if (!committed && data.release(0, bytes))
        {
            committed = data.commit(0, bytes);
        }
        return committed;
    }
    return data.commit(0, bytes);
}

Expected<void, Error> PoolSet::readPagePolicy(std::uint32_t word, bool automatic)
{
    const auto policy = PagePolicy::of(word);
    if (!policy || (automatic && *policy != PagePolicy{}))
    {
        return failure(ErrorCode::Corrupt, m_baseName + ": its header has page policy " + std::to_string(word) +
                                               ", which no set of its kind has; remove the domain's files");
    }
    m_pagePolicy = *policy;
    return {};
}

Expected<void, Error> PoolSet::hold(SharedMemory& memory, std::uint64_t offset, std::uint64_t bytes) const
{
    if (m_pagePolicy.m_lock)
    {
        return memory.lock(offset, bytes);
    }
    if (m_pagePolicy.m_prefault)
    {
        memory.prefault(offset, bytes);
    }
    return {};
}

Expected<void, Error> PoolSet::reserveTables()
{
    if (!m_pagePolicy.holdsPages())
    {
        return {};
    }
    const std::uint32_t ports = std::min(kReservedPorts, m_control.portCapacity());
    const std::uint32_t pairs = std::min(kReservedPairs, m_control.pairCapacity());
    auto done = m_management.commit(offsetOf(&m_control.port(0)), sizeof(PortRecord) * ports);
    done = done ? m_management.commit(offsetOf(&m_control.pair(0)), sizeof(PairRecord) * pairs) : done;
    return done ? m_management.commit(m_control.header().m_pairAreaOffset, kReservedPairAreaBytes) : done;
}

Expected<void, Error> PoolSet::holdManagement()
{
    if (m_holdsManagement || !m_pagePolicy.holdsPages())
    {
        return {};
    }
    const std::uint32_t ports = std::min(std::max(kReservedPorts, portsInUse(m_control)), m_control.portCapacity());
    const std::uint32_t pairs = std::min(std::max(kReservedPairs, pairsInUse(m_control)), m_control.pairCapacity());
    const std::uint64_t records = offsetOf(&m_control.record(0));
    const std::uint64_t recordsEnd = offsetOf(&m_control.record(m_control.maxChunks()));
    auto done = hold(m_management, 0, offsetOf(&m_control.manager()) + sizeof(MemPoolManager));
    for (std::uint32_t c = 0; done && c < m_control.classCount(); ++c)
    {
        const auto& list = m_control.classAt(c).m_list;
        done = hold(m_management, offsetOf(list.m_links), sizeof(MPMC_LockFree_List::Link) * list.m_capacity);
    }
    done = done ? hold(m_management, records, recordsEnd - records) : done;
    done = done ? hold(m_management, offsetOf(&m_control.port(0)), sizeof(PortRecord) * ports) : done;
    done = done ? hold(m_management, offsetOf(&m_control.pair(0)), sizeof(PairRecord) * pairs) : done;
    done = done ? hold(m_management, m_control.header().m_pairAreaOffset, kReservedPairAreaBytes) : done;
    m_holdsManagement = done.has_value();
    return done;
}

Expected<void, Error> PoolSet::holdBeforePublication()
{
    if (!m_pagePolicy.holdsPages())
    {
        return {};
    }
    const PoolView::Range data{m_dataRw.base(), m_dataRw.bytes()};
    const auto view = PoolView::of(m_baseName, {m_management.base(), m_management.bytes()}, data, {});
    if (!view)
    {
        return tl::unexpected(view.error());
    }
    m_control = *view;
    auto done = reserveTables();
    done = done ? holdManagement() : done;
    return done ? hold(m_dataRw, 0, m_dataRw.bytes()) : done;
}

Expected<void, Error> PoolSet::holdPages(PortKind kind)
{
    if (!m_pagePolicy.holdsPages())
    {
        return {};
    }
    if (auto done = holdManagement(); !done)
    {
        return done;
    }
    const std::lock_guard guard(m_dataMutex);
    const bool publishes = kind == PortKind::Publisher;
    bool& holds = publishes ? m_holdsDataRw : m_holdsDataRo;
    const auto data = publishes ? writableData() : Expected<SharedMemory*, Error>(&m_dataRo);
    auto done = holds || !data ? Expected<void, Error>() : hold(**data, 0, (*data)->bytes());
    if (!data || !done)
    {
        return tl::unexpected(data ? done.error() : data.error());
    }
    m_publishes |= publishes; // the mapping stays, and so does what was done to it
    holds = true;
    return {};
}

} // namespace ZeroCP
