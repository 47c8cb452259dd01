#include "zerocp/pubsub/type_name.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <vector>

namespace ZeroCP::detail
{

namespace
{

bool isWordCharacter(char c) noexcept
{
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
}

/// What stands behind "T = ", up to the end of the bracket (clang) or the next alias (gcc).
std::string_view typePart(std::string_view functionName)
{
    constexpr std::string_view kMark = "T = ";
    const std::size_t start = functionName.find(kMark);
    if (start == std::string_view::npos)
    {
        return functionName;
    }
    const std::string_view rest = functionName.substr(start + kMark.size());
    return rest.substr(0, rest.rfind(']'));
}

std::string replaceAll(std::string text, std::string_view from, std::string_view to)
{
    for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size()))
    {
        text.replace(at, from.size(), to);
    }
    return text;
}

/// Words and single punctuation characters; white space is dropped.
std::vector<std::string> tokensOf(std::string_view text)
{
    std::vector<std::string> tokens;
    for (std::size_t i = 0; i < text.size();)
    {
        if (std::isspace(static_cast<unsigned char>(text[i])) != 0)
        {
            ++i;
            continue;
        }
        std::size_t end = i + 1;
        while (isWordCharacter(text[i]) && end < text.size() && isWordCharacter(text[end]))
        {
            ++end;
        }
        tokens.emplace_back(text.substr(i, end - i));
        i = end;
    }
    return tokens;
}

bool isIntegerWord(const std::string& token)
{
    constexpr std::array<std::string_view, 7> kWords{"long", "unsigned", "signed", "int", "short", "char", "__int128"};
    return std::find(kWords.begin(), kWords.end(), token) != kWords.end();
}

/// "long unsigned int" (gcc) and "unsigned long" (clang) are one type: width and sign, by this compiler's sizes.
std::string integerName(const std::vector<std::string>& words)
{
    const auto count = [&words](std::string_view word) { return std::count(words.begin(), words.end(), word); };
    const bool isUnsigned = count("unsigned") > 0;
    if (count("char") > 0)
    {
        return isUnsigned ? "uint8" : count("signed") > 0 ? "int8" : "char";
    }
    const std::size_t bytes = count("short") > 0      ? sizeof(short)
                              : count("__int128") > 0 ? 16
                              : count("long") > 1     ? sizeof(long long)
                              : count("long") > 0     ? sizeof(long)
                                                      : sizeof(int);
    return (isUnsigned ? "uint" : "int") + std::to_string(bytes * 8);
}

} // namespace

std::string normaliseTypeName(std::string_view functionName)
{
    std::string text(typePart(functionName));
    text = replaceAll(std::move(text), "(anonymous namespace)", "anonymous");
    text = replaceAll(std::move(text), "{anonymous}", "anonymous");
    text = replaceAll(std::move(text), "<unnamed>", "anonymous");
    const std::vector<std::string> tokens = tokensOf(text);
    std::string name;
    for (std::size_t i = 0; i < tokens.size();)
    {
        std::vector<std::string> words;
        // "long double" is no integer.
        while (i < tokens.size() && isIntegerWord(tokens[i]) && !(i + 1 < tokens.size() && tokens[i + 1] == "double"))
        {
            words.push_back(tokens[i++]);
        }
        const std::string next = words.empty() ? tokens[i++] : integerName(words);
        if (!name.empty() && isWordCharacter(name.back()) && isWordCharacter(next.front()))
        {
            name += ' ';
        }
        name += next;
    }
    return name;
}

} // namespace ZeroCP::detail
