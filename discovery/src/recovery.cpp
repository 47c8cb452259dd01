#include "zerocp/discovery/recovery.hpp"

#include <algorithm>
#include <chrono>
#include <thread>
#include <vector>

#include "zerocp/core/holders.hpp"
#include "zerocp/core/notifier.hpp"

namespace ZeroCP::recovery
{

namespace
{

using holder::bitOf;
using holder::generationOf;
using holder::kBits;
using holder::stateOf;
using holder::word;
using holder::wordOf;

/// How long a call of a live publisher may take before its port is left for later. Publishing takes microseconds; more
/// means that the process is stopped or starved.
constexpr std::chrono::milliseconds kGrace{20};

using Deadline = std::chrono::steady_clock::time_point;

/// notifier::barrierEverywhere(), or where the kernel refuses it, a pause in which store buffers drain.
void barrierEverywhere()
{
    constexpr std::chrono::milliseconds kDrained{1};
    if (!notifier::barrierEverywhere())
    {
        std::this_thread::sleep_for(kDrained);
    }
}

struct Victim
{
    const PoolView& m_view;
    std::uint32_t m_port;
    std::uint32_t m_holder;
    std::uint32_t m_topic;

    [[nodiscard]] PortRecord& record() const noexcept { return m_view.port(m_port); }
};

std::uint32_t chunksOf(const PoolView::Class& in) noexcept
{
    return std::min(in.m_pool->getTotalChunks(), in.m_endChunk - in.m_firstChunk);
}

template <typename Action>
void forEachChunk(const PoolView& view, Action&& action)
{
    for (std::uint32_t c = 0; c < view.classCount(); ++c)
    {
        const PoolView::Class& in = view.classAt(c);
        for (std::uint32_t i = 0; i < chunksOf(in); ++i)
        {
            action(in, in.m_firstChunk + i);
        }
    }
}

template <typename Action>
void forEachPair(const PoolView& view, Action&& action)
{
    const std::uint32_t used =
        std::min(view.header().m_pairHighWater.load(std::memory_order_acquire), view.pairCapacity());
    for (std::uint32_t i = 0; i < used; ++i)
    {
        PairRecord& pair = view.pair(i);
        const std::uint32_t state = pair.m_state.load(std::memory_order_acquire);
        if ((state & PairRecord::Used) != 0 && (state & PairRecord::History) == 0)
        {
            action(pair);
        }
    }
}

bool isFreeingBy(std::uint64_t value, std::uint32_t port) noexcept
{
    return stateOf(value) == ChunkState::Freeing && (value & kBits) == port;
}

/// A pop that took effect: its chunks become the victim's, as the victim itself would have made them.
void finishPop(const Victim& victim, const PoolView::Class& in)
{
    PortRecord& port = victim.record();
    const std::uint32_t count = std::min(port.m_batchCount.load(std::memory_order_acquire), PortRecord::kBatch);
    for (std::uint32_t i = 0; i < count; ++i)
    {
        const std::uint32_t number = port.m_batch[i].load(std::memory_order_acquire);
        if (number >= in.m_endChunk - in.m_firstChunk)
        {
            continue; // scribbled on
        }
        const std::uint32_t chunk = in.m_firstChunk + number;
        const std::uint64_t first = victim.m_view.word(chunk, 0).load(std::memory_order_acquire);
        if (stateOf(first) == ChunkState::InUse)
        {
            continue; // the victim got as far as that
        }
        ChunkManager& record = victim.m_view.record(chunk);
        record.m_owner.store(chunkOwner(victim.m_topic, victim.m_port), std::memory_order_relaxed);
        for (std::uint32_t x = victim.m_view.holderWords(); x-- > 0;)
        {
            const std::uint64_t bits = wordOf(victim.m_holder) == x ? bitOf(victim.m_holder) : 0;
            const std::uint64_t generation = generationOf(victim.m_view.word(chunk, x).load(std::memory_order_relaxed));
            victim.m_view.word(chunk, x).store(
                word(generation + 1, x == 0 ? ChunkState::InUse : ChunkState::Free, bits), std::memory_order_release);
        }
    }
}

/// A push that took effect: whatever is still marked as the victim's in that class is in the list.
void finishPush(const Victim& victim, const PoolView::Class& in)
{
    for (std::uint32_t i = 0; i < chunksOf(in); ++i)
    {
        std::atomic<std::uint64_t>& first = victim.m_view.word(in.m_firstChunk + i, 0);
        std::uint64_t value = first.load(std::memory_order_acquire);
        if (isFreeingBy(value, victim.m_port))
        {
            first.compare_exchange_strong(value, word(generationOf(value), ChunkState::Free, 0),
                                          std::memory_order_acq_rel);
        }
    }
}

/// The free-list operation that the victim was in: finished if it took effect, forgotten if not.
void finishListOperation(const Victim& victim)
{
    PortRecord& port = victim.record();
    const std::uint64_t note = port.m_note.load(std::memory_order_seq_cst); // [sync:list-note]
    const std::uint64_t sequence = noteSequence(note);
    if (noteKind(note) == ListNote::None)
    {
        return;
    }
    if (noteList(note) >= victim.m_view.classCount())
    {
        port.m_note.store(0, std::memory_order_seq_cst); // scribbled on: the view knows every class there is
        return;
    }
    const PoolView::Class& in = victim.m_view.classAt(noteList(note));
    if (freelist::applied(in.m_list, victim.m_port, sequence))
    {
        if (noteKind(note) == ListNote::Popping)
        {
            finishPop(victim, in);
        }
        else
        {
            finishPush(victim, in);
        }
        // The sequence is used up; the next operation in this port's name must not look like this one.
        const std::uint64_t operations = port.m_operations.load(std::memory_order_relaxed);
        port.m_operations.store(std::max(operations, sequence), std::memory_order_relaxed);
    }
    // Before the sweep: a repeated recovery must not finish the same operation again.
    port.m_note.store(0, std::memory_order_seq_cst);
}

/// Chunks of class `in` that nobody holds any more, or that are marked as the victim's, go to the free list.
void freeOrphans(const Victim& victim, const PoolView::Class& in)
{
    std::vector<std::uint32_t> batch;
    for (std::uint32_t i = 0; i < chunksOf(in); ++i)
    {
        const std::uint32_t chunk = in.m_firstChunk + i;
        // Somebody died between taking the last bit and marking word 0.
        static_cast<void>(holders::adopt(victim.m_view, victim.m_port, chunk));
        const std::uint64_t value = victim.m_view.word(chunk, 0).load(std::memory_order_seq_cst);
        if (isFreeingBy(value, victim.m_port))
        {
            batch.push_back(chunk);
        }
    }
    holders::putBack(victim.m_view, in, victim.m_port, batch);
}

void freeAllOrphans(const Victim& victim)
{
    for (std::uint32_t c = 0; c < victim.m_view.classCount(); ++c)
    {
        freeOrphans(victim, victim.m_view.classAt(c));
    }
}

/// What a subscriber has pinned: its joiner bit, in chunks of its topic.
void sweepPins(const Victim& victim)
{
    forEachChunk(victim.m_view,
                 [&victim](const PoolView::Class&, std::uint32_t chunk)
                 {
                     std::atomic<std::uint64_t>& target = victim.m_view.joinerWord(chunk, wordOf(victim.m_holder));
                     std::uint64_t value = target.load(std::memory_order_seq_cst);
                     // The owner is read after the word: while a bit of this topic stands in it, the chunk stays with it.
                     // An exchange, since the same bit may be another topic's by the time it is made.
                     while ((value & bitOf(victim.m_holder)) != 0 &&
                            topicOfOwner(victim.m_view.record(chunk).m_owner.load(std::memory_order_acquire)) ==
                                victim.m_topic &&
                            !target.compare_exchange_weak(value, value & ~bitOf(victim.m_holder),
                                                          std::memory_order_seq_cst)) // [sync:joiner]
                     {
                     }
                 });
}

/// The victim's own bit, wherever it is: stash, loans, in flight, held samples.
void sweepOwnBit(const Victim& victim)
{
    sweepPins(victim);
    forEachChunk(victim.m_view,
                 [&victim](const PoolView::Class&, std::uint32_t chunk)
                 {
                     // Whether it was the last one: freeOrphans() looks at the word.
                     static_cast<void>(
                         holders::dropOfTopic(victim.m_view, victim.m_port, chunk, victim.m_holder, victim.m_topic));
                 });
    freeAllOrphans(victim);
}

/// One receiver of one publication of the victim: delivered, undelivered, or evicted without a verdict?
void settleDelivery(const Victim& victim, std::uint32_t chunk, std::uint64_t tag, const PairView& pair,
                    std::uint32_t receiver)
{
    // m_sequence gives the upper bits that the tag does not carry.
    const std::uint64_t next = victim.record().m_sequence.load(std::memory_order_acquire);
    const std::uint64_t sequence = next - ((next - sequenceOfTag(tag)) & kSequenceMask);
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
                    }
                    // [sync:gone] Release: the floor and the doubt come before. Partner: the subscriber's onEpoch().
                    record.m_state.fetch_or(PairRecord::PublisherGone, std::memory_order_acq_rel);
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
            notifier::wakeIfAsleep(victim.m_view.port(reader)); // the victim may have died before it could
        }
    }
}

/// Waits until `publisher` has left the call that it may be in: its next one sees the epoch before it touches a pair.
bool quiesce(const PortRecord& publisher, Deadline deadline)
{
    // [sync:busy] The epoch was moved, then barrierEverywhere() ran: a publisher whose m_busy is even now will load the
    // new epoch in its next call. Partner: PublisherPort::enter().
    const std::uint64_t busy = publisher.m_busy.load(std::memory_order_acquire);
    if ((busy & 1U) == 0)
    {
        return true;
    }
    while (publisher.m_busy.load(std::memory_order_acquire) == busy)
    {
        if (std::chrono::steady_clock::now() > deadline)
        {
            return false;
        }
        std::this_thread::yield();
    }
    return true;
}

bool retireSubscriber(const Victim& victim, const IsAlive& isAlive)
{
    finishListOperation(victim);
    std::vector<std::uint32_t> publishers;
    forEachPair(victim.m_view,
                [&victim, &publishers](PairRecord& record)
                {
                    if (record.m_subscriberPort.load(std::memory_order_relaxed) == victim.m_port)
                    {
                        const std::uint32_t state = record.m_state.fetch_or(PairRecord::SubscriberGone,
                                                                            std::memory_order_acq_rel); // [sync:gone]
                        if ((state & PairRecord::PublisherGone) == 0)
                        {
                            publishers.push_back(record.m_publisherPort.load(std::memory_order_relaxed));
                        }
                    }
                });
    notifier::moveEpoch(victim.m_view.header().m_epoch);                 // [sync:epoch]
    barrierEverywhere();                                                 // [sync:busy]
    const Deadline deadline = std::chrono::steady_clock::now() + kGrace; // for all of them together
    bool quiet = true;
    for (const std::uint32_t index : publishers)
    {
        if (index < victim.m_view.portCapacity())
        {
            const PortRecord& publisher = victim.m_view.port(index);
            const bool active =
                publisher.m_state.load(std::memory_order_acquire) == static_cast<std::uint32_t>(PortState::Active);
            quiet &= !active || quiesce(publisher, deadline) ||
                     !isAlive(publisher.m_processSlot.load(std::memory_order_relaxed));
        }
    }
    sweepOwnBit(victim);
    if (!quiet)
    {
        return false;
    }
    forEachPair(victim.m_view,
                [&victim](PairRecord& record)
                {
                    if (record.m_subscriberPort.load(std::memory_order_relaxed) == victim.m_port)
                    {
                        record.m_state.store(0, std::memory_order_release);
                    }
                });
    return true;
}

} // namespace

bool retire(PoolView& view, std::uint32_t port, const IsAlive& isAlive, const LastAct& lastAct)
{
    if (!view.refresh())
    {
        return false; // a class that we cannot see may hold what the port has
    }
    PortRecord& record = view.port(port);
    const Victim victim{view, port, record.m_holderIndex.load(std::memory_order_relaxed),
                        record.m_topic.load(std::memory_order_relaxed)};
    record.m_state.store(static_cast<std::uint32_t>(PortState::Dying), std::memory_order_release); // [sync:port]
    if (wordOf(victim.m_holder) >= view.holderWords())
    {
        return false; // scribbled on: nothing can be said about what it holds
    }
    const auto kind = static_cast<PortKind>(record.m_kind.load(std::memory_order_relaxed));
    if (kind == PortKind::Publisher)
    {
        retirePublisher(victim);
    }
    else if (!retireSubscriber(victim, isAlive))
    {
        return false;
    }
    if (lastAct)
    {
        lastAct(port); // Dying still: if we die in it, all of this is repeated
    }
    record.m_state.store(static_cast<std::uint32_t>(PortState::Off), std::memory_order_release); // [sync:port]
    return true;
}

std::uint32_t retireDying(PoolView& view, const IsAlive& isAlive, const LastAct& lastAct)
{
    std::uint32_t left = 0;
    const std::uint32_t used =
        std::min(view.header().m_portHighWater.load(std::memory_order_acquire), view.portCapacity());
    for (std::uint32_t port = 1; port < used; ++port)
    {
        const bool dying =
            view.port(port).m_state.load(std::memory_order_acquire) == static_cast<std::uint32_t>(PortState::Dying);
        left += dying && !retire(view, port, isAlive, lastAct) ? 1U : 0U;
    }
    return left;
}

} // namespace ZeroCP::recovery
