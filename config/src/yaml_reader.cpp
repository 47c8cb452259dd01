#include "yaml_reader.hpp"

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <vector>

#include "violation.hpp"
#include "yaml_scalar.hpp"

namespace ZeroCP
{

namespace
{

constexpr std::string_view kExpectedMap = "a map, written as 'key: value' lines or {key: value}";

std::string joined(const std::string& mapKey, std::string_view key)
{
    return mapKey.empty() ? std::string(key) : mapKey + "." + std::string(key);
}

/// Insertions, deletions and replacements that turn one word into the other (Levenshtein), one row at a time.
std::size_t editDistance(std::string_view a, std::string_view b)
{
    std::vector<std::size_t> row(b.size() + 1);
    std::iota(row.begin(), row.end(), std::size_t{0});
    for (std::size_t i = 0; i < a.size(); ++i)
    {
        std::size_t diagonal = std::exchange(row[0], i + 1);
        for (std::size_t j = 0; j < b.size(); ++j)
        {
            const std::size_t replaced = diagonal + (a[i] == b[j] ? 0U : 1U);
            diagonal = row[j + 1];
            row[j + 1] = std::min({replaced, row[j] + 1, diagonal + 1});
        }
    }
    return row[b.size()];
}

std::string listOf(std::initializer_list<std::string_view> words)
{
    std::string list;
    for (const std::string_view word : words)
    {
        list.append(list.empty() ? "" : ", ").append(word);
    }
    return list;
}

/// All keys that are allowed, and the one that was probably meant.
std::string allowedKeys(std::string_view unknown, std::initializer_list<YamlReader::Field> fields)
{
    constexpr std::size_t kMaxTypingErrors = 2;
    constexpr std::size_t kLongestKey = 32; // a longer one resembles none of ours, and the comparison is quadratic
    std::string list;
    std::string_view closest;
    std::size_t leastErrors = kMaxTypingErrors + 1;
    for (const auto& field : fields)
    {
        list.append(list.empty() ? "" : ", ").append(field.key);
        const std::size_t errors = unknown.size() > kLongestKey ? unknown.size() : editDistance(unknown, field.key);
        if (errors < leastErrors)
        {
            leastErrors = errors;
            closest = field.key;
        }
    }
    const std::string hint = closest.empty() ? "" : " (did you mean '" + std::string(closest) + "'?)";
    return (fields.size() == 1 ? "the key " : "one of the keys ") + list + hint;
}

} // namespace

void YamlReader::readMap(const YamlPlace& place, std::initializer_list<Field> fields)
{
    std::map<std::string_view, int> seen;
    if (place.node.kind != YamlKind::Map && place.node.kind != YamlKind::Null)
    {
        complain(place, describe(place.node), kExpectedMap);
    }
    for (const auto& [key, value] : place.node.entries)
    {
        if (hasFailed() || !isKeyFine(key, place.key, seen))
        {
            return;
        }
        const auto isWanted = [&name = key.text](const Field& field) { return field.key == name; };
        const auto* const field = std::find_if(fields.begin(), fields.end(), isWanted);
        if (field == fields.end())
        {
            complainAt(key.line, joined(place.key, printable(key.text)), "an unknown key",
                       allowedKeys(key.text, fields));
            return;
        }
        field->read(placeOf(value, key.line, joined(place.key, key.text)));
    }
}

void YamlReader::readNamedEntries(const YamlPlace& place, const VisitNamed& visit)
{
    std::map<std::string_view, int> seen;
    if (place.node.kind != YamlKind::Map && place.node.kind != YamlKind::Null)
    {
        complain(place, describe(place.node), kExpectedMap);
    }
    for (const auto& [key, value] : place.node.entries)
    {
        if (hasFailed() || !isKeyFine(key, place.key, seen))
        {
            return;
        }
        visit(key, value);
    }
}

void YamlReader::readList(const YamlPlace& place, std::string_view expected, const Visit& visit)
{
    if (place.node.kind != YamlKind::List && place.node.kind != YamlKind::Null)
    {
        complain(place, describe(place.node), expected);
    }
    for (std::size_t index = 0; index < place.node.items.size() && !hasFailed(); ++index)
    {
        const YamlNode& item = place.node.items[index];
        visit(placeOf(item, item.line, place.key + "[" + std::to_string(index) + "]"));
    }
}

std::optional<std::uint64_t> YamlReader::numberOf(const YamlPlace& place, NumberBounds bounds)
{
    const bool isPlain = place.node.kind == YamlKind::Scalar && !place.node.isQuoted;
    const auto number = isPlain ? parseWholeNumber(place.node.text) : std::nullopt;
    if (!number || !bounds.contain(*number))
    {
        complain(place, describe(place.node), toExpectedText(bounds));
        return std::nullopt;
    }
    return number;
}

void YamlReader::readDuration(const YamlPlace& place, DurationBounds bounds, std::chrono::nanoseconds& value)
{
    const auto duration = place.node.kind == YamlKind::Scalar ? parseDuration(place.node.text) : std::nullopt;
    if (!duration || !bounds.contain(*duration))
    {
        complain(place, describe(place.node), toExpectedText(bounds));
        return;
    }
    value = *duration;
}

void YamlReader::readMode(const YamlPlace& place, std::uint32_t& mode)
{
    const auto parsed = place.node.kind == YamlKind::Scalar ? parseMode(place.node.text) : std::nullopt;
    if (!parsed || !isModeAllowed(*parsed))
    {
        complain(place, describe(place.node), kExpectedMode);
        return;
    }
    mode = *parsed;
}

void YamlReader::readFlag(const YamlPlace& place, bool& flag)
{
    const bool isPlain = place.node.kind == YamlKind::Scalar && !place.node.isQuoted;
    if (!isPlain || (place.node.text != "true" && place.node.text != "false"))
    {
        complain(place, describe(place.node), "true or false");
        return;
    }
    flag = place.node.text == "true";
}

void YamlReader::readText(const YamlPlace& place, std::string_view expected, std::string& text)
{
    if (place.node.kind != YamlKind::Scalar)
    {
        complain(place, describe(place.node), expected);
        return;
    }
    text = place.node.text;
}

std::optional<std::size_t> YamlReader::readWord(const YamlPlace& place, std::initializer_list<std::string_view> words)
{
    const auto* const word = std::find(words.begin(), words.end(), std::string_view(place.node.text));
    if (place.node.kind != YamlKind::Scalar || word == words.end())
    {
        complain(place, describe(place.node), "one of the words " + listOf(words));
        return std::nullopt;
    }
    return static_cast<std::size_t>(word - words.begin());
}

YamlPlace YamlReader::placeOf(const YamlNode& node, int line, std::string key)
{
    m_lines.insert_or_assign(key, line);
    return YamlPlace{node, std::move(key)};
}

int YamlReader::lineOf(std::string_view key) const
{
    auto found = m_lines.find(key);
    while (found == m_lines.end() && !key.empty())
    {
        const std::size_t end = key.find_last_of(".[");
        key = key.substr(0, end == std::string_view::npos ? 0 : end);
        found = m_lines.find(key);
    }
    return found == m_lines.end() ? 1 : found->second;
}

std::string YamlReader::sourceAt(int line) const
{
    return m_sourceName + ":" + std::to_string(line);
}

void YamlReader::complain(const YamlPlace& place, std::string found, std::string_view expected)
{
    // A missing value has no line of its own: yaml-cpp reports where it noticed, which may be the line of the next key.
    const int line = place.node.kind == YamlKind::Null ? lineOf(place.key) : place.node.line;
    complainAt(line, place.key, std::move(found), expected);
}

void YamlReader::complainAt(int line, std::string key, std::string found, std::string_view expected)
{
    if (!m_error)
    {
        const Violation violation{std::move(key), std::move(found), std::string(expected), sourceAt(line)};
        m_error = Error(ErrorCode::ConfigInvalid, violation.source + ": " + toString(violation));
    }
}

bool YamlReader::isKeyFine(const YamlNode& key, const std::string& mapKey, std::map<std::string_view, int>& seen)
{
    if (key.kind != YamlKind::Scalar)
    {
        complainAt(key.line, mapKey, describe(key) + " as a key", "a word as a key");
        return false;
    }
    const auto [first, isNew] = seen.emplace(key.text, key.line);
    if (!isNew)
    {
        complainAt(key.line, joined(mapKey, printable(key.text)),
                   "a key that line " + std::to_string(first->second) + " already has", "each key once");
    }
    return isNew;
}

} // namespace ZeroCP
