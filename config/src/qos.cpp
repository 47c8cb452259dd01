#include "zerocp/config/qos.hpp"

#include "config_rules.hpp"

namespace ZeroCP
{

std::string_view toString(History history) noexcept
{
    switch (history)
    {
    case History::KeepLast: return "keep_last";
    case History::KeepAll: return "keep_all";
    }
    return "unknown History";
}

std::string_view toString(Reliability reliability) noexcept
{
    switch (reliability)
    {
    case Reliability::Reliable: return "reliable";
    case Reliability::BestEffort: return "best_effort";
    }
    return "unknown Reliability";
}

std::string_view toString(Durability durability) noexcept
{
    switch (durability)
    {
    case Durability::Volatile: return "volatile";
    case Durability::TransientLocal: return "transient_local";
    }
    return "unknown Durability";
}

std::string toString(const QoS& qos)
{
    const auto call = [](std::string_view name, std::uint32_t number)
    { return std::string(name) + "(" + std::to_string(number) + ")"; };

    std::string text(qos.history() == History::KeepLast ? call(toString(qos.history()), qos.depth())
                                                        : std::string(toString(qos.history())));
    text.append(" ").append(toString(qos.reliability())).append(" ").append(toString(qos.durability()));
    if (qos.maxLoans())
    {
        text.append(" ").append(call("max_loans", *qos.maxLoans()));
    }
    if (qos.maxHeld())
    {
        text.append(" ").append(call("max_held", *qos.maxHeld()));
    }
    return text;
}

Expected<void, Error> validate(const QoS& qos)
{
    const auto violation = firstViolation(qos);
    if (!violation)
    {
        return {};
    }
    return failure(ErrorCode::ConfigInvalid, "QoS " + toString(qos) + ": " + toString(*violation));
}

std::optional<std::string> mismatch(const QoS& publisher, const QoS& subscriber)
{
    const auto refusal = [](std::string_view offered, std::string_view wanted)
    { return "the publisher is " + std::string(offered) + " but the subscriber asks for " + std::string(wanted); };

    std::string reasons;
    if (publisher.reliability() == Reliability::BestEffort && subscriber.reliability() == Reliability::Reliable)
    {
        reasons = refusal(toString(publisher.reliability()), toString(subscriber.reliability()));
    }
    if (publisher.durability() == Durability::Volatile && subscriber.durability() == Durability::TransientLocal)
    {
        reasons.append(reasons.empty() ? "" : ", and ");
        reasons.append(refusal(toString(publisher.durability()), toString(subscriber.durability())));
    }
    return reasons.empty() ? std::nullopt : std::optional(std::move(reasons));
}

} // namespace ZeroCP
