// Domain's endpoints.
#include <algorithm>
#include <chrono>
#include <optional>

#include "domain_control.hpp"
#include "zerocp/core/log.hpp"

namespace ZeroCP
{

namespace
{

/// In a record: 0 is none.
std::uint64_t nanosOf(const std::optional<std::chrono::nanoseconds>& period)
{
    return static_cast<std::uint64_t>(period.value_or(std::chrono::nanoseconds::zero()).count());
}

std::optional<std::chrono::nanoseconds> periodOf(std::uint64_t nanos)
{
    const std::chrono::nanoseconds period(static_cast<std::chrono::nanoseconds::rep>(nanos));
    return nanos == 0 ? std::nullopt : std::optional(period);
}

} // namespace

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
    if (const auto deadline = periodOf(record.m_deadlineNs))
    {
        qos.deadline(*deadline);
    }
    if (const auto lifespan = periodOf(record.m_lifespanNs))
    {
        qos.lifespan(*lifespan);
    }
    const bool isManual = record.m_liveliness == static_cast<std::uint32_t>(Liveliness::ManualByTopic);
    qos.liveliness(isManual ? Liveliness::ManualByTopic : Liveliness::Automatic, periodOf(record.m_leaseNs));
    return qos;
}

QoS Domain::effectiveQoS(const EndpointRequest& request) const
{
    const TopicConfig* topic = configOf(request).findTopic(request.m_topic);
    const auto hasDefaultPolicies = [](const QoS& qos)
    {
        const QoS defaults;
        return qos.history() == defaults.history() && qos.depth() == defaults.depth() &&
               qos.reliability() == defaults.reliability() && qos.durability() == defaults.durability() &&
               qos.deadline() == defaults.deadline() && qos.lifespan() == defaults.lifespan() &&
               qos.liveliness() == defaults.liveliness() && qos.lease() == defaults.lease();
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
    const std::uint32_t setRow = row<TopicRecord>(header().m_topics, *topic).m_poolSet;
    auto set = openSet(setRow);
    if (!endpoint || !set)
    {
        return undo(!endpoint ? endpoint.error() : set.error());
    }
    if (auto held = (*set)->holdPages(request.m_kind); !held)
    {
        return undo(Error(held.error().code(), "topic '" + request.m_topic + "': " + held.error().message()));
    }
    const bool publishes = request.m_kind == PortKind::Publisher;
    const std::uint32_t limit = publishes ? qos.maxLoans().value_or(configOf(request).limits.maxLoans)
                                          : qos.maxHeld().value_or(configOf(request).limits.maxHeld);
    const bool keepsAll = qos.history() == History::KeepAll;
    const bool directed = request.m_callDepth != 0;
    const std::uint32_t depth = directed   ? request.m_callDepth
                                : keepsAll ? configOf(request).queue.keepAllCapacity
                                           : qos.depth();
    const std::uint64_t id = header().m_nextEndpointId++;
    const PortRequest port{.m_kind = request.m_kind,
                           .m_topic = *topic,
                           .m_processSlot = m_slot,
                           .m_endpointSlot = *endpoint,
                           .m_endpointId = id,
                           .m_depth = depth,
                           .m_limit = limit,
                           .m_keepAll = directed                                     ? KeepAll::Directed
                                        : !keepsAll                                  ? KeepAll::No
                                        : qos.reliability() == Reliability::Reliable ? KeepAll::Reliable
                                                                                     : KeepAll::BestEffort,
                           .m_transientLocal = qos.durability() == Durability::TransientLocal,
                           .m_deadlineNs = nanosOf(qos.deadline()),
                           .m_lifespanNs = nanosOf(qos.lifespan()),
                           .m_leaseNs = publishes && qos.liveliness() == Liveliness::ManualByTopic
                                            ? nanosOf(qos.lease())
                                            : 0, // the others are alive while their process is
                           .m_portLimit = header().m_portsPerTopic,
                           .m_chunkBytes = publishes && !request.m_type.isSlice ? request.m_type.size : 0};
    // [sync:unsettled] Until a row leads to the port, whoever recovers us finds it by this.
    const std::uint64_t before = unsettled(setRow).fetch_add(1, std::memory_order_acq_rel);
    auto holder = (*set)->addPort(port);
    if (!holder && holder.error().code() == ErrorCode::LimitReached)
    {
        static_cast<void>(retireDyingPorts(**set)); // ports and bits that waited for a stopped publisher
        holder = (*set)->addPort(port);
    }
    if (!holder)
    {
        static_cast<void>(retireDyingPorts(**set)); // the port that could not be completed
        const bool limited = holder.error().code() == ErrorCode::LimitReached;
        return undo(Error(holder.error().code(), "topic '" + request.m_topic + "': " + holder.error().message() +
                                                     (limited ? whoHasPortsOf(*topic) : "")));
    }
    auto& record = row<EndpointRecord>(header().m_endpoints, *endpoint);
    record.m_kind = static_cast<std::uint32_t>(request.m_kind);
    record.m_topic = *topic;
    record.m_node = request.m_node;
    record.m_process = m_slot;
    record.m_port = holder->m_port;
    record.m_id = id;
    record.m_history = static_cast<std::uint32_t>(qos.history());
    record.m_depth = depth;
    record.m_reliability = static_cast<std::uint32_t>(qos.reliability());
    record.m_durability = static_cast<std::uint32_t>(qos.durability());
    record.m_maxLoans = limit;
    record.m_liveliness = static_cast<std::uint32_t>(qos.liveliness());
    record.m_deadlineNs = nanosOf(qos.deadline());
    record.m_lifespanNs = nanosOf(qos.lifespan());
    record.m_leaseNs = nanosOf(qos.lease());
    record.m_state.store(kUsed, std::memory_order_release);

    EndpointGrant grant{*set,
                        *holder,
                        *endpoint,
                        id,
                        limit,
                        request.m_topic,
                        request.m_nodeOwner,
                        configOf(request).wait.spin,
                        configOf(request).queue.publishTimeout,
                        request.m_type.size,
                        request.m_type.isSlice};
    if (auto connected = (*set)->connect(holder->m_port); !connected)
    {
        static_cast<void>(retirePort(**set, holder->m_port)); // the set is not settled: what is left is found
        record.m_state.store(kFree, std::memory_order_release);
        return undo(Error(connected.error().code(), "topic '" + request.m_topic + "': " + connected.error().message()));
    }
    if (std::uint64_t mine = before + 1; before == 0)
    {
        unsettled(setRow).compare_exchange_strong(mine, 0, std::memory_order_acq_rel);
    }
    graphChanged();
    warnOfShortage(**set, request.m_topic, row<PoolSetRecord>(header().m_poolSets, setRow).m_name.view());
    return grant;
}

void Domain::removeEndpoint(const EndpointGrant& grant)
{
    recoverDeadOrWarn();
    Control control(*this);
    if (!control)
    {
        log(LogLevel::Warn, "leaving topic '" + grant.m_topic + "': " + control.error().message());
        if (!isForked())
        {
            // Somebody is stopped in a control call. The next control call of anybody retires the port. Its record may be
            // written without the lock: it is ours, and Active or Dying is all that the others ask.
            grant.m_set->abandonPort(grant.m_holder.m_port);
            noteUnsettled(grant.m_holder.m_topic);
            header().m_portsLeft.store(PortsLeft::Abandoned,
                                       std::memory_order_release); // [sync:abandoned] after the port's state
        }
        return;
    }
    auto& record = row<EndpointRecord>(header().m_endpoints, grant.m_endpoint);
    static_cast<void>(retireDyingPorts(*grant.m_set)); // whom an earlier call had to leave
    if (!retirePort(*grant.m_set, grant.m_holder.m_port))
    {
        grant.m_set->abandonPort(grant.m_holder.m_port); // it may not even have been looked at
        noteUnsettled(grant.m_holder.m_topic);           // before the row that leads to it is free
        notePortsLeft();
    }
    record.m_state.store(kFree, std::memory_order_release);
    graphChanged();
    releaseTopicIfUnused(grant.m_holder.m_topic);
}

Expected<void, Error> Domain::growClass(const EndpointGrant& grant, std::uint64_t bytes)
{
    Control control(*this);
    return control ? grant.m_set->growClass(grant.m_holder.m_port, bytes, PoolSet::kFirstShare)
                   : tl::unexpected(control.error());
}

Expected<void, Error> Domain::raiseShare(const EndpointGrant& grant, std::uint32_t classIndex)
{
    Control control(*this);
    return control ? grant.m_set->raiseShare(grant.m_holder.m_port, classIndex) : tl::unexpected(control.error());
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

} // namespace ZeroCP
