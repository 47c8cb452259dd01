#include "config_rules.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config_bounds.hpp"
#include "zerocp/config/topic_name.hpp"
#include "zerocp/core/align.hpp"

namespace ZeroCP
{

namespace
{

/// Keeps the first complaint and drops the rest, so that the rules below read as a list.
class RuleCheck
{
  public:
    void report(std::string key, std::string found, std::string_view expected)
    {
        if (!m_first)
        {
            m_first = Violation{std::move(key), std::move(found), std::string(expected), m_source};
        }
    }

    void number(std::string key, std::uint64_t value, NumberBounds bounds)
    {
        if (!bounds.contain(value))
        {
            report(std::move(key), inQuotes(std::to_string(value)), toExpectedText(bounds));
        }
    }

    void duration(std::string key, std::chrono::nanoseconds value, DurationBounds bounds)
    {
        if (!bounds.contain(value))
        {
            report(std::move(key), inQuotes(std::to_string(value.count()) + "ns"), toExpectedText(bounds));
        }
    }

    void sourceIs(std::string source) { m_source = std::move(source); }

    [[nodiscard]] std::optional<Violation> first() && { return std::move(m_first); }

  private:
    std::string m_source;
    std::optional<Violation> m_first;
};

std::string toOctal(std::uint32_t mode)
{
    std::string digits;
    for (std::uint32_t rest = mode; rest != 0 || digits.empty(); rest /= 8)
    {
        digits.insert(digits.begin(), static_cast<char>('0' + rest % 8));
    }
    return "0" + digits;
}

void checkAccess(const AccessConfig& access, const std::string& key, RuleCheck& check)
{
    if (!isModeAllowed(access.mode))
    {
        check.report(key + ".mode", inQuotes(toOctal(access.mode)), kExpectedMode);
    }
    if (!access.group.empty() && !isGroupName(access.group))
    {
        check.report(key + ".group", inQuotes(access.group), kExpectedGroup);
    }
}

void checkLimits(const Limits& limits, RuleCheck& check)
{
    check.number("limits.topics", limits.topics, Allowed::kTopics);
    check.number("limits.endpoints", limits.endpoints, Allowed::kEndpoints);
    check.number("limits.ports_per_topic", limits.portsPerTopic, Allowed::kPortsPerTopic);
    check.number("limits.processes", limits.processes, Allowed::kProcesses);
    check.number("limits.max_loans", limits.maxLoans, Allowed::kOutstanding);
    check.number("limits.max_held", limits.maxHeld, Allowed::kOutstanding);
    check.number("limits.max_message_bytes", limits.maxMessageBytes, Allowed::kMessageBytes);
    check.number("limits.pool_set_bytes", limits.poolSetBytes, Allowed::kPoolSetBytes);
}

/// A sum that does not fit in 64 bits is larger than every bound, so it sticks at the largest value.
std::uint64_t addSaturated(std::uint64_t sum, std::uint64_t size, std::uint64_t count)
{
    const auto product = checkedMultiply(size, count);
    const auto total = product ? checkedAdd(sum, *product) : std::nullopt;
    return total.value_or(UINT64_MAX);
}

void checkChunks(const std::vector<ChunkClass>& chunks, const std::string& key, RuleCheck& check)
{
    if (chunks.empty() || chunks.size() > kMaxChunkClasses)
    {
        check.report(key, chunks.empty() ? "no size class" : std::to_string(chunks.size()) + " size classes",
                     "1 to " + std::to_string(kMaxChunkClasses) +
                         " of them, each written as {size: BYTES, count: NUMBER}");
    }
    std::map<std::uint64_t, std::size_t> indexOfSize;
    std::uint64_t totalCount = 0;
    std::uint64_t totalBytes = 0;
    for (std::size_t index = 0; index < chunks.size(); ++index)
    {
        const auto& [size, count] = chunks[index];
        const std::string item = key + "[" + std::to_string(index) + "]";
        check.number(item + ".size", size, Allowed::kChunkSize);
        check.number(item + ".count", count, Allowed::kChunkCount);
        const auto [first, isNew] = indexOfSize.emplace(size, index);
        if (!isNew)
        {
            check.report(item + ".size",
                         inQuotes(std::to_string(size)) + " as in chunks[" + std::to_string(first->second) + "]",
                         "each size once");
        }
        totalCount += count; // cannot overflow: each is 32 bits wide
        totalBytes = addSaturated(totalBytes, size, count);
        if (totalCount > kMaxChunksPerPool)
        {
            check.report(item + ".count",
                         inQuotes(std::to_string(count)) + ", which makes " + std::to_string(totalCount) + " chunks",
                         "at most " + std::to_string(kMaxChunksPerPool) + " chunks in one pool set");
        }
        if (totalBytes > kMaxPoolSetBytes)
        {
            check.report(item, std::to_string(count) + " x " + std::to_string(size) + " bytes",
                         "at most " + std::to_string(kMaxPoolSetBytes) + " bytes in one pool set");
        }
    }
}

void checkPools(const std::vector<PoolConfig>& pools, RuleCheck& check)
{
    std::set<std::string_view> names;
    for (const PoolConfig& pool : pools)
    {
        const std::string key = "pools." + printable(pool.name);
        check.sourceIs(pool.source);
        if (!isPoolName(pool.name))
        {
            check.report(key, inQuotes(pool.name), kExpectedPoolName);
        }
        if (!names.insert(pool.name).second)
        {
            check.report(key, inQuotes(pool.name) + " a second time", "each pool name once");
        }
        checkChunks(pool.chunks, key + ".chunks", check);
        checkAccess(pool.access, key + ".access", check);
        check.number(key + ".memory.numa_node", pool.memory.numaNode.value_or(0), Allowed::kNumaNode);
    }
}

std::string listOf(const std::set<std::string_view>& names)
{
    constexpr std::size_t kMaxListed = 16;
    if (names.empty())
    {
        return "the name of a pool set, but the configuration has none";
    }
    std::string list;
    std::size_t listed = 0;
    for (const std::string_view name : names)
    {
        if (listed++ == kMaxListed)
        {
            return "one of the pool sets " + list + ", ...";
        }
        list.append(list.empty() ? "" : ", ").append(inQuotes(name));
    }
    return "one of the pool sets " + list;
}

void checkTopic(const TopicConfig& topic, const std::string& key, RuleCheck& check)
{
    if (const auto violation = topic.qos ? firstViolation(*topic.qos) : std::nullopt)
    {
        check.report(key + ".qos." + violation->key, violation->found, violation->expected);
    }
}

void checkTopics(const Config& config, RuleCheck& check)
{
    std::set<std::string_view> poolNames;
    for (const PoolConfig& pool : config.pools)
    {
        poolNames.insert(pool.name);
    }
    std::set<std::string> names;
    for (const TopicConfig& topic : config.topics)
    {
        const std::string key = "topics." + printable(topic.name);
        check.sourceIs(topic.source);
        const auto name = normaliseTopicName(topic.name);
        if (!name)
        {
            check.report(key, inQuotes(topic.name), "a topic name; " + name.error().message());
        }
        else if (!names.insert(*name).second)
        {
            check.report(key, inQuotes(topic.name) + " a second time",
                         "each topic once; a leading '/' makes no difference");
        }
        if (topic.pool && !poolNames.contains(*topic.pool))
        {
            check.report(key + ".pool", inQuotes(*topic.pool), listOf(poolNames));
        }
        checkTopic(topic, key, check);
    }
}

} // namespace

std::optional<Violation> firstViolation(const QoS& qos)
{
    RuleCheck check;
    if (qos.history() == History::KeepLast)
    {
        check.number("depth", qos.depth(), Allowed::kDepth);
    }
    check.duration("deadline", qos.deadline().value_or(kLongestPeriod), Allowed::kPeriod);
    check.duration("lifespan", qos.lifespan().value_or(kLongestPeriod), Allowed::kPeriod);
    check.duration("lease", qos.lease().value_or(kLongestPeriod), Allowed::kPeriod);
    check.number("max_loans", qos.maxLoans().value_or(1), Allowed::kOutstanding);
    check.number("max_held", qos.maxHeld().value_or(1), Allowed::kOutstanding);
    return std::move(check).first();
}

std::optional<Violation> firstViolation(const Config& config)
{
    RuleCheck check;
    check.number("domain", config.domain, Allowed::kDomain);
    checkAccess(config.access, "access", check);
    checkLimits(config.limits, check);
    check.number("queue.keep_all_capacity", config.queue.keepAllCapacity, Allowed::kDepth);
    check.duration("queue.publish_timeout", config.queue.publishTimeout, Allowed::kPublishTimeout);
    check.duration("wait.spin", config.wait.spin, Allowed::kSpin);
    checkPools(config.pools, check);
    checkTopics(config, check);
    return std::move(check).first();
}

} // namespace ZeroCP
