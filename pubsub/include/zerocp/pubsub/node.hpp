/// A named participant of a domain; makes publishers, subscribers, services and clients. Move-only handle; any thread may create with it.
/// Endpoints may outlive it.
#pragma once

#include <chrono>
#include <concepts>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "zerocp/config/config.hpp"
#include "zerocp/config/qos.hpp"
#include "zerocp/core/error.hpp"
#include "zerocp/discovery/domain.hpp"
#include "zerocp/discovery/graph.hpp"
#include "zerocp/pubsub/callback_group.hpp"
#include "zerocp/pubsub/callback_subscriber.hpp"
#include "zerocp/pubsub/client.hpp"
#include "zerocp/pubsub/event_handler.hpp"
#include "zerocp/pubsub/node_tasks.hpp"
#include "zerocp/pubsub/publisher.hpp"
#include "zerocp/pubsub/service.hpp"
#include "zerocp/pubsub/subscriber.hpp"
#include "zerocp/pubsub/timer.hpp"
#include "zerocp/pubsub/type_name.hpp"

namespace ZeroCP
{

using UntypedPublisher = Publisher<Slice<std::byte>>;
using UntypedSubscriber = Subscriber<Slice<std::byte>>;

struct ServiceInfo
{
    std::string name;
    TypeInfo requestType;
    TypeInfo responseType;
    std::uint32_t servers{0};
    std::uint32_t clients{0};
};

struct NodeOptions
{
    /// Else ZEROCP_DOMAIN, else `domain` of the configuration, else 0. Processes of one domain see each other.
    std::optional<std::uint32_t> domain{};
    /// YAML; else ZEROCP_CONFIG, else defaults.
    std::filesystem::path configFile{};
    /// Directory of the segments, on a tmpfs; else ZEROCP_ROOT, else /dev/shm.
    std::filesystem::path root{};
    /// Instead of a file.
    std::optional<Config> config{};
};

class [[nodiscard]] Node
{
  public:
    /// Joins the domain and recovers what dead processes left. InvalidName, ConfigInvalid (nothing is created),
    /// PermissionDenied, NoSpace, LimitReached, VersionMismatch, Corrupt, SystemError.
    [[nodiscard]] static Expected<Node, Error> create(std::string_view name, const NodeOptions& options = {});

    Node() noexcept = default; ///< empty: every call answers Closed

    /// The type's name includes its namespace (type_name.hpp). Where `qos` has the default policies, the topic's in the
    /// configuration apply instead; maxLoans() and maxHeld() are kept.
    ///
    /// Matches synchronously: what is published anywhere after this returns reaches the subscriber, what this publisher
    /// publishes reaches everybody who subscribed before. InvalidName, TypeMismatch and IncompatibleQoS (both sides are
    /// named), LimitReached, NoSpace, ConfigInvalid (the topic's configured pool is too small), Closed, Forked.
    template <typename Message>
    [[nodiscard]] Expected<Publisher<Message>, Error> createPublisher(std::string_view topic, const QoS& qos = {})
    {
        auto port = makePublisher(topic, typeInfoOf<Message>(), qos);
        if (!port)
        {
            return tl::unexpected(port.error());
        }
        return Publisher<Message>(**port);
    }

    template <typename Message>
    [[nodiscard]] Expected<Subscriber<Message>, Error> createSubscriber(std::string_view topic, const QoS& qos = {})
    {
        auto port = makeSubscriber(topic, typeInfoOf<Message>(), qos);
        if (!port)
        {
            return tl::unexpected(port.error());
        }
        return Subscriber<Message>(**port);
    }

    /// A subscriber whose messages the node's executor gives to `callback(Sample<Message>)`, which may keep the sample, may
    /// create and destroy endpoints, this one too, and must not throw. Without `group` in the node's default group.
    template <typename Message, typename Callback>
    requires std::invocable<Callback&, Sample<Message>>
    [[nodiscard]] Expected<CallbackSubscriber<Message>, Error>
    createSubscriber(std::string_view topic, const QoS& qos, Callback callback,
                     const std::optional<CallbackGroup>& group = {})
    {
        auto port = makeSubscriber(topic, typeInfoOf<Message>(), qos);
        if (!port)
        {
            return tl::unexpected(port.error());
        }
        auto task = std::make_shared<MessageTask<Message, Callback>>(Subscriber<Message>(**port), **port,
                                                                     std::move(callback), groupOr(group));
        tasks()->add(task);
        return CallbackSubscriber<Message>(std::move(task));
    }

    /// `callback(const QosEventInfo&)` for the publisher's events, in the node's executor: DeadlineMissed and LivelinessLost,
    /// counted apart from what the publisher's handle has read. Must not throw; may destroy the handler. Closed if the
    /// publisher or the node is empty.
    template <typename Message, typename Callback>
    requires std::invocable<Callback&, const QosEventInfo&>
    [[nodiscard]] Expected<EventHandler, Error> createEventHandler(const Publisher<Message>& publisher,
                                                                   Callback callback,
                                                                   const std::optional<CallbackGroup>& group = {})
    {
        if (m_membership == nullptr || publisher.m_port == nullptr)
        {
            return failure(ErrorCode::Closed, "the node or the publisher was moved from or never created");
        }
        auto task = std::make_shared<PublisherEventTask<Callback>>(publisher.m_port->books(), std::move(callback),
                                                                   groupOr(group));
        tasks()->add(task);
        return EventHandler(std::move(task));
    }

    /// `callback()` every `period`, in the node's executor, first after one period. May be destroyed in its callback.
    /// ConfigInvalid if `period` is not positive; Closed, Forked.
    template <typename Callback>
    requires std::invocable<Callback&>
    [[nodiscard]] Expected<Timer, Error> createTimer(std::chrono::nanoseconds period, Callback callback,
                                                     const std::optional<CallbackGroup>& group = {})
    {
        auto core = makeTimer(period);
        if (!core)
        {
            return tl::unexpected(core.error());
        }
        auto task = std::make_shared<TimerTask<Callback>>(*core, std::move(callback), groupOr(group));
        tasks()->add(task);
        return Timer(std::move(*core), std::move(task));
    }
    /// For a wait set.
    [[nodiscard]] Expected<Timer, Error> createTimer(std::chrono::nanoseconds period);

    /// Untyped, over bytes, for tools and bridges; topics() tells which type a topic has. A message is type.size bytes, or
    /// a multiple of it if type.isSlice; loan() answers WrongSize for others. Errors as above; InvalidName also if the
    /// type's name is empty, ConfigInvalid if its size is 0 or its alignment no power of two up to 64.
    [[nodiscard]] Expected<UntypedPublisher, Error> createPublisher(std::string_view topic, const TypeInfo& type,
                                                                    const QoS& qos = {});
    [[nodiscard]] Expected<UntypedSubscriber, Error> createSubscriber(std::string_view topic, const TypeInfo& type,
                                                                      const QoS& qos = {});

    /// Answers requests with `callback(const Request&, Response&)` (types of fixed size) or
    /// `callback(ServiceCall<Request, Response>)`, which may answer later. It runs in the node's executor, or in spinFor().
    /// Several services of one name share its calls. Without `group` in the node's default group. Names are those of topics, somewhat shorter; errors as of createPublisher().
    template <typename Request, typename Response, typename Callback>
    [[nodiscard]] Expected<Service<Request, Response>, Error>
    createService(std::string_view name, Callback callback, const ServiceOptions& options = {},
                  const std::optional<CallbackGroup>& group = {})
    {
        using Made = Service<Request, Response>;
        return makeService(name, typeInfoOf<Request>(), typeInfoOf<Response>(), options,
                           Made::handlerOf(std::move(callback)))
            .map(
                [&](std::shared_ptr<ServicePort> port)
                {
                    auto task = std::make_shared<ServiceTask>(port, groupOr(group));
                    tasks()->add(task);
                    return Made(std::move(port), std::move(task));
                });
    }

    /// Calls the services of that name; there need not be one yet. Answers are brought, and callbacks run, by the node's
    /// executor, and by whoever is in call() or spinFor().
    template <typename Request, typename Response>
    [[nodiscard]] Expected<Client<Request, Response>, Error>
    createClient(std::string_view name, const ClientOptions& options = {},
                 const std::optional<CallbackGroup>& group = {})
    {
        return makeClient(name, typeInfoOf<Request>(), typeInfoOf<Response>(), options)
            .map(
                [&](std::shared_ptr<ClientPort> port)
                {
                    auto task = std::make_shared<ClientTask>(port, groupOr(group));
                    tasks()->add(task);
                    return Client<Request, Response>(std::move(port), std::move(task));
                });
    }

    /// Services of the whole domain, also those that only clients have asked for. As graph().
    [[nodiscard]] Expected<std::vector<ServiceInfo>, Error> services() const;

    /// Topics, nodes and endpoints of the whole domain as they are now, without those of dead processes. Control call:
    /// may wait for others' control calls up to ten seconds, then Timeout; Closed, Forked.
    [[nodiscard]] Expected<Graph, Error> graph() const;
    [[nodiscard]] Expected<std::vector<TopicInfo>, Error> topics() const;
    [[nodiscard]] Expected<std::vector<NodeInfo>, Error> nodes() const;
    /// Of one topic; nothing if nobody has it. InvalidName.
    [[nodiscard]] Expected<std::vector<EndpointInfo>, Error> endpoints(std::string_view topic) const;
    /// Moves with every node and endpoint that comes or goes; 0 when empty.
    [[nodiscard]] std::uint64_t graphVersion() const noexcept;
    /// Waits until graphVersion() is not `seen`, at most `timeout` (negative: for ever). False if it still is. Notices dead
    /// processes within half a second.
    [[nodiscard]] bool waitForGraphChange(std::uint64_t seen, std::chrono::nanoseconds timeout) const;

    [[nodiscard]] std::string name() const;
    /// The domain's number; 0 when empty.
    [[nodiscard]] std::uint32_t domain() const noexcept;
    /// Directory of the domain's segments; with domain() what inspect() and recover() ask for.
    [[nodiscard]] std::filesystem::path root() const;

  private:
    friend class WaitSet;
    friend class Executor;

    struct Membership;

    [[nodiscard]] std::shared_ptr<Domain> sharedDomain() const;                ///< null when empty
    [[nodiscard]] const std::shared_ptr<NodeTasks>& tasks() const noexcept;    ///< not empty
    [[nodiscard]] Expected<std::shared_ptr<Waiter>, Error> makeWaiter() const; ///< Closed when empty
    [[nodiscard]] Expected<std::shared_ptr<TimerCore>, Error> makeTimer(std::chrono::nanoseconds period) const;
    [[nodiscard]] const CallbackGroup& groupOr(const std::optional<CallbackGroup>& group) const noexcept
    {
        return group ? *group : tasks()->defaultGroup();
    }

    explicit Node(std::shared_ptr<Membership> membership) noexcept : m_membership(std::move(membership)) {}

    [[nodiscard]] Expected<PublisherPort*, Error> makePublisher(std::string_view topic, const TypeInfo& type,
                                                                const QoS& qos, std::uint32_t callDepth = 0);
    [[nodiscard]] Expected<SubscriberPort*, Error> makeSubscriber(std::string_view topic, const TypeInfo& type,
                                                                  const QoS& qos, std::uint32_t callDepth = 0);
    [[nodiscard]] Expected<std::shared_ptr<ServicePort>, Error>
    makeService(std::string_view name, const TypeInfo& request, const TypeInfo& response, const ServiceOptions& options,
                ServicePort::Handler handler);
    [[nodiscard]] Expected<std::shared_ptr<ClientPort>, Error>
    makeClient(std::string_view name, const TypeInfo& request, const TypeInfo& response, const ClientOptions& options);
    [[nodiscard]] Expected<EndpointGrant, Error> request(PortKind kind, std::string_view topic, const TypeInfo& type,
                                                         const QoS& qos, std::uint32_t callDepth);

    std::shared_ptr<Membership> m_membership;
};

} // namespace ZeroCP
