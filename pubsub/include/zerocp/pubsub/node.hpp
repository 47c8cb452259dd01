/// A named participant of a domain; makes publishers and subscribers. Move-only handle; any thread may create with it.
/// Endpoints may outlive it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "zerocp/config/config.hpp"
#include "zerocp/config/qos.hpp"
#include "zerocp/core/error.hpp"
#include "zerocp/discovery/domain.hpp"
#include "zerocp/pubsub/publisher.hpp"
#include "zerocp/pubsub/subscriber.hpp"
#include "zerocp/pubsub/type_name.hpp"

namespace ZeroCP
{

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

    [[nodiscard]] std::string name() const;
    /// The domain's number; 0 when empty.
    [[nodiscard]] std::uint32_t domain() const noexcept;
    /// Directory of the domain's segments; with domain() what inspect() and recover() ask for.
    [[nodiscard]] std::filesystem::path root() const;

  private:
    struct Membership;

    explicit Node(std::shared_ptr<Membership> membership) noexcept : m_membership(std::move(membership)) {}

    [[nodiscard]] Expected<PublisherPort*, Error> makePublisher(std::string_view topic, const TypeInfo& type,
                                                                const QoS& qos);
    [[nodiscard]] Expected<SubscriberPort*, Error> makeSubscriber(std::string_view topic, const TypeInfo& type,
                                                                  const QoS& qos);
    [[nodiscard]] Expected<EndpointGrant, Error> request(PortKind kind, std::string_view topic, const TypeInfo& type,
                                                         const QoS& qos);

    std::shared_ptr<Membership> m_membership;
};

} // namespace ZeroCP
