// Domain's topics and their pool sets.
#include <algorithm>

#include "domain_control.hpp"

namespace ZeroCP
{

TypeInfo typeOf(const TopicRecord& topic)
{
    return TypeInfo{.name = std::string(topic.m_typeName.view()),
                    .size = topic.m_typeSize,
                    .alignment = topic.m_typeAlignment,
                    .descriptionHash = topic.m_descriptionHash,
                    .isSlice = topic.m_isSlice != 0};
}

namespace
{

/// Description hashes are compared only where both sides have one.
bool sameType(const TypeInfo& a, const TypeInfo& b)
{
    return a.name == b.name && a.size == b.size && a.alignment == b.alignment && a.isSlice == b.isSlice &&
           (a.descriptionHash == b.descriptionHash || a.descriptionHash == 0 || b.descriptionHash == 0);
}

MemPoolConfig classesOf(const PoolConfig& pool)
{
    MemPoolConfig classes;
    for (const ChunkClass& entry : pool.chunks)
    {
        classes.addMemPoolEntry(entry.size, entry.count); // validate(Config) has checked sizes and counts
    }
    return classes;
}

std::string describe(const PoolConfig& pool)
{
    std::string text;
    for (const ChunkClass& entry : pool.chunks)
    {
        text += (text.empty() ? "" : ", ") + std::to_string(entry.size) + " x " + std::to_string(entry.count);
    }
    return text;
}

std::string at(const std::string& source)
{
    return source.empty() ? std::string() : source + ": ";
}

} // namespace

Expected<std::uint32_t, Error> Domain::findOrMakeTopic(const EndpointRequest& request, const QoS& qos)
{
    Table& topics = header().m_topics;
    for (std::uint32_t i = 0; i < rowsOf(topics); ++i)
    {
        const auto& topic = row<TopicRecord>(topics, i);
        if (!isUsed(topic.m_state) || topic.m_name.view() != request.m_topic)
        {
            continue;
        }
        if (!sameType(typeOf(topic), request.m_type))
        {
            return failure(ErrorCode::TypeMismatch, "topic '" + request.m_topic + "' carries " +
                                                        toString(typeOf(topic)) + ", this endpoint asks for " +
                                                        toString(request.m_type));
        }
        if (auto checked = checkQoS(request, qos, i); !checked)
        {
            return tl::unexpected(checked.error());
        }
        return i;
    }
    const auto index = takeRow<TopicRecord>(topics, "limits.topics"); // before a set is made that nobody would remove
    const auto set = index ? poolSetForTopic(request) : tl::unexpected(index.error());
    if (!set)
    {
        return set;
    }
    auto& topic = row<TopicRecord>(topics, *index);
    topic.m_poolSet = *set;
    topic.m_typeSize = request.m_type.size;
    topic.m_typeAlignment = request.m_type.alignment;
    topic.m_descriptionHash = request.m_type.descriptionHash;
    topic.m_isSlice = request.m_type.isSlice ? 1 : 0;
    topic.m_name.assign(request.m_topic);
    topic.m_typeName.assign(request.m_type.name);
    topic.m_state.store(kUsed, std::memory_order_release);
    return *index;
}

Expected<std::uint32_t, Error> Domain::poolSetForTopic(const EndpointRequest& request)
{
    const TopicConfig* topic = configOf(request).findTopic(request.m_topic);
    if (topic == nullptr || !topic->pool)
    {
        return automaticSet(request);
    }
    const PoolConfig* pool = configOf(request).findPool(*topic->pool);
    if (pool == nullptr)
    {
        return failure(ErrorCode::ConfigInvalid, at(topic->source) + "topic '" + topic->name + "' names pool '" +
                                                     *topic->pool + "', which is not configured");
    }
    return configuredSet(*pool, topic->source, request);
}

Expected<std::uint32_t, Error> Domain::configuredSet(const PoolConfig& pool, const std::string& source,
                                                     const EndpointRequest& request)
{
    std::uint64_t largest = 0;
    for (const ChunkClass& entry : pool.chunks)
    {
        largest = std::max(largest, entry.size);
    }
    if (largest < request.m_type.size)
    {
        return failure(ErrorCode::ConfigInvalid,
                       at(source) + "key 'topics." + request.m_topic + ".pool': found pool '" + pool.name +
                           "' with chunks of at most " + std::to_string(largest) +
                           " bytes, expected one with chunks of at least " + std::to_string(request.m_type.size) +
                           " bytes for " + toString(request.m_type));
    }
    for (std::uint32_t i = 0; i < rowsOf(header().m_poolSets); ++i)
    {
        const auto& record = row<PoolSetRecord>(header().m_poolSets, i);
        if (!isUsed(record.m_state) || record.m_name.view() != pool.name)
        {
            continue;
        }
        const auto set = openSet(i);
        if (!set)
        {
            return tl::unexpected(set.error());
        }
        if (!(*set)->hasClasses(classesOf(pool)))
        {
            return failure(ErrorCode::ConfigInvalid, at(pool.source) + "pool '" + pool.name + "' is configured as " +
                                                         describe(pool) + ", but exists in the domain as " +
                                                         (*set)->describeClasses());
        }
        return i;
    }
    const auto index = takeRow<PoolSetRecord>(header().m_poolSets, "limits.topics");
    if (!index)
    {
        return index;
    }
    PoolSetPlan plan;
    plan.m_baseName = fileName(m_config.domain, pool.name);
    plan.m_classes = classesOf(pool);
    plan.m_commitLimit = header().m_poolSetBytes;
    plan.m_portCapacity = std::min(header().m_endpoints.m_capacity, PortRecord::kMaxPorts);
    plan.m_portsPerTopic = header().m_portsPerTopic;
    plan.m_access = pool.access;
    plan.m_memory = pool.memory;
    plan.m_waiters = waiterTable();
    auto set = PoolSet::create(m_root, plan);
    if (!set)
    {
        return failure(set.error().code(), at(pool.source) + "pool '" + pool.name + "': " + set.error().message());
    }
    auto& record = row<PoolSetRecord>(header().m_poolSets, *index);
    record.m_automatic = 0;
    record.m_unsettled.store(0, std::memory_order_relaxed);
    record.m_name.assign(pool.name);
    record.m_state.store(kUsed, std::memory_order_release);
    m_sets[*index] = *set;
    m_keptSets.push_back(*set);
    return *index;
}

Expected<std::uint32_t, Error> Domain::automaticSet(const EndpointRequest& request)
{
    const auto index = takeRow<PoolSetRecord>(header().m_poolSets, "limits.topics");
    if (!index)
    {
        return index;
    }
    // A configured set's name has no dot, so the two kinds of names never meet.
    const std::string name = "auto." + std::to_string(header().m_nextPoolSet++);
    PoolSetPlan plan;
    plan.m_baseName = fileName(m_config.domain, name);
    plan.m_automatic = true;
    plan.m_classSlots = request.m_type.isSlice ? static_cast<std::uint32_t>(kMaxPools) : 1U;
    plan.m_classBytes = header().m_poolSetBytes;
    plan.m_commitLimit = header().m_poolSetBytes;
    plan.m_portCapacity = std::min(header().m_endpoints.m_capacity, PortRecord::kMaxPorts);
    plan.m_portsPerTopic = header().m_portsPerTopic;
    plan.m_access = m_config.access;
    plan.m_waiters = waiterTable();
    auto set = PoolSet::create(m_root, plan);
    if (!set)
    {
        return failure(set.error().code(), "topic '" + request.m_topic + "': " + set.error().message());
    }
    auto& record = row<PoolSetRecord>(header().m_poolSets, *index);
    record.m_automatic = 1;
    record.m_unsettled.store(0, std::memory_order_relaxed);
    record.m_name.assign(name);
    record.m_state.store(kUsed, std::memory_order_release);
    m_sets[*index] = *set;
    m_keptSets.push_back(*set);
    return *index;
}

Expected<std::shared_ptr<PoolSet>, Error> Domain::openSet(std::uint32_t set)
{
    if (set >= rowsOf(header().m_poolSets))
    {
        return failure(ErrorCode::Corrupt, fileName(m_config.domain, "discovery") + ": a topic names pool set " +
                                               std::to_string(set) + ", which does not exist");
    }
    const std::string baseName = fileName(m_config.domain, row<PoolSetRecord>(header().m_poolSets, set).m_name.view());
    if (auto known = m_sets[set].lock(); known && known->baseName() == baseName)
    {
        return known;
    }
    auto attached = PoolSet::attach(m_root, baseName, m_config.access, waiterTable());
    if (attached)
    {
        m_sets[set] = *attached;
    }
    return attached;
}

void Domain::releaseTopicIfUnused(std::uint32_t topic)
{
    for (std::uint32_t i = 0; i < rowsOf(header().m_endpoints); ++i)
    {
        const auto& endpoint = row<EndpointRecord>(header().m_endpoints, i);
        if (isUsed(endpoint.m_state) && endpoint.m_topic == topic)
        {
            return;
        }
    }
    releaseTopic(topic);
}

void Domain::releaseTopic(std::uint32_t topic)
{
    auto& record = row<TopicRecord>(header().m_topics, topic);
    const std::uint32_t set = record.m_poolSet;
    record.m_state.store(kFree, std::memory_order_release);
    if (set >= rowsOf(header().m_poolSets))
    {
        return;
    }
    auto& setRecord = row<PoolSetRecord>(header().m_poolSets, set);
    const std::string baseName = fileName(m_config.domain, setRecord.m_name.view());
    std::erase_if(m_keptSets, [&baseName](const auto& kept) { return kept->baseName() == baseName; });
    if (isUsed(setRecord.m_state) && setRecord.m_automatic != 0)
    {
        setRecord.m_state.store(kFree, std::memory_order_release);
        PoolSet::removeFiles(m_root, baseName);
        m_sets.erase(set);
    }
}

} // namespace ZeroCP
