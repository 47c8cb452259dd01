// Domain's endpoints, topics and pool sets.
#include <algorithm>
#include <chrono>

#include "domain_control.hpp"
#include "zerocp/core/log.hpp"
#include "zerocp/discovery/recovery.hpp"

namespace ZeroCP
{

namespace
{

constexpr auto kUsed = static_cast<std::uint32_t>(RecordState::Used);
constexpr auto kFree = static_cast<std::uint32_t>(RecordState::Free);

bool isUsed(const std::atomic<std::uint32_t>& state) noexcept
{
    return state.load(std::memory_order_acquire) == kUsed;
}

TypeInfo typeOf(const TopicRecord& topic)
{
    return TypeInfo{.name = std::string(topic.m_typeName.view()),
                    .size = topic.m_typeSize,
                    .alignment = topic.m_typeAlignment,
                    .descriptionHash = topic.m_descriptionHash,
                    .isSlice = topic.m_isSlice != 0};
}

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

QoS qosOf(const EndpointRecord& record)
{
    QoS qos;
    if (record.m_history == static_cast<std::uint32_t>(History::KeepAll))
    {
        qos.keepAll();
    }
    else
    {
        qos.keepLast(record.m_depth);
    }
    if (record.m_reliability == static_cast<std::uint32_t>(Reliability::BestEffort))
    {
        qos.bestEffort();
    }
    if (record.m_durability == static_cast<std::uint32_t>(Durability::TransientLocal))
    {
        qos.transientLocal();
    }
    return qos;
}

} // namespace

QoS Domain::effectiveQoS(const EndpointRequest& request) const
{
    const TopicConfig* topic = configOf(request).findTopic(request.m_topic);
    const auto hasDefaultPolicies = [](const QoS& qos)
    {
        const QoS defaults;
        return qos.history() == defaults.history() && qos.depth() == defaults.depth() &&
               qos.reliability() == defaults.reliability() && qos.durability() == defaults.durability();
    };
    if (topic == nullptr || !topic->qos || !hasDefaultPolicies(request.m_qos))
    {
        return request.m_qos;
    }
    QoS qos = *topic->qos;
    if (const auto loans = request.m_qos.maxLoans())
    {
        qos.maxLoans(*loans);
    }
    if (const auto held = request.m_qos.maxHeld())
    {
        qos.maxHeld(*held);
    }
    return qos;
}

Expected<EndpointGrant, Error> Domain::addEndpoint(const EndpointRequest& request)
{
    const QoS qos = effectiveQoS(request);
    if (auto valid = validate(qos); !valid)
    {
        return failure(valid.error().code(), "topic '" + request.m_topic + "': " + valid.error().message());
    }
    if (qos.history() == History::KeepAll)
    {
        return failure(ErrorCode::IncompatibleQoS, "topic '" + request.m_topic + "': " + toString(qos) +
                                                       " is not delivered by this version yet; use keepLast");
    }
    recoverDeadOrWarn(); // what the dead had counts neither as a limit nor as the other side of a mismatch
    Control control(*this);
    if (!control)
    {
        return tl::unexpected(control.error());
    }
    const auto topic = findOrMakeTopic(request, qos);
    if (!topic)
    {
        return tl::unexpected(topic.error());
    }
    const auto undo = [this, &topic](const Error& error) -> tl::unexpected<Error>
    {
        releaseTopicIfUnused(*topic);
        return tl::unexpected<Error>(error);
    };
    const auto endpoint = takeRow<EndpointRecord>(header().m_endpoints, "limits.endpoints");
    auto set = openSet(row<TopicRecord>(header().m_topics, *topic).m_poolSet);
    if (!endpoint || !set)
    {
        return undo(!endpoint ? endpoint.error() : set.error());
    }
    const bool publishes = request.m_kind == PortKind::Publisher;
    const std::uint32_t limit = publishes ? qos.maxLoans().value_or(configOf(request).limits.maxLoans)
                                          : qos.maxHeld().value_or(configOf(request).limits.maxHeld);
    const std::uint64_t id = header().m_nextEndpointId++;
    const PortRequest port{.m_kind = request.m_kind,
                           .m_topic = *topic,
                           .m_processSlot = m_slot,
                           .m_endpointSlot = *endpoint,
                           .m_endpointId = id,
                           .m_depth = qos.depth(),
                           .m_limit = limit,
                           .m_transientLocal = qos.durability() == Durability::TransientLocal,
                           .m_portLimit = header().m_portsPerTopic,
                           .m_chunkBytes = publishes && !request.m_type.isSlice ? request.m_type.size : 0};
    auto holder = (*set)->addPort(port);
    if (!holder && holder.error().code() == ErrorCode::LimitReached)
    {
        static_cast<void>(retireDyingPorts(**set)); // ports and bits that waited for a stopped publisher
        holder = (*set)->addPort(port);
    }
    if (!holder)
    {
        static_cast<void>(retireDyingPorts(**set)); // the port that could not be completed
        return undo(Error(holder.error().code(), "topic '" + request.m_topic + "': " + holder.error().message()));
    }
    auto& record = row<EndpointRecord>(header().m_endpoints, *endpoint);
    record.m_kind = static_cast<std::uint32_t>(request.m_kind);
    record.m_topic = *topic;
    record.m_node = request.m_node;
    record.m_process = m_slot;
    record.m_port = holder->m_port;
    record.m_id = id;
    record.m_history = static_cast<std::uint32_t>(qos.history());
    record.m_depth = qos.depth();
    record.m_reliability = static_cast<std::uint32_t>(qos.reliability());
    record.m_durability = static_cast<std::uint32_t>(qos.durability());
    record.m_maxLoans = limit;
    record.m_state.store(kUsed, std::memory_order_release);

    EndpointGrant grant{*set,  *holder,         *endpoint,           id,
                        limit, request.m_topic, request.m_nodeOwner, configOf(request).wait.spin};
    if (auto connected = (*set)->connect(holder->m_port); !connected)
    {
        record.m_state.store(kFree, std::memory_order_release);
        static_cast<void>(retirePort(**set, holder->m_port));
        return undo(Error(connected.error().code(), "topic '" + request.m_topic + "': " + connected.error().message()));
    }
    header().m_graphVersion.fetch_add(1, std::memory_order_acq_rel);
    const std::uint32_t setRow = row<TopicRecord>(header().m_topics, *topic).m_poolSet;
    warnOfShortage(**set, request.m_topic, row<PoolSetRecord>(header().m_poolSets, setRow).m_name.view());
    return grant;
}

void Domain::removeEndpoint(const EndpointGrant& grant)
{
    recoverDeadOrWarn();
    Control control(*this);
    if (!control)
    {
        // A forked child, or somebody else is stopped in a control call. What we had is recovered when this process ends.
        log(LogLevel::Warn, "leaving topic '" + grant.m_topic + "': " + control.error().message());
        return;
    }
    auto& record = row<EndpointRecord>(header().m_endpoints, grant.m_endpoint);
    static_cast<void>(retireDyingPorts(*grant.m_set)); // whom an earlier call had to leave
    retirePort(*grant.m_set, grant.m_holder.m_port);
    record.m_state.store(kFree, std::memory_order_release);
    header().m_graphVersion.fetch_add(1, std::memory_order_acq_rel);
    releaseTopicIfUnused(grant.m_holder.m_topic);
}

Expected<void, Error> Domain::growClass(const EndpointGrant& grant, std::uint64_t bytes)
{
    Control control(*this);
    return control ? grant.m_set->growClass(grant.m_holder.m_port, bytes) : tl::unexpected(control.error());
}

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

Expected<void, Error> Domain::checkQoS(const EndpointRequest& request, const QoS& qos, std::uint32_t topic) const
{
    for (std::uint32_t i = 0; i < rowsOf(header().m_endpoints); ++i)
    {
        const auto& other = row<EndpointRecord>(header().m_endpoints, i);
        if (!isUsed(other.m_state) || other.m_topic != topic ||
            other.m_kind == static_cast<std::uint32_t>(request.m_kind))
        {
            continue;
        }
        const bool publishes = request.m_kind == PortKind::Publisher;
        if (const auto why = publishes ? mismatch(qos, qosOf(other)) : mismatch(qosOf(other), qos))
        {
            return failure(ErrorCode::IncompatibleQoS, "topic '" + request.m_topic + "': " + *why);
        }
    }
    return {};
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
    plan.m_prefault = pool.prefault;
    auto set = PoolSet::create(m_root, plan);
    if (!set)
    {
        return failure(set.error().code(), at(pool.source) + "pool '" + pool.name + "': " + set.error().message());
    }
    auto& record = row<PoolSetRecord>(header().m_poolSets, *index);
    record.m_automatic = 0;
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
    auto set = PoolSet::create(m_root, plan);
    if (!set)
    {
        return failure(set.error().code(), "topic '" + request.m_topic + "': " + set.error().message());
    }
    auto& record = row<PoolSetRecord>(header().m_poolSets, *index);
    record.m_automatic = 1;
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
    auto attached = PoolSet::attach(m_root, baseName, m_config.access);
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

Expected<RecoveryReport, Error> Domain::recoverDead(bool thorough, std::chrono::nanoseconds longest)
{
    RecoveryReport report;
    std::vector<std::uint32_t> dead;
    for (std::uint32_t i = 0; i < rowsOf(header().m_processes); ++i)
    {
        if (isUsed(row<ProcessRecord>(header().m_processes, i).m_state) && !isAlive(i))
        {
            dead.push_back(i);
        }
    }
    if (dead.empty() && !thorough)
    {
        return report;
    }
    Control control(*this, longest);
    if (!control)
    {
        return tl::unexpected(control.error());
    }
    for (const std::uint32_t process : dead)
    {
        // A description of its own keeps the dead one's byte locked to the end; locks of ours would never conflict.
        auto lock = DomainLock::open(m_lock.file(), m_config.access);
        if (!lock)
        {
            return tl::unexpected(lock.error());
        }
        const bool stillUsed = isUsed(row<ProcessRecord>(header().m_processes, process).m_state);
        if (stillUsed && lock->tryLockSlot(process))
        {
            recoverProcess(process, report);
        }
    }
    report.pending = retireDyingPorts();
    return report;
}

void Domain::recoverDeadSoon()
{
    constexpr std::int64_t kPauseNs = 10'000'000;
    const std::int64_t now = std::chrono::steady_clock::now().time_since_epoch().count();
    std::int64_t last = m_lastRecoveryNs.load(std::memory_order_relaxed);
    if (isForked() || now - last < kPauseNs ||
        !m_lastRecoveryNs.compare_exchange_strong(last, now, std::memory_order_relaxed))
    {
        return;
    }
    // Whoever is in a control call now will not be waited for: it, or the next try, does it.
    static_cast<void>(recoverDead(false, std::chrono::nanoseconds::zero()));
}

void Domain::recoverDeadOrWarn()
{
    if (const auto report = isForked() ? RecoveryReport{} : recoverDead(); !report)
    {
        log(LogLevel::Warn, report.error().message());
    }
}

void Domain::recoverProcess(std::uint32_t process, RecoveryReport& report)
{
    const auto alive = [this, process](std::uint32_t slot) { return slot != process && isAlive(slot); };
    bool complete = true;
    for (std::uint32_t s = 0; s < rowsOf(header().m_poolSets); ++s)
    {
        if (!isUsed(row<PoolSetRecord>(header().m_poolSets, s).m_state))
        {
            continue;
        }
        const auto set = openSet(s);
        if (!set)
        {
            log(LogLevel::Error, "recovering process slot " + std::to_string(process) + ": " + set.error().message());
            complete = false;
            continue;
        }
        PoolView& view = (*set)->control();
        const std::uint32_t ports =
            std::min(view.header().m_portHighWater.load(std::memory_order_acquire), view.portCapacity());
        for (std::uint32_t p = 1; p < ports; ++p)
        {
            const PortRecord& port = view.port(p);
            const bool used =
                port.m_state.load(std::memory_order_acquire) != static_cast<std::uint32_t>(PortState::Off);
            if (used && port.m_processSlot.load(std::memory_order_relaxed) == process)
            {
                const bool retired =
                    recovery::retire(view, p, alive, [&set](std::uint32_t last) { (*set)->giveBack(last); });
                // Dying ports are found again without their process; one that could not be looked at is not.
                complete &= retired || port.m_state.load(std::memory_order_acquire) ==
                                           static_cast<std::uint32_t>(PortState::Dying);
                ++report.endpoints;
            }
        }
    }
    for (std::uint32_t i = 0; i < rowsOf(header().m_endpoints); ++i)
    {
        auto& endpoint = row<EndpointRecord>(header().m_endpoints, i);
        if (isUsed(endpoint.m_state) && endpoint.m_process == process)
        {
            endpoint.m_state.store(kFree, std::memory_order_release);
        }
    }
    for (std::uint32_t i = 0; i < rowsOf(header().m_nodes); ++i)
    {
        auto& node = row<NodeRecord>(header().m_nodes, i);
        if (isUsed(node.m_state) && node.m_process == process)
        {
            node.m_state.store(kFree, std::memory_order_release);
        }
    }
    if (!complete)
    {
        return; // the row stays Used, so that the next one to look repeats this
    }
    releaseWhatNobodyUses();
    auto& record = row<ProcessRecord>(header().m_processes, process);
    log(LogLevel::Warn, "process " + std::to_string(record.m_pid) + " (" + std::string(record.m_name.view()) +
                            ") died; what it held is free again");
    record.m_state.store(kFree, std::memory_order_release); // last: until here the recovery is repeated
    header().m_graphVersion.fetch_add(1, std::memory_order_acq_rel);
    ++report.processes;
}

/// Every topic without endpoints, every automatic set without topics, every file without a set: the dead one may have
/// been making or removing them.
void Domain::releaseWhatNobodyUses()
{
    std::vector<bool> named(rowsOf(header().m_poolSets), false);
    for (std::uint32_t i = 0; i < rowsOf(header().m_topics); ++i)
    {
        const auto& topic = row<TopicRecord>(header().m_topics, i);
        if (isUsed(topic.m_state))
        {
            releaseTopicIfUnused(i);
        }
        if (isUsed(topic.m_state) && topic.m_poolSet < named.size())
        {
            named[topic.m_poolSet] = true;
        }
    }
    std::vector<std::string> listed{fileName(m_config.domain, "lock"), fileName(m_config.domain, "discovery")};
    for (std::uint32_t i = 0; i < named.size(); ++i)
    {
        auto& set = row<PoolSetRecord>(header().m_poolSets, i);
        if (isUsed(set.m_state) && set.m_automatic != 0 && !named[i])
        {
            set.m_state.store(kFree, std::memory_order_release);
            m_sets.erase(i);
        }
        if (isUsed(set.m_state))
        {
            const std::string base = fileName(m_config.domain, set.m_name.view());
            listed.insert(listed.end(), {base + ".data", base + ".mgmt"});
        }
    }
    removeFilesBut(listed);
}

bool Domain::retirePort(PoolSet& set, std::uint32_t port)
{
    return recovery::retire(
        set.control(), port, [this](std::uint32_t slot) { return isAlive(slot); },
        [&set](std::uint32_t last) { set.giveBack(last); });
}

std::uint32_t Domain::retireDyingPorts()
{
    std::uint32_t left = 0;
    for (std::uint32_t s = 0; s < rowsOf(header().m_poolSets); ++s)
    {
        if (isUsed(row<PoolSetRecord>(header().m_poolSets, s).m_state))
        {
            if (const auto set = openSet(s))
            {
                left += retireDyingPorts(**set);
            }
        }
    }
    return left;
}

std::uint32_t Domain::retireDyingPorts(PoolSet& set)
{
    return recovery::retireDying(
        set.control(), [this](std::uint32_t slot) { return isAlive(slot); },
        [&set](std::uint32_t port) { set.giveBack(port); });
}

} // namespace ZeroCP
