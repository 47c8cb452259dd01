#include "zerocp/discovery/pool_set.hpp"

#include <algorithm>
#include <new>

#include "pool_set_tables.hpp"
#include "zerocp/discovery/domain_lock.hpp"

namespace ZeroCP
{

namespace
{

constexpr std::uint64_t kManagerOffset = sizeof(SegmentHeader) + sizeof(PoolSetHeader);
constexpr std::uint64_t kPairAreaBytes = 4ULL << 30;
constexpr std::uint64_t kMaxPairs = 1U << 20;

PagePolicy policyOf(const PoolSetPlan& plan) noexcept
{
    return PagePolicy{plan.m_memory.prefault, plan.m_memory.lock, plan.m_memory.hugePages};
}

/// Offsets of a management segment.
PoolSetHeader* placeHeader(std::byte* base, const MemPoolLayout& layout, const PoolSetPlan& plan)
{
    auto* header = ::new (base + sizeof(SegmentHeader)) PoolSetHeader{};
    header->m_managerOffset = kManagerOffset;
    header->m_managementOffset = alignUp(kManagerOffset + sizeof(MemPoolManager), kPageBytes);
    header->m_portsOffset = header->m_managementOffset + layout.m_managementBytes;
    header->m_portCapacity = plan.m_portCapacity + 1;
    header->m_pairsOffset = alignUp(header->m_portsOffset + sizeof(PortRecord) * header->m_portCapacity, kPageBytes);
    const std::uint64_t pairs = std::uint64_t{plan.m_portCapacity} * plan.m_portCapacity / 4 + 64;
    header->m_pairCapacity = static_cast<std::uint32_t>(std::min(pairs, kMaxPairs));
    header->m_pairAreaOffset = alignUp(header->m_pairsOffset + sizeof(PairRecord) * header->m_pairCapacity, kPageBytes);
    header->m_pairAreaBytes = kPairAreaBytes;
    header->m_dataOffset = kDataOffset;
    header->m_commitLimit = plan.m_commitLimit;
    header->m_automatic = plan.m_automatic ? 1 : 0;
    header->m_pagePolicy = policyOf(plan).word();
    header->m_portHighWater.store(1, std::memory_order_relaxed); // record 0 is nobody's
    return header;
}

std::uint64_t managementBytes(const MemPoolLayout& layout, const PoolSetPlan& plan)
{
    alignas(PoolSetHeader) std::byte scratch[sizeof(SegmentHeader) + sizeof(PoolSetHeader)]{};
    const PoolSetHeader* header = placeHeader(scratch, layout, plan);
    return header->m_pairAreaOffset + header->m_pairAreaBytes;
}

} // namespace

Expected<std::shared_ptr<PoolSet>, Error> PoolSet::create(const std::filesystem::path& root, const PoolSetPlan& plan)
{
    // Files of this name without a row in the discovery segment were left by a creator that died in between.
    removeFiles(root, plan.m_baseName);
    auto set = std::shared_ptr<PoolSet>(new PoolSet(root, plan.m_baseName, plan.m_access, plan.m_waiters));
    if (auto built = set->build(plan); !built)
    {
        set.reset();
        removeFiles(root, plan.m_baseName);
        return tl::unexpected(built.error());
    }
    return set;
}

Expected<void, Error> PoolSet::build(const PoolSetPlan& plan)
{
    const std::uint32_t words = holder::wordsFor(plan.m_portsPerTopic);
    const auto layout = plan.m_automatic ? MemPoolLayout::growing(plan.m_classSlots, plan.m_classBytes, words)
                                         : MemPoolLayout::fixed(plan.m_classes, words);
    if (!layout)
    {
        return failure(ErrorCode::ConfigInvalid, m_baseName + ": the pool set's sizes overflow; reduce chunk sizes or "
                                                              "counts");
    }
    const Perms perms(static_cast<mode_t>(plan.m_access.mode));
    const std::uint64_t dataBytes = kDataOffset + layout->m_dataBytes;
    auto data = SharedMemory::createUnnamed(m_root, m_baseName + ".data", dataBytes, perms);
    if (!data)
    {
        return tl::unexpected(data.error());
    }
    const std::uint64_t bytes = managementBytes(*layout, plan);
    auto management = SharedMemory::createUnnamed(m_root, m_baseName + ".mgmt", bytes, perms);
    if (!management)
    {
        return tl::unexpected(management.error());
    }
    m_dataRw = std::move(*data);
    m_management = std::move(*management);
    m_pagePolicy = policyOf(plan);
    if (auto prepared = preparePages(plan, m_dataRw); !prepared)
    {
        return prepared;
    }
    for (const SharedMemory* memory : {&m_dataRw, &m_management})
    {
        if (auto applied = applyAccess(memory->descriptor(), memory->name(), plan.m_access); !applied)
        {
            return applied;
        }
    }

    const std::uint64_t areaOffset = alignUp(kManagerOffset + sizeof(MemPoolManager), kPageBytes);
    const std::uint32_t chunks = plan.m_automatic ? 0 : layout->m_maxChunks;
    const std::uint64_t chunkBytes = plan.m_automatic ? 0 : layout->m_dataBytes;
    const std::uint64_t linkBytes = MPMC_LockFree_List::requiredIndexMemorySize(chunks) + 8ULL * kMaxPools;
    auto committed = m_management.commit(0, areaOffset + linkBytes);
    committed = committed ? m_management.commit(areaOffset + layout->m_managersOffset, layout->m_managerStride * chunks)
                          : committed;
    committed = committed ? commitPages(m_dataRw, kDataOffset + chunkBytes) : committed;
    if (!committed)
    {
        return committed;
    }
    std::byte* base = m_management.base();
    PoolSetHeader* header = placeHeader(base, *layout, plan);
    auto* manager = ::new (base + header->m_managerOffset) MemPoolManager(*layout);
    m_registry.registerPool(MANAGER_POOL_ID, manager);
    m_registry.registerPool(MANAGEMENT_POOL_ID, base + header->m_managementOffset);
    m_registry.registerPool(CHUNK_POOL_ID, m_dataRw.base() + kDataOffset);
    if (!plan.m_automatic && !manager->layOut(plan.m_classes, m_registry, false))
    {
        return failure(ErrorCode::ConfigInvalid, m_baseName + ": the configured classes do not fit their layout");
    }
    if (auto ports = m_management.commit(header->m_portsOffset, sizeof(PortRecord)); !ports)
    {
        return ports;
    }
    if (auto held = holdBeforePublication(); !held)
    {
        return held;
    }
    ::new (base) SegmentHeader(makeSegmentHeader(SegmentKind::Management, poolSetLayoutHash(), bytes));
    ::new (m_dataRw.base()) SegmentHeader(makeSegmentHeader(SegmentKind::Data, poolSetLayoutHash(), dataBytes));
    for (SharedMemory* memory : {&m_dataRw, &m_management}) // whoever finds the management finds the data
    {
        const auto published = memory->publish();
        if (!published)
        {
            return tl::unexpected(published.error());
        }
        if (!*published)
        {
            return failure(ErrorCode::SystemError, m_root.native() + "/" + memory->name() +
                                                       ": appeared while it was being made; something outside ZeroCP "
                                                       "writes files of this name");
        }
    }
    return finishAttach();
}

Expected<std::shared_ptr<PoolSet>, Error> PoolSet::attach(const std::filesystem::path& root,
                                                          const std::string& baseName, const AccessConfig& access,
                                                          const WaiterTable& waiters)
{
    auto set = std::shared_ptr<PoolSet>(new PoolSet(root, baseName, access, waiters));
    const SharedMemory::Trust trust{access.group, static_cast<mode_t>(access.mode)};
    auto management = SharedMemory::open(root, baseName + ".mgmt", AccessMode::READ_WRITE, kPageBytes, trust);
    if (!management)
    {
        return tl::unexpected(management.error());
    }
    set->m_management = std::move(*management);
    const auto& header = *reinterpret_cast<const SegmentHeader*>(set->m_management.base());
    if (auto checked = checkSegmentHeader(header, SegmentKind::Management, poolSetLayoutHash(),
                                          set->m_management.bytes(), set->m_management.name());
        !checked)
    {
        return tl::unexpected(checked.error());
    }
    if (auto finished = set->finishAttach(); !finished)
    {
        return tl::unexpected(finished.error());
    }
    return set;
}

Expected<void, Error> PoolSet::finishAttach()
{
    const SharedMemory::Trust trust{m_access.group, static_cast<mode_t>(m_access.mode)};
    auto data = SharedMemory::open(m_root, m_baseName + ".data", AccessMode::READ_ONLY, kPageBytes, trust);
    if (!data)
    {
        return tl::unexpected(data.error());
    }
    m_dataRo = std::move(*data);
    const auto& header = *reinterpret_cast<const PoolSetHeader*>(m_management.base() + sizeof(SegmentHeader));
    auto policy = readPagePolicy(header.m_pagePolicy, header.m_automatic != 0);
    if (policy && m_pagePolicy.m_hugePages)
    {
        policy = m_dataRo.useHugePages();
    }
    if (!policy)
    {
        return policy;
    }
    if (auto checked = checkSegmentHeader(*reinterpret_cast<const SegmentHeader*>(m_dataRo.base()), SegmentKind::Data,
                                          poolSetLayoutHash(), m_dataRo.bytes(), m_dataRo.name());
        !checked)
    {
        return checked;
    }
    auto view =
        PoolView::of(m_baseName, {m_management.base(), m_management.bytes()}, {}, {m_dataRo.base(), m_dataRo.bytes()});
    if (!view)
    {
        return tl::unexpected(view.error());
    }
    m_control = *view;
    m_control.setWaiters(m_waiters);
    m_dataRw = SharedMemory();
    m_registry.registerPool(MANAGER_POOL_ID, &m_control.manager());
    m_registry.registerPool(MANAGEMENT_POOL_ID, m_control.managementArea());
    m_registry.registerPool(CHUNK_POOL_ID, m_dataRo.base() + m_control.header().m_dataOffset);
    return {};
}

void PoolSet::removeFiles(const std::filesystem::path& root, const std::string& baseName)
{
    // The management file goes last, as it came last. A file that cannot be removed is found by the next creator.
    static_cast<void>(SharedMemory::remove(root, baseName + ".data"));
    static_cast<void>(SharedMemory::remove(root, baseName + ".mgmt"));
}

Expected<SharedMemory*, Error> PoolSet::writableData()
{
    if (!m_dataRw)
    {
        const SharedMemory::Trust trust{m_access.group, static_cast<mode_t>(m_access.mode)};
        auto data = SharedMemory::open(m_root, m_baseName + ".data", AccessMode::READ_WRITE, m_dataRo.bytes(), trust);
        if (!data)
        {
            return tl::unexpected(data.error());
        }
        if (auto aligned = m_pagePolicy.m_hugePages ? data->useHugePages() : Expected<void, Error>(); !aligned)
        {
            return tl::unexpected(aligned.error());
        }
        m_dataRw = std::move(*data);
    }
    return &m_dataRw;
}

Expected<PoolView, Error> PoolSet::view(bool writable)
{
    PoolView::Range rw{};
    const std::lock_guard guard(m_dataMutex);
    if (writable)
    {
        const auto data = writableData();
        if (!data)
        {
            return tl::unexpected(data.error());
        }
        m_publishes = true;
        rw = {(*data)->base(), (*data)->bytes()};
    }
    auto view =
        PoolView::of(m_baseName, {m_management.base(), m_management.bytes()}, rw, {m_dataRo.base(), m_dataRo.bytes()});
    if (view)
    {
        view->setWaiters(m_waiters);
    }
    return view;
}

Expected<void, Error> PoolSet::commitManagement(const void* first, std::uint64_t bytes)
{
    auto committed = m_management.commit(offsetOf(first), bytes);
    return committed ? hold(m_management, offsetOf(first), bytes) : committed;
}

std::string PoolSet::describeClasses() const
{
    std::string text;
    for (std::uint32_t c = 0; c < m_control.classCount(); ++c)
    {
        text += (c == 0 ? "" : ", ") + std::to_string(m_control.classAt(c).m_chunkSize) + " x " +
                std::to_string(m_control.classAt(c).m_pool->getTotalChunks());
    }
    return text.empty() ? "none yet" : text;
}

bool PoolSet::hasClasses(const MemPoolConfig& config) const
{
    bool same = config.entries.size() == m_control.classCount();
    for (std::uint32_t c = 0; same && c < m_control.classCount(); ++c)
    {
        const PoolView::Class& in = m_control.classAt(c);
        same = in.m_chunkSize == config.entries[c].m_poolSize &&
               in.m_pool->getTotalChunks() == config.entries[c].m_poolCount;
    }
    return same;
}

std::uint64_t PoolSet::largestChunk() const noexcept
{
    std::uint64_t largest = 0;
    for (std::uint32_t c = 0; c < m_control.classCount(); ++c)
    {
        largest = std::max(largest, m_control.classAt(c).m_chunkSize);
    }
    return largest;
}

} // namespace ZeroCP
