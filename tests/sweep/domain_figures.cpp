#include "sweep/domain_figures.hpp"

#include <set>

#include <sys/stat.h>

#include "support/pool_audit.hpp"
#include "sweep/places.hpp"
#include "zerocp/discovery/discovery_layout.hpp"

namespace ZeroCP::test
{

namespace
{

std::string partOf(std::uint32_t domain, const std::string& part)
{
    return "zerocp." + std::to_string(domain) + "." + part;
}

template <typename Row>
const Row& rowOf(const SharedMemory& memory, const Table& table, std::uint32_t index)
{
    return *reinterpret_cast<const Row*>(memory.base() + table.m_offset + sizeof(Row) * index);
}

template <typename Row>
std::uint64_t usedRows(const SharedMemory& memory, const Table& table)
{
    std::uint64_t used = 0;
    for (std::uint32_t i = 0; i < table.m_highWater.load(); ++i)
    {
        used += rowOf<Row>(memory, table, i).m_state.load() != 0 ? 1U : 0U;
    }
    return used;
}

std::uint64_t memoryOf(const std::filesystem::path& file)
{
    struct stat status = {};
    return ::stat(file.c_str(), &status) == 0 ? static_cast<std::uint64_t>(status.st_blocks) * 512 : 0;
}

/// Sums over all pool sets.
struct SetFigures
{
    std::uint64_t m_ports{0};
    std::uint64_t m_pairs{0};
    std::uint64_t m_pins{0};
    std::uint64_t m_rows{0};
    std::uint64_t m_classes{0};
    std::uint64_t m_chunks{0};
    std::uint64_t m_staleBytes{0};

    void add(const PoolView& view, std::uint64_t dataBytes);

  private:
    void addPins(const PoolView& view, std::uint32_t chunk);
};

/// A pair that both sides have left may be used again, so it counts as free.
bool isInUse(std::uint32_t pair)
{
    return (pair & PairRecord::Used) != 0 && (pair & (PairRecord::PublisherGone | PairRecord::SubscriberGone)) !=
                                                 (PairRecord::PublisherGone | PairRecord::SubscriberGone);
}

/// Bytes of pages that hold something of a chunk that is there, and the header's.
std::uint64_t pagesOfChunks(const PoolView& view)
{
    std::set<std::uint64_t> pages{0};
    for (std::uint32_t c = 0; c < view.classCount(); ++c)
    {
        const PoolView::Class& in = view.classAt(c);
        for (std::uint32_t i = 0; i < in.m_pool->getTotalChunks(); ++i)
        {
            const bool there = holder::stateOf(view.word(in.m_firstChunk + i, 0).load()) != ChunkState::Retired;
            const std::uint64_t begin = view.header().m_dataOffset + in.m_dataOffset + in.m_stride * i;
            for (std::uint64_t page = begin / kPageBytes; there && page * kPageBytes < begin + in.m_stride; ++page)
            {
                pages.insert(page);
            }
        }
    }
    return pages.size() * kPageBytes;
}

void SetFigures::addPins(const PoolView& view, std::uint32_t chunk)
{
    for (std::uint32_t x = 0; x < view.holderWords(); ++x)
    {
        m_pins += joiner::bitsOf(view.joinerWord(chunk, x).load()) != 0 ? 1U : 0U;
    }
}

void SetFigures::add(const PoolView& view, std::uint64_t dataBytes)
{
    for (std::uint32_t i = 1; i < view.header().m_portHighWater.load(); ++i)
    {
        m_ports += view.port(i).m_state.load() != static_cast<std::uint32_t>(PortState::Off) ? 1U : 0U;
    }
    for (std::uint32_t i = 0; i < view.header().m_pairHighWater.load(); ++i)
    {
        m_pairs += isInUse(view.pair(i).m_state.load()) ? 1U : 0U;
    }
    m_rows += view.header().m_portHighWater.load() + view.header().m_pairHighWater.load();
    m_classes += view.classCount();
    for (std::uint32_t c = 0; c < view.classCount(); ++c)
    {
        const PoolView::Class& in = view.classAt(c);
        m_chunks += in.m_pool->getTotalChunks();
        for (std::uint32_t i = 0; i < in.m_pool->getTotalChunks(); ++i)
        {
            addPins(view, in.m_firstChunk + i);
        }
    }
    const std::uint64_t needed = pagesOfChunks(view);
    m_staleBytes += dataBytes - std::min(dataBytes, needed);
}

} // namespace

DomainFigures DomainFigures::of(std::uint32_t domain, const std::filesystem::path& root)
{
    DomainFigures figures;
    const std::vector<std::string> files = filesOf(domain, root);
    figures.m_inUse = {{"files", files.size()}};
    if (!SharedMemory::exists(root, partOf(domain, "discovery")))
    {
        return figures;
    }
    const auto memory = SharedMemory::open(root, partOf(domain, "discovery"), AccessMode::READ_ONLY).value();
    const auto& header = *reinterpret_cast<const DiscoveryHeader*>(memory.base() + sizeof(SegmentHeader));
    SetFigures sets;
    for (std::uint32_t i = 0; i < header.m_poolSets.m_highWater.load(); ++i)
    {
        const auto& row = rowOf<PoolSetRecord>(memory, header.m_poolSets, i);
        const std::string name = partOf(domain, std::string(row.m_name.view()));
        if (row.m_state.load() == 0)
        {
            continue;
        }
        if (const MappedSet set(root, name); set)
        {
            sets.add(set.view(), memoryOf(root / (name + ".data")));
            figures.m_misplaced += misplacedChunks(set.view());
        }
    }
    figures.m_poolSets = usedRows<PoolSetRecord>(memory, header.m_poolSets);
    std::uint64_t bytes = 0;
    for (const std::string& file : files)
    {
        bytes += memoryOf(root / file);
    }
    figures.m_inUse.insert(figures.m_inUse.end(), {{"processes", usedRows<ProcessRecord>(memory, header.m_processes)},
                                                   {"nodes", usedRows<NodeRecord>(memory, header.m_nodes)},
                                                   {"topics", usedRows<TopicRecord>(memory, header.m_topics)},
                                                   {"endpoints", usedRows<EndpointRecord>(memory, header.m_endpoints)},
                                                   {"pool sets", figures.m_poolSets},
                                                   {"waiters", usedRows<WaiterRecord>(memory, header.m_waiters)},
                                                   {"ports", sets.m_ports},
                                                   {"pairs and histories", sets.m_pairs},
                                                   {"pins", sets.m_pins}});
    figures.m_kept = {{"process rows", header.m_processes.m_highWater.load()},
                      {"node rows", header.m_nodes.m_highWater.load()},
                      {"topic rows", header.m_topics.m_highWater.load()},
                      {"endpoint rows", header.m_endpoints.m_highWater.load()},
                      {"waiter rows", header.m_waiters.m_highWater.load()},
                      {"pool set rows", header.m_poolSets.m_highWater.load()},
                      {"port and pair rows", sets.m_rows},
                      {"size classes", sets.m_classes},
                      {"chunks", sets.m_chunks},
                      {"bytes of memory", bytes}};
    figures.m_staleBytes = sets.m_staleBytes;
    return figures;
}

DomainFigures DomainFigures::withoutOnePoolSet() const
{
    DomainFigures fewer = *this;
    for (Figure& figure : fewer.m_inUse)
    {
        figure.m_value -= figure.m_name == "files" ? 2U : figure.m_name == "pool sets" ? 1U : 0U;
    }
    return fewer;
}

std::string differences(const std::vector<Figure>& before, const std::vector<Figure>& after)
{
    std::string text = before.size() == after.size() ? "" : "  the domain is not there, or still there\n";
    for (std::size_t i = 0; i < std::min(before.size(), after.size()); ++i)
    {
        text += before[i].m_value == after[i].m_value
                    ? ""
                    : "  " + before[i].m_name + ": " + std::to_string(before[i].m_value) + ", now " +
                          std::to_string(after[i].m_value) + "\n";
    }
    return text;
}

} // namespace ZeroCP::test
