// Domain's graph: who is there, and waiting for a change.
#include <algorithm>

#include "domain_control.hpp"
#include "zerocp/core/notifier.hpp"
#include "zerocp/discovery/graph.hpp"

namespace ZeroCP
{

namespace
{

EndpointInfo infoOf(const EndpointRecord& record)
{
    EndpointInfo info;
    info.id = record.m_id;
    const bool publishes = record.m_kind == static_cast<std::uint32_t>(PortKind::Publisher);
    info.kind = publishes ? EndpointKind::Publisher : EndpointKind::Subscriber;
    info.qos = qosOf(record);
    publishes ? info.qos.maxLoans(record.m_maxLoans) : info.qos.maxHeld(record.m_maxLoans);
    return info;
}

} // namespace

Expected<Graph, Error> Domain::graph()
{
    recoverDeadOrWarn(); // the dead are not there
    Control control(*this);
    if (!control)
    {
        return tl::unexpected(control.error());
    }
    Graph graph;
    graph.version = graphVersion();
    std::vector<std::size_t> places(rowsOf(header().m_topics), ~std::size_t{0});
    for (std::uint32_t i = 0; i < places.size(); ++i)
    {
        const auto& topic = row<TopicRecord>(header().m_topics, i);
        if (isUsed(topic.m_state))
        {
            places[i] = graph.topics.size();
            graph.topics.push_back({std::string(topic.m_name.view()), typeOf(topic), 0, 0});
        }
    }
    const std::uint32_t processes = rowsOf(header().m_processes);
    const auto pidOf = [this, processes](std::uint32_t process)
    { return process < processes ? row<ProcessRecord>(header().m_processes, process).m_pid : 0; };
    const std::uint32_t nodes = rowsOf(header().m_nodes);
    for (std::uint32_t i = 0; i < nodes; ++i)
    {
        const auto& node = row<NodeRecord>(header().m_nodes, i);
        if (isUsed(node.m_state))
        {
            graph.nodes.push_back({std::string(node.m_name.view()), pidOf(node.m_process)});
        }
    }
    for (std::uint32_t i = 0; i < rowsOf(header().m_endpoints); ++i)
    {
        const auto& record = row<EndpointRecord>(header().m_endpoints, i);
        if (!isUsed(record.m_state) || record.m_topic >= places.size() || places[record.m_topic] >= graph.topics.size())
        {
            continue;
        }
        EndpointInfo info = infoOf(record);
        TopicInfo& topic = graph.topics[places[record.m_topic]];
        ++(info.kind == EndpointKind::Publisher ? topic.publishers : topic.subscribers);
        info.topic = topic.name;
        info.node =
            record.m_node < nodes ? row<NodeRecord>(header().m_nodes, record.m_node).m_name.view() : std::string_view();
        info.pid = pidOf(record.m_process);
        graph.endpoints.push_back(std::move(info));
    }
    return graph;
}

void Domain::graphChanged() noexcept
{
    notifier::moveEpoch(header().m_graphVersion); // and wakes who waits for it
    wakeWaitersForGraph();
}

bool Domain::waitForGraphChange(std::uint64_t seen, std::chrono::nanoseconds timeout)
{
    const auto start = std::chrono::steady_clock::now();
    const bool forEver = timeout < std::chrono::nanoseconds::zero();
    while (!isForked())
    {
        recoverDeadSoon(); // who died is a change too
        if (graphVersion() != seen)
        {
            return true;
        }
        const auto gone = std::chrono::steady_clock::now() - start;
        if (!forEver && gone >= timeout)
        {
            return false;
        }
        notifier::waitForEpoch(header().m_graphVersion, seen,
                               forEver ? notifier::kSlice
                                       : std::min<std::chrono::nanoseconds>(timeout - gone, notifier::kSlice));
    }
    return false;
}

} // namespace ZeroCP
