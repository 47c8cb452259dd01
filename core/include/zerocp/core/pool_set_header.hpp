/// Second header of a pool set's management segment: the epoch that every publish looks at, and where everything is.
///
///   SegmentHeader | PoolSetHeader | MemPoolManager | (page) management area | (page) ports | (page) pairs |
///   (page) pair blocks
///
/// All but the epoch and the high-water marks is written before the segment is published.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "zerocp/core/history.hpp"
#include "zerocp/core/mempool_manager.hpp"
#include "zerocp/core/pair_queue.hpp"
#include "zerocp/core/port_record.hpp"
#include "zerocp/core/segment_header.hpp"

namespace ZeroCP
{

///   line 0   m_epoch
///   line 1   m_managerOffset m_managementOffset m_portsOffset m_pairsOffset m_pairAreaOffset m_pairAreaBytes |
///            m_portCapacity m_pairCapacity | m_dataOffset
///   line 2   m_commitLimit m_incarnations | m_portHighWater m_pairHighWater | m_automatic m_pagePolicy
struct alignas(kCacheLineBytes) PoolSetHeader
{
    /// Moves whenever a port or pair joins or leaves. Read on every publish, written almost never.
    std::atomic<std::uint64_t> m_epoch;

    alignas(kCacheLineBytes) std::uint64_t m_managerOffset; ///< offsets count from the start of the segment
    std::uint64_t m_managementOffset;
    std::uint64_t m_portsOffset; ///< record 0 is nobody's
    std::uint64_t m_pairsOffset;
    std::uint64_t m_pairAreaOffset;
    std::uint64_t m_pairAreaBytes;
    std::uint32_t m_portCapacity; ///< records, record 0 included
    std::uint32_t m_pairCapacity;
    std::uint64_t m_dataOffset; ///< of the data area in the data segment

    alignas(kCacheLineBytes) std::uint64_t
        m_commitLimit;                          ///< bytes of chunks that may be committed (limits.pool_set_bytes)
    std::atomic<std::uint64_t> m_incarnations;  ///< of pairs, ever; under the control lock
    std::atomic<std::uint32_t> m_portHighWater; ///< records below have been used
    std::atomic<std::uint32_t> m_pairHighWater;
    std::uint32_t m_automatic;  ///< 1: grows with its topic; 0: configured
    std::uint32_t m_pagePolicy; ///< PagePolicy::word()
};

static_assert(sizeof(PoolSetHeader) == 3 * kCacheLineBytes && offsetof(PoolSetHeader, m_managerOffset) == 64);
static_assert(offsetof(PoolSetHeader, m_commitLimit) == 128 && offsetof(PoolSetHeader, m_pagePolicy) == 156);
static_assert(std::is_standard_layout_v<PoolSetHeader> && std::is_trivially_destructible_v<PoolSetHeader>);

/// Changes when the size or the place of anything in a management or data segment does.
[[nodiscard]] constexpr std::uint64_t poolSetLayoutHash() noexcept
{
    constexpr std::uint64_t kNumbers[] = {sizeof(PoolSetHeader),
                                          offsetof(PoolSetHeader, m_pagePolicy),
                                          sizeof(MemPoolManager),
                                          sizeof(MemPool),
                                          sizeof(MPMC_LockFree_List),
                                          sizeof(ChunkManager),
                                          sizeof(ChunkHeader),
                                          sizeof(PortRecord),
                                          sizeof(PairHead),
                                          sizeof(PairRecord),
                                          sizeof(HistoryHead),
                                          offsetof(ChunkManager, m_publication),
                                          offsetof(PortRecord, m_note),
                                          offsetof(PortRecord, m_sleep),
                                          offsetof(PortRecord, m_history),
                                          offsetof(PortRecord, m_waiter),
                                          offsetof(PortRecord, m_deadlineNs),
                                          offsetof(PortRecord, m_leases),
                                          offsetof(PairHead, m_deadlines),
                                          offsetof(PairHead, m_lifespanNs),
                                          sizeof(DeadlineBook),
                                          sizeof(LeaseBook),
                                          offsetof(PairRecord, m_blockOffset),
                                          holder::kBitsPerWord,
                                          PortRecord::kBatch,
                                          kMaxPools};
    return hashNumbers(kNumbers, sizeof kNumbers / sizeof kNumbers[0]);
}

} // namespace ZeroCP
