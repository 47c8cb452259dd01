/// What a subscriber knows of a message besides its bytes. Lies in the data segment right before the payload, written
/// by the publisher that has the chunk on loan, read-only for everybody else until the chunk is free again.
///
/// The words of calls are written by clients and servers only; other messages carry what an earlier use of the chunk
/// left in them, and nobody looks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "zerocp/core/align.hpp"

namespace ZeroCP
{

/// What a message between a client and a server is.
enum class CallStatus : std::uint64_t
{
    Request,
    Answer,
    NoAnswer,   ///< the server gave the call up; the payload means nothing
    ServerGone, ///< the server is leaving: it answers none of its calls any more
};

///   byte 0               8             16               24              32       64
///        | payloadBytes  | sequence    | publishTimeNs  | publisherId   |        | payload ...
///
///   byte 32          40          48           56
///        | callId    | callPeer  | callStatus | zero
struct alignas(kChunkAlignment) ChunkHeader
{
    std::uint64_t m_payloadBytes;
    std::uint64_t m_sequence;      ///< of this publisher, from 1
    std::uint64_t m_publishTimeNs; ///< CLOCK_MONOTONIC
    std::uint64_t m_publisherId;   ///< endpoint id, unique in the life of the domain
    std::uint64_t m_callId;        ///< of this client, from 1; 0 in a notice that the server is leaving
    std::uint64_t m_callPeer;   ///< request: endpoint that waits for the answer; answer: endpoint that took the request
    std::uint64_t m_callStatus; ///< CallStatus
    std::uint64_t m_reserved;
};

static_assert(sizeof(ChunkHeader) == 64, "the payload behind it keeps the chunk's alignment");
static_assert(offsetof(ChunkHeader, m_publisherId) == 24);
static_assert(offsetof(ChunkHeader, m_callId) == 32 && offsetof(ChunkHeader, m_callStatus) == 48);
static_assert(std::is_standard_layout_v<ChunkHeader> && std::is_trivially_copyable_v<ChunkHeader>);

} // namespace ZeroCP
