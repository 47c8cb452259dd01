// PoolSet's size classes: how many chunks endpoints may need, and the chunks that are committed for them.
#include <algorithm>
#include <bit>
#include <numeric>
#include <vector>

#include "class_need.hpp"
#include "pool_set_tables.hpp"
#include "zerocp/discovery/pool_set.hpp"

namespace ZeroCP
{

Expected<void, Error> PoolSet::growClass(std::uint32_t port, std::uint64_t bytes, std::uint8_t share)
{
    if (!m_control.refresh())
    {
        return failure(ErrorCode::Corrupt, m_baseName + ": a size class does not fit its segment");
    }
    std::uint32_t index = m_control.fittingClass(bytes);
    const bool single = m_control.manager().layout().m_maxPools == 1;
    const std::uint64_t wanted = single ? bytes : std::max(kSmallestClass, std::bit_ceil(bytes));
    const bool wasteful = index < m_control.classCount() && !single && m_control.classAt(index).m_chunkSize > wanted;
    if (index == m_control.classCount() ||
        (wasteful && m_control.classCount() < m_control.manager().layout().m_maxPools))
    {
        if (m_control.manager().addClass(wanted, m_registry) == nullptr || !m_control.refresh())
        {
            return failure(ErrorCode::NoSpace, m_baseName + ": no size class for " + std::to_string(bytes) +
                                                   " bytes can be added (" + describeClasses() +
                                                   "); raise limits.pool_set_bytes or configure pools for the topic");
        }
        index = m_control.fittingClass(bytes);
    }
    std::atomic<std::uint32_t>& classes = m_control.port(port).m_classes;
    const bool isPublisher =
        m_control.port(port).m_kind.load(std::memory_order_relaxed) == static_cast<std::uint32_t>(PortKind::Publisher);
    const std::uint32_t before = classes.load(std::memory_order_relaxed);
    if (isPublisher)
    {
        classes.store(before | 1U << index, std::memory_order_relaxed);
        if ((before >> index & 1U) == 0)
        {
            m_control.port(port).m_shares[index].store(share, std::memory_order_relaxed);
        }
    }
    auto committed = commitBudgets(port);
    if (!committed)
    {
        classes.store(before, std::memory_order_relaxed); // else every later commit would ask for this one again
    }
    return committed;
}

Expected<void, Error> PoolSet::raiseShare(std::uint32_t port, std::uint32_t classIndex)
{
    std::atomic<std::uint8_t>& share = m_control.port(port).m_shares[classIndex];
    const std::uint8_t before = share.load(std::memory_order_relaxed);
    if (before == 0)
    {
        return {}; // it has the whole budget
    }
    share.store(static_cast<std::uint8_t>(before + 1), std::memory_order_relaxed);
    auto committed = commitBudgets(port);
    if (!committed)
    {
        share.store(before, std::memory_order_relaxed); // else every later commit would ask for it again
    }
    return committed;
}

Expected<void, Error> PoolSet::commitBudgets(std::uint32_t port)
{
    if (m_control.header().m_automatic == 0)
    {
        return {};
    }
    if (!m_control.refresh()) // other processes may have added classes
    {
        return failure(ErrorCode::Corrupt, m_baseName + ": a size class does not fit its segment");
    }
    for (std::uint32_t c = 0; c < m_control.classCount(); ++c)
    {
        const ClassNeed need = needOf(m_control, c);
        if (need.m_needed <= need.m_present)
        {
            continue;
        }
        const PoolView::Class& in = m_control.classAt(c);
        const std::uint64_t room = in.m_endChunk - in.m_firstChunk;
        if (need.m_needed > room)
        {
            return failure(ErrorCode::LimitReached,
                           m_baseName + ": the topic's endpoints need " + std::to_string(need.m_needed) +
                               " chunks of " + std::to_string(in.m_chunkSize) + " bytes, " + std::to_string(room) +
                               " fit; raise limits.pool_set_bytes or lower depths, max_loans or max_held");
        }
        const std::uint32_t missing = static_cast<std::uint32_t>(need.m_needed) - need.m_present;
        const std::uint32_t restored = std::min(missing, need.m_retired);
        auto added = checkLimit(in, missing);
        added = added && restored > 0 ? restoreChunks(c, restored, port) : added;
        added = added && missing > restored ? addChunks(c, missing - restored, port) : added;
        if (!added)
        {
            return added;
        }
    }
    return {};
}

Expected<void, Error> PoolSet::commitData(std::uint64_t offset, std::uint64_t bytes)
{
    const std::lock_guard guard(m_dataMutex);
    const auto data = writableData();
    auto done = data ? (*data)->commit(offset, bytes) : tl::unexpected(data.error());
    if (!m_publishes)
    {
        m_dataRw = SharedMemory(); // a process that only subscribes keeps no writable mapping
    }
    return done;
}

Expected<void, Error> PoolSet::checkLimit(const PoolView::Class& in, std::uint32_t count) const
{
    const std::uint64_t limit = m_control.header().m_commitLimit;
    const std::uint64_t bytes = in.m_stride * count;
    const std::uint64_t committed = committedBytes(m_control);
    if (bytes > limit || committed > limit - bytes)
    {
        return failure(ErrorCode::LimitReached, m_baseName + ": " + std::to_string(count) + " more chunks of " +
                                                    std::to_string(in.m_chunkSize) + " bytes would commit " +
                                                    std::to_string(committed + bytes) + " bytes, the limit is " +
                                                    std::to_string(limit) + "; raise limits.pool_set_bytes");
    }
    return {};
}

/// Chunks whose memory was given back come back first, those with the lowest numbers.
Expected<void, Error> PoolSet::restoreChunks(std::uint32_t classIndex, std::uint32_t count, std::uint32_t port)
{
    const PoolView::Class in = m_control.classAt(classIndex);
    std::vector<std::uint32_t> numbers;
    for (std::uint32_t i = 0; i < chunksOf(in) && numbers.size() < count; ++i)
    {
        if (isRetired(m_control, in.m_firstChunk + i))
        {
            numbers.push_back(in.m_firstChunk + i);
        }
    }
    const std::uint32_t retired = in.m_pool->getRetiredChunks();
    in.m_pool->countRetired(retired - std::min(retired, count)); // if we die, giveBack() sees that it is not the number
    for (std::size_t first = 0, last = 0; first < numbers.size(); first = last)
    {
        for (last = first + 1; last < numbers.size() && numbers[last] == numbers[last - 1] + 1;)
        {
            ++last;
        }
        const std::uint64_t offset = kDataOffset + in.m_dataOffset + in.m_stride * (numbers[first] - in.m_firstChunk);
        if (auto done = commitData(offset, in.m_stride * (last - first)); !done)
        {
            return done; // what was committed before is given back again when next something is
        }
    }
    for (const std::uint32_t chunk : numbers)
    {
        holders::markFreeing(m_control, port, chunk); // if we die before the push, recovery of `port` does it
    }
    holders::addFree(m_control, in, port, numbers);
    countRetired(in);
    return {};
}

Expected<void, Error> PoolSet::addChunks(std::uint32_t classIndex, std::uint32_t count, std::uint32_t port)
{
    const PoolView::Class in = m_control.classAt(classIndex);
    const std::uint32_t total = in.m_pool->getTotalChunks();
    auto done = commitData(kDataOffset + in.m_dataOffset + in.m_stride * total, in.m_stride * count);
    const std::uint32_t first = in.m_firstChunk + total;
    const std::uint64_t stride = m_control.manager().layout().m_managerStride;
    done = done ? commitManagement(&m_control.record(first), stride * count) : done;
    done = done ? commitManagement(in.m_list.m_links + total, sizeof(MPMC_LockFree_List::Link) * count) : done;
    if (!done)
    {
        return done;
    }
    m_control.manager().describeChunks(classIndex, total, count, m_registry);
    std::vector<std::uint32_t> numbers(count);
    std::iota(numbers.begin(), numbers.end(), first);
    for (const std::uint32_t chunk : numbers)
    {
        holders::markFreeing(m_control, port, chunk); // if we die before the push, recovery of `port` does it
    }
    in.m_pool->addChunks(count);
    holders::addFree(m_control, in, port, numbers);
    return {};
}

void PoolSet::countRetired(const PoolView::Class& in)
{
    std::uint32_t retired = 0;
    for (std::uint32_t i = 0; i < chunksOf(in); ++i)
    {
        retired += isRetired(m_control, in.m_firstChunk + i) ? 1U : 0U;
    }
    in.m_pool->countRetired(retired);
}

} // namespace ZeroCP
