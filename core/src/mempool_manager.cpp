#include "zerocp/core/mempool_manager.hpp"

#include <atomic>
#include <mutex>
#include <new>
#include <string>

#include "zerocp/core/log.hpp"

namespace ZeroCP
{

namespace
{

/// Completes a layout whose chunk numbers and data bytes are known.
std::optional<MemPoolLayout> withManagement(MemPoolLayout layout, std::uint32_t holderWords)
{
    const std::uint64_t chunks = layout.m_maxChunks;
    layout.m_holderWords = holderWords;
    layout.m_linksOffset = 0;
    layout.m_managerLinksOffset =
        alignUp(MPMC_LockFree_List::requiredIndexMemorySize(chunks) + 8ULL * kMaxPools, kPageBytes);
    layout.m_managersOffset =
        alignUp(layout.m_managerLinksOffset + MPMC_LockFree_List::requiredIndexMemorySize(chunks), kPageBytes);
    layout.m_managerStride = ChunkManager::strideOf(holderWords);
    layout.m_managementBytes = alignUp(layout.m_managersOffset + layout.m_managerStride * chunks, kPageBytes);
    return layout;
}

std::optional<std::uint64_t> dataBytesOf(const MemPoolConfig::MemPoolEntry& entry)
{
    const auto padded = checkedAdd(entry.m_poolSize, sizeof(ChunkHeader) + kChunkAlignment);
    if (!padded || !checkedMultiply(*padded, entry.m_poolCount))
    {
        return std::nullopt;
    }
    return MemPool::strideOf(entry.m_poolSize, sizeof(ChunkHeader)) * entry.m_poolCount;
}

/// Cuts the areas of a fixed set into pools, one after the other.
class FixedPlaces
{
  public:
    explicit FixedPlaces(const MemPoolLayout& layout) noexcept : m_linksOffset(layout.m_linksOffset) {}

    MemPool::Place next(const MemPoolConfig::MemPoolEntry& entry) noexcept
    {
        const MemPool::Place place{.m_rawMemory = {CHUNK_POOL_ID, m_dataOffset},
                                   .m_links = {MANAGEMENT_POOL_ID, m_linksOffset},
                                   .m_chunkSize = entry.m_poolSize,
                                   .m_headerBytes = sizeof(ChunkHeader),
                                   .m_firstChunk = m_firstChunk,
                                   .m_chunkNums = entry.m_poolCount,
                                   .m_maxChunks = entry.m_poolCount};
        m_dataOffset += MemPool::strideOf(entry.m_poolSize, sizeof(ChunkHeader)) * entry.m_poolCount;
        m_linksOffset += MPMC_LockFree_List::requiredIndexMemorySize(entry.m_poolCount);
        m_firstChunk += entry.m_poolCount;
        return place;
    }

  private:
    std::uint64_t m_dataOffset{0};
    std::uint64_t m_linksOffset;
    std::uint32_t m_firstChunk{0};
};

MemPool::Place placeOfManagers(const MemPoolLayout& layout) noexcept
{
    return {.m_rawMemory = {MANAGEMENT_POOL_ID, layout.m_managersOffset},
            .m_links = {MANAGEMENT_POOL_ID, layout.m_managerLinksOffset},
            .m_chunkSize = layout.m_managerStride,
            .m_headerBytes = 0,
            .m_firstChunk = 0,
            .m_chunkNums = layout.m_maxChunks,
            .m_maxChunks = layout.m_maxChunks};
}

/// `entries` is public: whether addMemPoolEntry() would have made this configuration.
bool isValid(const MemPoolConfig& config) noexcept
{
    MemPoolConfig again;
    for (const MemPoolConfig::MemPoolEntry& entry : config.entries)
    {
        if (!again.addMemPoolEntry(entry.m_poolSize, entry.m_poolCount))
        {
            return false;
        }
    }
    return !config.entries.empty();
}

struct Instance
{
    std::mutex m_mutex;
    MemPoolManager* m_shared{nullptr};
    MemPoolConfig m_sharedConfig;
    MemPoolManager* m_plan{nullptr}; // lives as long as the process: callers keep references
    MemPoolConfig m_planConfig;
};

Instance& theInstance()
{
    static auto* const instance = new Instance;
    return *instance;
}

} // namespace

std::optional<MemPoolLayout> MemPoolLayout::fixed(const MemPoolConfig& config, std::uint32_t holderWords)
{
    if (!isValid(config) || holderWords == 0)
    {
        return std::nullopt;
    }
    MemPoolLayout layout{};
    for (const MemPoolConfig::MemPoolEntry& entry : config.entries)
    {
        const auto bytes = dataBytesOf(entry);
        const auto sum = bytes ? checkedAdd(layout.m_dataBytes, *bytes) : std::nullopt;
        if (!sum || *sum > 1ULL << 62)
        {
            return std::nullopt;
        }
        layout.m_dataBytes = *sum;
    }
    layout.m_dataBytes = alignUp(layout.m_dataBytes, kPageBytes);
    layout.m_maxChunks = config.totalChunks();
    layout.m_maxPools = static_cast<std::uint32_t>(config.entries.size());
    return withManagement(layout, holderWords);
}

std::optional<MemPoolLayout> MemPoolLayout::growing(std::uint32_t classes, std::uint64_t classBytes,
                                                    std::uint32_t holderWords)
{
    if (classes == 0 || classes > kMaxPools || classBytes == 0 || classBytes > (1ULL << 62) / kMaxPools ||
        holderWords == 0)
    {
        return std::nullopt;
    }
    MemPoolLayout layout{};
    layout.m_dataBytes = alignUp(classBytes, kPageBytes) * classes;
    layout.m_classBytes = alignUp(classBytes, kPageBytes);
    layout.m_classChunks = kMaxChunks / classes;
    layout.m_maxChunks = layout.m_classChunks * classes;
    layout.m_maxPools = classes;
    return withManagement(layout, holderWords);
}

MemPoolManager::MemPoolManager(const MemPoolConfig& config)
    : m_layout(MemPoolLayout::fixed(config, kDefaultHolderWords).value_or(MemPoolLayout{}))
{
}

MemPoolManager& MemPoolManager::getInstance(const MemPoolConfig& config)
{
    Instance& instance = theInstance();
    const std::lock_guard guard(instance.m_mutex);
    if (instance.m_shared == nullptr && instance.m_plan == nullptr)
    {
        instance.m_plan = new MemPoolManager(config);
        instance.m_planConfig = config;
    }
    const bool shared = instance.m_shared != nullptr;
    if (!((shared ? instance.m_sharedConfig : instance.m_planConfig) == config))
    {
        log(LogLevel::Warn, "MemPoolManager::getInstance: called with another configuration than the first time; the "
                            "first one stays");
    }
    return shared ? *instance.m_shared : *instance.m_plan;
}

void MemPoolManager::setInstance(MemPoolManager& manager, const MemPoolConfig& config) noexcept
{
    Instance& instance = theInstance();
    const std::lock_guard guard(instance.m_mutex);
    instance.m_shared = &manager;
    instance.m_sharedConfig = config;
}

void MemPoolManager::resetInstance(const MemPoolManager* manager) noexcept
{
    Instance& instance = theInstance();
    const std::lock_guard guard(instance.m_mutex);
    if (instance.m_shared == manager)
    {
        instance.m_shared = nullptr;
    }
}

bool MemPoolManager::layOut(const MemPoolConfig& config, const PoolRegistry& registry, bool withManagerList)
{
    const auto expected = MemPoolLayout::fixed(config, m_layout.m_holderWords);
    if (!expected || expected->m_dataBytes != m_layout.m_dataBytes || expected->m_maxChunks != m_layout.m_maxChunks ||
        !m_mempools.empty())
    {
        return false;
    }
    FixedPlaces places(m_layout);
    for (const MemPoolConfig::MemPoolEntry& entry : config.entries)
    {
        if (!m_mempools.emplace_back() || !m_mempools.back().initialize(places.next(entry), registry))
        {
            return false;
        }
    }
    m_chunkManagerPool.emplace_back();
    if (withManagerList && !m_chunkManagerPool[0].initialize(placeOfManagers(m_layout), registry))
    {
        return false;
    }
    for (std::uint32_t pool = 0; pool < m_mempools.size(); ++pool)
    {
        describeChunks(pool, 0, m_mempools[pool].getTotalChunks(), registry);
    }
    publishClasses();
    return true;
}

bool MemPoolManager::isLaidOut(const MemPoolConfig& config, const MemPoolLayout& layout) const noexcept
{
    const std::uint64_t pools = config.entries.size();
    if (!(m_layout == layout) || m_mempools.size() != pools || classCount() != pools || m_chunkManagerPool.size() != 1)
    {
        return false;
    }
    FixedPlaces places(layout);
    for (std::uint64_t pool = 0; pool < pools; ++pool)
    {
        if (!m_mempools.data()[pool].isAt(places.next(config.entries[pool])))
        {
            return false;
        }
    }
    return m_chunkManagerPool.data()[0].isAt(placeOfManagers(layout));
}

MemPool* MemPoolManager::addClass(std::uint64_t chunkSize, const PoolRegistry& registry)
{
    while (m_mempools.size() > classCount())
    {
        m_mempools.pop_back(); // somebody died while adding it
    }
    const auto pool = static_cast<std::uint32_t>(m_mempools.size());
    if (m_layout.m_classBytes == 0 || pool >= m_layout.m_maxPools || chunkSize == 0 ||
        chunkSize > m_layout.m_classBytes - 2 * kChunkAlignment)
    {
        return nullptr;
    }
    const std::uint64_t stride = MemPool::strideOf(chunkSize, sizeof(ChunkHeader));
    const std::uint64_t fitting = m_layout.m_classBytes / stride;
    const auto most = static_cast<std::uint32_t>(fitting < m_layout.m_classChunks ? fitting : m_layout.m_classChunks);
    const std::uint32_t firstChunk = pool * m_layout.m_classChunks;
    const MemPool::Place place{
        .m_rawMemory = {CHUNK_POOL_ID, pool * m_layout.m_classBytes},
        .m_links = {MANAGEMENT_POOL_ID, alignUp(m_layout.m_linksOffset + 4ULL * firstChunk + 8ULL * pool, 8)},
        .m_chunkSize = chunkSize,
        .m_headerBytes = sizeof(ChunkHeader),
        .m_firstChunk = firstChunk,
        .m_chunkNums = 0,
        .m_maxChunks = most};
    if (most == 0 || !m_mempools.emplace_back())
    {
        return nullptr;
    }
    if (!m_mempools.back().initialize(place, registry))
    {
        m_mempools.pop_back();
        return nullptr;
    }
    publishClasses();
    return &m_mempools.back();
}

void MemPoolManager::describeChunks(std::uint32_t pool, std::uint32_t first, std::uint32_t count,
                                    const PoolRegistry& registry)
{
    const MemPool& mempool = m_mempools[pool];
    const auto offsetOf = [this](const MemPool* inside)
    {
        const auto* here = reinterpret_cast<const std::byte*>(this);
        return static_cast<std::uint64_t>(reinterpret_cast<const std::byte*>(inside) - here);
    };
    for (std::uint32_t local = first; local < first + count; ++local)
    {
        const std::uint32_t number = mempool.m_firstChunk + local;
        // A record of zeros is a free chunk that nobody holds; what follows gives it its place.
        auto* chunk = ::new (static_cast<void*>(record(number, registry))) ChunkManager{};
        for (std::uint32_t extra = ChunkManager::kInlineWords; extra < 2 * m_layout.m_holderWords; ++extra)
        {
            ::new (static_cast<void*>(&chunk->word(extra))) std::atomic<std::uint64_t>(0);
        }
        chunk->m_chunkHeader = {CHUNK_POOL_ID, mempool.m_rawMemory.offset() + local * mempool.m_chunkStride};
        chunk->m_mempool = {MANAGER_POOL_ID, offsetOf(&mempool)};
        chunk->m_chunkManagementPool = {MANAGER_POOL_ID, offsetOf(m_chunkManagerPool.data())};
        chunk->m_number = number;
    }
}

ChunkManager* MemPoolManager::record(std::uint32_t chunk, const PoolRegistry& registry) noexcept
{
    auto* area = static_cast<std::byte*>(registry.getBaseAddress(MANAGEMENT_POOL_ID));
    return std::launder(
        reinterpret_cast<ChunkManager*>(area + m_layout.m_managersOffset + m_layout.m_managerStride * chunk));
}

} // namespace ZeroCP
