// Who uses up a limit of the domain: the end of the sentence of LimitReached. Called under the control
// lock, or the init lock where a process slot is wanted.
#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "domain_control.hpp"

namespace ZeroCP
{

namespace
{

using Shares = std::map<std::string, std::uint32_t>;

std::string mostOf(const Shares& shares, const char* what = "most")
{
    constexpr std::size_t kNamed = 3;
    std::vector<std::pair<std::string, std::uint32_t>> ranked(shares.begin(), shares.end());
    std::sort(ranked.begin(), ranked.end(),
              [](const auto& a, const auto& b)
              { return a.second != b.second ? a.second > b.second : a.first < b.first; });
    std::string text;
    for (std::size_t i = 0; i < std::min(kNamed, ranked.size()); ++i)
    {
        text += (i == 0 ? std::string("; ") + what + " are of " : ", ") + ranked[i].first + " (" +
                std::to_string(ranked[i].second) + ")";
    }
    return ranked.size() <= kNamed ? text : text + " and " + std::to_string(ranked.size() - kNamed) + " more";
}

} // namespace

std::string Domain::describeProcess(std::uint32_t slot) const
{
    if (slot >= rowsOf(header().m_processes))
    {
        return "an unknown process";
    }
    const auto& process = row<ProcessRecord>(header().m_processes, slot);
    return "process " + std::to_string(process.m_pid) + " '" + std::string(process.m_name.view()) + "'";
}

template <typename Row>
std::string Domain::mostOfRows(const Table& table) const
{
    Shares shares;
    for (std::uint32_t i = 0; i < rowsOf(table); ++i)
    {
        const auto& used = row<Row>(table, i);
        if (isUsed(used.m_state))
        {
            ++shares[describeProcess(used.m_process)];
        }
    }
    return mostOf(shares);
}

/// Topics belong to nobody: they count for each process that has an endpoint there.
std::string Domain::whoHasTopics() const
{
    std::set<std::pair<std::uint32_t, std::uint32_t>> seen;
    Shares shares;
    for (std::uint32_t i = 0; i < rowsOf(header().m_endpoints); ++i)
    {
        const auto& endpoint = row<EndpointRecord>(header().m_endpoints, i);
        if (isUsed(endpoint.m_state) && seen.emplace(endpoint.m_process, endpoint.m_topic).second)
        {
            ++shares[describeProcess(endpoint.m_process)];
        }
    }
    return mostOf(shares);
}

std::string Domain::whoHasProcesses() const
{
    Shares shares;
    for (std::uint32_t i = 0; i < rowsOf(header().m_processes); ++i)
    {
        const auto& process = row<ProcessRecord>(header().m_processes, i);
        if (isUsed(process.m_state))
        {
            ++shares["'" + std::string(process.m_name.view()) + "'"];
        }
    }
    return mostOf(shares);
}

std::string Domain::whoHasPortsOf(std::uint32_t topic) const
{
    Shares shares;
    for (std::uint32_t i = 0; i < rowsOf(header().m_endpoints); ++i)
    {
        const auto& endpoint = row<EndpointRecord>(header().m_endpoints, i);
        if (isUsed(endpoint.m_state) && endpoint.m_topic == topic)
        {
            ++shares[describeProcess(endpoint.m_process)];
        }
    }
    return mostOf(shares, "most endpoints of the topic");
}

std::string Domain::whoHas(const Table& table) const
{
    const DiscoveryHeader& tables = header();
    return &table == &tables.m_processes   ? whoHasProcesses()
           : &table == &tables.m_endpoints ? mostOfRows<EndpointRecord>(table)
           : &table == &tables.m_nodes     ? mostOfRows<NodeRecord>(table)
           : &table == &tables.m_waiters   ? mostOfRows<WaiterRecord>(table)
                                           : whoHasTopics();
}

} // namespace ZeroCP
