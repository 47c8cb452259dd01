/// What a subscriber knows of a message besides its bytes. Lies in the data segment right before the payload, written
/// by the publisher that has the chunk on loan, read-only for everybody else until the chunk is free again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "zerocp/core/align.hpp"

namespace ZeroCP
{

///   byte 0               8             16               24              32       64
///        | payloadBytes  | sequence    | publishTimeNs  | publisherId   | zero   | payload ...
struct alignas(kChunkAlignment) ChunkHeader
{
    std::uint64_t m_payloadBytes;
    std::uint64_t m_sequence;      ///< of this publisher, from 1
    std::uint64_t m_publishTimeNs; ///< CLOCK_MONOTONIC
    std::uint64_t m_publisherId;   ///< endpoint id, unique in the life of the domain
    std::uint64_t m_reserved[4];
};

static_assert(sizeof(ChunkHeader) == 64, "the payload behind it keeps the chunk's alignment");
static_assert(offsetof(ChunkHeader, m_publisherId) == 24);
static_assert(std::is_standard_layout_v<ChunkHeader> && std::is_trivially_copyable_v<ChunkHeader>);

} // namespace ZeroCP
