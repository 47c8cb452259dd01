/// A configuration value that breaks a rule, and how such a thing is told to a person. Inside config only.
#pragma once

#include <string>
#include <string_view>

namespace ZeroCP
{

struct Violation
{
    std::string key;      ///< as YAML spells it: "pools.cameras.chunks[0].size"
    std::string found;    ///< "'0'", "a list"
    std::string expected; ///< "a whole number from 1 to 1024"
    std::string source;   ///< "file:line" if the value knows where it came from
};

/// "key 'limits.topics': found '0', expected a whole number from 1 to 1000000"; without the key if it is empty.
[[nodiscard]] std::string toString(const Violation& violation);

/// `text` fit for a message: control characters as \xNN, and no longer than a line.
[[nodiscard]] std::string printable(std::string_view text);

/// printable() between single quotes.
[[nodiscard]] std::string inQuotes(std::string_view text);

} // namespace ZeroCP
