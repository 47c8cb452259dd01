/// All size classes of one set of chunks, and the records of the chunks. Lies at the start of a management area and is
/// shared by everybody who uses the set; the chunks lie in a data area, in the same file or in another.
///
///   management area   links of pool 0, 1, ... | links of the ChunkManager pool | ChunkManager 0, 1, ...
///   data area         chunks of pool 0 | chunks of pool 1 | ...         chunk = header, payload; 64-byte aligned
///
/// Places in the areas are RelativePointers into MANAGEMENT_POOL_ID and CHUNK_POOL_ID, the starts of the two areas;
/// MemPools themselves lie in the manager, MANAGER_POOL_ID.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <type_traits>

#include "zerocp/core/chunk_manager.hpp"
#include "zerocp/core/mempool.hpp"
#include "zerocp/core/mempool_config.hpp"
#include "zerocp/core/vector.hpp"

namespace ZeroCP
{

/// Where everything of a set lies, in bytes from the start of its area. Part of shared memory: computed once by the
/// creator from a configuration.
struct MemPoolLayout
{
    std::uint64_t m_linksOffset;        ///< management area: links of pool 0; those of the others follow, aligned to 8
    std::uint64_t m_managerLinksOffset; ///< management area
    std::uint64_t m_managersOffset;     ///< management area
    std::uint64_t m_managerStride;      ///< bytes from one ChunkManager to the next
    std::uint64_t m_managementBytes;    ///< whole management area, a multiple of kPageBytes
    std::uint64_t m_dataBytes;          ///< whole data area, a multiple of kPageBytes
    std::uint64_t m_classBytes;         ///< data range of one class of a growing set, else 0
    std::uint32_t m_classChunks;        ///< chunk numbers of one class of a growing set, else 0
    std::uint32_t m_maxChunks;          ///< chunk numbers of all classes
    std::uint32_t m_holderWords;        ///< K of chunk_manager.hpp
    std::uint32_t m_maxPools;           ///< classes that fit

    /// Every class of `config` with exactly its count, none of which can grow. Nothing if it has no class or its bytes
    /// overflow.
    [[nodiscard]] static std::optional<MemPoolLayout> fixed(const MemPoolConfig& config, std::uint32_t holderWords);

    /// Room for `classes` classes of chunk sizes to come, each with up to `classBytes` of data.
    [[nodiscard]] static std::optional<MemPoolLayout> growing(std::uint32_t classes, std::uint64_t classBytes,
                                                              std::uint32_t holderWords);

    friend bool operator==(const MemPoolLayout&, const MemPoolLayout&) noexcept = default;
};

static_assert(sizeof(MemPoolLayout) == 72 && std::is_trivially_copyable_v<MemPoolLayout>);

class MemPoolManager
{
  public:
    static constexpr std::uint32_t kDefaultHolderWords = holder::wordsFor(128);

    /// A plan: knows sizes, has no memory. Also the state of a set before layOut().
    explicit MemPoolManager(const MemPoolConfig& config);
    explicit MemPoolManager(const MemPoolLayout& layout) noexcept : m_layout(layout) {}
    MemPoolManager(const MemPoolManager&) = delete;
    MemPoolManager& operator=(const MemPoolManager&) = delete;

    /// The manager that this process's MemPoolAllocator has created or attached to; before there is one, a
    /// process-local plan for `config`. A later call with another config gets the first, and a log line says so.
    [[nodiscard]] static MemPoolManager& getInstance(const MemPoolConfig& config);

    /// Used by MemPoolAllocator: `manager`, whose pools are those of `config`, is the instance from now on.
    static void setInstance(MemPoolManager& manager, const MemPoolConfig& config) noexcept;

    /// Used by MemPoolAllocator: back to the plan, if `manager` is the instance.
    static void resetInstance(const MemPoolManager* manager) noexcept;

    /// Bytes from the manager itself to the end of the data area, when both areas follow it in one file.
    [[nodiscard]] std::uint64_t getTotalMemorySize() const noexcept
    {
        return managementOffset() + m_layout.m_managementBytes + m_layout.m_dataBytes;
    }
    /// Bytes from the manager to the management area behind it.
    [[nodiscard]] static constexpr std::uint64_t managementOffset() noexcept;
    /// Bytes from the manager to the data area in one file.
    [[nodiscard]] std::uint64_t chunkOffset() const noexcept { return managementOffset() + m_layout.m_managementBytes; }

    using MemPools = vector<MemPool, kMaxPools>;
    using ChunkManagerPool = vector<MemPool, 1>;

    [[nodiscard]] MemPools& getMemPools() noexcept { return m_mempools; }
    [[nodiscard]] ChunkManagerPool& getChunkManagerPool() noexcept { return m_chunkManagerPool; }
    [[nodiscard]] const MemPoolLayout& layout() const noexcept { return m_layout; }

    /// Builds all pools of `config` in two zeroed areas that `registry` knows: every chunk free. False if the layout
    /// is not the fixed one of `config`. `withManagerList`: also a free list of ChunkManagers.
    bool layOut(const MemPoolConfig& config, const PoolRegistry& registry, bool withManagerList);

    /// Whether layOut(config, ..., true) of a plan with `layout` has built this set: sizes and places are compared
    /// number by number, since they may come from another process. Says nothing about which chunks are free.
    [[nodiscard]] bool isLaidOut(const MemPoolConfig& config, const MemPoolLayout& layout) const noexcept;

    /// Adds a class of a growing set, without any chunk yet. Control path, one caller at a time, memory for the pool's
    /// links committed by the caller. nullptr if the classes are used up or `chunkSize` is larger than a class.
    MemPool* addClass(std::uint64_t chunkSize, const PoolRegistry& registry);

    /// Writes the cold line of the records [first, first + count) of pool `pool`. Their memory is committed and zero.
    void describeChunks(std::uint32_t pool, std::uint32_t first, std::uint32_t count, const PoolRegistry& registry);

    /// Address of record `chunk` in this process.
    [[nodiscard]] ChunkManager* record(std::uint32_t chunk, const PoolRegistry& registry) noexcept;

    /// Classes that are complete; what a running process may look at. m_mempools' own size is for whoever holds the
    /// control lock: a creator that died in the middle has left it one too high.
    [[nodiscard]] std::uint32_t classCount() const noexcept
    {
        return m_classCount.load(std::memory_order_acquire); // [sync:class] partner: publishClasses()
    }

    MemPools m_mempools;
    ChunkManagerPool m_chunkManagerPool;
    MemPoolLayout m_layout{};
    std::atomic<std::uint32_t> m_classCount{0};

  private:
    void publishClasses() noexcept
    {
        // [sync:class] Release: a class is complete before it is counted. Partner: classCount().
        m_classCount.store(static_cast<std::uint32_t>(m_mempools.size()), std::memory_order_release);
    }
};

static_assert(std::is_standard_layout_v<MemPoolLayout> && std::is_trivially_destructible_v<MemPoolManager>);

constexpr std::uint64_t MemPoolManager::managementOffset() noexcept
{
    // The SegmentHeader in front of the manager is part of the page.
    return alignUp(sizeof(MemPoolManager) + kCacheLineBytes, kPageBytes) - kCacheLineBytes;
}

} // namespace ZeroCP
