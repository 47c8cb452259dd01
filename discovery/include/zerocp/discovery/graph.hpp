/// Who is in a domain: process-local values, copied out of the discovery segment in one control call.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "zerocp/config/qos.hpp"
#include "zerocp/discovery/type_info.hpp"

namespace ZeroCP
{

struct TopicInfo
{
    std::string name; ///< normalised
    TypeInfo type;
    std::uint32_t publishers{0};
    std::uint32_t subscribers{0};
};

struct NodeInfo
{
    std::string name;
    std::uint32_t pid{0}; ///< as its process sees itself
};

enum class EndpointKind : std::uint8_t
{
    Publisher,
    Subscriber,
};

struct EndpointInfo
{
    std::uint64_t id{0}; ///< unique in the life of a domain; a publisher's is MessageInfo::publisherId
    EndpointKind kind{EndpointKind::Publisher};
    std::string topic;
    std::string node;
    std::uint32_t pid{0};
    QoS qos; ///< as it was granted, with its limit of loans or held samples
};

struct Graph
{
    std::uint64_t version{0}; ///< moves with every node and endpoint that comes or goes
    std::vector<TopicInfo> topics;
    std::vector<NodeInfo> nodes;
    std::vector<EndpointInfo> endpoints;
};

} // namespace ZeroCP
