#include "zerocp/core/mempool.hpp"

#include <algorithm>

namespace ZeroCP
{

namespace
{

bool alignedTo8(const void* address) noexcept
{
    return reinterpret_cast<std::uintptr_t>(address) % 8 == 0;
}

} // namespace

bool MemPool::initialize(void* rawMemory, std::uint64_t chunkSize, std::uint32_t chunkNums,
                         void* freeListMemory) noexcept
{
    if (!alignedTo8(rawMemory) || !alignedTo8(freeListMemory))
    {
        return false;
    }
    const Place place{.m_rawMemory = RelativePointer<void>(rawMemory),
                      .m_links = RelativePointer<std::uint32_t>(static_cast<std::uint32_t*>(freeListMemory)),
                      .m_chunkSize = chunkSize,
                      .m_headerBytes = 0,
                      .m_firstChunk = 0,
                      .m_chunkNums = chunkNums,
                      .m_maxChunks = chunkNums};
    return initialize(place, PoolRegistry::instance());
}

bool MemPool::initialize(const Place& place, const PoolRegistry& registry) noexcept
{
    const auto widest = checkedAdd(place.m_chunkSize, place.m_headerBytes + kChunkAlignment);
    if (place.m_rawMemory.get(registry) == nullptr || place.m_chunkSize == 0 || !widest ||
        !checkedMultiply(*widest, place.m_maxChunks) ||
        !m_freeIndices.initialize(place.m_links, registry, place.m_chunkNums, place.m_maxChunks))
    {
        return false;
    }
    m_rawMemory = place.m_rawMemory;
    m_chunkSize = place.m_chunkSize;
    m_headerBytes = place.m_headerBytes;
    m_chunkStride = strideOf(place.m_chunkSize, place.m_headerBytes);
    m_maxChunks = place.m_maxChunks;
    m_firstChunk = place.m_firstChunk;
    m_usedChunk.store(0, std::memory_order_relaxed); // nobody else knows the pool yet
    m_highWater.store(0, std::memory_order_relaxed);
    m_retired.store(0, std::memory_order_relaxed);
    m_chunkNums.store(place.m_chunkNums, std::memory_order_release); // [sync:pool-grow]
    return true;
}

bool MemPool::isAt(const Place& place) const noexcept
{
    return m_rawMemory == place.m_rawMemory && m_freeIndices.m_freeIndicesHeader == place.m_links &&
           m_chunkSize == place.m_chunkSize && m_headerBytes == place.m_headerBytes &&
           m_chunkStride == strideOf(place.m_chunkSize, place.m_headerBytes) && m_firstChunk == place.m_firstChunk &&
           getTotalChunks() == place.m_chunkNums && m_maxChunks == place.m_maxChunks &&
           m_freeIndices.capacity() == place.m_maxChunks;
}

void* MemPool::allocate(std::uint64_t bytes) noexcept
{
    auto* raw = static_cast<std::byte*>(m_rawMemory.get());
    if (bytes > m_chunkSize || raw == nullptr)
    {
        return nullptr;
    }
    const auto number = m_freeIndices.pop();
    if (!number)
    {
        return nullptr;
    }
    countOut(1);
    return raw + *number * m_chunkStride + m_headerBytes;
}

bool MemPool::deallocate(void* payload) noexcept
{
    const auto* raw = static_cast<const std::byte*>(m_rawMemory.get());
    const auto first = reinterpret_cast<std::uintptr_t>(raw) + m_headerBytes;
    const auto address = reinterpret_cast<std::uintptr_t>(payload);
    if (raw == nullptr || address < first || m_chunkStride == 0 || (address - first) % m_chunkStride != 0)
    {
        return false;
    }
    const std::uint64_t number = (address - first) / m_chunkStride;
    if (number >= getTotalChunks() || !m_freeIndices.push(static_cast<std::uint32_t>(number)))
    {
        return false;
    }
    countBack(1);
    return true;
}

std::uint32_t MemPool::getFreeChunks() const noexcept
{
    const std::uint32_t total = getTotalChunks();
    const std::uint32_t out = getUsedChunks() + m_retired.load(std::memory_order_relaxed);
    return total - std::min(total, out);
}

void MemPool::addChunks(std::uint32_t count) noexcept
{
    // [sync:pool-grow] Release: the new chunks' records are visible to whoever sees the new total.
    m_chunkNums.store(m_chunkNums.load(std::memory_order_relaxed) + count, std::memory_order_release);
}

void MemPool::countOut(std::uint32_t count) noexcept
{
    // Relaxed: figures only, no decision rests on them.
    const std::uint32_t used = m_usedChunk.fetch_add(count, std::memory_order_relaxed) + count;
    std::uint32_t high = m_highWater.load(std::memory_order_relaxed);
    while (high < used && !m_highWater.compare_exchange_weak(high, used, std::memory_order_relaxed))
    {
    }
}

void MemPool::countBack(std::uint32_t count) noexcept
{
    std::uint32_t used = m_usedChunk.load(std::memory_order_relaxed);
    while (!m_usedChunk.compare_exchange_weak(used, used - std::min(used, count), std::memory_order_relaxed))
    {
    }
}

} // namespace ZeroCP
