#include "zerocp/config/topic_name.hpp"

#include <optional>
#include <utility>

#include "violation.hpp"

namespace ZeroCP
{

namespace
{

struct NameProblem
{
    std::size_t index; ///< of the offending character
    std::string_view rule;
};

bool isDigit(char c) noexcept
{
    return c >= '0' && c <= '9';
}

bool isLetterOrUnderscore(char c) noexcept
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

/// What both kinds of names ask of a character of a token; `isFirst` if it starts one.
std::optional<std::string_view> brokenTokenRule(char c, bool isFirst) noexcept
{
    if (isDigit(c))
    {
        return isFirst ? std::optional<std::string_view>("a name must not start with a digit") : std::nullopt;
    }
    if (!isLetterOrUnderscore(c))
    {
        return "only letters, digits and underscores of ASCII are allowed";
    }
    return std::nullopt;
}

/// `begin` is the first character after the optional leading '/'.
std::optional<NameProblem> problemOfTopic(std::string_view name, std::size_t begin) noexcept
{
    for (std::size_t index = begin; index < name.size(); ++index)
    {
        const char c = name[index];
        const bool isFirst = index == begin || name[index - 1] == '/';
        if (c == '~' || c == '{' || c == '}')
        {
            return NameProblem{index, "the substitutions '~' and '{}' of ROS 2 are not supported, write the name out"};
        }
        if (c == '/' && isFirst)
        {
            return NameProblem{index, "a '/' must stand alone between two tokens"};
        }
        if (c == '/' && index + 1 == name.size())
        {
            return NameProblem{index, "a topic name must not end with '/'"};
        }
        if (c == '_' && !isFirst && name[index - 1] == '_')
        {
            return NameProblem{index, "underscores must not be repeated in a topic name"};
        }
        if (const auto rule = c == '/' ? std::nullopt : brokenTokenRule(c, isFirst))
        {
            return NameProblem{index, *rule};
        }
    }
    return std::nullopt;
}

std::optional<NameProblem> problemOfNode(std::string_view name) noexcept
{
    for (std::size_t index = 0; index < name.size(); ++index)
    {
        if (const auto rule = brokenTokenRule(name[index], index == 0))
        {
            return NameProblem{index, *rule};
        }
    }
    return std::nullopt;
}

tl::unexpected<Error> lengthFailure(std::string_view kind, std::string_view name, std::size_t bytes)
{
    std::string message(kind);
    message.append(" name ").append(inQuotes(name)).append(": found ").append(std::to_string(bytes));
    message.append(" bytes, expected 1 to ").append(std::to_string(kMaxNameBytes));
    return failure(ErrorCode::InvalidName, std::move(message));
}

tl::unexpected<Error> problemFailure(std::string_view kind, std::string_view name, const NameProblem& problem)
{
    std::string message(kind);
    message.append(" name ").append(inQuotes(name)).append(": found ").append(inQuotes(name.substr(problem.index, 1)));
    message.append(" at byte ").append(std::to_string(problem.index + 1)).append(", but ").append(problem.rule);
    return failure(ErrorCode::InvalidName, std::move(message));
}

} // namespace

Expected<std::string, Error> normaliseTopicName(std::string_view name)
{
    const std::size_t begin = name.starts_with('/') ? 1 : 0;
    const std::size_t bytes = name.size() - begin;
    if (bytes == 0 || bytes > kMaxNameBytes)
    {
        return lengthFailure("topic", name, bytes);
    }
    if (const auto problem = problemOfTopic(name, begin))
    {
        return problemFailure("topic", name, *problem);
    }
    return std::string(name.substr(begin));
}

Expected<std::string, Error> checkNodeName(std::string_view name)
{
    if (name.empty() || name.size() > kMaxNameBytes)
    {
        return lengthFailure("node", name, name.size());
    }
    if (const auto problem = problemOfNode(name))
    {
        return problemFailure("node", name, *problem);
    }
    return std::string(name);
}

} // namespace ZeroCP
