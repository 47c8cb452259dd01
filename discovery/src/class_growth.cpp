// PoolSet's size classes: how many chunks endpoints may need, and the chunks that are committed for them.
#include <algorithm>
#include <bit>
#include <vector>

#include "pool_set_tables.hpp"
#include "zerocp/discovery/pool_set.hpp"

namespace ZeroCP
{

namespace
{

std::uint32_t portOfOwner(std::uint64_t owner) noexcept
{
    return static_cast<std::uint32_t>(owner);
}

/// Chunks of class `in` that publishers which are gone have left to subscribers: no budget of a living one covers them.
std::uint64_t leftBehind(const PoolView& view, const PoolView::Class& in) noexcept
{
    std::uint64_t count = 0;
    const std::uint32_t chunks = std::min(in.m_pool->getTotalChunks(), in.m_endChunk - in.m_firstChunk);
    for (std::uint32_t i = 0; i < chunks; ++i)
    {
        const std::uint32_t chunk = in.m_firstChunk + i;
        if (holder::stateOf(view.word(chunk, 0).load(std::memory_order_acquire)) != ChunkState::InUse)
        {
            continue;
        }
        const std::uint64_t owner = view.record(chunk).m_owner.load(std::memory_order_acquire);
        const PortRecord& port = view.port(std::min(portOfOwner(owner), view.portCapacity() - 1));
        const std::uint32_t bit = port.m_holderIndex.load(std::memory_order_relaxed);
        // By rule X a living owner's bit stands. Its record may have passed to somebody with another bit, or the same.
        const bool owned =
            isOpen(port, PortKind::Publisher, topicOfOwner(owner)) && holder::wordOf(bit) < view.holderWords() &&
            (view.word(chunk, holder::wordOf(bit)).load(std::memory_order_acquire) & holder::bitOf(bit)) != 0;
        count += owned ? 0U : 1U;
    }
    return count;
}

/// Derived, not counted: nothing to repair after a crash.
std::uint64_t committedBytes(const PoolView& view) noexcept
{
    std::uint64_t bytes = 0;
    for (std::uint32_t c = 0; c < view.classCount(); ++c)
    {
        bytes += view.classAt(c).m_stride * view.classAt(c).m_pool->getTotalChunks();
    }
    return bytes;
}

} // namespace

std::uint32_t publisherBudget(const PoolView& view, std::uint32_t port, std::uint64_t chunkBytes) noexcept
{
    const PortRecord& me = view.port(port);
    const std::uint32_t topic = me.m_topic.load(std::memory_order_relaxed);
    const bool hasHistory = me.m_history.load(std::memory_order_relaxed) != 0;
    const std::uint32_t history = hasHistory ? me.m_depth.load(std::memory_order_relaxed) : 0;
    std::uint32_t window = history;
    std::uint32_t held = 0;
    for (std::uint32_t i = 1; i < portsInUse(view); ++i)
    {
        const PortRecord& other = view.port(i);
        if (isOpen(other, PortKind::Subscriber, topic))
        {
            const std::uint32_t depth = other.m_depth.load(std::memory_order_relaxed);
            window = std::max(window, depth);
            held += other.m_history.load(std::memory_order_relaxed) != 0 ? std::min(history, depth) : 0; // pinned
            // One more that an eviction may have left to it, one more that takeLatest() exchanges.
            held += other.m_limit.load(std::memory_order_relaxed) + 2;
        }
    }
    return me.m_limit.load(std::memory_order_relaxed) + window + held + stashSize(chunkBytes);
}

Expected<void, Error> PoolSet::growClass(std::uint32_t port, std::uint64_t bytes)
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
    }
    auto committed = commitBudgets(port);
    if (!committed)
    {
        classes.store(before, std::memory_order_relaxed); // else every later commit would ask for this one again
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
        const PoolView::Class& in = m_control.classAt(c);
        std::uint64_t needed = leftBehind(m_control, in);
        for (std::uint32_t i = 1; i < portsInUse(m_control); ++i)
        {
            const PortRecord& other = m_control.port(i);
            const std::uint32_t topic = other.m_topic.load(std::memory_order_relaxed);
            if (isOpen(other, PortKind::Publisher, topic) &&
                (other.m_classes.load(std::memory_order_relaxed) >> c & 1U) != 0)
            {
                needed += publisherBudget(m_control, i, in.m_chunkSize);
            }
        }
        const std::uint32_t present = in.m_pool->getTotalChunks();
        if (needed > present)
        {
            const std::uint64_t room = in.m_endChunk - in.m_firstChunk;
            if (needed > room)
            {
                return failure(ErrorCode::LimitReached,
                               m_baseName + ": the topic's endpoints need " + std::to_string(needed) + " chunks of " +
                                   std::to_string(in.m_chunkSize) + " bytes, " + std::to_string(room) +
                                   " fit; raise limits.pool_set_bytes or lower depths, max_loans or max_held");
            }
            if (auto added = addChunks(c, static_cast<std::uint32_t>(needed) - present, port); !added)
            {
                return added;
            }
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

Expected<void, Error> PoolSet::addChunks(std::uint32_t classIndex, std::uint32_t count, std::uint32_t port)
{
    const PoolView::Class in = m_control.classAt(classIndex);
    const PoolSetHeader& header = m_control.header();
    const std::uint32_t present = in.m_pool->getTotalChunks();
    const std::uint64_t bytes = in.m_stride * count;
    const std::uint64_t committed = committedBytes(m_control);
    if (bytes > header.m_commitLimit || committed > header.m_commitLimit - bytes)
    {
        return failure(ErrorCode::LimitReached,
                       m_baseName + ": " + std::to_string(count) + " more chunks of " + std::to_string(in.m_chunkSize) +
                           " bytes would commit " + std::to_string(committed + bytes) + " bytes, the limit is " +
                           std::to_string(header.m_commitLimit) + "; raise limits.pool_set_bytes");
    }
    auto done = commitData(kDataOffset + in.m_dataOffset + in.m_stride * present, bytes);
    const std::uint32_t first = in.m_firstChunk + present;
    const std::uint64_t stride = m_control.manager().layout().m_managerStride;
    done = done ? commitManagement(&m_control.record(first), stride * count) : done;
    done = done ? commitManagement(in.m_list.m_links + present, sizeof(MPMC_LockFree_List::Link) * count) : done;
    if (!done)
    {
        return done;
    }
    m_control.manager().describeChunks(classIndex, present, count, m_registry);
    std::vector<std::uint32_t> numbers(count);
    for (std::uint32_t i = 0; i < count; ++i)
    {
        numbers[i] = first + i;
        holders::markFreeing(m_control, port, first + i); // if we die before the push, recovery of `port` does it
    }
    in.m_pool->addChunks(count);
    in.m_pool->countOut(count);
    holders::putBack(m_control, in, port, numbers);
    return {};
}

} // namespace ZeroCP
