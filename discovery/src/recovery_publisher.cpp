// What a dead publisher leaves: deliveries, verdicts, returns, history.
#include <algorithm>
#include <vector>

#include "recovery_steps.hpp"
#include "zerocp/core/holders.hpp"
#include "zerocp/core/notifier.hpp"

namespace ZeroCP::recovery
{

namespace
{

using holder::bitOf;
using holder::stateOf;
using holder::wordOf;

/// Where a message stands is the publisher's knowledge if some were dropped; that it stands somewhere can be seen.
bool standsIn(const PairView& pair, std::uint64_t entry)
{
    for (std::uint64_t i = 0; i <= pair.m_slotMask; ++i)
    {
        if (pair.m_slots[i].load(std::memory_order_acquire) == entry) // [sync:slot]
        {
            return true;
        }
    }
    return false;
}

/// One receiver of one publication of the victim: delivered, undelivered, or evicted without a verdict?
void settleDelivery(const Victim& victim, std::uint32_t chunk, std::uint64_t tag, const PairView& pair,
                    std::uint32_t receiver)
{
    // m_sequence gives the upper bits that the tag does not carry.
    const std::uint64_t next = victim.record().m_sequence.load(std::memory_order_acquire);
    const std::uint64_t sequence = next - ((next - sequenceOfTag(tag)) & kSequenceMask);
    if (pair.m_policy != QueuePolicy::EvictOldest)
    {
        // Only the last publication can have been interrupted: earlier ones got a slot or no holder bit.
        if (sequence + 1 == next && !standsIn(pair, entry::kKept | entry::make(sequence, chunk)))
        {
            static_cast<void>(holders::drop(victim.m_view, victim.m_port, chunk, receiver, tag));
        }
        return;
    }
    const std::uint64_t value = pair.slot(sequence).load(std::memory_order_acquire);
    if (value == 0 || entry::distance(value, sequence) < 0)
    {
        static_cast<void>(holders::drop(victim.m_view, victim.m_port, chunk, receiver, tag)); // never reached the slot
        return;
    }
    if (value == entry::make(sequence, chunk) || sequence < pair.m_head->m_floor.load(std::memory_order_acquire))
    {
        return; // in the queue, taken, or settled by the victim
    }
    const std::uint64_t at = pair.m_head->m_position.load(std::memory_order_seq_cst); // [sync:position]
    if (sequence == at)
    {
        pair.m_head->m_doubt.store(entry::make(sequence, chunk), std::memory_order_release);
    }
    else if (sequence > at)
    {
        static_cast<void>(holders::drop(victim.m_view, victim.m_port, chunk, receiver, tag));
    }
}

/// Publications of a dead publisher that reached only some of their receivers.
void settleDeliveries(const Victim& victim)
{
    std::atomic_thread_fence(std::memory_order_seq_cst); // [sync:position] partner: the exchange in announce()
    forEachPair(
        victim.m_view,
        [&victim](PairRecord& record)
        {
            const auto pair = victim.m_view.pairView(record);
            if (record.m_publisherPort.load(std::memory_order_relaxed) != victim.m_port || !pair ||
                (record.m_state.load(std::memory_order_relaxed) & PairRecord::PublisherGone) != 0)
            {
                return;
            }
            const PortRecord& reader = victim.m_view.port(
                std::min(record.m_subscriberPort.load(std::memory_order_relaxed), victim.m_view.portCapacity() - 1));
            const std::uint32_t receiver = reader.m_holderIndex.load(std::memory_order_relaxed);
            if (wordOf(receiver) >= victim.m_view.holderWords())
            {
                return;
            }
            forEachChunk(
                victim.m_view,
                [&](const PoolView::Class&, std::uint32_t chunk)
                {
                    const std::uint64_t tag = victim.m_view.record(chunk).m_publication.load(std::memory_order_acquire);
                    const std::uint64_t mine =
                        victim.m_view.word(chunk, wordOf(victim.m_holder)).load(std::memory_order_acquire);
                    const std::uint64_t theirs =
                        victim.m_view.word(chunk, wordOf(receiver)).load(std::memory_order_acquire);
                    const std::uint64_t owner = victim.m_view.record(chunk).m_owner.load(std::memory_order_acquire);
                    if (tag != 0 && portOfTag(tag) == victim.m_port &&
                        owner == chunkOwner(victim.m_topic, victim.m_port) &&
                        stateOf(victim.m_view.word(chunk, 0).load(std::memory_order_acquire)) == ChunkState::InUse &&
                        (mine & bitOf(victim.m_holder)) != 0 && (theirs & bitOf(receiver)) != 0)
                    {
                        settleDelivery(victim, chunk, tag, *pair, receiver);
                    }
                });
        });
}

/// Moves the floor over evictions that were marked but not settled.
void settleFloor(const PairView& pair)
{
    std::uint64_t floor = pair.m_head->m_floor.load(std::memory_order_acquire);
    for (std::uint64_t i = 0; i <= pair.m_slotMask; ++i)
    {
        const std::uint64_t value = pair.m_slots[i].load(std::memory_order_acquire);
        const std::int64_t ahead = entry::distance(value, floor);
        if ((value & entry::kEvicted) != 0 && ahead >= 0)
        {
            floor += static_cast<std::uint64_t>(ahead) + 1;
        }
    }
    pair.m_head->m_floor.store(floor, std::memory_order_release);
}

/// Acts on returns that the victim has not seen. The subscriber does it again when it sees that its publisher is gone;
/// the bit is gone then, or belongs to another publication.
void settleReturns(const Victim& victim, const PairRecord& record, const PairView& pair)
{
    const std::uint32_t subscriber = record.m_subscriberPort.load(std::memory_order_relaxed);
    if (subscriber >= victim.m_view.portCapacity())
    {
        return;
    }
    const std::uint32_t receiver = victim.m_view.port(subscriber).m_holderIndex.load(std::memory_order_relaxed);
    std::uint64_t count = pair.m_head->m_ringHead.load(std::memory_order_acquire);
    for (std::uint64_t i = 0; i <= pair.m_returnMask; ++i, ++count)
    {
        const std::uint64_t value = pair.returned(count).load(std::memory_order_acquire);
        if (!pair.isReturn(value, count) || wordOf(receiver) >= victim.m_view.holderWords())
        {
            return;
        }
        holders::dropAndFree(victim.m_view, victim.m_port, entry::chunkOf(value), receiver,
                             publicationTag(victim.m_port, entry::sequenceOf(value)));
    }
}

/// A newcomer that the victim has not acknowledged: everything up to now is for it to find in the history.
void settleJoin(const Victim& victim, const PairView& pair)
{
    const auto history = victim.m_view.historyOf(victim.m_port);
    if (history && pair.m_head->m_join.load(std::memory_order_acquire) == PairHead::kWantsToJoin)
    {
        const std::uint64_t next = history->m_head->m_next.load(std::memory_order_acquire); // [sync:history]
        pair.m_head->m_floor.store(next, std::memory_order_relaxed);
        pair.m_head->m_join.store(next, std::memory_order_release); // [sync:join]
    }
}

/// After every pair of the victim says PublisherGone: nobody pins anything any more.
void dropHistory(const Victim& victim)
{
    const std::uint32_t used =
        std::min(victim.m_view.header().m_pairHighWater.load(std::memory_order_acquire), victim.m_view.pairCapacity());
    for (std::uint32_t i = 0; i < used; ++i)
    {
        PairRecord& record = victim.m_view.pair(i);
        if (record.m_state.load(std::memory_order_acquire) == (PairRecord::Used | PairRecord::History) &&
            record.m_publisherPort.load(std::memory_order_relaxed) == victim.m_port)
        {
            record.m_state.store(0, std::memory_order_release);
        }
    }
}

} // namespace

void retirePublisher(const Victim& victim)
{
    finishListOperation(victim);
    // First of all: finishPush() takes everything that is marked as the victim's for one push. If we died in the push of a
    // single chunk below, what the victim had marked and not pushed would pass for pushed too.
    freeAllOrphans(victim);
    settleDeliveries(victim);
    std::vector<std::uint32_t> readers;
    forEachPair(victim.m_view,
                [&victim, &readers](PairRecord& record)
                {
                    const auto pair = victim.m_view.pairView(record);
                    if (record.m_publisherPort.load(std::memory_order_relaxed) != victim.m_port)
                    {
                        return;
                    }
                    // Also those of an earlier try, which may have ended before it woke them.
                    readers.push_back(record.m_subscriberPort.load(std::memory_order_relaxed));
                    if ((record.m_state.load(std::memory_order_relaxed) & PairRecord::PublisherGone) != 0)
                    {
                        return;
                    }
                    if (pair)
                    {
                        settleJoin(victim, *pair);
                        settleFloor(*pair);
                        settleReturns(victim, record, *pair);
                        closeBooks(victim, *pair->m_head);
                    }
                    // [sync:gone] Release: the floor and the doubt come before, and the books' last figures. Both flags at
                    // once: nobody sees it gone without seeing how. Partner: the subscriber's onEpoch().
                    record.m_state.fetch_or(victim.isDead() ? PairRecord::PublisherGone | PairRecord::PublisherDied
                                                            : PairRecord::PublisherGone,
                                            std::memory_order_acq_rel);
                });
    sweepOwnBit(victim);
    dropHistory(victim);
    notifier::moveEpoch(victim.m_view.header().m_epoch); // [sync:epoch]
    barrierEverywhere();
    // [sync:late-return] A subscriber that wrote a return before it could see the new epoch may never look again: the
    // barrier has made that return visible. One that comes later sees the epoch. Partner: SubscriberPort::release().
    forEachPair(victim.m_view,
                [&victim](const PairRecord& record)
                {
                    // Where both are gone the block may be another pair's by now.
                    const bool readerGone =
                        (record.m_state.load(std::memory_order_acquire) & PairRecord::SubscriberGone) != 0;
                    const auto pair = victim.m_view.pairView(record);
                    if (record.m_publisherPort.load(std::memory_order_relaxed) == victim.m_port && !readerGone && pair)
                    {
                        settleReturns(victim, record, *pair);
                    }
                });
    for (const std::uint32_t reader : readers)
    {
        if (reader < victim.m_view.portCapacity())
        {
            notifier::wakeIfAsleep(victim.m_view.port(reader),
                                   victim.m_view.waiters()); // the victim may have died before it could
        }
    }
}

} // namespace ZeroCP::recovery
