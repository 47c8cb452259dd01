#include "zerocp/pubsub/node.hpp"

#include <bit>
#include <charconv>
#include <cstdlib>

#include "zerocp/config/topic_name.hpp"
#include "zerocp/config/yaml_loader.hpp"

namespace ZeroCP
{

/// A node's row in the discovery segment; shared with the endpoints that the node made.
struct Node::Membership
{
    Membership(std::shared_ptr<Domain> domain, Config config, std::string name, std::uint32_t row)
        : m_domain(std::move(domain)),
          m_config(std::make_shared<const Config>(std::move(config))),
          m_name(std::move(name)),
          m_row(row)
    {
    }
    Membership(const Membership&) = delete;
    Membership& operator=(const Membership&) = delete;
    ~Membership()
    {
        if (!m_domain->isForked())
        {
            m_domain->removeNode(m_row);
        }
    }

    std::shared_ptr<Domain> m_domain;
    std::shared_ptr<const Config> m_config; ///< the node's own; the domain has that of the process's first node
    std::string m_name;
    std::uint32_t m_row;
    std::shared_ptr<NodeTasks> m_tasks{std::make_shared<NodeTasks>()};
};

namespace
{

std::string environment(const char* name)
{
    const char* value = std::getenv(name);
    return value == nullptr ? std::string() : value;
}

Expected<Config, Error> configOf(const NodeOptions& options)
{
    if (options.config)
    {
        auto valid = validate(*options.config);
        return valid ? Expected<Config, Error>(*options.config) : tl::unexpected(valid.error());
    }
    const std::string file = options.configFile.empty() ? environment("ZEROCP_CONFIG") : options.configFile.native();
    return file.empty() ? Config{} : loadConfig(file);
}

Expected<std::uint32_t, Error> domainOf(const NodeOptions& options, const Config& config)
{
    constexpr std::uint32_t kMaxDomain = 65535;
    const std::string text = options.domain ? std::to_string(*options.domain) : environment("ZEROCP_DOMAIN");
    if (text.empty())
    {
        return config.domain;
    }
    std::uint32_t domain = 0;
    const char* end = text.data() + text.size();
    const auto parsed = std::from_chars(text.data(), end, domain);
    if (parsed.ec != std::errc{} || parsed.ptr != end || domain > kMaxDomain)
    {
        return failure(ErrorCode::ConfigInvalid, (options.domain ? "NodeOptions::domain" : "ZEROCP_DOMAIN") +
                                                     std::string(": found '") + text +
                                                     "', expected a number from 0 to " + std::to_string(kMaxDomain));
    }
    return domain;
}

Expected<void, Error> checkType(std::string_view topic, const TypeInfo& type)
{
    constexpr std::uint64_t kMostAlignment = 64;
    if (type.name.empty())
    {
        return failure(ErrorCode::InvalidName, "topic '" + std::string(topic) + "': the type has no name");
    }
    if (type.size == 0 || !std::has_single_bit(type.alignment) || type.alignment > kMostAlignment)
    {
        return failure(ErrorCode::ConfigInvalid, "topic '" + std::string(topic) + "': found type " + toString(type) +
                                                     ", expected a size from 1 and an alignment of 1, 2, 4 ... " +
                                                     std::to_string(kMostAlignment));
    }
    return {};
}

std::filesystem::path rootOf(const NodeOptions& options)
{
    if (!options.root.empty())
    {
        return options.root;
    }
    const std::string root = environment("ZEROCP_ROOT");
    return root.empty() ? std::filesystem::path(kDefaultRoot) : std::filesystem::path(root);
}

} // namespace

Expected<Node, Error> Node::create(std::string_view name, const NodeOptions& options)
{
    auto checked = checkNodeName(name);
    if (!checked)
    {
        return tl::unexpected(checked.error());
    }
    auto config = configOf(options);
    if (!config)
    {
        return tl::unexpected(config.error());
    }
    const auto number = domainOf(options, *config);
    if (!number)
    {
        return tl::unexpected(number.error());
    }
    config->domain = *number;
    auto domain = Domain::join(*config, rootOf(options));
    if (!domain)
    {
        return tl::unexpected(domain.error());
    }
    const auto row = (*domain)->addNode(*checked);
    if (!row)
    {
        return tl::unexpected(row.error());
    }
    return Node(std::make_shared<Membership>(std::move(*domain), std::move(*config), std::move(*checked), *row));
}

Expected<EndpointGrant, Error> Node::request(PortKind kind, std::string_view topic, const TypeInfo& type,
                                             const QoS& qos, std::uint32_t callDepth)
{
    if (m_membership == nullptr)
    {
        return failure(ErrorCode::Closed, "this node was moved from or never created");
    }
    auto name = normaliseTopicName(topic);
    if (!name)
    {
        return tl::unexpected(name.error());
    }
    if (type.name.size() > decltype(TopicRecord::m_typeName)::maxLength())
    {
        return failure(ErrorCode::InvalidName, "topic '" + *name + "': the type's name has " +
                                                   std::to_string(type.name.size()) + " bytes, at most " +
                                                   std::to_string(decltype(TopicRecord::m_typeName)::maxLength()) +
                                                   " fit; specialise TypeName for it");
    }
    return m_membership->m_domain->addEndpoint({.m_kind = kind,
                                                .m_topic = std::move(*name),
                                                .m_type = type,
                                                .m_qos = qos,
                                                .m_node = m_membership->m_row,
                                                .m_nodeOwner = m_membership,
                                                .m_config = m_membership->m_config,
                                                .m_callDepth = callDepth});
}

Expected<PublisherPort*, Error> Node::makePublisher(std::string_view topic, const TypeInfo& type, const QoS& qos,
                                                    std::uint32_t callDepth)
{
    auto grant = request(PortKind::Publisher, topic, type, qos, callDepth);
    if (!grant)
    {
        return tl::unexpected(grant.error());
    }
    return PublisherPort::create(m_membership->m_domain, std::move(*grant));
}

Expected<SubscriberPort*, Error> Node::makeSubscriber(std::string_view topic, const TypeInfo& type, const QoS& qos,
                                                      std::uint32_t callDepth)
{
    auto grant = request(PortKind::Subscriber, topic, type, qos, callDepth);
    if (!grant)
    {
        return tl::unexpected(grant.error());
    }
    return SubscriberPort::create(m_membership->m_domain, std::move(*grant), type.isSlice ? 0 : type.size);
}

Expected<UntypedPublisher, Error> Node::createPublisher(std::string_view topic, const TypeInfo& type, const QoS& qos)
{
    auto checked = checkType(topic, type);
    auto port = checked ? makePublisher(topic, type, qos) : tl::unexpected(checked.error());
    return port ? Expected<UntypedPublisher, Error>(UntypedPublisher(**port)) : tl::unexpected(port.error());
}

Expected<UntypedSubscriber, Error> Node::createSubscriber(std::string_view topic, const TypeInfo& type, const QoS& qos)
{
    auto checked = checkType(topic, type);
    auto port = checked ? makeSubscriber(topic, type, qos) : tl::unexpected(checked.error());
    return port ? Expected<UntypedSubscriber, Error>(UntypedSubscriber(**port)) : tl::unexpected(port.error());
}

Expected<Graph, Error> Node::graph() const
{
    if (m_membership == nullptr)
    {
        return failure(ErrorCode::Closed, "this node was moved from or never created");
    }
    return m_membership->m_domain->graph();
}

Expected<std::vector<TopicInfo>, Error> Node::topics() const
{
    return graph().map([](Graph all) { return std::move(all.topics); });
}

Expected<std::vector<NodeInfo>, Error> Node::nodes() const
{
    return graph().map([](Graph all) { return std::move(all.nodes); });
}

Expected<std::vector<EndpointInfo>, Error> Node::endpoints(std::string_view topic) const
{
    auto name = normaliseTopicName(topic);
    if (!name)
    {
        return tl::unexpected(name.error());
    }
    return graph().map(
        [&name](Graph all)
        {
            std::erase_if(all.endpoints, [&name](const EndpointInfo& endpoint) { return endpoint.topic != *name; });
            return std::move(all.endpoints);
        });
}

std::uint64_t Node::graphVersion() const noexcept
{
    return m_membership == nullptr ? 0 : m_membership->m_domain->graphVersion();
}

bool Node::waitForGraphChange(std::uint64_t seen, std::chrono::nanoseconds timeout) const
{
    return m_membership != nullptr && m_membership->m_domain->waitForGraphChange(seen, timeout);
}

std::shared_ptr<Domain> Node::sharedDomain() const
{
    return m_membership == nullptr ? nullptr : m_membership->m_domain;
}

const std::shared_ptr<NodeTasks>& Node::tasks() const noexcept
{
    return m_membership->m_tasks;
}

Expected<std::shared_ptr<Waiter>, Error> Node::makeWaiter() const
{
    return m_membership == nullptr ? failure(ErrorCode::Closed, "this node was moved from or never created")
                                   : Waiter::create(m_membership->m_domain);
}

Expected<std::shared_ptr<TimerCore>, Error> Node::makeTimer(std::chrono::nanoseconds period) const
{
    if (m_membership == nullptr)
    {
        return failure(ErrorCode::Closed, "this node was moved from or never created");
    }
    if (m_membership->m_domain->isForked())
    {
        return failure(ErrorCode::Forked, "this node was created before fork(); create a new one in the child");
    }
    if (period <= std::chrono::nanoseconds::zero())
    {
        return failure(ErrorCode::ConfigInvalid, "node '" + m_membership->m_name + "': found a timer's period of " +
                                                     std::to_string(period.count()) + " ns, expected at least 1 ns");
    }
    return std::make_shared<TimerCore>(period);
}

Expected<Timer, Error> Node::createTimer(std::chrono::nanoseconds period)
{
    auto core = makeTimer(period);
    return core ? Expected<Timer, Error>(Timer(std::move(*core))) : tl::unexpected(core.error());
}

std::string Node::name() const
{
    return m_membership == nullptr ? std::string() : m_membership->m_name;
}

std::uint32_t Node::domain() const noexcept
{
    return m_membership == nullptr ? 0 : m_membership->m_domain->config().domain;
}

std::filesystem::path Node::root() const
{
    return m_membership == nullptr ? std::filesystem::path() : m_membership->m_domain->root();
}

} // namespace ZeroCP
