#include "zerocp/pubsub/inspect.hpp"

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <map>
#include <optional>
#include <tuple>
#include <utility>

#include <unistd.h>

#include "zerocp/core/shared_memory.hpp"

namespace ZeroCP
{

namespace
{

using holder::bitOf;
using holder::stateOf;
using holder::wordOf;

std::filesystem::path rootOr(const std::filesystem::path& root)
{
    const char* fromEnvironment = std::getenv("ZEROCP_ROOT");
    return !root.empty() ? root : fromEnvironment != nullptr ? std::filesystem::path(fromEnvironment) : kDefaultRoot;
}

std::uint64_t nowNs()
{
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000U + static_cast<std::uint64_t>(now.tv_nsec);
}

/// The tables, mapped read-only.
class Tables
{
  public:
    explicit Tables(SharedMemory memory) : m_memory(std::move(memory)) {}

    [[nodiscard]] const DiscoveryHeader& header() const
    {
        return *reinterpret_cast<const DiscoveryHeader*>(m_memory.base() + sizeof(SegmentHeader));
    }
    template <typename Row, typename Action>
    void forEach(const Table& table, Action&& action) const
    {
        const std::uint64_t offset = table.m_offset; // loaded once, then checked
        const std::uint64_t fitting = offset < m_memory.bytes() ? (m_memory.bytes() - offset) / sizeof(Row) : 0;
        const std::uint64_t rows =
            std::min<std::uint64_t>({table.m_highWater.load(std::memory_order_acquire), table.m_capacity, fitting});
        if (offset % kCacheLineBytes != 0)
        {
            return;
        }
        for (std::uint64_t i = 0; i < rows; ++i)
        {
            const auto& row = *reinterpret_cast<const Row*>(m_memory.base() + offset + sizeof(Row) * i);
            if (row.m_state.load(std::memory_order_acquire) == static_cast<std::uint32_t>(RecordState::Used))
            {
                action(static_cast<std::uint32_t>(i), row);
            }
        }
    }

  private:
    SharedMemory m_memory;
};

/// One pool set, both files mapped read-only.
struct OpenSet
{
    SharedMemory m_management;
    SharedMemory m_data;
    PoolView m_view;
};

Expected<OpenSet, Error> openSet(const std::filesystem::path& root, const std::string& baseName)
{
    OpenSet set;
    auto management = SharedMemory::open(root, baseName + ".mgmt", AccessMode::READ_ONLY, kPageBytes);
    auto data = management ? SharedMemory::open(root, baseName + ".data", AccessMode::READ_ONLY, kPageBytes)
                           : tl::unexpected(management.error());
    if (!data)
    {
        return tl::unexpected(data.error());
    }
    if (auto checked = checkSegmentHeader(*reinterpret_cast<const SegmentHeader*>(management->base()),
                                          SegmentKind::Management, poolSetLayoutHash(), management->bytes(), baseName);
        !checked)
    {
        return tl::unexpected(checked.error());
    }
    set.m_management = std::move(*management);
    set.m_data = std::move(*data);
    // The view's pointers are not const, but nothing here stores through them: the pages are read-only.
    auto view = PoolView::of(baseName, {set.m_management.base(), set.m_management.bytes()}, {},
                             {set.m_data.base(), set.m_data.bytes()});
    if (!view)
    {
        return tl::unexpected(view.error());
    }
    set.m_view = *view;
    return set;
}

/// Who holds what in one set. A bit that its subscriber has handed back but its publisher not yet collected is nobody's.
class HolderCount
{
  public:
    struct Held
    {
        std::uint32_t m_chunks{0};
        std::uint64_t m_oldestNs{~0ULL};
    };

    HolderCount(const PoolView& view, const SharedMemory& data) : m_view(view), m_data(data)
    {
        findPorts();
        findReturns();
        findHistories();
        for (std::uint32_t c = 0; c < m_view.classCount(); ++c)
        {
            countClass(c);
        }
    }

    [[nodiscard]] std::uint32_t used(std::uint32_t classIndex) const { return m_used[classIndex]; }
    /// Chunks that there are: those whose memory was given back do not count.
    [[nodiscard]] std::uint32_t present(std::uint32_t classIndex) const { return m_present[classIndex]; }
    [[nodiscard]] const std::map<std::uint32_t, Held>& byPort() const { return m_held; }

  private:
    struct Port
    {
        std::uint32_t m_index;
        std::uint32_t m_topic;
        std::uint32_t m_holder;
    };

    void findPorts()
    {
        const std::uint32_t used =
            std::min(m_view.header().m_portHighWater.load(std::memory_order_acquire), m_view.portCapacity());
        for (std::uint32_t i = 1; i < used; ++i)
        {
            const PortRecord& port = m_view.port(i);
            const std::uint32_t holderIndex = port.m_holderIndex.load(std::memory_order_relaxed);
            if (port.m_state.load(std::memory_order_acquire) != static_cast<std::uint32_t>(PortState::Off) &&
                wordOf(holderIndex) < m_view.holderWords())
            {
                m_ports.push_back({i, port.m_topic.load(std::memory_order_relaxed), holderIndex});
            }
        }
    }

    void findReturns()
    {
        const std::uint32_t used =
            std::min(m_view.header().m_pairHighWater.load(std::memory_order_acquire), m_view.pairCapacity());
        for (std::uint32_t i = 0; i < used; ++i)
        {
            const PairRecord& record = m_view.pair(i);
            const auto pair = (record.m_state.load(std::memory_order_acquire) & PairRecord::Used) != 0
                                  ? m_view.pairView(record)
                                  : std::nullopt;
            if (!pair)
            {
                continue;
            }
            std::uint64_t count = pair->m_head->m_ringHead.load(std::memory_order_acquire);
            for (std::uint64_t n = 0; n <= pair->m_returnMask; ++n, ++count)
            {
                const std::uint64_t value = pair->returned(count).load(std::memory_order_acquire);
                if (!pair->isReturn(value, count))
                {
                    break;
                }
                const std::uint64_t tag =
                    publicationTag(record.m_publisherPort.load(std::memory_order_relaxed), entry::sequenceOf(value));
                m_returned.push_back(
                    {entry::chunkOf(value), record.m_subscriberPort.load(std::memory_order_relaxed), tag});
            }
        }
        std::sort(m_returned.begin(), m_returned.end());
    }

    void findHistories()
    {
        for (const Port& port : m_ports)
        {
            const bool publishes = m_view.port(port.m_index).m_kind.load(std::memory_order_relaxed) ==
                                   static_cast<std::uint32_t>(PortKind::Publisher);
            const auto history = publishes ? m_view.historyOf(port.m_index) : std::nullopt;
            for (std::uint32_t i = 0; history && i < history->m_depth; ++i)
            {
                const std::uint64_t value = history->m_entries[i].load(std::memory_order_acquire); // [sync:history]
                if (value != 0)
                {
                    const std::uint64_t tag = publicationTag(port.m_index, entry::sequenceOf(value));
                    m_remembered.push_back({entry::chunkOf(value), port.m_index, tag});
                }
            }
        }
        std::sort(m_remembered.begin(), m_remembered.end());
    }

    /// Whether a chunk with its owner's bit is more than in the stash or on its way: on loan or in the history.
    [[nodiscard]] bool ownerUses(std::uint32_t chunk, std::uint32_t port, std::uint64_t tag) const
    {
        return tag == publicationTag(port, 0) ||
               std::binary_search(m_remembered.begin(), m_remembered.end(), Return{chunk, port, tag});
    }

    [[nodiscard]] bool wasReturned(std::uint32_t chunk, std::uint32_t port, std::uint64_t tag) const
    {
        return std::binary_search(m_returned.begin(), m_returned.end(), Return{chunk, port, tag});
    }

    void countClass(std::uint32_t classIndex)
    {
        const PoolView::Class& in = m_view.classAt(classIndex);
        const std::uint32_t chunks = std::min(in.m_pool->getTotalChunks(), in.m_endChunk - in.m_firstChunk);
        for (std::uint32_t i = 0; i < chunks; ++i)
        {
            const std::uint32_t chunk = in.m_firstChunk + i;
            const bool retired = stateOf(m_view.word(chunk, 0).load(std::memory_order_acquire)) == ChunkState::Retired;
            m_present[classIndex] += retired ? 0U : 1U;
            m_used[classIndex] += !retired && countChunk(in, chunk) ? 1U : 0U;
        }
    }

    /// Whether somebody has the chunk: on loan, unread in a queue, or held as a sample.
    [[nodiscard]] bool countChunk(const PoolView::Class& in, std::uint32_t chunk)
    {
        if (stateOf(m_view.word(chunk, 0).load(std::memory_order_acquire)) != ChunkState::InUse)
        {
            return false;
        }
        const ChunkManager& record = m_view.record(chunk);
        const std::uint64_t owner = record.m_owner.load(std::memory_order_acquire);
        const std::uint64_t tag = record.m_publication.load(std::memory_order_acquire);
        bool used = false;
        for (const Port& port : m_ports)
        {
            const std::uint64_t word = m_view.word(chunk, wordOf(port.m_holder)).load(std::memory_order_acquire);
            const std::uint64_t pins = m_view.joinerWord(chunk, wordOf(port.m_holder)).load(std::memory_order_acquire);
            if (port.m_topic != topicOfOwner(owner) || ((word | pins) & bitOf(port.m_holder)) == 0)
            {
                continue;
            }
            const bool isOwner = owner == chunkOwner(port.m_topic, port.m_index);
            const bool isPinned = (pins & bitOf(port.m_holder)) != 0;
            if (isOwner ? !ownerUses(chunk, port.m_index, tag) : !isPinned && wasReturned(chunk, port.m_index, tag))
            {
                continue; // in its stash or in flight; or given back
            }
            used = true;
            Held& held = m_held[port.m_index];
            ++held.m_chunks;
            if (!isOwner)
            {
                held.m_oldestNs = std::min(held.m_oldestNs, publishTimeOf(in, chunk));
            }
        }
        return used;
    }

    /// Read by a system call: the chunk may have been freed and its memory given back since we looked at its word, and a
    /// load from a hole would take memory, or raise SIGBUS where there is none.
    [[nodiscard]] std::uint64_t publishTimeOf(const PoolView::Class& in, std::uint32_t chunk) const
    {
        const auto place = reinterpret_cast<const std::byte*>(m_view.readable(in, chunk)) - m_data.base();
        std::uint64_t time = 0;
        const auto offset = static_cast<off_t>(place) + static_cast<off_t>(offsetof(ChunkHeader, m_publishTimeNs));
        return ::pread(m_data.descriptor(), &time, sizeof time, offset) == sizeof time && time != 0 ? time : ~0ULL;
    }

    using Return = std::tuple<std::uint32_t, std::uint32_t, std::uint64_t>;

    const PoolView& m_view;
    const SharedMemory& m_data;
    std::vector<Port> m_ports;
    std::vector<Return> m_returned;   ///< chunk, port, publication
    std::vector<Return> m_remembered; ///< the same of what stands in histories
    std::array<std::uint32_t, kMaxPools> m_used{};
    std::array<std::uint32_t, kMaxPools> m_present{};
    std::map<std::uint32_t, Held> m_held;
};

struct Names
{
    std::map<std::uint32_t, std::string> m_topics;
    std::map<std::uint32_t, std::string> m_nodes;
    std::map<std::uint32_t, std::string> m_sets;
    std::map<std::uint32_t, std::uint32_t> m_pids;
    /// Endpoint record by {pool set, port}.
    std::map<std::pair<std::uint32_t, std::uint32_t>, const EndpointRecord*> m_endpoints;
    std::map<std::uint32_t, std::uint32_t> m_setOfTopic;
};

void addTopics(const Tables& tables, Names& names, DomainSnapshot& snapshot)
{
    std::map<std::uint32_t, std::size_t> places;
    tables.forEach<TopicRecord>(tables.header().m_topics,
                                [&](std::uint32_t index, const TopicRecord& topic)
                                {
                                    names.m_topics[index] = topic.m_name.view();
                                    names.m_setOfTopic[index] = topic.m_poolSet;
                                    places[index] = snapshot.topics.size();
                                    snapshot.topics.push_back(
                                        {std::string(topic.m_name.view()),
                                         std::string(topic.m_typeName.view()) + (topic.m_isSlice != 0 ? "[]" : ""),
                                         names.m_sets[topic.m_poolSet], 0, 0});
                                });
    tables.forEach<EndpointRecord>(
        tables.header().m_endpoints,
        [&](std::uint32_t, const EndpointRecord& endpoint)
        {
            const auto place = places.find(endpoint.m_topic);
            if (place == places.end())
            {
                return;
            }
            names.m_endpoints[{names.m_setOfTopic[endpoint.m_topic], endpoint.m_port}] = &endpoint;
            TopicSnapshot& topic = snapshot.topics[place->second];
            const bool publishes = endpoint.m_kind == static_cast<std::uint32_t>(PortKind::Publisher);
            ++(publishes ? topic.publishers : topic.subscribers);
        });
}

void addPoolSet(std::uint32_t index, const OpenSet& set, Names& names, DomainSnapshot& snapshot)
{
    const HolderCount count(set.m_view, set.m_data);
    PoolSetSnapshot pools{names.m_sets[index], {}};
    for (std::uint32_t c = 0; c < set.m_view.classCount(); ++c)
    {
        const PoolView::Class& in = set.m_view.classAt(c);
        const std::uint32_t total = count.present(c);
        pools.pools.push_back({in.m_chunkSize, total, total - std::min(total, count.used(c)),
                               in.m_pool->m_highWater.load(std::memory_order_relaxed)});
    }
    snapshot.poolSets.push_back(std::move(pools));
    const std::uint64_t now = nowNs();
    for (const auto& [port, held] : count.byPort())
    {
        const auto found = names.m_endpoints.find({index, port});
        if (found == names.m_endpoints.end())
        {
            continue;
        }
        const EndpointRecord& endpoint = *found->second;
        snapshot.holders.push_back({names.m_topics[endpoint.m_topic], names.m_nodes[endpoint.m_node],
                                    names.m_pids[endpoint.m_process], held.m_chunks,
                                    held.m_oldestNs < now ? now - held.m_oldestNs : 0});
    }
}

Config configFor(std::uint32_t domain)
{
    Config config;
    config.domain = domain;
    return config;
}

} // namespace

Expected<DomainSnapshot, Error> inspect(std::uint32_t domain, const std::filesystem::path& root)
{
    const std::filesystem::path where = rootOr(root);
    const std::string name = Domain::fileName(domain, "discovery");
    DomainSnapshot snapshot;
    if (!SharedMemory::exists(where, name))
    {
        return snapshot;
    }
    auto memory = SharedMemory::open(where, name, AccessMode::READ_ONLY, kPageBytes);
    if (!memory)
    {
        return tl::unexpected(memory.error());
    }
    if (auto checked = checkSegmentHeader(*reinterpret_cast<const SegmentHeader*>(memory->base()),
                                          SegmentKind::Discovery, discoveryLayoutHash(), memory->bytes(), name);
        !checked)
    {
        return tl::unexpected(checked.error());
    }
    const auto lock = DomainLock::open(where / Domain::fileName(domain, "lock"), {});
    const Tables tables(std::move(*memory));
    Names names;
    tables.forEach<ProcessRecord>(tables.header().m_processes,
                                  [&](std::uint32_t index, const ProcessRecord& process)
                                  {
                                      names.m_pids[index] = process.m_pid;
                                      snapshot.processes.push_back({process.m_pid, std::string(process.m_name.view()),
                                                                    lock && lock->isAlive(index)});
                                  });
    tables.forEach<NodeRecord>(tables.header().m_nodes, [&names](std::uint32_t index, const NodeRecord& node)
                               { names.m_nodes[index] = node.m_name.view(); });
    tables.forEach<PoolSetRecord>(tables.header().m_poolSets, [&names](std::uint32_t index, const PoolSetRecord& set)
                                  { names.m_sets[index] = set.m_name.view(); });
    addTopics(tables, names, snapshot);
    for (const auto& [index, setName] : std::map(names.m_sets))
    {
        // A set may vanish between the tables and the files: then it is simply not there any more.
        if (const auto set = openSet(where, Domain::fileName(domain, setName)))
        {
            addPoolSet(index, *set, names, snapshot);
        }
    }
    return snapshot;
}

Expected<RecoveryReport, Error> recover(std::uint32_t domain, const std::filesystem::path& root)
{
    const std::filesystem::path where = rootOr(root);
    if (!SharedMemory::exists(where, Domain::fileName(domain, "lock")))
    {
        return RecoveryReport{};
    }
    // Joining recovers; leaving again removes a domain that nobody else has.
    auto joined = Domain::join(configFor(domain), where);
    if (!joined)
    {
        return tl::unexpected(joined.error());
    }
    auto report = (*joined)->recoverDead(true);
    if (report)
    {
        *report = (*joined)->recoveredAtJoin(*report);
    }
    return report;
}

} // namespace ZeroCP
