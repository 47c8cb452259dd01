// PublisherPort::whyExhausted(): the holders of a pool set's chunks, in a sentence.
#include <algorithm>
#include <cstdio>

#include "zerocp/pubsub/inspect.hpp"
#include "zerocp/pubsub/publisher_port.hpp"

namespace ZeroCP
{

namespace
{

std::string poolSetOf(const DomainSnapshot& snapshot, const std::string& topic)
{
    const auto found = std::find_if(snapshot.topics.begin(), snapshot.topics.end(),
                                    [&topic](const TopicSnapshot& row) { return row.name == topic; });
    return found == snapshot.topics.end() ? std::string() : found->poolSet;
}

std::string describe(const PoolSetSnapshot& set)
{
    std::string text;
    for (const PoolSnapshot& pool : set.pools)
    {
        text += (text.empty() ? "" : ", ") + std::to_string(pool.free) + " of " + std::to_string(pool.total) +
                " chunks of " + std::to_string(pool.chunkSize) + " bytes";
    }
    return text + " are free or in publishers' stashes";
}

std::string describe(const HolderSnapshot& holder)
{
    std::string text = "topic '" + holder.topic + "', node '" + holder.node + "', process " +
                       std::to_string(holder.pid) + ": " + std::to_string(holder.chunks) + " chunks";
    if (holder.longestHoldNs == 0)
    {
        return text + " on loan";
    }
    char seconds[32];
    std::snprintf(seconds, sizeof seconds, "%.3f", static_cast<double>(holder.longestHoldNs) / 1e9);
    return text + ", the oldest for " + seconds + " s";
}

} // namespace

std::string PublisherPort::whyExhausted() const
{
    const auto snapshot = inspect(m_domain->config().domain, m_domain->root());
    if (!snapshot)
    {
        return snapshot.error().message();
    }
    const std::string set = poolSetOf(*snapshot, topic());
    std::string text = "topic '" + topic() + "': pool set '" + set + "'";
    for (const PoolSetSnapshot& pools : snapshot->poolSets)
    {
        text += pools.name == set ? ": " + describe(pools) : "";
    }
    std::vector<HolderSnapshot> holders;
    std::copy_if(snapshot->holders.begin(), snapshot->holders.end(), std::back_inserter(holders),
                 [&](const HolderSnapshot& holder) { return poolSetOf(*snapshot, holder.topic) == set; });
    std::sort(holders.begin(), holders.end(),
              [](const HolderSnapshot& a, const HolderSnapshot& b) { return a.chunks > b.chunks; });
    if (holders.empty())
    {
        return text + "; nobody holds any";
    }
    for (const HolderSnapshot& holder : holders)
    {
        text += "; " + describe(holder);
    }
    return text;
}

} // namespace ZeroCP
