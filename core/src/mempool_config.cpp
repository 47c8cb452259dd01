#include "zerocp/core/mempool_config.hpp"

#include <algorithm>
#include <limits>

#include "zerocp/core/align.hpp"

namespace ZeroCP
{

namespace
{

bool fitsInto63Bits(std::uint64_t chunkBytes, std::uint32_t count) noexcept
{
    // Header and rounding add less than three times the alignment to each chunk.
    const auto stride = checkedAdd(chunkBytes, 3 * kChunkAlignment);
    const auto total = stride ? checkedMultiply(*stride, count) : std::nullopt;
    return total && *total < static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()) / kMaxPools;
}

} // namespace

bool MemPoolConfig::addMemPoolEntry(std::uint64_t chunkBytes, std::uint32_t count) noexcept
{
    if (chunkBytes == 0 || count == 0 || !fitsInto63Bits(chunkBytes, count) || count > kMaxChunks - totalChunks())
    {
        return false;
    }
    const auto sameSize = [chunkBytes](const MemPoolEntry& entry) { return entry.m_poolSize == chunkBytes; };
    return std::none_of(entries.begin(), entries.end(), sameSize) && entries.push_back({chunkBytes, count});
}

std::uint32_t MemPoolConfig::totalChunks() const noexcept
{
    std::uint32_t total = 0;
    for (const MemPoolEntry& entry : entries)
    {
        total += entry.m_poolCount;
    }
    return total;
}

bool operator==(const MemPoolConfig& a, const MemPoolConfig& b) noexcept
{
    return std::equal(a.entries.begin(), a.entries.end(), b.entries.begin(), b.entries.end());
}

} // namespace ZeroCP
