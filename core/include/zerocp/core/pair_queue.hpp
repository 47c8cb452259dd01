/// The way from one publisher to one subscriber: a queue of chunk numbers one way, a ring of returned chunks the
/// other way, and the three words with which both settle an eviction. Lies in the management segment. Every word has
/// one writer; a killed publisher leaves a readable queue, a killed subscriber a queue that nobody waits for.
///
///   line 0   m_floor m_doubt m_ringHead m_dropped     written by the publisher
///   line 1   m_position m_join m_missed     written by the subscriber (m_join: handshake of both)
///   line 2   m_deadlines | m_endNs | m_leasesBefore m_leasesLost m_leaseLostNs | m_lifespanNs
///                                           m_deadlines by the publisher, the others under the control lock
///   lines    slots[slotCount]               written by the publisher, polled by the subscriber
///   lines    returns[returnCount]           written by the subscriber, emptied by the publisher
///
/// Why positions: a publisher that evicts must know whether the subscriber already has the oldest entry. It marks the
/// entry, fences, and reads the position that the subscriber announced before it looked at the slot:
///   entry below position   taken: the subscriber cannot pass an entry before m_floor does
///   entry at position      may have been read or not: its holder bit is left to the subscriber, who finds it in m_doubt
///   entry above position   the subscriber can only find the mark: the publisher clears the bit
///
/// That is QueuePolicy::EvictOldest. Under the other policies nothing is evicted: the publisher writes only into slots
/// that the subscriber has left, which announces the next position as soon as it has an entry. Entries carry kKept, so
/// that the subscriber's short look at a slot (sequence == position) is never true and costs nothing extra where
/// entries are evicted. With DropNewest a message that finds no slot takes none: message x stands in slot x - d, where
/// d messages were dropped before, and the subscriber sees by the entry's sequence how many.
#pragma once

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "zerocp/core/align.hpp"
#include "zerocp/core/chunk_manager.hpp"
#include "zerocp/core/deadline_book.hpp"

namespace ZeroCP
{

/// What stands in a slot or in a return ring: parity or kept 1 | mark 1 | sequence 42 | chunk 20.
/// The mark (slots) says "evicted", the first bit "kept"; in the return ring it is the parity of the lap. Sequences are
/// compared modulo 2^42; who takes an entry for another has been stopped for exactly 2^42 messages.
namespace entry
{

inline constexpr std::uint64_t kParity = 1ULL << 63;
inline constexpr std::uint64_t kKept = 1ULL << 63;
inline constexpr std::uint64_t kEvicted = 1ULL << 62;
inline constexpr std::uint32_t kNoChunk = (1U << 20) - 1;

[[nodiscard]] constexpr std::uint64_t make(std::uint64_t sequence, std::uint32_t chunk) noexcept
{
    return (sequence & kSequenceMask) << 20 | chunk;
}
[[nodiscard]] constexpr std::uint64_t sequenceOf(std::uint64_t entry) noexcept
{
    return entry >> 20 & kSequenceMask;
}
[[nodiscard]] constexpr std::uint32_t chunkOf(std::uint64_t entry) noexcept
{
    return static_cast<std::uint32_t>(entry & kNoChunk);
}
/// entry's sequence - `sequence`, as a signed number modulo 2^42.
[[nodiscard]] constexpr std::int64_t distance(std::uint64_t entry, std::uint64_t sequence) noexcept
{
    const std::uint64_t difference = (sequenceOf(entry) - sequence) & kSequenceMask;
    return static_cast<std::int64_t>(difference << 22) >> 22;
}

} // namespace entry

/// What a publisher does with a message for which a subscriber's queue has no slot.
enum class QueuePolicy : std::uint32_t
{
    EvictOldest, ///< keepLast, or a publisher that does not wait
    WaitForRoom, ///< keepAll and reliable on both sides
    DropNewest,  ///< keepAll and best effort
};

/// Fixed part of a pair's block; slots and returns follow it.
struct alignas(kCacheLineBytes) PairHead
{
    /// m_join: the subscriber waits to be seen. 0 in a fresh block, afterwards the first sequence meant for it.
    static constexpr std::uint64_t kWantsToJoin = ~0ULL;

    std::atomic<std::uint64_t> m_floor;    ///< entries below are settled
    std::atomic<std::uint64_t> m_doubt;    ///< the evicted entry whose holder bit was left to the subscriber
    std::atomic<std::uint64_t> m_ringHead; ///< returns that the publisher has acted on
    std::atomic<std::uint64_t> m_dropped;  ///< DropNewest: messages that found no slot
    alignas(kCacheLineBytes) std::atomic<std::uint64_t> m_position; ///< the entry that the subscriber polls
    std::atomic<std::uint64_t> m_join;
    std::atomic<std::uint64_t> m_missed; ///< a figure: entries lost to eviction

    // QoS events (decision 0017). Books that the publisher keeps, so that the subscriber can count whenever it looks; who
    // retires the publisher closes them before it sets PublisherGone.
    alignas(kCacheLineBytes) DeadlineBook m_deadlines; ///< by the subscriber's period, if it asked for one
    std::atomic<std::uint64_t> m_endNs;                ///< when the books were closed; 0: open
    std::atomic<std::uint64_t> m_leasesBefore;         ///< of the publisher's lost leases: before the pair was made
    std::atomic<std::uint64_t> m_leasesLost;           ///< closed: all of them; the death of a living publisher is one
    std::atomic<std::uint64_t> m_leaseLostNs;          ///< closed: when the last one was lost; 0: never
    std::atomic<std::uint64_t> m_lifespanNs;           ///< the shorter of both sides'; 0: none
};

static_assert(sizeof(PairHead) == 192 && offsetof(PairHead, m_position) == 64);
static_assert(offsetof(PairHead, m_deadlines) == 128 && offsetof(PairHead, m_lifespanNs) == 184);
static_assert(std::is_standard_layout_v<PairHead> && std::is_trivially_destructible_v<PairHead>);

/// Directory entry of a pair. Written under the control lock but for m_state, into which a subscriber that has drained
/// a gone publisher's queue puts SubscriberGone itself. Both gone: the block may be used for another pair.
///
///   m_state m_topic m_publisherPort m_subscriberPort | m_incarnation | m_blockOffset m_blockBytes |
///   m_slotCount m_depth m_returnCount m_policy | reserved
struct alignas(kCacheLineBytes) PairRecord
{
    enum Flag : std::uint32_t
    {
        Used = 1,
        PublisherGone = 2,
        SubscriberGone = 4,
        History = 8, ///< not a pair: the block of publisher m_publisherPort's history (history.hpp), m_depth deep
        PublisherDied = 16, ///< with PublisherGone: it did not leave, its process died
    };

    std::atomic<std::uint32_t> m_state; ///< Flags; 0 = the record is free
    std::atomic<std::uint32_t> m_topic;
    std::atomic<std::uint32_t> m_publisherPort;
    std::atomic<std::uint32_t> m_subscriberPort;
    std::atomic<std::uint64_t> m_incarnation; ///< grows with every use of the record, before the rest changes
    std::atomic<std::uint64_t> m_blockOffset; ///< from the start of the management segment
    std::atomic<std::uint64_t> m_blockBytes;
    std::atomic<std::uint32_t> m_slotCount;   ///< power of two, more than m_depth
    std::atomic<std::uint32_t> m_depth;       ///< entries that wait for the subscriber at most
    std::atomic<std::uint32_t> m_returnCount; ///< power of two
    std::atomic<std::uint32_t> m_policy;      ///< QueuePolicy
    std::uint32_t m_reserved[2];
};

static_assert(sizeof(PairRecord) == kCacheLineBytes && offsetof(PairRecord, m_blockOffset) == 24);
static_assert(std::is_standard_layout_v<PairRecord> && std::is_trivially_destructible_v<PairRecord>);

/// Sizes of a pair's block.
struct PairShape
{
    std::uint32_t m_slotCount;
    std::uint32_t m_depth;
    std::uint32_t m_returnCount;

    /// For a queue of `depth` and a subscriber that holds up to `maxHeld` samples. The ring has room for everything
    /// that can be on its way back, so that the slow path of a full ring is for subscribers of stopped publishers.
    [[nodiscard]] static constexpr PairShape of(std::uint32_t depth, std::uint32_t maxHeld) noexcept
    {
        return {std::bit_ceil(depth + 1), depth, std::bit_ceil(depth + maxHeld + 1)};
    }
    [[nodiscard]] constexpr std::uint64_t blockBytes() const noexcept
    {
        return sizeof(PairHead) + alignUp(8ULL * m_slotCount, kCacheLineBytes) +
               alignUp(8ULL * m_returnCount, kCacheLineBytes);
    }
};

/// Addresses of one pair in this process, decoded once; what the data path works with.
struct PairView
{
    using Word = std::atomic<std::uint64_t>;

    PairHead* m_head{nullptr};
    Word* m_slots{nullptr};
    Word* m_returns{nullptr};
    std::uint64_t m_slotMask{0};
    std::uint64_t m_returnMask{0};
    std::uint32_t m_returnBits{0}; ///< m_returnMask + 1 is 2 to this power
    std::uint32_t m_depth{0};
    QueuePolicy m_policy{QueuePolicy::EvictOldest};

    [[nodiscard]] Word& slot(std::uint64_t sequence) const noexcept { return m_slots[sequence & m_slotMask]; }
    [[nodiscard]] Word& returned(std::uint64_t count) const noexcept { return m_returns[count & m_returnMask]; }

    /// Parity of the lap that return number `count` belongs to; a fresh ring of zeros is lap "before the first".
    [[nodiscard]] std::uint64_t parityOf(std::uint64_t count) const noexcept { return (~count >> m_returnBits) << 63; }
    /// Whether `value`, read from returned(count), was written as return number `count`.
    [[nodiscard]] bool isReturn(std::uint64_t value, std::uint64_t count) const noexcept
    {
        return ((value ^ parityOf(count)) & entry::kParity) == 0;
    }
};

} // namespace ZeroCP
