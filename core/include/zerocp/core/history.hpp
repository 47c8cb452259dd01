/// The last messages of a transient-local publisher, for subscribers that come later. Lies in the management segment, in
/// a block of the pair area; written by its publisher alone, read by whoever joins.
///
///   line 0   m_next m_first             messages m_next - depth to m_next - 1 stand here, but none before m_first
///   lines    entries[depth]             message x stands in entry x % depth, as it would in a queue slot
///
/// What a joiner finds here it pins with its bit in the chunk's joiner words (chunk_manager.hpp) before it reads. A chunk
/// that has left the history is used again only after its joiner words were sealed: a word with a bit in it is not
/// sealed, and a sealed one has a new generation, so the exchange of a joiner that came too late fails. Joiner and
/// publisher meet in one word; no fence is needed.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "zerocp/core/align.hpp"

namespace ZeroCP
{

struct alignas(kCacheLineBytes) HistoryHead
{
    std::atomic<std::uint64_t> m_next;
    std::uint64_t m_first; ///< written once

    /// Bytes of a block for `depth` messages.
    [[nodiscard]] static constexpr std::uint64_t blockBytes(std::uint32_t depth) noexcept
    {
        return kCacheLineBytes + alignUp(8ULL * depth, kCacheLineBytes);
    }
};

static_assert(sizeof(HistoryHead) == kCacheLineBytes);
static_assert(std::is_standard_layout_v<HistoryHead> && std::is_trivially_destructible_v<HistoryHead>);

/// Addresses of one history in this process.
struct HistoryView
{
    HistoryHead* m_head{nullptr};
    std::atomic<std::uint64_t>* m_entries{nullptr};
    std::uint32_t m_depth{0};

    [[nodiscard]] std::atomic<std::uint64_t>& entry(std::uint64_t sequence) const noexcept
    {
        return m_entries[sequence % m_depth];
    }
};

} // namespace ZeroCP
