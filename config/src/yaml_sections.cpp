#include "yaml_sections.hpp"

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "config_bounds.hpp"
#include "violation.hpp"
#include "zerocp/config/topic_name.hpp"

namespace ZeroCP
{

namespace
{

void readAccess(YamlReader& reader, const YamlPlace& place, AccessConfig& access)
{
    const auto readGroup = [&](const YamlPlace& at)
    {
        reader.readText(at, kExpectedGroup, access.group);
        if (!isGroupName(access.group)) // an empty one is fine in code, but somebody who writes the key means a group
        {
            reader.complain(at, describe(at.node), kExpectedGroup);
        }
    };
    reader.readMap(place,
                   {
                       {"mode", [&](const auto& at) { reader.readMode(at, access.mode); }},
                       {"group", readGroup},
                   });
}

void readLimits(YamlReader& reader, const YamlPlace& place, Limits& limits)
{
    const auto number = [&reader](std::string_view key, NumberBounds bounds, auto* value)
    {
        const auto read = [&reader, bounds, value](const YamlPlace& at) { reader.readNumber(at, bounds, *value); };
        return YamlReader::Field{key, read};
    };
    reader.readMap(place, {
                              number("topics", Allowed::kTopics, &limits.topics),
                              number("endpoints", Allowed::kEndpoints, &limits.endpoints),
                              number("ports_per_topic", Allowed::kPortsPerTopic, &limits.portsPerTopic),
                              number("processes", Allowed::kProcesses, &limits.processes),
                              number("max_loans", Allowed::kOutstanding, &limits.maxLoans),
                              number("max_held", Allowed::kOutstanding, &limits.maxHeld),
                              number("max_message_bytes", Allowed::kMessageBytes, &limits.maxMessageBytes),
                              number("pool_set_bytes", Allowed::kPoolSetBytes, &limits.poolSetBytes),
                          });
}

void readQueue(YamlReader& reader, const YamlPlace& place, QueueConfig& queue)
{
    reader.readMap(place,
                   {
                       {"keep_all_capacity",
                        [&](const auto& at) { reader.readNumber(at, Allowed::kDepth, queue.keepAllCapacity); }},
                       {"publish_timeout", [&](const auto& at)
                        { reader.readDuration(at, Allowed::kPublishTimeout, queue.publishTimeout); }},
                   });
}

void readWait(YamlReader& reader, const YamlPlace& place, WaitConfig& wait)
{
    reader.readMap(place, {{"spin", [&](const auto& at) { reader.readDuration(at, Allowed::kSpin, wait.spin); }}});
}

void readChunkClass(YamlReader& reader, const YamlPlace& place, ChunkClass& chunks)
{
    reader.readMap(place,
                   {
                       {"size", [&](const auto& at) { reader.readNumber(at, Allowed::kChunkSize, chunks.size); }},
                       {"count", [&](const auto& at) { reader.readNumber(at, Allowed::kChunkCount, chunks.count); }},
                   });
    if (chunks.size == 0 || chunks.count == 0) // a 0 in the file was refused above, so the key is missing
    {
        const bool hasSize = chunks.size != 0;
        reader.complainAt(place.node.line, place.key + (hasSize ? ".count" : ".size"), "no such key",
                          toExpectedText(hasSize ? Allowed::kChunkCount : Allowed::kChunkSize));
    }
}

void readMemory(YamlReader& reader, const YamlPlace& place, MemoryConfig& memory)
{
    const auto flag = [&reader](std::string_view key, bool* value)
    {
        const auto read = [&reader, value](const YamlPlace& at) { reader.readFlag(at, *value); };
        return YamlReader::Field{key, read};
    };
    reader.readMap(place,
                   {
                       flag("prefault", &memory.prefault),
                       flag("lock", &memory.lock),
                       flag("huge_pages", &memory.hugePages),
                       {"numa_node",
                        [&](const auto& at) { reader.readNumber(at, Allowed::kNumaNode, memory.numaNode.emplace()); }},
                   });
}

void readPool(YamlReader& reader, const YamlPlace& place, PoolConfig& pool)
{
    const auto readChunks = [&](const YamlPlace& at)
    {
        reader.readList(at, "a list of {size: BYTES, count: NUMBER}",
                        [&](const auto& item) { readChunkClass(reader, item, pool.chunks.emplace_back()); });
    };
    reader.readMap(place,
                   {
                       {"chunks", readChunks},
                       {"access", [&](const auto& at) { readAccess(reader, at, pool.access); }},
                       {"memory", [&](const auto& at) { readMemory(reader, at, pool.memory); }},
                   });
}

void readPools(YamlReader& reader, const YamlPlace& place, std::vector<PoolConfig>& pools)
{
    const auto readEntry = [&](const YamlNode& name, const YamlNode& value)
    {
        if (!isPoolName(name.text))
        {
            reader.complainAt(name.line, place.key, inQuotes(name.text), kExpectedPoolName);
            return;
        }
        PoolConfig& pool = pools.emplace_back();
        pool.name = name.text;
        pool.source = reader.sourceAt(name.line);
        readPool(reader, reader.placeOf(value, name.line, place.key + "." + name.text), pool);
    };
    reader.readNamedEntries(place, readEntry);
}

/// What the file says about history: the words and the number make sense only together.
struct HistoryKeys
{
    std::optional<History> history;
    std::optional<std::uint32_t> depth;
};

void applyHistory(YamlReader& reader, const YamlPlace& place, const HistoryKeys& keys, QoS& qos)
{
    if (keys.history == History::KeepAll && keys.depth)
    {
        const std::string key = place.key + ".depth";
        reader.complainAt(reader.lineOf(key), key, inQuotes(std::to_string(*keys.depth)) + " with history keep_all",
                          "no depth, or history keep_last");
    }
    else if (keys.history == History::KeepAll)
    {
        qos.keepAll();
    }
    else if (keys.depth)
    {
        qos.keepLast(*keys.depth);
    }
}

void readQoS(YamlReader& reader, const YamlPlace& place, QoS& qos)
{
    HistoryKeys keys;
    const auto readHistory = [&](const YamlPlace& at)
    {
        if (const auto word = reader.readWord(at, {toString(History::KeepLast), toString(History::KeepAll)}))
        {
            keys.history = *word == 0 ? History::KeepLast : History::KeepAll;
        }
    };
    const auto readReliability = [&](const YamlPlace& at)
    {
        if (const auto word = reader.readWord(at, {toString(Reliability::Reliable), toString(Reliability::BestEffort)}))
        {
            *word == 0 ? qos.reliable() : qos.bestEffort();
        }
    };
    const auto readDurability = [&](const YamlPlace& at)
    {
        if (const auto word =
                reader.readWord(at, {toString(Durability::Volatile), toString(Durability::TransientLocal)}))
        {
            *word == 0 ? qos.volatileDurability() : qos.transientLocal();
        }
    };
    const auto readLiveliness = [&](const YamlPlace& at)
    {
        if (const auto word =
                reader.readWord(at, {toString(Liveliness::Automatic), toString(Liveliness::ManualByTopic)}))
        {
            qos.liveliness(*word == 0 ? Liveliness::Automatic : Liveliness::ManualByTopic, qos.lease());
        }
    };
    const auto readPeriod = [&reader](const YamlPlace& at)
    {
        std::chrono::nanoseconds period = kLongestPeriod; // what a complaint leaves behind is not used
        reader.readDuration(at, Allowed::kPeriod, period);
        return period;
    };
    reader.readMap(place,
                   {
                       {"history", readHistory},
                       {"depth", [&](const auto& at) { reader.readNumber(at, Allowed::kDepth, keys.depth.emplace()); }},
                       {"reliability", readReliability},
                       {"durability", readDurability},
                       {"deadline", [&](const auto& at) { qos.deadline(readPeriod(at)); }},
                       {"lifespan", [&](const auto& at) { qos.lifespan(readPeriod(at)); }},
                       {"liveliness", readLiveliness},
                       {"lease", [&](const auto& at) { qos.liveliness(qos.liveliness(), readPeriod(at)); }},
                   });
    applyHistory(reader, place, keys, qos);
}

void readTopic(YamlReader& reader, const YamlPlace& place, TopicConfig& topic)
{
    reader.readMap(place,
                   {
                       {"pool", [&](const auto& at) { reader.readText(at, kExpectedPoolName, topic.pool.emplace()); }},
                       {"qos", [&](const auto& at) { readQoS(reader, at, topic.qos.emplace()); }},
                   });
}

void readTopics(YamlReader& reader, const YamlPlace& place, std::vector<TopicConfig>& topics)
{
    std::map<std::string, int> lineOfTopic;
    const auto readEntry = [&](const YamlNode& key, const YamlNode& value)
    {
        const auto name = normaliseTopicName(key.text);
        if (!name)
        {
            reader.complainAt(key.line, place.key, inQuotes(key.text), "a topic name; " + name.error().message());
            return;
        }
        const auto [first, isNew] = lineOfTopic.emplace(*name, key.line);
        if (!isNew)
        {
            reader.complainAt(key.line, place.key + "." + printable(key.text),
                              "the topic that line " + std::to_string(first->second) + " already has",
                              "each topic once; a leading '/' makes no difference");
            return;
        }
        TopicConfig& topic = topics.emplace_back();
        topic.name = *name;
        topic.source = reader.sourceAt(key.line);
        readTopic(reader, reader.placeOf(value, key.line, place.key + "." + *name), topic);
    };
    reader.readNamedEntries(place, readEntry);
}

} // namespace

void readDocument(YamlReader& reader, const YamlNode& root, Config& config)
{
    reader.readMap(reader.placeOf(root, root.line, ""),
                   {
                       {"domain", [&](const auto& at) { reader.readNumber(at, Allowed::kDomain, config.domain); }},
                       {"access", [&](const auto& at) { readAccess(reader, at, config.access); }},
                       {"limits", [&](const auto& at) { readLimits(reader, at, config.limits); }},
                       {"queue", [&](const auto& at) { readQueue(reader, at, config.queue); }},
                       {"wait", [&](const auto& at) { readWait(reader, at, config.wait); }},
                       {"pools", [&](const auto& at) { readPools(reader, at, config.pools); }},
                       {"topics", [&](const auto& at) { readTopics(reader, at, config.topics); }},
                   });
}

} // namespace ZeroCP
