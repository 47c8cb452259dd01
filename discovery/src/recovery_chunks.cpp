// What a dead port holds: an operation on a free list, bits in chunks.
#include <vector>

#include "recovery_steps.hpp"
#include "zerocp/core/holders.hpp"

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

} // namespace

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

void freeAllOrphans(const Victim& victim)
{
    for (std::uint32_t c = 0; c < victim.m_view.classCount(); ++c)
    {
        freeOrphans(victim, victim.m_view.classAt(c));
    }
}

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

} // namespace ZeroCP::recovery
