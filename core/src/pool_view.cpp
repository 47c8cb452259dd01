#include "zerocp/core/pool_view.hpp"

#include <bit>
#include <string>

namespace ZeroCP
{

namespace
{

/// [offset, offset + count * size) lies within `bytes` and starts on a cache line.
bool fits(std::uint64_t offset, std::uint64_t count, std::uint64_t size, std::uint64_t bytes) noexcept
{
    const auto length = checkedMultiply(count, size);
    const auto end = length ? checkedAdd(offset, *length) : std::nullopt;
    return end && *end <= bytes && offset % kCacheLineBytes == 0;
}

bool headerFits(const PoolSetHeader& header, std::uint64_t bytes) noexcept
{
    return fits(header.m_managerOffset, 1, sizeof(MemPoolManager), bytes) &&
           fits(header.m_portsOffset, header.m_portCapacity, sizeof(PortRecord), bytes) &&
           fits(header.m_pairsOffset, header.m_pairCapacity, sizeof(PairRecord), bytes) &&
           fits(header.m_pairAreaOffset, header.m_pairAreaBytes, 1, bytes) && header.m_portCapacity > 1 &&
           header.m_portCapacity <= PortRecord::kMaxPorts + 1;
}

bool layoutFits(const MemPoolLayout& layout, std::uint64_t areaOffset, std::uint64_t bytes) noexcept
{
    return fits(areaOffset, layout.m_managementBytes, 1, bytes) && layout.m_maxChunks <= kMaxChunks &&
           layout.m_maxPools <= kMaxPools && layout.m_holderWords > 0 && layout.m_holderWords <= 64 &&
           layout.m_managerStride == ChunkManager::strideOf(layout.m_holderWords) &&
           fits(layout.m_managersOffset, layout.m_maxChunks, layout.m_managerStride, layout.m_managementBytes);
}

} // namespace

Expected<PoolView, Error> PoolView::of(std::string_view name, Range management, Range dataRw, Range dataRo)
{
    const auto corrupt = [name](std::string_view what) {
        return failure(ErrorCode::Corrupt,
                       std::string(name) + ": " + std::string(what) + "; remove the domain's files");
    };

    if (management.m_bytes < sizeof(SegmentHeader) + sizeof(PoolSetHeader))
    {
        return corrupt("management segment too short");
    }
    PoolView view;
    view.m_base = management.m_base;
    view.m_managementBytes = management.m_bytes;
    view.m_header = reinterpret_cast<PoolSetHeader*>(management.m_base + sizeof(SegmentHeader));
    if (!headerFits(*view.m_header, management.m_bytes))
    {
        return corrupt("pool set header does not fit its segment");
    }
    view.m_portCapacity = view.m_header->m_portCapacity;
    view.m_pairCapacity = view.m_header->m_pairCapacity;
    view.m_manager = reinterpret_cast<MemPoolManager*>(management.m_base + view.m_header->m_managerOffset);
    const MemPoolLayout layout = view.m_manager->layout(); // a copy: a peer may scribble on the original
    if (!layoutFits(layout, view.m_header->m_managementOffset, management.m_bytes))
    {
        return corrupt("pool layout does not fit its segment");
    }
    const std::uint64_t dataOffset = view.m_header->m_dataOffset;
    for (const Range& data : {dataRw, dataRo})
    {
        if (data.m_base != nullptr && !fits(dataOffset, layout.m_dataBytes, 1, data.m_bytes))
        {
            return corrupt("data segment too short for its pools");
        }
    }
    view.m_holderWords = layout.m_holderWords;
    view.m_maxChunks = layout.m_maxChunks;
    view.m_dataBytes = layout.m_dataBytes;
    view.m_recordStride = layout.m_managerStride;
    view.m_records = view.managementArea() + layout.m_managersOffset;
    view.m_dataRw = dataRw.m_base == nullptr ? nullptr : dataRw.m_base + dataOffset;
    view.m_dataRo = dataRo.m_base == nullptr ? nullptr : dataRo.m_base + dataOffset;
    view.m_ports = reinterpret_cast<PortRecord*>(management.m_base + view.m_header->m_portsOffset);
    view.m_pairs = reinterpret_cast<PairRecord*>(management.m_base + view.m_header->m_pairsOffset);
    if (!view.refresh())
    {
        return corrupt("a pool does not fit its areas");
    }
    return view;
}

bool PoolView::refresh() noexcept
{
    const std::uint32_t count = m_manager->classCount(); // [sync:class]
    if (count > kMaxPools)
    {
        return false;
    }
    while (m_classCount < count)
    {
        if (!decode(m_classCount))
        {
            return false;
        }
        ++m_classCount;
    }
    return true;
}

bool PoolView::decode(std::uint32_t index) noexcept
{
    MemPool& pool = *(m_manager->m_mempools.data() + index);
    const auto links = pool.m_freeIndices.m_freeIndicesHeader;
    Class found;
    found.m_pool = &pool;
    found.m_chunkSize = pool.m_chunkSize;
    found.m_stride = pool.m_chunkStride;
    found.m_dataOffset = pool.m_rawMemory.offset();
    found.m_firstChunk = pool.m_firstChunk;
    const std::uint32_t most = pool.m_maxChunks;
    if (most == 0 || found.m_chunkSize == 0 || found.m_chunkSize > 1ULL << 62 ||
        pool.m_headerBytes != sizeof(ChunkHeader) ||
        found.m_stride != MemPool::strideOf(found.m_chunkSize, sizeof(ChunkHeader)) || most > m_maxChunks ||
        found.m_firstChunk > m_maxChunks - most || pool.m_rawMemory.poolId() != CHUNK_POOL_ID ||
        links.poolId() != MANAGEMENT_POOL_ID || links.offset() % alignof(MPMC_LockFree_List::Link) != 0 ||
        found.m_dataOffset % kChunkAlignment != 0 || !fits(found.m_dataOffset, most, found.m_stride, m_dataBytes) ||
        links.offset() > m_managementBytes || 4ULL * most > m_managementBytes - links.offset())
    {
        return false;
    }
    found.m_endChunk = found.m_firstChunk + most;
    found.m_list.m_head = &pool.m_freeIndices.m_head;
    found.m_list.m_links = reinterpret_cast<MPMC_LockFree_List::Link*>(managementArea() + links.offset());
    found.m_list.m_capacity = most;
    found.m_list.m_pool = index;
    found.m_list.m_ports = m_ports;
    found.m_list.m_portCount = m_portCapacity;
    m_classes[index] = found;
    return true;
}

std::uint32_t PoolView::fittingClass(std::uint64_t bytes) const noexcept
{
    std::uint32_t best = m_classCount;
    for (std::uint32_t i = 0; i < m_classCount; ++i)
    {
        const bool fitsHere = bytes <= m_classes[i].m_chunkSize;
        if (fitsHere && (best == m_classCount || m_classes[i].m_chunkSize < m_classes[best].m_chunkSize))
        {
            best = i;
        }
    }
    return best;
}

std::optional<PairView> PoolView::pairView(const PairRecord& record) const noexcept
{
    // Loaded once, then checked. Relaxed: the caller has seen m_state with acquire.
    const PairShape shape{record.m_slotCount.load(std::memory_order_relaxed),
                          record.m_depth.load(std::memory_order_relaxed),
                          record.m_returnCount.load(std::memory_order_relaxed)};
    const std::uint64_t offset = record.m_blockOffset.load(std::memory_order_relaxed);
    const auto policy = static_cast<QueuePolicy>(record.m_policy.load(std::memory_order_relaxed));
    constexpr std::uint32_t kMost = 1U << 20;
    if (policy > QueuePolicy::DropNewest || !std::has_single_bit(shape.m_slotCount) || shape.m_slotCount > kMost ||
        shape.m_depth == 0 || shape.m_depth >= shape.m_slotCount || !std::has_single_bit(shape.m_returnCount) ||
        shape.m_returnCount > kMost || offset < m_header->m_pairAreaOffset ||
        !fits(offset, shape.blockBytes(), 1, m_managementBytes))
    {
        return std::nullopt;
    }
    std::byte* block = m_base + offset;
    PairView view;
    view.m_head = reinterpret_cast<PairHead*>(block);
    view.m_slots = reinterpret_cast<PairView::Word*>(block + sizeof(PairHead));
    view.m_returns = view.m_slots + alignUp(8ULL * shape.m_slotCount, kCacheLineBytes) / 8;
    view.m_slotMask = shape.m_slotCount - 1;
    view.m_returnMask = shape.m_returnCount - 1;
    view.m_returnBits = static_cast<std::uint32_t>(std::countr_zero(shape.m_returnCount));
    view.m_depth = shape.m_depth;
    view.m_policy = policy;
    return view;
}

std::optional<HistoryView> PoolView::historyOf(std::uint32_t port) const noexcept
{
    // [sync:history] Acquire: the record comes before. Partner: PoolSet::makeHistory().
    const std::uint32_t index = m_ports[port].m_history.load(std::memory_order_acquire);
    if (index == 0 || index > m_pairCapacity)
    {
        return std::nullopt;
    }
    const PairRecord& record = m_pairs[index - 1];
    const std::uint64_t offset = record.m_blockOffset.load(std::memory_order_relaxed);
    const std::uint32_t depth = record.m_depth.load(std::memory_order_relaxed);
    constexpr std::uint32_t kMost = 1U << 20;
    const bool isHistory = record.m_state.load(std::memory_order_acquire) == (PairRecord::Used | PairRecord::History);
    if (!isHistory || record.m_publisherPort.load(std::memory_order_relaxed) != port || depth == 0 || depth > kMost ||
        offset % kCacheLineBytes != 0 || offset < m_header->m_pairAreaOffset ||
        !fits(offset, HistoryHead::blockBytes(depth), 1, m_managementBytes))
    {
        return std::nullopt;
    }
    std::byte* block = m_base + offset;
    return HistoryView{reinterpret_cast<HistoryHead*>(block),
                       reinterpret_cast<std::atomic<std::uint64_t>*>(block + sizeof(HistoryHead)), depth};
}

} // namespace ZeroCP
