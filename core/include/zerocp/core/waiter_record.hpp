/// The word on which a wait set or executor sleeps while it waits for many ports at once. One row per waiter in the
/// discovery segment; PortRecord::m_waiter says which row a port wakes instead of its own word.
///
///   m_state | m_process | m_signal | m_asleep | m_wantsGraph | m_pipe | m_pipes | m_rung | reserved
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "zerocp/core/align.hpp"

namespace ZeroCP
{

struct alignas(kCacheLineBytes) WaiterRecord
{
    std::atomic<std::uint32_t> m_state;      ///< RecordState of discovery_layout.hpp; under the control lock
    std::uint32_t m_process;                 ///< row of the waiter's process
    std::atomic<std::uint32_t> m_signal;     ///< grows with every wake; the futex word
    std::atomic<std::uint32_t> m_asleep;     ///< 1 while the waiter may be in the kernel; writer: the waiter
    std::atomic<std::uint32_t> m_wantsGraph; ///< 1: woken by every change of the graph
    /// Not 0: who wakes also writes to the FIFO of that number (wake_pipe.hpp). Writer: the waiter; set under the control
    /// lock.
    std::atomic<std::uint32_t> m_pipe;
    std::uint32_t m_pipes;             ///< the last number of a FIFO of this row; under the control lock
    std::atomic<std::uint32_t> m_rung; ///< grows with every byte that somebody has written there
    std::array<std::uint32_t, 8> m_reserved;
};

static_assert(sizeof(WaiterRecord) == kCacheLineBytes && offsetof(WaiterRecord, m_signal) == 8 &&
              offsetof(WaiterRecord, m_pipe) == 20);
static_assert(std::is_standard_layout_v<WaiterRecord> && std::is_trivially_destructible_v<WaiterRecord>);

/// Where this process has the rows. Empty in views that never wake anybody through a row.
struct WaiterTable
{
    WaiterRecord* m_rows{nullptr};
    const std::atomic<std::uint32_t>* m_count{nullptr}; ///< rows that are committed
    const char* m_pipes{nullptr};                       ///< what the paths of their FIFOs begin with

    /// Row `number` - 1; nothing for 0, and for what a peer may have written.
    [[nodiscard]] WaiterRecord* find(std::uint32_t number) const noexcept
    {
        const bool known = number != 0 && m_rows != nullptr && number <= m_count->load(std::memory_order_acquire);
        return known ? m_rows + (number - 1) : nullptr; // [sync:tables]
    }
};

} // namespace ZeroCP
