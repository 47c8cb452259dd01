#include "zerocp/config/config.hpp"

#include <algorithm>

#include "config_rules.hpp"

namespace ZeroCP
{

namespace
{

std::string_view withoutLeadingSlash(std::string_view name) noexcept
{
    return name.starts_with('/') ? name.substr(1) : name;
}

} // namespace

const PoolConfig* Config::findPool(std::string_view name) const noexcept
{
    const auto found =
        std::find_if(pools.begin(), pools.end(), [&](const PoolConfig& pool) { return pool.name == name; });
    return found == pools.end() ? nullptr : &*found;
}

const TopicConfig* Config::findTopic(std::string_view name) const noexcept
{
    const auto isWanted = [&](const TopicConfig& topic)
    { return withoutLeadingSlash(topic.name) == withoutLeadingSlash(name); };
    const auto found = std::find_if(topics.begin(), topics.end(), isWanted);
    return found == topics.end() ? nullptr : &*found;
}

Expected<void, Error> validate(const Config& config)
{
    const auto violation = firstViolation(config);
    if (!violation)
    {
        return {};
    }
    const std::string place = violation->source.empty() ? "configuration" : violation->source;
    return failure(ErrorCode::ConfigInvalid, place + ": " + toString(*violation));
}

} // namespace ZeroCP
