#include "zerocp/core/holders.hpp"

#include <array>
#include <optional>

namespace ZeroCP::holders
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

bool hasNoHolder(const PoolView& view, std::uint32_t chunk) noexcept
{
    for (std::uint32_t x = 0; x < view.holderWords(); ++x)
    {
        // [sync:last-bit] seq_cst, partner: the exchange in drop(). Of two ports that take the last bits of different
        // words, at least one sees both gone.
        if ((view.word(chunk, x).load(std::memory_order_seq_cst) & kBits) != 0)
        {
            return false;
        }
    }
    return true;
}

/// pop() without the figures.
std::uint32_t take(const PoolView& view, const PoolView::Class& in, const HolderId& me, std::uint32_t wanted,
                   std::span<std::uint32_t> out) noexcept
{
    const std::uint32_t count = freelist::popBatch(in.m_list, me.m_port, wanted, out);
    if (count == 0)
    {
        return 0;
    }
    for (std::uint32_t i = 0; i < count; ++i)
    {
        out[i] += in.m_firstChunk;
        ChunkManager& chunk = view.record(out[i]);
        // Relaxed: read by recovery only after it has seen the word below.
        chunk.m_publication.store(0, std::memory_order_relaxed);
        chunk.m_owner.store(chunkOwner(me.m_topic, me.m_port), std::memory_order_relaxed);
        for (std::uint32_t x = view.holderWords(); x-- > 0;)
        {
            std::atomic<std::uint64_t>& target = view.word(out[i], x);
            const std::uint64_t generation = generationOf(target.load(std::memory_order_relaxed)) + 1;
            const std::uint64_t bits = wordOf(me.m_holder) == x ? bitOf(me.m_holder) : 0;
            // [sync:owner] Release: the owner comes before the word that makes the chunk InUse. Partner: recovery.
            // Word 0 last: a chunk that is InUse always shows its owner's bit.
            target.store(word(generation, x == 0 ? ChunkState::InUse : ChunkState::Free, bits),
                         std::memory_order_release);
        }
    }
    freelist::popDone(in.m_list, me.m_port);
    return count;
}

} // namespace

std::uint32_t pop(const PoolView& view, const PoolView::Class& in, const HolderId& me, std::uint32_t wanted,
                  std::span<std::uint32_t> out) noexcept
{
    const std::uint32_t count = take(view, in, me, wanted, out);
    in.m_pool->countOut(count);
    return count;
}

std::uint32_t retire(const PoolView& view, const PoolView::Class& in, const HolderId& me, std::uint32_t wanted) noexcept
{
    std::array<std::uint32_t, PortRecord::kBatch> numbers{};
    const std::uint32_t count = take(view, in, me, wanted, numbers);
    for (std::uint32_t i = 0; i < count; ++i)
    {
        for (std::uint32_t x = 0; x < view.holderWords(); ++x)
        {
            std::atomic<std::uint64_t>& target = view.word(numbers[i], x);
            const std::uint64_t generation = generationOf(target.load(std::memory_order_relaxed)) + 1;
            // [sync:holder-word] Plain stores: the bit of `me` stands alone. Word 0 first, as in markFreeing(). Release:
            // whoever sees the chunk Retired sees it without a publication. Partner: whoever counts a class's chunks.
            target.store(word(generation, x == 0 ? ChunkState::Retired : ChunkState::Free, 0),
                         std::memory_order_release);
        }
    }
    return count;
}

namespace
{

/// What must be true of a chunk for its bit to be taken.
struct Condition
{
    std::uint64_t m_tag{0};                 ///< its last publication; 0: any
    std::optional<std::uint32_t> m_topic{}; ///< its owner's topic
};

bool holds(const ChunkManager& record, const Condition& condition) noexcept
{
    if (condition.m_tag != 0 && record.m_publication.load(std::memory_order_acquire) != condition.m_tag)
    {
        return false;
    }
    return !condition.m_topic || topicOfOwner(record.m_owner.load(std::memory_order_acquire)) == *condition.m_topic;
}

/// Takes the bit. False if there is no such bit.
bool takeBit(const PoolView& view, std::uint32_t chunk, std::uint32_t holderIndex, const Condition& condition) noexcept
{
    std::atomic<std::uint64_t>& target = view.word(chunk, wordOf(holderIndex));
    // [sync:holder-word] Acquire: the publication that the owner stored before the word. Partner: publish.
    std::uint64_t old = target.load(std::memory_order_acquire);
    do
    {
        if ((old & bitOf(holderIndex)) == 0 || (wordOf(holderIndex) == 0 && stateOf(old) != ChunkState::InUse))
        {
            return false;
        }
        // The word was read before tag and owner, which are written before it: a newer publication or owner is noticed
        // here or by the exchange.
        if (!holds(view.record(chunk), condition))
        {
            return false;
        }
        // [sync:last-bit] seq_cst, partner: hasNoHolder().
    } while (!target.compare_exchange_weak(old, old & ~bitOf(holderIndex), std::memory_order_seq_cst,
                                           std::memory_order_acquire));
    return true;
}

bool dropIf(const PoolView& view, std::uint32_t port, std::uint32_t chunk, std::uint32_t holderIndex,
            const Condition& condition) noexcept
{
    return takeBit(view, chunk, holderIndex, condition) && adopt(view, port, chunk);
}

} // namespace

bool drop(const PoolView& view, std::uint32_t port, std::uint32_t chunk, std::uint32_t holderIndex,
          std::uint64_t tag) noexcept
{
    return dropIf(view, port, chunk, holderIndex, {.m_tag = tag});
}

bool dropOfTopic(const PoolView& view, std::uint32_t port, std::uint32_t chunk, std::uint32_t holderIndex,
                 std::uint32_t topic) noexcept
{
    return dropIf(view, port, chunk, holderIndex, {.m_topic = topic});
}

bool clear(const PoolView& view, std::uint32_t chunk, std::uint32_t holderIndex, std::uint64_t tag) noexcept
{
    return takeBit(view, chunk, holderIndex, {.m_tag = tag}) && hasNoHolder(view, chunk);
}

bool adopt(const PoolView& view, std::uint32_t port, std::uint32_t chunk) noexcept
{
    std::atomic<std::uint64_t>& first = view.word(chunk, 0);
    std::uint64_t value = first.load(std::memory_order_seq_cst);
    // Bits are set by holders only, so "none" is for ever, or until the chunk is somebody else's with another generation.
    // No owner: its publisher is gone, so nobody pins the chunk once its joiner words are sealed.
    return hasNoHolder(view, chunk) && stateOf(value) == ChunkState::InUse && (value & kBits) == 0 &&
           sealJoiners(view, chunk) &&
           first.compare_exchange_strong(value, word(generationOf(value), ChunkState::Freeing, port),
                                         std::memory_order_seq_cst);
}

void addFree(const PoolView& view, const PoolView::Class& in, std::uint32_t port,
             std::span<std::uint32_t> chunks) noexcept
{
    if (chunks.empty())
    {
        return;
    }
    for (std::uint32_t& chunk : chunks)
    {
        chunk -= in.m_firstChunk;
    }
    freelist::pushBatch(in.m_list, port, chunks);
    for (const std::uint32_t number : chunks)
    {
        std::atomic<std::uint64_t>& first = view.word(number + in.m_firstChunk, 0);
        std::uint64_t value = first.load(std::memory_order_acquire);
        if (isFreeingBy(value, port)) // else somebody has popped it already
        {
            // Relaxed failure: then it was popped meanwhile. Release: pairs with whoever pops it next.
            first.compare_exchange_strong(value, word(generationOf(value), ChunkState::Free, 0),
                                          std::memory_order_release, std::memory_order_relaxed);
        }
    }
    freelist::pushDone(in.m_list, port);
}

void putBack(const PoolView& view, const PoolView::Class& in, std::uint32_t port,
             std::span<std::uint32_t> chunks) noexcept
{
    addFree(view, in, port, chunks);
    in.m_pool->countBack(static_cast<std::uint32_t>(chunks.size()));
}

void dropAndFree(const PoolView& view, std::uint32_t port, std::uint32_t chunk, std::uint32_t holderIndex,
                 std::uint64_t tag) noexcept
{
    const PoolView::Class* in = view.classOf(chunk);
    if (in != nullptr && drop(view, port, chunk, holderIndex, tag))
    {
        putBack(view, *in, port, std::span(&chunk, 1));
    }
}

bool sealJoiners(const PoolView& view, std::uint32_t chunk) noexcept
{
    for (std::uint32_t x = 0; x < view.holderWords(); ++x)
    {
        std::atomic<std::uint64_t>& target = view.joinerWord(chunk, x);
        // [sync:joiner] seq_cst: of a joiner that clears the last pin and an owner that clears the last bit at least one
        // sees both gone. The reads of whoever unpinned are done. Partners: unpin(), SubscriberPort::pin().
        std::uint64_t word = target.load(std::memory_order_seq_cst);
        if (joiner::bitsOf(word) != 0 ||
            !target.compare_exchange_strong(word, joiner::sealed(word), std::memory_order_seq_cst))
        {
            return false;
        }
    }
    return true;
}

void unpin(const PoolView& view, std::uint32_t chunk, std::uint32_t holderIndex) noexcept
{
    // [sync:joiner] Release: the reads of the payload are done. seq_cst for adopt(), which follows.
    view.joinerWord(chunk, wordOf(holderIndex)).fetch_and(~bitOf(holderIndex), std::memory_order_seq_cst);
}

void markFreeing(const PoolView& view, std::uint32_t port, std::uint32_t chunk) noexcept
{
    for (std::uint32_t x = 0; x < view.holderWords(); ++x)
    {
        std::atomic<std::uint64_t>& target = view.word(chunk, x);
        const std::uint64_t generation = generationOf(target.load(std::memory_order_relaxed));
        // [sync:holder-word] Plain stores: while the owner's bit stands, the owner alone writes. Word 0 first: a chunk
        // that is InUse without any bit is an orphan, which whoever recovers some other port may adopt.
        target.store(x == 0 ? word(generation, ChunkState::Freeing, port) : word(generation, ChunkState::Free, 0),
                     std::memory_order_release);
    }
}

bool heldOnlyBy(const PoolView& view, std::uint32_t chunk, std::uint32_t holderIndex, std::uint32_t words) noexcept
{
    for (std::uint32_t x = 0; x < words; ++x)
    {
        const std::uint64_t mine = wordOf(holderIndex) == x ? bitOf(holderIndex) : 0;
        // [sync:return] Acquire: the reads of whoever took its bit away are done. Partner: drop(), a release there.
        if ((view.word(chunk, x).load(std::memory_order_acquire) & kBits) != mine)
        {
            return false;
        }
    }
    return true;
}

} // namespace ZeroCP::holders
