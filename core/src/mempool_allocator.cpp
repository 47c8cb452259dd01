#include "zerocp/core/mempool_allocator.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <new>
#include <optional>
#include <utility>

#include <sys/file.h>
#include <sys/stat.h>

#include "zerocp/core/chunk_header.hpp"
#include "zerocp/core/chunk_manager.hpp"
#include "zerocp/core/log.hpp"
#include "zerocp/core/segment_header.hpp"

namespace ZeroCP
{

namespace
{

namespace fs = std::filesystem;

/// Each turn needs another process that creates or removes the name in between.
constexpr int kMostTurns = 100;

constexpr std::uint64_t layoutHash() noexcept
{
    constexpr std::array<std::uint64_t, 24> kNumbers{
        sizeof(SegmentHeader),
        sizeof(MemPoolManager),
        offsetof(MemPoolManager, m_mempools),
        offsetof(MemPoolManager, m_chunkManagerPool),
        offsetof(MemPoolManager, m_layout),
        MemPoolManager::managementOffset(),
        sizeof(MemPoolLayout),
        sizeof(MemPool),
        offsetof(MemPool, m_chunkSize),
        offsetof(MemPool, m_chunkNums),
        offsetof(MemPool, m_usedChunk),
        offsetof(MemPool, m_freeIndices),
        sizeof(MPMC_LockFree_List),
        offsetof(MPMC_LockFree_List, m_head),
        MPMC_LockFree_List::kEndOfList,
        sizeof(RelativePointer<void>),
        sizeof(ChunkHeader),
        sizeof(ChunkManager),
        offsetof(ChunkManager, m_publication),
        offsetof(ChunkManager, m_words),
        holder::kBitsPerWord,
        kMaxPools,
        kChunkAlignment,
        kPageBytes,
    };
    return hashNumbers(kNumbers.data(), kNumbers.size());
}

const SegmentHeader& headerOf(const SharedMemory& memory) noexcept
{
    return *std::launder(reinterpret_cast<const SegmentHeader*>(memory.base()));
}

MemPoolManager* managerOf(const SharedMemory& memory) noexcept
{
    return std::launder(reinterpret_cast<MemPoolManager*>(memory.base() + sizeof(SegmentHeader)));
}

std::string describe(const MemPoolConfig& config)
{
    std::string text;
    for (const MemPoolConfig::MemPoolEntry& entry : config.entries)
    {
        text +=
            (text.empty() ? "" : ", ") + std::to_string(entry.m_poolSize) + " B x " + std::to_string(entry.m_poolCount);
    }
    return text.empty() ? "none" : text;
}

/// What the pools of a foreign manager say about themselves; nothing if they cannot be pools of a configuration.
std::optional<MemPoolConfig> configOf(const MemPoolManager& manager)
{
    MemPoolConfig config;
    const std::uint64_t pools = manager.m_mempools.size();
    for (std::uint64_t pool = 0; pool < std::min<std::uint64_t>(pools, kMaxPools); ++pool)
    {
        const MemPool& seen = manager.m_mempools.data()[pool];
        if (!config.addMemPoolEntry(seen.getChunkSize(), seen.getTotalChunks()))
        {
            return std::nullopt;
        }
    }
    return pools == 0 || pools > kMaxPools ? std::nullopt : std::optional(config);
}

/// Whether `memory` is a segment of this kind from before the last boot. Its layout may be that of another build.
bool isLeftover(const SharedMemory& memory)
{
    const SegmentHeader& header = headerOf(memory);
    return header.m_magic == SegmentHeader::kMagic && isStale(header) &&
           header.m_kind == static_cast<std::uint32_t>(SegmentKind::Single);
}

/// Unlinks the file of `memory`, unless another process has done so and perhaps reused the name: whoever removes a
/// leftover has locked it and sees that the name still leads to it; publishing never replaces a file.
Expected<void, Error> removeLeftover(const SharedMemory& memory, const fs::path& root)
{
    const std::string object = memory.path().string();
    int failed = EINTR;
    while (failed == EINTR)
    {
        failed = ::flock(memory.descriptor(), LOCK_EX) == 0 ? 0 : errno;
    }
    if (failed != 0)
    {
        return tl::unexpected(systemError(object, "flock", failed));
    }
    struct stat mine = {};
    struct stat named = {};
    const bool same = ::fstat(memory.descriptor(), &mine) == 0 && ::lstat(object.c_str(), &named) == 0 &&
                      mine.st_dev == named.st_dev && mine.st_ino == named.st_ino;
    return same ? SharedMemory::remove(root, memory.name()) : Expected<void, Error>{};
}

Error neverStill(const fs::path& path)
{
    return Error(ErrorCode::Timeout, path.string() + ": other processes have created and removed it " +
                                         std::to_string(kMostTurns) + " times during this call");
}

/// Takes a base out of the process's registry, unless a later allocator has put its own there.
void forget(std::uint64_t poolId, const void* base) noexcept
{
    PoolRegistry& registry = PoolRegistry::instance();
    if (registry.getBaseAddress(poolId) == base)
    {
        registry.unregisterPool(poolId);
    }
}

} // namespace

MemPoolAllocator::MemPoolAllocator(const MemPoolConfig& config, fs::path root)
    : m_config(config), m_plan(config), m_root(std::move(root))
{
}

MemPoolAllocator::~MemPoolAllocator()
{
    release();
}

void* MemPoolAllocator::createSharedMemory(const std::string& name, AccessMode access, OpenMode mode, Perms perms)
{
    if (m_stage != Stage::Empty)
    {
        m_lastError =
            name + ": this MemPoolAllocator has mapped " + m_memory.path().string() + " already; make another one";
        return nullptr;
    }
    m_access = access;
    m_openMode = mode;
    return answer(obtain(name, perms)) ? m_manager : nullptr;
}

bool MemPoolAllocator::layoutMemory(void* base, std::uint64_t bytes)
{
    return answer(finish(base, bytes));
}

bool MemPoolAllocator::removeSharedMemory(const std::string& name, const fs::path& root)
{
    const auto removed = SharedMemory::remove(root, name);
    if (!removed)
    {
        log(LogLevel::Warn, removed.error().message()); // a static bool has no other place for the reason
    }
    return removed.has_value();
}

void* MemPoolAllocator::managementAddress() const noexcept
{
    return m_manager == nullptr ? nullptr
                                : m_memory.base() + sizeof(SegmentHeader) + MemPoolManager::managementOffset();
}

void* MemPoolAllocator::chunkAddress() const noexcept
{
    // By the own plan: the manager in the segment says the same, but another process may scribble on it.
    return m_manager == nullptr ? nullptr : m_memory.base() + sizeof(SegmentHeader) + m_plan.chunkOffset();
}

std::uint64_t MemPoolAllocator::segmentBytes() const noexcept
{
    return alignUp(sizeof(SegmentHeader) + m_plan.getTotalMemorySize(), kPageBytes);
}

bool MemPoolAllocator::mayBuild() const noexcept
{
    return m_openMode != OpenMode::OPEN_EXISTING && m_access == AccessMode::READ_WRITE;
}

bool MemPoolAllocator::answer(const Expected<void, Error>& result)
{
    m_lastError = result ? std::string() : result.error().message();
    return result.has_value();
}

Expected<void, Error> MemPoolAllocator::obtain(const std::string& name, Perms perms)
{
    if (m_plan.layout().m_dataBytes == 0)
    {
        return failure(ErrorCode::ConfigInvalid,
                       name + ": the MemPoolConfig cannot be laid out; its pools are: " + describe(m_config));
    }
    auto found = find(name);
    if (!found)
    {
        return tl::unexpected(found.error());
    }
    if (!*found)
    {
        return build(name, perms);
    }
    if (m_openMode == OpenMode::EXCLUSIVE_CREATE)
    {
        return tl::unexpected(systemError(found->path().string(), "EXCLUSIVE_CREATE", EEXIST));
    }
    return checkFinished(*found).and_then([&] { return makeKnown(std::move(*found), Stage::Finished); });
}

/// The segment of this name; an empty SharedMemory if there is none and this call may build it.
Expected<SharedMemory, Error> MemPoolAllocator::find(const std::string& name) const
{
    Error last = neverStill(m_root / name);
    for (int turn = 0; turn < kMostTurns; ++turn)
    {
        if (mayBuild() && !SharedMemory::exists(m_root, name))
        {
            return SharedMemory();
        }
        auto found = SharedMemory::open(m_root, name, m_access, sizeof(SegmentHeader));
        if (!found && mayBuild() && found.error().code() == ErrorCode::SystemError)
        {
            last = found.error(); // removed since we asked, and perhaps there again: look once more
            continue;
        }
        if (!found || !mayBuild() || !isLeftover(*found))
        {
            return found;
        }
        const auto removed = removeLeftover(*found, m_root);
        if (!removed)
        {
            return tl::unexpected(removed.error());
        }
    }
    return tl::unexpected(last);
}

/// Whether `memory`, which may be anything, is a finished segment with the pools of this configuration.
Expected<void, Error> MemPoolAllocator::checkFinished(const SharedMemory& memory) const
{
    const std::string object = memory.path().string();
    if (isLeftover(memory))
    {
        return failure(ErrorCode::Corrupt, object + ": written before the machine was last booted; READ_WRITE with "
                                                    "OPEN_OR_CREATE replaces it");
    }
    const auto checked =
        checkSegmentHeader(headerOf(memory), SegmentKind::Single, layoutHash(), memory.bytes(), object);
    if (!checked)
    {
        return checked;
    }
    const MemPoolManager* manager = managerOf(memory);
    const auto pools =
        memory.bytes() < sizeof(SegmentHeader) + sizeof(MemPoolManager) ? std::nullopt : configOf(*manager);
    if (pools && !(*pools == m_config))
    {
        return failure(ErrorCode::ConfigInvalid, object + ": the existing segment has the pools " + describe(*pools) +
                                                     "; this configuration asks for " + describe(m_config));
    }
    if (!pools || memory.bytes() != segmentBytes() || !manager->isLaidOut(m_config, m_plan.layout()))
    {
        return failure(ErrorCode::Corrupt, object + ": sizes or places in its MemPoolManager are not those of " +
                                               describe(m_config) + "; remove the file");
    }
    return {};
}

/// A segment with its memory and its manager, but without pools and without a name.
Expected<void, Error> MemPoolAllocator::build(const std::string& name, Perms perms)
{
    auto memory = SharedMemory::createUnnamed(m_root, name, segmentBytes(), perms);
    if (!memory)
    {
        return tl::unexpected(memory.error());
    }
    const auto committed = memory->commit(0, memory->bytes());
    if (!committed)
    {
        return committed;
    }
    ::new (static_cast<void*>(memory->base()))
        SegmentHeader(makeSegmentHeader(SegmentKind::Single, layoutHash(), memory->bytes()));
    ::new (static_cast<void*>(memory->base() + sizeof(SegmentHeader))) MemPoolManager(m_config);
    return makeKnown(std::move(*memory), Stage::Unnamed);
}

/// Keeps `memory` and tells the rest of the process where it lies.
Expected<void, Error> MemPoolAllocator::makeKnown(SharedMemory memory, Stage stage)
{
    m_memory = std::move(memory);
    m_manager = managerOf(m_memory);
    m_stage = stage;
    PoolRegistry& registry = PoolRegistry::instance();
    if (!registry.registerPool(MANAGER_POOL_ID, m_manager) ||
        !registry.registerPool(MANAGEMENT_POOL_ID, managementAddress()) ||
        !registry.registerPool(CHUNK_POOL_ID, chunkAddress()))
    {
        const std::string object = m_memory.path().string();
        release();
        return failure(ErrorCode::LimitReached, object + ": PoolRegistry::instance() has no entry left of " +
                                                    std::to_string(PoolRegistry::kCapacity));
    }
    MemPoolManager::setInstance(*m_manager, m_config);
    return {};
}

void MemPoolAllocator::release() noexcept
{
    if (m_stage == Stage::Empty)
    {
        return;
    }
    forget(MANAGER_POOL_ID, m_manager);
    forget(MANAGEMENT_POOL_ID, managementAddress());
    forget(CHUNK_POOL_ID, chunkAddress());
    MemPoolManager::resetInstance(m_manager);
    m_manager = nullptr;
    m_memory = SharedMemory();
    m_stage = Stage::Empty;
}

Expected<void, Error> MemPoolAllocator::finish(const void* base, std::uint64_t bytes)
{
    if (m_stage == Stage::Empty || base != m_manager)
    {
        return failure(ErrorCode::Closed, "MemPoolAllocator::layoutMemory: the base is not the address that "
                                          "createSharedMemory of this allocator gave");
    }
    const std::string object = m_memory.path().string();
    if (bytes < m_plan.getTotalMemorySize())
    {
        return failure(ErrorCode::ConfigInvalid, object + ": layoutMemory needs " +
                                                     std::to_string(m_plan.getTotalMemorySize()) + " bytes and got " +
                                                     std::to_string(bytes));
    }
    if (m_access == AccessMode::READ_ONLY)
    {
        return failure(ErrorCode::PermissionDenied, object + ": layoutMemory needs READ_WRITE, it is mapped READ_ONLY");
    }
    if (m_stage == Stage::Finished)
    {
        return {};
    }
    PoolRegistry here; // that of the process may lead to another allocator's segment by now
    here.registerPool(MANAGEMENT_POOL_ID, managementAddress());
    here.registerPool(CHUNK_POOL_ID, chunkAddress());
    if (!m_manager->isLaidOut(m_config, m_plan.layout()) && !m_manager->layOut(m_config, here, true))
    {
        return failure(ErrorCode::ConfigInvalid, object + ": cannot lay out the pools " + describe(m_config));
    }
    return publishOrAdopt();
}

/// Gives the finished segment its name. If another process was faster, its segment takes this one's place.
Expected<void, Error> MemPoolAllocator::publishOrAdopt()
{
    for (int turn = 0; turn < kMostTurns; ++turn)
    {
        const auto published = m_memory.publish();
        if (!published)
        {
            return tl::unexpected(published.error());
        }
        if (*published)
        {
            m_stage = Stage::Finished;
            return {};
        }
        if (m_openMode == OpenMode::EXCLUSIVE_CREATE)
        {
            return tl::unexpected(systemError(m_memory.path().string(), "EXCLUSIVE_CREATE", EEXIST));
        }
        const auto winner = find(m_memory.name());
        if (!winner)
        {
            return tl::unexpected(winner.error());
        }
        if (*winner) // else it has been removed meanwhile and the name is free again
        {
            return adopt(*winner);
        }
    }
    return tl::unexpected(neverStill(m_memory.path()));
}

Expected<void, Error> MemPoolAllocator::adopt(const SharedMemory& winner)
{
    return checkFinished(winner)
        .and_then([&] { return m_memory.replaceWith(winner); })
        .map([&] { m_stage = Stage::Finished; });
}

} // namespace ZeroCP
