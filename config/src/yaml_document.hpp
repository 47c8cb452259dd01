/// One YAML document as a tree of our own: it remembers lines, keeps duplicate keys and needs no yaml-cpp to be read.
/// Process-local value, made once per load. Inside config only.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "zerocp/core/error.hpp"

namespace ZeroCP
{

enum class YamlKind : std::uint8_t
{
    Null, ///< nothing, or the word null
    Scalar,
    List,
    Map,
    Alias,  ///< *name: refused by whoever reads it, so that a small text cannot stand for a huge document
    Tagged, ///< a scalar with a tag such as !!int: refused likewise
};

struct YamlEntry;

struct YamlNode
{
    YamlKind kind;
    int line;                       ///< counts from 1
    std::string text;               ///< of a scalar
    bool isQuoted;                  ///< quotes or a block: text, whatever it looks like
    std::vector<YamlNode> items;    ///< of a list
    std::vector<YamlEntry> entries; ///< of a map, in the order of the file, duplicates included
};

struct YamlEntry
{
    YamlNode key;
    YamlNode value;
};

/// What a message says was found: "'text'", "a list", "nothing".
[[nodiscard]] std::string describe(const YamlNode& node);

/// The only document of `text`; an empty text is a Null node. Bounded in size and depth.
/// Nothing that yaml-cpp throws gets out.
/// Errors: ConfigInvalid with `sourceName:line:`.
[[nodiscard]] Expected<YamlNode, Error> parseYaml(std::string_view text, std::string_view sourceName);

} // namespace ZeroCP
