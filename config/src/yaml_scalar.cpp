#include "yaml_scalar.hpp"

#include <array>
#include <charconv>
#include <system_error>
#include <utility>

#include "zerocp/core/align.hpp"

namespace ZeroCP
{

namespace
{

template <typename Unsigned>
std::optional<Unsigned> parseDigits(std::string_view digits, int base) noexcept
{
    Unsigned value = 0;
    const char* const end = digits.data() + digits.size();
    const auto [stop, status] = std::from_chars(digits.data(), end, value, base);
    return status == std::errc{} && stop == end ? std::optional(value) : std::nullopt;
}

constexpr std::array<std::pair<std::string_view, std::uint64_t>, 4> kNanosOfUnit{{
    {"ns", 1},
    {"us", 1000},
    {"ms", 1000000},
    {"s", 1000000000},
}};

} // namespace

std::optional<std::uint64_t> parseWholeNumber(std::string_view text) noexcept
{
    if (text.size() > 1 && text.starts_with('0'))
    {
        return std::nullopt;
    }
    return parseDigits<std::uint64_t>(text, 10);
}

std::optional<std::chrono::nanoseconds> parseDuration(std::string_view text) noexcept
{
    if (text == "0")
    {
        return std::chrono::nanoseconds{0};
    }
    for (const auto& [unit, nanosPerUnit] : kNanosOfUnit) // "s" comes last: every other unit ends with it too
    {
        if (text.ends_with(unit))
        {
            const auto number = parseWholeNumber(text.substr(0, text.size() - unit.size()));
            const auto nanos = number ? checkedMultiply(*number, nanosPerUnit) : std::nullopt;
            const bool fits = nanos && std::in_range<std::chrono::nanoseconds::rep>(*nanos);
            return fits ? std::optional(std::chrono::nanoseconds{static_cast<std::chrono::nanoseconds::rep>(*nanos)})
                        : std::nullopt;
        }
    }
    return std::nullopt;
}

std::optional<std::uint32_t> parseMode(std::string_view text) noexcept
{
    const bool isPlain = text.size() == 3;
    const bool isWithZero = text.size() == 4 && text.starts_with('0');
    return isPlain || isWithZero ? parseDigits<std::uint32_t>(text, 8) : std::nullopt;
}

} // namespace ZeroCP
