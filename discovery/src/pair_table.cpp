// PoolSet's pairs: records, and blocks of the pair area.
#include <algorithm>
#include <new>
#include <vector>

#include "pool_set_tables.hpp"
#include "zerocp/core/monotonic_clock.hpp"
#include "zerocp/core/notifier.hpp"
#include "zerocp/discovery/pool_set.hpp"

namespace ZeroCP
{

namespace
{

bool isReusable(std::uint32_t pairState) noexcept
{
    return (pairState & PairRecord::Used) == 0 ||
           ((pairState & PairRecord::PublisherGone) != 0 && (pairState & PairRecord::SubscriberGone) != 0);
}

} // namespace

Expected<std::uint32_t, Error> PoolSet::takePairRecord()
{
    const std::uint32_t used = pairsInUse(m_control);
    for (std::uint32_t i = 0; i < used; ++i)
    {
        if (isReusable(m_control.pair(i).m_state.load(std::memory_order_acquire)))
        {
            return i;
        }
    }
    if (used >= m_control.pairCapacity())
    {
        return failure(ErrorCode::LimitReached,
                       m_baseName + ": all " + std::to_string(used) + " pairs are in use; raise limits.endpoints");
    }
    if (auto committed = commitManagement(&m_control.pair(used), sizeof(PairRecord)); !committed)
    {
        return tl::unexpected(committed.error());
    }
    m_control.header().m_pairHighWater.store(used + 1, std::memory_order_release); // [sync:tables]
    return used;
}

/// First gap between the blocks in use. The list of blocks in use is the pair table itself: nothing to repair after a
/// crash.
Expected<std::uint64_t, Error> PoolSet::placeBlock(std::uint64_t bytes)
{
    struct Block
    {
        std::uint64_t m_offset;
        std::uint64_t m_end;
    };
    std::vector<Block> blocks;
    for (std::uint32_t i = 0; i < pairsInUse(m_control); ++i)
    {
        const PairRecord& pair = m_control.pair(i);
        if (!isReusable(pair.m_state.load(std::memory_order_acquire)))
        {
            const std::uint64_t offset = pair.m_blockOffset.load(std::memory_order_relaxed);
            blocks.push_back({offset, offset + pair.m_blockBytes.load(std::memory_order_relaxed)});
        }
    }
    std::sort(blocks.begin(), blocks.end(), [](const Block& a, const Block& b) { return a.m_offset < b.m_offset; });
    const PoolSetHeader& header = m_control.header();
    std::uint64_t place = header.m_pairAreaOffset;
    for (const Block& block : blocks)
    {
        if (block.m_offset >= place && block.m_offset - place >= bytes)
        {
            break;
        }
        place = std::max(place, block.m_end);
    }
    if (place > m_management.bytes() || m_management.bytes() - place < bytes)
    {
        return failure(ErrorCode::LimitReached, m_baseName + ": no room for a queue of " + std::to_string(bytes) +
                                                    " bytes; lower the subscriber's depth");
    }
    return place;
}

Expected<void, Error> PoolSet::makeHistory(std::uint32_t publisher)
{
    PortRecord& port = m_control.port(publisher);
    const std::uint32_t depth = port.m_depth.load(std::memory_order_relaxed);
    const std::uint64_t bytes = HistoryHead::blockBytes(depth);
    const auto index = takePairRecord();
    const auto offset = index ? placeBlock(bytes) : tl::unexpected(index.error());
    if (!offset)
    {
        return tl::unexpected(offset.error());
    }
    std::byte* block = m_management.base() + *offset;
    if (auto committed = commitManagement(block, bytes); !committed)
    {
        return committed;
    }
    auto* head = ::new (static_cast<void*>(block)) HistoryHead{};
    head->m_first = std::max<std::uint64_t>(1, port.m_sequence.load(std::memory_order_relaxed));
    head->m_next.store(head->m_first, std::memory_order_relaxed);
    for (std::byte* word = block + sizeof(HistoryHead); word < block + bytes; word += 8)
    {
        ::new (static_cast<void*>(word)) std::atomic<std::uint64_t>(0);
    }
    PairRecord& record = m_control.pair(*index);
    record.m_state.store(0, std::memory_order_release);
    record.m_incarnation.store(m_control.header().m_incarnations.fetch_add(1, std::memory_order_relaxed) + 1,
                               std::memory_order_release);
    record.m_topic.store(port.m_topic.load(std::memory_order_relaxed), std::memory_order_relaxed);
    record.m_publisherPort.store(publisher, std::memory_order_relaxed);
    record.m_subscriberPort.store(0, std::memory_order_relaxed); // nobody's
    record.m_blockOffset.store(*offset, std::memory_order_relaxed);
    record.m_blockBytes.store(bytes, std::memory_order_relaxed);
    record.m_slotCount.store(0, std::memory_order_relaxed); // no queue: pairView() answers nothing
    record.m_depth.store(depth, std::memory_order_relaxed);
    record.m_returnCount.store(0, std::memory_order_relaxed);
    record.m_state.store(PairRecord::Used | PairRecord::History, std::memory_order_release);
    // [sync:history] Release: the record and an empty history come before. Partner: PoolView::historyOf().
    port.m_history.store(*index + 1, std::memory_order_release);
    return {};
}

namespace
{

QueuePolicy policyOf(const PortRecord& writer, const PortRecord& reader) noexcept
{
    constexpr auto kReliable = static_cast<std::uint32_t>(KeepAll::Reliable);
    constexpr auto kDirected = static_cast<std::uint32_t>(KeepAll::Directed);
    const std::uint32_t keeps = reader.m_keepAll.load(std::memory_order_relaxed);
    if (keeps == static_cast<std::uint32_t>(KeepAll::BestEffort))
    {
        return QueuePolicy::DropNewest;
    }
    // As in DDS, the publisher decides whether it ever waits. Who only listens in on calls delays none of them.
    const bool waits =
        (keeps == kReliable || keeps == kDirected) && writer.m_keepAll.load(std::memory_order_relaxed) == keeps;
    return waits ? QueuePolicy::WaitForRoom : QueuePolicy::EvictOldest;
}

/// What both sides agree on in a new pair's books, and what the publisher's own say before its first day.
void startBooks(PairHead& head, const PortRecord& writer, const PortRecord& reader) noexcept
{
    const std::uint64_t offered = writer.m_lifespanNs.load(std::memory_order_relaxed);
    const std::uint64_t wanted = reader.m_lifespanNs.load(std::memory_order_relaxed);
    head.m_lifespanNs.store(offered != 0 && wanted != 0 ? std::min(offered, wanted) : std::max(offered, wanted),
                            std::memory_order_relaxed);
    if (const std::uint64_t lease = writer.m_leaseNs.load(std::memory_order_relaxed); lease != 0)
    {
        head.m_leasesBefore.store(writer.m_leases.at(monotonicNs(), lease).m_lost, std::memory_order_relaxed);
    }
}

} // namespace

Expected<void, Error> PoolSet::makePair(std::uint32_t publisher, std::uint32_t subscriber)
{
    const PortRecord& reader = m_control.port(subscriber);
    const PairShape shape =
        PairShape::of(reader.m_depth.load(std::memory_order_relaxed), reader.m_limit.load(std::memory_order_relaxed));
    const auto index = takePairRecord();
    const auto offset = index ? placeBlock(shape.blockBytes()) : tl::unexpected(index.error());
    if (!offset)
    {
        return tl::unexpected(offset.error());
    }
    std::byte* block = m_management.base() + *offset;
    if (auto committed = commitManagement(block, shape.blockBytes()); !committed)
    {
        return committed;
    }
    auto* head = ::new (static_cast<void*>(block)) PairHead{};
    for (std::byte* word = block + sizeof(PairHead); word < block + shape.blockBytes(); word += 8)
    {
        ::new (static_cast<void*>(word)) std::atomic<std::uint64_t>(0);
    }
    head->m_join.store(PairHead::kWantsToJoin, std::memory_order_relaxed);
    startBooks(*head, m_control.port(publisher), reader);
    PairRecord& pair = m_control.pair(*index);
    // Free and with a new incarnation before anything changes: a port that is reading the record notices.
    pair.m_state.store(0, std::memory_order_release);
    std::atomic<std::uint64_t>& incarnations = m_control.header().m_incarnations;
    const std::uint64_t incarnation = incarnations.fetch_add(1, std::memory_order_relaxed) + 1;
    pair.m_incarnation.store(incarnation, std::memory_order_release);
    pair.m_topic.store(reader.m_topic.load(std::memory_order_relaxed), std::memory_order_release);
    pair.m_publisherPort.store(publisher, std::memory_order_release);
    pair.m_subscriberPort.store(subscriber, std::memory_order_release);
    pair.m_blockOffset.store(*offset, std::memory_order_release);
    pair.m_blockBytes.store(shape.blockBytes(), std::memory_order_release);
    pair.m_slotCount.store(shape.m_slotCount, std::memory_order_release);
    pair.m_depth.store(shape.m_depth, std::memory_order_release);
    pair.m_returnCount.store(shape.m_returnCount, std::memory_order_release);
    pair.m_policy.store(static_cast<std::uint32_t>(policyOf(m_control.port(publisher), reader)),
                        std::memory_order_release);
    // [sync:pair] Release: who sees the pair in use sees its place and an empty queue. Partner: onEpoch() of both ports.
    pair.m_state.store(PairRecord::Used, std::memory_order_release);
    return {};
}

Expected<void, Error> PoolSet::connect(std::uint32_t port)
{
    const PortRecord& me = m_control.port(port);
    const std::uint32_t topic = me.m_topic.load(std::memory_order_relaxed);
    const bool publishes = me.m_kind.load(std::memory_order_relaxed) == static_cast<std::uint32_t>(PortKind::Publisher);
    Expected<void, Error> result;
    for (std::uint32_t i = 1; i < portsInUse(m_control) && result; ++i)
    {
        if (i != port && isOpen(m_control.port(i), publishes ? PortKind::Subscriber : PortKind::Publisher, topic))
        {
            result = publishes ? makePair(port, i) : makePair(i, port);
        }
    }
    notifier::moveEpoch(m_control.header().m_epoch); // [sync:epoch] the pairs come before it
    for (std::uint32_t i = 1; publishes && i < portsInUse(m_control); ++i)
    {
        if (isOpen(m_control.port(i), PortKind::Subscriber, topic))
        {
            notifier::wakeIfAsleep(m_control.port(i), m_waiters); // whom it tells that there is one more
        }
    }
    return result;
}

} // namespace ZeroCP
