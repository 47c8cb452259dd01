/// Which size classes a set of pools has. Process-local value, at most kMaxPools entries, each with its own size.
#pragma once

#include <cstddef>
#include <cstdint>

#include "zerocp/core/vector.hpp"

namespace ZeroCP
{

/// Size classes in one MemPoolManager.
inline constexpr std::size_t kMaxPools = 16;
/// Chunks in one set of pools; chunk numbers have 20 bits in queue slots, and the last two mean "none".
inline constexpr std::uint32_t kMaxChunks = (1U << 20) - 2;

class MemPoolConfig
{
  public:
    struct MemPoolEntry
    {
        std::uint64_t m_poolSize;  ///< usable payload of one chunk, bytes
        std::uint32_t m_poolCount; ///< chunks

        friend bool operator==(const MemPoolEntry&, const MemPoolEntry&) = default;
    };

    using Entries = vector<MemPoolEntry, kMaxPools>;

    /// Adds a size class; entries keep the order in which they were added.
    /// False, and nothing changed, if a number is zero, the size is there already, the classes or the chunk numbers
    /// are used up, or the bytes do not fit into 63 bits.
    bool addMemPoolEntry(std::uint64_t chunkBytes, std::uint32_t count) noexcept;

    [[nodiscard]] std::uint32_t totalChunks() const noexcept;

    friend bool operator==(const MemPoolConfig& a, const MemPoolConfig& b) noexcept;

    Entries entries;
};

} // namespace ZeroCP
