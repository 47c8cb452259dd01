/// One size class: equally large chunks and the list of the free ones. Lies in shared memory and is used from any
/// number of threads and processes; it owns neither the chunks' bytes nor the list's links.
///
/// The same class manages data chunks and, with the size of a ChunkManager as chunk size, the ChunkManagers.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "zerocp/core/align.hpp"
#include "zerocp/core/mpmclockfreelist.hpp"
#include "zerocp/core/relative_pointer.hpp"

namespace ZeroCP
{

///   byte 0             16            24              32              40           44           48
///        | m_rawMemory | m_chunkSize | m_chunkStride | m_headerBytes| m_chunkNums| m_maxChunks|
///        48            52            56              60             64                        96
///        | m_firstChunk| m_usedChunk | m_highWater   | m_retired    | m_freeIndices           |
class MemPool
{
  public:
    /// Where a pool's memory lies and how its chunks are cut.
    struct Place
    {
        RelativePointer<void> m_rawMemory;
        RelativePointer<std::uint32_t> m_links;
        std::uint64_t m_chunkSize;   ///< usable payload of one chunk, bytes
        std::uint64_t m_headerBytes; ///< before each payload
        std::uint32_t m_firstChunk;  ///< number of its first chunk among all pools of the set
        std::uint32_t m_chunkNums;   ///< chunks that exist now
        std::uint32_t m_maxChunks;   ///< chunks that fit into the reserved range
    };

    MemPool() noexcept = default;
    MemPool(const MemPool&) = delete;
    MemPool& operator=(const MemPool&) = delete;

    /// Bytes from one chunk to the next: header and payload, up to the next multiple of kChunkAlignment.
    [[nodiscard]] static constexpr std::uint64_t strideOf(std::uint64_t chunkSize, std::uint64_t headerBytes) noexcept
    {
        return alignUp(headerBytes + chunkSize, kChunkAlignment);
    }

    /// Makes all chunks free. `rawMemory` holds chunkNums * strideOf(chunkSize, 0) bytes and `freeListMemory`
    /// MPMC_LockFree_List::requiredIndexMemorySize(chunkNums); both outlive the pool. In shared memory their pools are
    /// registered first, so that their places are kept as relative pointers. False if an argument is null, zero, too
    /// large or not aligned to 8.
    bool initialize(void* rawMemory, std::uint64_t chunkSize, std::uint32_t chunkNums, void* freeListMemory) noexcept;

    /// The same at a place that is known, with the bases of `registry`; used by the layout code.
    bool initialize(const Place& place, const PoolRegistry& registry) noexcept;

    /// Whether the pool is at `place`: every number that initialize() writes once is still the one that it wrote.
    /// For pools in shared memory that another process has built.
    [[nodiscard]] bool isAt(const Place& place) const noexcept;

    /// A free chunk's payload, aligned to kChunkAlignment if the pool's memory is; nullptr if `bytes` is more than
    /// getChunkSize() or no chunk is free. Lock-free. Uses PoolRegistry::instance().
    [[nodiscard]] void* allocate(std::uint64_t bytes) noexcept;

    /// Gives an allocated chunk back. False, and nothing changed, if `payload` is not the start of one of this pool's
    /// payloads or is not allocated.
    bool deallocate(void* payload) noexcept;

    [[nodiscard]] std::uint64_t getChunkSize() const noexcept { return m_chunkSize; }
    [[nodiscard]] std::uint32_t getTotalChunks() const noexcept
    {
        return m_chunkNums.load(std::memory_order_acquire); // [sync:pool-grow] partner: addChunks()
    }
    /// A figure: other threads may change it at any time, and a killed process may leave it off by one. Chunks whose
    /// memory was given back (ChunkState::Retired) are not free.
    [[nodiscard]] std::uint32_t getFreeChunks() const noexcept;
    [[nodiscard]] std::uint32_t getUsedChunks() const noexcept { return m_usedChunk.load(std::memory_order_relaxed); }

    /// Makes `count` chunks beyond the present ones known; their memory is committed and their records are marked by
    /// the caller, who also puts their numbers into the free list. Control path, one caller at a time.
    void addChunks(std::uint32_t count) noexcept;

    /// How many of the chunks are Retired and have no memory. Control path, one caller at a time: counted down before
    /// memory comes and up when it has gone, so a number that is not that of the Retired chunks was left by a death.
    [[nodiscard]] std::uint32_t getRetiredChunks() const noexcept { return m_retired.load(std::memory_order_relaxed); }
    void countRetired(std::uint32_t count) noexcept { m_retired.store(count, std::memory_order_relaxed); }

    /// Figures after `count` chunks went out of (or back into) the free list.
    void countOut(std::uint32_t count) noexcept;
    void countBack(std::uint32_t count) noexcept;

    RelativePointer<void> m_rawMemory;
    std::uint64_t m_chunkSize{0};
    std::uint64_t m_chunkStride{0};
    std::uint64_t m_headerBytes{0};
    std::atomic<std::uint32_t> m_chunkNums{0};
    std::uint32_t m_maxChunks{0};
    std::uint32_t m_firstChunk{0};
    std::atomic<std::uint32_t> m_usedChunk{0};
    std::atomic<std::uint32_t> m_highWater{0};
    std::atomic<std::uint32_t> m_retired{0};
    MPMC_LockFree_List m_freeIndices;
};

static_assert(sizeof(MemPool) == 96 && offsetof(MemPool, m_chunkNums) == 40);
static_assert(offsetof(MemPool, m_freeIndices) == 64);
static_assert(std::is_standard_layout_v<MemPool>, "shared between processes");
static_assert(std::is_trivially_destructible_v<MemPool>, "nobody runs its destructor");

} // namespace ZeroCP
