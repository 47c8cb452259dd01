#include "config_bounds.hpp"

#include <algorithm>
#include <cstddef>

namespace ZeroCP
{

std::string toExpectedText(NumberBounds bounds)
{
    return "a whole number from " + std::to_string(bounds.least) + " to " + std::to_string(bounds.most);
}

std::string toExpectedText(DurationBounds bounds)
{
    const std::string least = std::to_string(bounds.least.count()) + (bounds.least.count() == 0 ? "" : "us");
    return "a duration such as 20us, 5ms or 1s, from " + least + " to " + std::to_string(bounds.most.count()) + "s";
}

bool isModeAllowed(std::uint32_t mode) noexcept
{
    constexpr std::uint32_t kOwnerReadWrite = 0600;
    return mode <= 0777 && (mode & kOwnerReadWrite) == kOwnerReadWrite;
}

bool isGroupName(std::string_view text) noexcept
{
    constexpr std::size_t kMaxGroupBytes = 255;
    const auto isBlankOrControl = [](char c) { return static_cast<unsigned char>(c) <= 0x20 || c == 0x7f; };
    return !text.empty() && text.size() <= kMaxGroupBytes && std::none_of(text.begin(), text.end(), isBlankOrControl);
}

bool isPoolName(std::string_view text) noexcept
{
    constexpr std::size_t kMaxPoolNameBytes = 64;
    const auto isAllowed = [](char c)
    { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-'; };
    return !text.empty() && text.size() <= kMaxPoolNameBytes && std::all_of(text.begin(), text.end(), isAllowed);
}

} // namespace ZeroCP
