// Node's services: each is two topics with hidden names, whose queues are directed.
#include <algorithm>

#include "zerocp/config/topic_name.hpp"
#include "zerocp/pubsub/node.hpp"

namespace ZeroCP
{

namespace
{

constexpr std::string_view kPrefix = "_service/";
constexpr std::string_view kRequest = "/request";
constexpr std::string_view kResponse = "/response";

struct TopicNames
{
    std::string m_request;
    std::string m_response;
};

tl::unexpected<Error> ofService(std::string_view name, const Error& error)
{
    return failure(error.code(), "service '" + std::string(name) + "': " + error.message());
}

Expected<TopicNames, Error> topicsOf(std::string_view name)
{
    const auto normal = normaliseTopicName(name);
    if (!normal)
    {
        return ofService(name, normal.error());
    }
    TopicNames names{std::string(kPrefix) + *normal + std::string(kRequest),
                     std::string(kPrefix) + *normal + std::string(kResponse)};
    if (names.m_response.size() > kMaxNameBytes)
    {
        return failure(ErrorCode::InvalidName, "service '" + std::string(name) + "': found a name of " +
                                                   std::to_string(normal->size()) + " bytes, expected at most " +
                                                   std::to_string(kMaxNameBytes - kPrefix.size() - kResponse.size()));
    }
    return names;
}

/// One more than `most` must be a queue's depth, two more a number of loans.
Expected<void, Error> checkNumber(std::string_view name, std::string_view option, std::uint32_t found,
                                  std::uint32_t least)
{
    constexpr std::uint32_t kMost = std::min(kMaxDepth, kMaxOutstanding) - 2;
    if (found < least || found > kMost)
    {
        return failure(ErrorCode::ConfigInvalid, "service '" + std::string(name) + "': " + std::string(option) +
                                                     ": found " + std::to_string(found) + ", expected a number from " +
                                                     std::to_string(least) + " to " + std::to_string(kMost));
    }
    return {};
}

template <typename Port>
struct Close
{
    void operator()(Port* port) const noexcept { port->close(); }
};
template <typename Port>
using Owned = std::unique_ptr<Port, Close<Port>>;

} // namespace

Expected<std::shared_ptr<ServicePort>, Error> Node::makeService(std::string_view name, const TypeInfo& request,
                                                                const TypeInfo& response, const ServiceOptions& options,
                                                                ServicePort::Handler handler)
{
    const auto topics = topicsOf(name);
    if (!topics)
    {
        return tl::unexpected(topics.error());
    }
    auto valid = checkNumber(name, "ServiceOptions::depth", options.depth, 1);
    valid = valid ? checkNumber(name, "ServiceOptions::maxOpen", options.maxOpen, 1) : valid;
    if (!valid)
    {
        return tl::unexpected(valid.error());
    }
    // Answers first: a client that finds somebody to ask can be answered. Loans: one for each open call, one to refuse the
    // next, one to say farewell.
    const auto responses =
        makePublisher(topics->m_response, response, QoS{}.keepAll().maxLoans(options.maxOpen + 2), options.depth);
    if (!responses)
    {
        return ofService(name, responses.error());
    }
    Owned<PublisherPort> owned(*responses);
    const auto requests =
        makeSubscriber(topics->m_request, request, QoS{}.keepAll().maxHeld(options.maxOpen), options.depth);
    if (!requests)
    {
        return ofService(name, requests.error());
    }
    return std::make_shared<ServicePort>(**requests, *owned.release(), response.isSlice ? 0 : response.size,
                                         std::move(handler));
}

Expected<std::shared_ptr<ClientPort>, Error> Node::makeClient(std::string_view name, const TypeInfo& request,
                                                              const TypeInfo& response, const ClientOptions& options)
{
    const auto topics = topicsOf(name);
    if (!topics)
    {
        return tl::unexpected(topics.error());
    }
    auto valid = checkNumber(name, "ClientOptions::depth", options.depth, 1);
    valid = valid ? checkNumber(name, "ClientOptions::maxHeld", options.maxHeld, 0) : valid;
    valid = valid ? checkNumber(name, "ClientOptions::maxLoans", options.maxLoans, 0) : valid;
    if (!valid)
    {
        return tl::unexpected(valid.error());
    }
    // Answers first: a server that gets a request can answer it. One place more than calls, for a server's farewell.
    const QoS held = QoS{}.keepAll().maxHeld(options.maxHeld == 0 ? options.depth : options.maxHeld);
    const auto responses = makeSubscriber(topics->m_response, response, held, options.depth + 1);
    if (!responses)
    {
        return ofService(name, responses.error());
    }
    Owned<SubscriberPort> owned(*responses);
    const QoS loans = options.maxLoans == 0 ? QoS{}.keepAll() : QoS{}.keepAll().maxLoans(options.maxLoans);
    const auto requests = makePublisher(topics->m_request, request, loans, options.depth);
    if (!requests)
    {
        return ofService(name, requests.error());
    }
    return std::make_shared<ClientPort>(**requests, *owned.release(), options.depth);
}

Expected<std::vector<ServiceInfo>, Error> Node::services() const
{
    const auto all = topics();
    if (!all)
    {
        return tl::unexpected(all.error());
    }
    std::vector<ServiceInfo> services;
    for (const TopicInfo& topic : *all)
    {
        const std::string_view hidden = topic.name;
        const bool asks = hidden.ends_with(kRequest);
        const std::size_t around = kPrefix.size() + (asks ? kRequest : kResponse).size();
        if (!hidden.starts_with(kPrefix) || (!asks && !hidden.ends_with(kResponse)) || hidden.size() <= around)
        {
            continue;
        }
        const std::string name(hidden.substr(kPrefix.size(), hidden.size() - around));
        auto service = std::find_if(services.begin(), services.end(),
                                    [&name](const ServiceInfo& known) { return known.name == name; });
        if (service == services.end())
        {
            service = services.insert(services.end(), ServiceInfo{name, {}, {}, 0, 0});
        }
        (asks ? service->requestType : service->responseType) = topic.type;
        (asks ? service->clients : service->servers) = topic.publishers; // subscribers may only listen in
    }
    return services;
}

} // namespace ZeroCP
