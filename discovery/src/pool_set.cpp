#include "zerocp/discovery/pool_set.hpp"

#include <algorithm>
#include <new>
#include <vector>

#include "zerocp/core/notifier.hpp"
#include "zerocp/discovery/domain_lock.hpp"

namespace ZeroCP
{

namespace
{

constexpr std::uint64_t kManagerOffset = sizeof(SegmentHeader) + sizeof(PoolSetHeader);
constexpr std::uint64_t kDataOffset = kPageBytes; // the data segment's header has a page of its own
constexpr std::uint64_t kPairAreaBytes = 4ULL << 30;
constexpr std::uint64_t kMaxPairs = 1U << 20;

bool isOpen(const PortRecord& port, PortKind kind, std::uint32_t topic) noexcept
{
    return port.m_state.load(std::memory_order_acquire) == static_cast<std::uint32_t>(PortState::Active) &&
           port.m_kind.load(std::memory_order_relaxed) == static_cast<std::uint32_t>(kind) &&
           port.m_topic.load(std::memory_order_relaxed) == topic;
}

std::uint32_t portOfOwner(std::uint64_t owner) noexcept
{
    return static_cast<std::uint32_t>(owner);
}

std::uint32_t portsInUse(const PoolView& view) noexcept
{
    return std::min(view.header().m_portHighWater.load(std::memory_order_acquire), view.portCapacity());
}

std::uint32_t pairsInUse(const PoolView& view) noexcept
{
    return std::min(view.header().m_pairHighWater.load(std::memory_order_acquire), view.pairCapacity());
}

/// Chunks of class `in` that publishers which are gone have left to subscribers: no budget of a living one covers them.
std::uint64_t leftBehind(const PoolView& view, const PoolView::Class& in) noexcept
{
    std::uint64_t count = 0;
    const std::uint32_t chunks = std::min(in.m_pool->getTotalChunks(), in.m_endChunk - in.m_firstChunk);
    for (std::uint32_t i = 0; i < chunks; ++i)
    {
        const std::uint32_t chunk = in.m_firstChunk + i;
        if (holder::stateOf(view.word(chunk, 0).load(std::memory_order_acquire)) != ChunkState::InUse)
        {
            continue;
        }
        const std::uint64_t owner = view.record(chunk).m_owner.load(std::memory_order_acquire);
        const PortRecord& port = view.port(std::min(portOfOwner(owner), view.portCapacity() - 1));
        const std::uint32_t bit = port.m_holderIndex.load(std::memory_order_relaxed);
        // By rule X a living owner's bit stands. Its record may have passed to somebody with another bit, or the same.
        const bool owned =
            isOpen(port, PortKind::Publisher, topicOfOwner(owner)) && holder::wordOf(bit) < view.holderWords() &&
            (view.word(chunk, holder::wordOf(bit)).load(std::memory_order_acquire) & holder::bitOf(bit)) != 0;
        count += owned ? 0U : 1U;
    }
    return count;
}

/// Derived, not counted: nothing to repair after a crash.
std::uint64_t committedBytes(const PoolView& view) noexcept
{
    std::uint64_t bytes = 0;
    for (std::uint32_t c = 0; c < view.classCount(); ++c)
    {
        bytes += view.classAt(c).m_stride * view.classAt(c).m_pool->getTotalChunks();
    }
    return bytes;
}

bool isReusable(std::uint32_t pairState) noexcept
{
    return (pairState & PairRecord::Used) == 0 ||
           ((pairState & PairRecord::PublisherGone) != 0 && (pairState & PairRecord::SubscriberGone) != 0);
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

std::uint32_t publisherBudget(const PoolView& view, std::uint32_t port, std::uint64_t chunkBytes) noexcept
{
    const PortRecord& me = view.port(port);
    const std::uint32_t topic = me.m_topic.load(std::memory_order_relaxed);
    std::uint32_t window = 0;
    std::uint32_t held = 0;
    for (std::uint32_t i = 1; i < portsInUse(view); ++i)
    {
        const PortRecord& other = view.port(i);
        if (isOpen(other, PortKind::Subscriber, topic))
        {
            window = std::max(window, other.m_depth.load(std::memory_order_relaxed));
            // One more that an eviction may have left to it, one more that takeLatest() exchanges.
            held += other.m_limit.load(std::memory_order_relaxed) + 2;
        }
    }
    return me.m_limit.load(std::memory_order_relaxed) + window + held + stashSize(chunkBytes);
}

Expected<std::shared_ptr<PoolSet>, Error> PoolSet::create(const std::filesystem::path& root, const PoolSetPlan& plan)
{
    // Files of this name without a row in the discovery segment were left by a creator that died in between.
    removeFiles(root, plan.m_baseName);
    auto set = std::shared_ptr<PoolSet>(new PoolSet(root, plan.m_baseName, plan.m_access));
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
    committed = committed ? m_dataRw.commit(0, kDataOffset + chunkBytes) : committed;
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
    if (plan.m_prefault)
    {
        m_dataRw.prefault(0, kDataOffset + chunkBytes);
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
                                                          const std::string& baseName, const AccessConfig& access)
{
    auto set = std::shared_ptr<PoolSet>(new PoolSet(root, baseName, access));
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
    return PoolView::of(m_baseName, {m_management.base(), m_management.bytes()}, rw,
                        {m_dataRo.base(), m_dataRo.bytes()});
}

Expected<void, Error> PoolSet::commitManagement(const void* first, std::uint64_t bytes)
{
    const auto offset = static_cast<std::uint64_t>(static_cast<const std::byte*>(first) - m_management.base());
    return m_management.commit(offset, bytes);
}

Expected<std::uint32_t, Error> PoolSet::takePortRecord()
{
    const std::uint32_t used = portsInUse(m_control);
    for (std::uint32_t i = 1; i < used; ++i)
    {
        if (m_control.port(i).m_state.load(std::memory_order_acquire) == static_cast<std::uint32_t>(PortState::Off))
        {
            return i;
        }
    }
    if (used >= m_control.portCapacity())
    {
        return failure(ErrorCode::LimitReached, m_baseName + ": all " + std::to_string(m_control.portCapacity() - 1) +
                                                    " ports are in use; raise limits.endpoints");
    }
    if (auto committed = commitManagement(&m_control.port(used), sizeof(PortRecord)); !committed)
    {
        return tl::unexpected(committed.error());
    }
    // [sync:tables] Release: the record is committed before anybody looks at it. Partner: portsInUse().
    m_control.header().m_portHighWater.store(used + 1, std::memory_order_release);
    return used;
}

Expected<std::uint32_t, Error> PoolSet::takeHolderBit(std::uint32_t topic, std::uint32_t limit) const
{
    const std::uint32_t capacity = std::min(limit, m_control.holderWords() * holder::kBitsPerWord);
    std::vector<bool> taken(capacity, false);
    for (std::uint32_t i = 1; i < portsInUse(m_control); ++i)
    {
        const PortRecord& port = m_control.port(i);
        const std::uint32_t index = port.m_holderIndex.load(std::memory_order_relaxed);
        const bool used = port.m_state.load(std::memory_order_acquire) != static_cast<std::uint32_t>(PortState::Off);
        if (used && port.m_topic.load(std::memory_order_relaxed) == topic && index < capacity)
        {
            taken[index] = true;
        }
    }
    const auto free = std::find(taken.begin(), taken.end(), false);
    if (free == taken.end())
    {
        return failure(ErrorCode::LimitReached, "all " + std::to_string(capacity) +
                                                    " ports of the topic are in use; raise limits.ports_per_topic");
    }
    return static_cast<std::uint32_t>(free - taken.begin());
}

Expected<HolderId, Error> PoolSet::addPort(const PortRequest& request)
{
    if (!m_control.refresh())
    {
        return failure(ErrorCode::Corrupt, m_baseName + ": a size class does not fit its segment");
    }
    const auto index = takePortRecord();
    if (!index)
    {
        return tl::unexpected(index.error());
    }
    const auto bit = takeHolderBit(request.m_topic, request.m_portLimit);
    if (!bit)
    {
        return tl::unexpected(bit.error());
    }
    PortRecord& port = m_control.port(*index);
    port.m_kind.store(static_cast<std::uint32_t>(request.m_kind), std::memory_order_relaxed);
    port.m_topic.store(request.m_topic, std::memory_order_relaxed);
    port.m_holderIndex.store(*bit, std::memory_order_relaxed);
    port.m_processSlot.store(request.m_processSlot, std::memory_order_relaxed);
    port.m_endpointSlot.store(request.m_endpointSlot, std::memory_order_relaxed);
    port.m_endpointId.store(request.m_endpointId, std::memory_order_relaxed);
    port.m_depth.store(request.m_depth, std::memory_order_relaxed);
    port.m_limit.store(request.m_limit, std::memory_order_relaxed);
    port.m_classes.store(0, std::memory_order_relaxed);
    port.m_busy.store(0, std::memory_order_relaxed);
    port.m_sleep.store(0, std::memory_order_relaxed);
    for (auto* figure : {&port.m_naps, &port.m_rescues, &port.m_missed})
    {
        figure->store(0, std::memory_order_relaxed);
    }
    // [sync:port] Release: who finds the port active finds its identity; above all the one who recovers it.
    port.m_state.store(static_cast<std::uint32_t>(PortState::Active), std::memory_order_release);

    auto grown = request.m_chunkBytes != 0 ? growClass(*index, request.m_chunkBytes) : commitBudgets(*index);
    if (!grown)
    {
        // Nobody has seen the port yet: no pair names it, no chunk is marked with it but new ones that are Freeing(it).
        port.m_state.store(static_cast<std::uint32_t>(PortState::Dying), std::memory_order_release);
        return tl::unexpected(grown.error());
    }
    return HolderId{*index, *bit, request.m_topic};
}

Expected<void, Error> PoolSet::growClass(std::uint32_t port, std::uint64_t bytes)
{
    if (!m_control.refresh())
    {
        return failure(ErrorCode::Corrupt, m_baseName + ": a size class does not fit its segment");
    }
    std::uint32_t index = m_control.fittingClass(bytes);
    const bool single = m_control.manager().layout().m_maxPools == 1;
    const std::uint64_t wanted = single ? bytes : std::max(kSmallestClass, std::bit_ceil(bytes));
    const bool wasteful = index < m_control.classCount() && !single && m_control.classAt(index).m_chunkSize > wanted;
    if (index == m_control.classCount() ||
        (wasteful && m_control.classCount() < m_control.manager().layout().m_maxPools))
    {
        if (m_control.manager().addClass(wanted, m_registry) == nullptr || !m_control.refresh())
        {
            return failure(ErrorCode::NoSpace, m_baseName + ": no size class for " + std::to_string(bytes) +
                                                   " bytes can be added (" + describeClasses() +
                                                   "); raise limits.pool_set_bytes or configure pools for the topic");
        }
        index = m_control.fittingClass(bytes);
    }
    std::atomic<std::uint32_t>& classes = m_control.port(port).m_classes;
    const bool isPublisher =
        m_control.port(port).m_kind.load(std::memory_order_relaxed) == static_cast<std::uint32_t>(PortKind::Publisher);
    const std::uint32_t before = classes.load(std::memory_order_relaxed);
    if (isPublisher)
    {
        classes.store(before | 1U << index, std::memory_order_relaxed);
    }
    auto committed = commitBudgets(port);
    if (!committed)
    {
        classes.store(before, std::memory_order_relaxed); // else every later commit would ask for this one again
    }
    return committed;
}

Expected<void, Error> PoolSet::commitBudgets(std::uint32_t port)
{
    if (m_control.header().m_automatic == 0)
    {
        return {};
    }
    if (!m_control.refresh()) // other processes may have added classes
    {
        return failure(ErrorCode::Corrupt, m_baseName + ": a size class does not fit its segment");
    }
    for (std::uint32_t c = 0; c < m_control.classCount(); ++c)
    {
        const PoolView::Class& in = m_control.classAt(c);
        std::uint64_t needed = leftBehind(m_control, in);
        for (std::uint32_t i = 1; i < portsInUse(m_control); ++i)
        {
            const PortRecord& other = m_control.port(i);
            const std::uint32_t topic = other.m_topic.load(std::memory_order_relaxed);
            if (isOpen(other, PortKind::Publisher, topic) &&
                (other.m_classes.load(std::memory_order_relaxed) >> c & 1U) != 0)
            {
                needed += publisherBudget(m_control, i, in.m_chunkSize);
            }
        }
        const std::uint32_t present = in.m_pool->getTotalChunks();
        if (needed > present)
        {
            const std::uint64_t room = in.m_endChunk - in.m_firstChunk;
            if (needed > room)
            {
                return failure(ErrorCode::LimitReached,
                               m_baseName + ": the topic's endpoints need " + std::to_string(needed) + " chunks of " +
                                   std::to_string(in.m_chunkSize) + " bytes, " + std::to_string(room) +
                                   " fit; raise limits.pool_set_bytes or lower depths, max_loans or max_held");
            }
            if (auto added = addChunks(c, static_cast<std::uint32_t>(needed) - present, port); !added)
            {
                return added;
            }
        }
    }
    return {};
}

Expected<void, Error> PoolSet::commitData(std::uint64_t offset, std::uint64_t bytes)
{
    const std::lock_guard guard(m_dataMutex);
    const auto data = writableData();
    auto done = data ? (*data)->commit(offset, bytes) : tl::unexpected(data.error());
    if (!m_publishes)
    {
        m_dataRw = SharedMemory(); // a process that only subscribes keeps no writable mapping
    }
    return done;
}

Expected<void, Error> PoolSet::addChunks(std::uint32_t classIndex, std::uint32_t count, std::uint32_t port)
{
    const PoolView::Class in = m_control.classAt(classIndex);
    const PoolSetHeader& header = m_control.header();
    const std::uint32_t present = in.m_pool->getTotalChunks();
    const std::uint64_t bytes = in.m_stride * count;
    const std::uint64_t committed = committedBytes(m_control);
    if (bytes > header.m_commitLimit || committed > header.m_commitLimit - bytes)
    {
        return failure(ErrorCode::LimitReached,
                       m_baseName + ": " + std::to_string(count) + " more chunks of " + std::to_string(in.m_chunkSize) +
                           " bytes would commit " + std::to_string(committed + bytes) + " bytes, the limit is " +
                           std::to_string(header.m_commitLimit) + "; raise limits.pool_set_bytes");
    }
    auto done = commitData(kDataOffset + in.m_dataOffset + in.m_stride * present, bytes);
    const std::uint32_t first = in.m_firstChunk + present;
    const std::uint64_t stride = m_control.manager().layout().m_managerStride;
    done = done ? commitManagement(&m_control.record(first), stride * count) : done;
    done = done ? commitManagement(in.m_list.m_links + present, sizeof(MPMC_LockFree_List::Link) * count) : done;
    if (!done)
    {
        return done;
    }
    m_control.manager().describeChunks(classIndex, present, count, m_registry);
    std::vector<std::uint32_t> numbers(count);
    for (std::uint32_t i = 0; i < count; ++i)
    {
        numbers[i] = first + i;
        holders::markFreeing(m_control, port, first + i); // if we die before the push, recovery of `port` does it
    }
    in.m_pool->addChunks(count);
    in.m_pool->countOut(count);
    holders::putBack(m_control, in, port, numbers);
    return {};
}

Expected<std::uint32_t, Error> PoolSet::takePairRecord()
{
    const std::uint32_t used = pairsInUse(m_control);
    for (std::uint32_t i = 0; i < used; ++i)
    {
        if (isReusable(m_control.pair(i).m_state.load(std::memory_order_acquire)))
        {
            return i;
        }
    }
    if (used >= m_control.pairCapacity())
    {
        return failure(ErrorCode::LimitReached,
                       m_baseName + ": all " + std::to_string(used) + " pairs are in use; raise limits.endpoints");
    }
    if (auto committed = commitManagement(&m_control.pair(used), sizeof(PairRecord)); !committed)
    {
        return tl::unexpected(committed.error());
    }
    m_control.header().m_pairHighWater.store(used + 1, std::memory_order_release); // [sync:tables]
    return used;
}

/// First gap between the blocks in use. The list of blocks in use is the pair table itself: nothing to repair after a
/// crash.
Expected<std::uint64_t, Error> PoolSet::placeBlock(std::uint64_t bytes)
{
    struct Block
    {
        std::uint64_t m_offset;
        std::uint64_t m_end;
    };
    std::vector<Block> blocks;
    for (std::uint32_t i = 0; i < pairsInUse(m_control); ++i)
    {
        const PairRecord& pair = m_control.pair(i);
        if (!isReusable(pair.m_state.load(std::memory_order_acquire)))
        {
            const std::uint64_t offset = pair.m_blockOffset.load(std::memory_order_relaxed);
            blocks.push_back({offset, offset + pair.m_blockBytes.load(std::memory_order_relaxed)});
        }
    }
    std::sort(blocks.begin(), blocks.end(), [](const Block& a, const Block& b) { return a.m_offset < b.m_offset; });
    const PoolSetHeader& header = m_control.header();
    std::uint64_t place = header.m_pairAreaOffset;
    for (const Block& block : blocks)
    {
        if (block.m_offset >= place && block.m_offset - place >= bytes)
        {
            break;
        }
        place = std::max(place, block.m_end);
    }
    if (place > m_management.bytes() || m_management.bytes() - place < bytes)
    {
        return failure(ErrorCode::LimitReached, m_baseName + ": no room for a queue of " + std::to_string(bytes) +
                                                    " bytes; lower the subscriber's depth");
    }
    return place;
}

Expected<void, Error> PoolSet::makePair(std::uint32_t publisher, std::uint32_t subscriber)
{
    const PortRecord& reader = m_control.port(subscriber);
    const PairShape shape =
        PairShape::of(reader.m_depth.load(std::memory_order_relaxed), reader.m_limit.load(std::memory_order_relaxed));
    const auto index = takePairRecord();
    const auto offset = index ? placeBlock(shape.blockBytes()) : tl::unexpected(index.error());
    if (!offset)
    {
        return tl::unexpected(offset.error());
    }
    std::byte* block = m_management.base() + *offset;
    if (auto committed = commitManagement(block, shape.blockBytes()); !committed)
    {
        return committed;
    }
    auto* head = ::new (static_cast<void*>(block)) PairHead{};
    for (std::byte* word = block + sizeof(PairHead); word < block + shape.blockBytes(); word += 8)
    {
        ::new (static_cast<void*>(word)) std::atomic<std::uint64_t>(0);
    }
    head->m_join.store(PairHead::kWantsToJoin, std::memory_order_relaxed);
    PairRecord& pair = m_control.pair(*index);
    // Free and with a new incarnation before anything changes: a port that is reading the record notices.
    pair.m_state.store(0, std::memory_order_release);
    std::atomic<std::uint64_t>& incarnations = m_control.header().m_incarnations;
    const std::uint64_t incarnation = incarnations.fetch_add(1, std::memory_order_relaxed) + 1;
    pair.m_incarnation.store(incarnation, std::memory_order_release);
    pair.m_topic.store(reader.m_topic.load(std::memory_order_relaxed), std::memory_order_release);
    pair.m_publisherPort.store(publisher, std::memory_order_release);
    pair.m_subscriberPort.store(subscriber, std::memory_order_release);
    pair.m_blockOffset.store(*offset, std::memory_order_release);
    pair.m_blockBytes.store(shape.blockBytes(), std::memory_order_release);
    pair.m_slotCount.store(shape.m_slotCount, std::memory_order_release);
    pair.m_depth.store(shape.m_depth, std::memory_order_release);
    pair.m_returnCount.store(shape.m_returnCount, std::memory_order_release);
    // [sync:pair] Release: who sees the pair in use sees its place and an empty queue. Partner: onEpoch() of both ports.
    pair.m_state.store(PairRecord::Used, std::memory_order_release);
    return {};
}

Expected<void, Error> PoolSet::connect(std::uint32_t port)
{
    const PortRecord& me = m_control.port(port);
    const std::uint32_t topic = me.m_topic.load(std::memory_order_relaxed);
    const bool publishes = me.m_kind.load(std::memory_order_relaxed) == static_cast<std::uint32_t>(PortKind::Publisher);
    Expected<void, Error> result;
    for (std::uint32_t i = 1; i < portsInUse(m_control) && result; ++i)
    {
        if (i != port && isOpen(m_control.port(i), publishes ? PortKind::Subscriber : PortKind::Publisher, topic))
        {
            result = publishes ? makePair(port, i) : makePair(i, port);
        }
    }
    notifier::moveEpoch(m_control.header().m_epoch); // [sync:epoch] the pairs come before it
    return result;
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
