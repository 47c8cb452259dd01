/// One endpoint's record in a pool set's management segment: who it is, what it is doing to the free lists, whether
/// it sleeps. Each word has one writer, named below; after a death that right passes to the one who recovers the port.
///
///   line 0   m_state m_kind | m_epochSeen m_busy | m_topic m_holderIndex | m_processSlot m_endpointSlot |
///            m_endpointId | m_sequence | m_depth m_limit
///   line 1   m_note m_done m_operations | m_batchCount
///   line 2   m_batch[16]
///   line 3   m_sleep m_classes | m_naps | m_rescues | m_history m_keepAll | m_shares[16] | m_waiter m_closed |
///            m_joining            (m_sleep: the futex word)
///   line 4   m_missed | m_deadlineNs m_lifespanNs m_leaseNs | m_died        (m_missed: a subscriber's figure)
///   line 5   m_leases             (a publisher's that has a lease)
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "zerocp/core/align.hpp"
#include "zerocp/core/lease_book.hpp"

namespace ZeroCP
{

enum class PortState : std::uint32_t
{
    Off,    ///< the record is free
    Active, ///< its endpoint exists
    Dying,  ///< gone or dead; its holder bits are being swept
};

enum class PortKind : std::uint32_t
{
    None,
    Publisher,
    Subscriber,
};

/// A port's history policy, as far as others need it.
enum class KeepAll : std::uint32_t
{
    No,
    BestEffort,
    Reliable,
    Directed, ///< reliable, and gets what is sent to it alone: the ports of services
};

enum class ListNote : std::uint64_t
{
    None,
    Popping,
    Pushing,
};

struct alignas(kCacheLineBytes) PortRecord
{
    /// Numbers that one operation on a free list can move.
    static constexpr std::uint32_t kBatch = 16;
    static constexpr std::uint32_t kMaxClasses = 16;
    /// Port numbers have 12 bits in a free list's head; 0 means nobody.
    static constexpr std::uint32_t kMaxPorts = (1U << 12) - 1;

    // Identity: written under the control lock, read by anybody.
    std::atomic<std::uint32_t> m_state;       ///< PortState
    std::atomic<std::uint32_t> m_kind;        ///< PortKind
    std::atomic<std::uint64_t> m_epochSeen;   ///< writer: the port; last epoch that it has acted on
    std::atomic<std::uint64_t> m_busy;        ///< writer: the port; odd while inside a call that touches pairs
    std::atomic<std::uint32_t> m_topic;       ///< topic slot in the discovery segment
    std::atomic<std::uint32_t> m_holderIndex; ///< the port's bit within its topic
    std::atomic<std::uint32_t> m_processSlot;
    std::atomic<std::uint32_t> m_endpointSlot;
    std::atomic<std::uint64_t> m_endpointId; ///< unique in the life of a domain
    /// Writer: the port. Next sequence of a publisher; never set back, so a successor's messages are not mistaken for
    /// those of an earlier user of the record.
    std::atomic<std::uint64_t> m_sequence;
    std::atomic<std::uint32_t> m_depth; ///< history of a publisher, queue depth of a subscriber; fixed at joining
    std::atomic<std::uint32_t> m_limit; ///< loans or held samples it may have; fixed at joining

    // Free-list operation under way. Writer: the port, but for m_done, which everybody may raise.
    alignas(kCacheLineBytes) std::atomic<std::uint64_t> m_note; ///< sequence << 8 | list << 2 | ListNote
    std::atomic<std::uint64_t> m_done;       ///< greatest operation that somebody else has proved complete
    std::atomic<std::uint64_t> m_operations; ///< operations that changed a list
    std::atomic<std::uint32_t> m_batchCount;
    alignas(kCacheLineBytes) std::array<std::atomic<std::uint32_t>, kBatch> m_batch; ///< what a pop would get

    // Sleeping, see notifier.hpp.
    alignas(kCacheLineBytes) std::atomic<std::uint32_t> m_sleep;
    std::atomic<std::uint32_t> m_classes; ///< publishers: bit p = it draws from size class p; under the control lock
    std::atomic<std::uint64_t> m_naps;    ///< writer: the port; times it slept
    std::atomic<std::uint64_t> m_rescues; ///< writer: the port; times it found data without having been woken
    /// Transient-local ports, else 0. A publisher's: 1 + the pair record of its history. A subscriber's: 1. Under the
    /// control lock.
    std::atomic<std::uint32_t> m_history;
    std::atomic<std::uint32_t> m_keepAll; ///< KeepAll; fixed at joining, but for a Directed reader that retreats
    /// Publishers of slices: of size class p at most 2 to this power chunks, more when those are in use; 0: what its
    /// budget says. Under the control lock.
    std::array<std::atomic<std::uint8_t>, kMaxClasses> m_shares;
    /// Writer: the port. 0: it sleeps on m_sleep; else 1 + the row of the waiter that sleeps for it (waiter_record.hpp).
    std::atomic<std::uint32_t> m_waiter;
    std::atomic<std::uint32_t> m_closed; ///< writer: the port; 1: its Subscriber is gone, samples of it are still held
    /// 1 until what it brings along is committed: no publisher may reckon with it before. Under the control lock.
    std::atomic<std::uint32_t> m_joining;

    // Writer: the port, relaxed. What it has taken is, pair by pair, position - join - missed.
    alignas(kCacheLineBytes) std::atomic<std::uint64_t> m_missed;
    // What a publisher offers or a subscriber asks for; 0: nothing. Fixed at joining.
    std::atomic<std::uint64_t> m_deadlineNs;
    std::atomic<std::uint64_t> m_lifespanNs;
    std::atomic<std::uint64_t> m_leaseNs; ///< a publisher's that is alive only while it says so
    /// 1: retired because its process died, before the state says Dying. Under the control lock; whoever repeats the
    /// retiring of a port goes by it.
    std::atomic<std::uint32_t> m_died;

    alignas(kCacheLineBytes) LeaseBook m_leases; ///< writer: the port
};

static_assert(sizeof(PortRecord) == 6 * kCacheLineBytes && offsetof(PortRecord, m_leases) == 320);
static_assert(offsetof(PortRecord, m_note) == 64 && offsetof(PortRecord, m_batch) == 128);
static_assert(offsetof(PortRecord, m_sleep) == 192 && offsetof(PortRecord, m_waiter) == 240);
static_assert(offsetof(PortRecord, m_missed) == 256);
static_assert(std::is_standard_layout_v<PortRecord>, "shared between processes");
static_assert(std::is_trivially_destructible_v<PortRecord>, "nobody runs its destructor");

[[nodiscard]] constexpr std::uint64_t listNote(std::uint64_t sequence, std::uint32_t list, ListNote kind) noexcept
{
    return sequence << 8 | static_cast<std::uint64_t>(list & 0x3FU) << 2 | static_cast<std::uint64_t>(kind);
}
[[nodiscard]] constexpr std::uint64_t noteSequence(std::uint64_t note) noexcept
{
    return note >> 8;
}
[[nodiscard]] constexpr std::uint32_t noteList(std::uint64_t note) noexcept
{
    return static_cast<std::uint32_t>(note >> 2 & 0x3FU);
}
[[nodiscard]] constexpr ListNote noteKind(std::uint64_t note) noexcept
{
    return static_cast<ListNote>(note & 3U);
}

} // namespace ZeroCP
