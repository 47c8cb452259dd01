/// The record of one chunk: where it lies, who published it last, and who holds it. One per chunk, in the management
/// segment; number i describes chunk i of the set. Shared by every process that uses the set.
///
/// The reference count of a chunk is the set of its holders, kept as words of bits:
///
///   word 0          | generation 16 | state 2 | holder bits 46 |
///   words 1 .. K-1  | generation 16 |    0  2 | holder bits 46 |
///
///   K joiner words  | generation 18 | joiner bits 46 |      subscribers that pinned the chunk in a history (history.hpp)
///
/// A bit is a port's index within its topic; in state Freeing the 46 bits of word 0 are the number of the port that
/// frees. Clearing a bit is idempotent, so whatever a crash interrupts can be done again. While its publisher lives,
/// only the publisher sets bits and changes generation and state; a subscriber clears its own bit; after a death that
/// right passes to the one who recovers the port. K and so the size of a record are chosen when the set is made.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <new>
#include <type_traits>

#include "zerocp/core/align.hpp"
#include "zerocp/core/chunk_header.hpp"
#include "zerocp/core/mempool.hpp"

namespace ZeroCP
{

enum class ChunkState : std::uint64_t
{
    Free,
    InUse,
    Freeing,
    Retired, ///< not there: in no free list, its bytes given back to the file system until the class grows again
};

namespace holder
{

inline constexpr std::uint32_t kBitsPerWord = 46;
inline constexpr std::uint64_t kBits = (1ULL << kBitsPerWord) - 1;
inline constexpr std::uint64_t kGenerationStep = 1ULL << 48; ///< added to a word, it wraps within its 16 bits

[[nodiscard]] constexpr std::uint64_t word(std::uint64_t generation, ChunkState state, std::uint64_t bits) noexcept
{
    return (generation & 0xFFFFU) << 48 | static_cast<std::uint64_t>(state) << 46 | (bits & kBits);
}
[[nodiscard]] constexpr std::uint64_t generationOf(std::uint64_t word) noexcept
{
    return word >> 48;
}
[[nodiscard]] constexpr ChunkState stateOf(std::uint64_t word) noexcept
{
    return static_cast<ChunkState>(word >> 46 & 3U);
}
[[nodiscard]] constexpr std::uint64_t bitOf(std::uint32_t holderIndex) noexcept
{
    return 1ULL << (holderIndex % kBitsPerWord);
}
[[nodiscard]] constexpr std::uint32_t wordOf(std::uint32_t holderIndex) noexcept
{
    return holderIndex / kBitsPerWord;
}
[[nodiscard]] constexpr std::uint32_t wordsFor(std::uint32_t holders) noexcept
{
    return (holders + kBitsPerWord - 1) / kBitsPerWord;
}

} // namespace holder

/// Joiner words. Changed by exchange only; bits stand there only while, or shortly after, the chunk is in a history.
namespace joiner
{

[[nodiscard]] constexpr std::uint64_t bitsOf(std::uint64_t word) noexcept
{
    return word & holder::kBits;
}
/// `word`, which has no bits, with the next of its 2^18 generations.
[[nodiscard]] constexpr std::uint64_t sealed(std::uint64_t word) noexcept
{
    return word + (1ULL << holder::kBitsPerWord);
}

} // namespace joiner

/// Names one publication: port number 20 | sequence 44 (its low 42 bits travel in queue slots).
inline constexpr std::uint64_t kSequenceMask = (1ULL << 42) - 1;

[[nodiscard]] constexpr std::uint64_t publicationTag(std::uint32_t port, std::uint64_t sequence) noexcept
{
    return static_cast<std::uint64_t>(port) << 44 | (sequence & kSequenceMask);
}
[[nodiscard]] constexpr std::uint32_t portOfTag(std::uint64_t tag) noexcept
{
    return static_cast<std::uint32_t>(tag >> 44);
}
[[nodiscard]] constexpr std::uint64_t sequenceOfTag(std::uint64_t tag) noexcept
{
    return tag & kSequenceMask;
}

///   byte 0               16           32                      48         64
///        | m_chunkHeader | m_mempool  | m_chunkManagementPool | m_number |      line 0: written once
///        64              72         80
///        | m_publication | m_owner  | K holder words, K joiner words ...        line 1: the owner's, hot
struct alignas(kCacheLineBytes) ChunkManager
{
    /// Words that fit into the two lines; a record with more holder words is longer by whole lines.
    static constexpr std::uint32_t kInlineWords = 6;

    RelativePointer<ChunkHeader> m_chunkHeader;
    RelativePointer<MemPool> m_mempool;
    RelativePointer<MemPool> m_chunkManagementPool;
    std::uint64_t m_number;
    std::uint64_t m_reserved;
    std::atomic<std::uint64_t> m_publication; ///< publicationTag() of the last one; written before the holder words
    /// Topic slot << 32 | port that popped it: which topic the holder bits belong to. Written before the words.
    std::atomic<std::uint64_t> m_owner;
    std::atomic<std::uint64_t> m_words[kInlineWords];

    /// Bytes from one record to the next with `holderWords` holder words and as many joiner words.
    [[nodiscard]] static constexpr std::uint64_t strideOf(std::uint32_t holderWords) noexcept
    {
        return alignUp(80 + 16ULL * holderWords, kCacheLineBytes);
    }

    /// Holder word `index`; joiner words follow the K holder words.
    [[nodiscard]] std::atomic<std::uint64_t>& word(std::uint32_t index) noexcept
    {
        // Address arithmetic, since the records of a set may be longer than this type (strideOf()).
        auto* first = reinterpret_cast<std::byte*>(this) + 80;
        return *std::launder(reinterpret_cast<std::atomic<std::uint64_t>*>(first + sizeof(std::uint64_t) * index));
    }
};

static_assert(sizeof(ChunkManager) == 128 && offsetof(ChunkManager, m_publication) == 64);
static_assert(offsetof(ChunkManager, m_words) == 80 && ChunkManager::strideOf(3) == sizeof(ChunkManager));
static_assert(std::is_standard_layout_v<ChunkManager>, "shared between processes");
static_assert(std::is_trivially_destructible_v<ChunkManager>, "nobody runs its destructor");

[[nodiscard]] constexpr std::uint64_t chunkOwner(std::uint32_t topic, std::uint32_t port) noexcept
{
    return static_cast<std::uint64_t>(topic) << 32 | port;
}
[[nodiscard]] constexpr std::uint32_t topicOfOwner(std::uint64_t owner) noexcept
{
    return static_cast<std::uint32_t>(owner >> 32);
}

} // namespace ZeroCP
