#include "zerocp/config/qos.hpp"

#include <algorithm>
#include <array>
#include <utility>

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

std::string_view toString(Liveliness liveliness) noexcept
{
    switch (liveliness)
    {
    case Liveliness::Automatic: return "automatic";
    case Liveliness::ManualByTopic: return "manual_by_topic";
    }
    return "unknown Liveliness";
}

namespace
{

using Period = std::optional<std::chrono::nanoseconds>;

/// "deadline(100ms)", in the largest unit that needs no fraction.
std::string describe(std::string_view name, std::chrono::nanoseconds period)
{
    constexpr std::array<std::pair<std::string_view, std::int64_t>, 3> kUnits{
        {{"s", 1'000'000'000}, {"ms", 1'000'000}, {"us", 1000}}};
    const auto fitting =
        std::find_if(kUnits.begin(), kUnits.end(),
                     [period](const auto& unit) { return period.count() != 0 && period.count() % unit.second == 0; });
    const bool isWhole = fitting != kUnits.end();
    return std::string(name) + "(" + std::to_string(isWhole ? period.count() / fitting->second : period.count()) +
           std::string(isWhole ? fitting->first : "ns") + ")";
}

/// What a publisher offers.
std::string describeOffer(std::string_view name, const Period& period)
{
    return period ? "has " + describe(name, *period) : "has no " + std::string(name);
}

/// Whether a publisher's promise is weaker than what the subscriber asks for.
bool isTooLong(const Period& offered, const Period& wanted)
{
    return wanted && (!offered || *offered > *wanted);
}

} // namespace

std::string toString(const QoS& qos)
{
    const auto call = [](std::string_view name, std::uint32_t number)
    { return std::string(name) + "(" + std::to_string(number) + ")"; };

    std::string text(qos.history() == History::KeepLast ? call(toString(qos.history()), qos.depth())
                                                        : std::string(toString(qos.history())));
    text.append(" ").append(toString(qos.reliability())).append(" ").append(toString(qos.durability()));
    if (qos.deadline())
    {
        text.append(" ").append(describe("deadline", *qos.deadline()));
    }
    if (qos.lifespan())
    {
        text.append(" ").append(describe("lifespan", *qos.lifespan()));
    }
    if (qos.liveliness() != Liveliness::Automatic)
    {
        text.append(" ").append(toString(qos.liveliness()));
    }
    if (qos.lease())
    {
        text.append(" ").append(describe("lease", *qos.lease()));
    }
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
    std::string reasons;
    const auto refuse = [&reasons](const std::string& offered, const std::string& wanted)
    {
        reasons.append(reasons.empty() ? "" : ", and ");
        reasons.append("the publisher " + offered + " but the subscriber asks for " + wanted);
    };
    const auto refuseWord = [&refuse](std::string_view offered, std::string_view wanted)
    { refuse("is " + std::string(offered), std::string(wanted)); };

    if (publisher.reliability() == Reliability::BestEffort && subscriber.reliability() == Reliability::Reliable)
    {
        refuseWord(toString(publisher.reliability()), toString(subscriber.reliability()));
    }
    if (publisher.durability() == Durability::Volatile && subscriber.durability() == Durability::TransientLocal)
    {
        refuseWord(toString(publisher.durability()), toString(subscriber.durability()));
    }
    if (isTooLong(publisher.deadline(), subscriber.deadline()))
    {
        refuse(describeOffer("deadline", publisher.deadline()), describe("deadline", *subscriber.deadline()));
    }
    if (publisher.liveliness() == Liveliness::Automatic && subscriber.liveliness() == Liveliness::ManualByTopic)
    {
        refuseWord(toString(publisher.liveliness()), toString(subscriber.liveliness()));
    }
    if (isTooLong(publisher.lease(), subscriber.lease()))
    {
        refuse(describeOffer("lease", publisher.lease()), describe("lease", *subscriber.lease()));
    }
    return reasons.empty() ? std::nullopt : std::optional(std::move(reasons));
}

} // namespace ZeroCP
