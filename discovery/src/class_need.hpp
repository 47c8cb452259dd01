/// Private to the discovery room: what the endpoints of an automatic pool set need of one size class, and what is there.
/// Derived from ports and holder words, not counted, so there is nothing to repair after a crash. Control lock held;
/// ports pop and push meanwhile.
#pragma once

#include <algorithm>
#include <cstdint>

#include "zerocp/core/pool_view.hpp"

namespace ZeroCP
{

struct ClassNeed
{
    /// What every publisher may own or, if its budget has shrunk, still owns, and what publishers that are gone have left
    /// to subscribers. Falls only as long as no endpoint joins: a publisher that owns more than its budget takes none.
    std::uint64_t m_needed{0};
    std::uint32_t m_present{0}; ///< chunks whose memory is committed
    std::uint32_t m_retired{0}; ///< chunks whose memory was given back
};

[[nodiscard]] ClassNeed needOf(const PoolView& view, std::uint32_t classIndex);

/// Chunk numbers of `in` that have been in use; those that are Retired are among them.
[[nodiscard]] inline std::uint32_t chunksOf(const PoolView::Class& in) noexcept
{
    return std::min(in.m_pool->getTotalChunks(), in.m_endChunk - in.m_firstChunk);
}

[[nodiscard]] inline bool isRetired(const PoolView& view, std::uint32_t chunk) noexcept
{
    return holder::stateOf(view.word(chunk, 0).load(std::memory_order_acquire)) == ChunkState::Retired;
}

/// Bytes of all chunks that are there.
[[nodiscard]] std::uint64_t committedBytes(const PoolView& view) noexcept;

} // namespace ZeroCP
