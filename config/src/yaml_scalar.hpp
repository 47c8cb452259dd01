/// From the text of a YAML scalar to a value; nothing if the text is not one or does not fit. Inside config only.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>

namespace ZeroCP
{

/// Decimal digits only. No leading zero: YAML 1.1 and 1.2 disagree on what it means.
[[nodiscard]] std::optional<std::uint64_t> parseWholeNumber(std::string_view text) noexcept;

/// A whole number with ns, us, ms or s; also a plain 0.
[[nodiscard]] std::optional<std::chrono::nanoseconds> parseDuration(std::string_view text) noexcept;

/// Three octal digits, or four that start with 0, as chmod takes them.
[[nodiscard]] std::optional<std::uint32_t> parseMode(std::string_view text) noexcept;

} // namespace ZeroCP
