#include "violation.hpp"

#include <cstddef>

namespace ZeroCP
{

namespace
{

constexpr std::size_t kMaxShownBytes = 80;

bool isControl(char c) noexcept
{
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
}

bool isUtf8Continuation(char c) noexcept
{
    return (static_cast<unsigned char>(c) & 0xc0U) == 0x80U;
}

/// Cuts between characters, not inside one.
std::string_view shortened(std::string_view text) noexcept
{
    std::size_t bytes = kMaxShownBytes;
    while (bytes > 0 && isUtf8Continuation(text[bytes]))
    {
        --bytes;
    }
    return text.substr(0, bytes);
}

} // namespace

std::string toString(const Violation& violation)
{
    std::string sentence;
    if (!violation.key.empty())
    {
        sentence.append("key '").append(violation.key).append("': ");
    }
    return sentence.append("found ").append(violation.found).append(", expected ").append(violation.expected);
}

std::string printable(std::string_view text)
{
    constexpr std::string_view kHexDigits = "0123456789abcdef";
    const bool tooLong = text.size() > kMaxShownBytes;
    std::string shown;
    for (const char c : tooLong ? shortened(text) : text)
    {
        if (isControl(c))
        {
            shown.append("\\x").push_back(kHexDigits[static_cast<unsigned char>(c) / 16U]);
            shown.push_back(kHexDigits[static_cast<unsigned char>(c) % 16U]);
        }
        else
        {
            shown.push_back(c);
        }
    }
    return tooLong ? shown + "..." : shown;
}

std::string inQuotes(std::string_view text)
{
    return "'" + printable(text) + "'";
}

} // namespace ZeroCP
