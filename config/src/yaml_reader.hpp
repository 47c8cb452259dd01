/// Walks a YamlNode tree and checks shape and types; remembers the line of every key and the first complaint.
/// After a complaint nothing more is visited, so that a reader of a section is a plain list of its keys.
/// Process-local, one per load, one thread. Inside config only.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "config_bounds.hpp"
#include "yaml_document.hpp"
#include "zerocp/core/error.hpp"

namespace ZeroCP
{

/// A value and where it stands: its dotted key, "pools.cameras.chunks[0].size", and its line if the value is missing.
struct YamlPlace
{
    const YamlNode& node;
    std::string key;
};

class YamlReader
{
  public:
    using Visit = std::function<void(const YamlPlace&)>;
    using VisitNamed = std::function<void(const YamlNode& name, const YamlNode& value)>;

    struct Field
    {
        std::string_view key;
        Visit read;
    };

    explicit YamlReader(std::string_view sourceName) : m_sourceName(sourceName) {}

    /// A map with known keys, each at most once; nothing counts as an empty map.
    void readMap(const YamlPlace& place, std::initializer_list<Field> fields);
    /// A map whose keys are names that the file chooses. `visit` calls placeOf() when it has checked the name.
    void readNamedEntries(const YamlPlace& place, const VisitNamed& visit);
    /// A list; nothing counts as an empty list.
    void readList(const YamlPlace& place, std::string_view expected, const Visit& visit);

    template <typename Unsigned>
    void readNumber(const YamlPlace& place, NumberBounds bounds, Unsigned& value)
    {
        if (const auto number = numberOf(place, bounds))
        {
            value = static_cast<Unsigned>(*number); // every bound fits the type it bounds
        }
    }
    void readDuration(const YamlPlace& place, DurationBounds bounds, std::chrono::nanoseconds& value);
    void readMode(const YamlPlace& place, std::uint32_t& mode);
    void readFlag(const YamlPlace& place, bool& flag);
    /// Any scalar, quoted or not; `expected` is for the message if it is something else.
    void readText(const YamlPlace& place, std::string_view expected, std::string& text);
    /// One of the `words`; answers its index.
    [[nodiscard]] std::optional<std::size_t> readWord(const YamlPlace& place,
                                                      std::initializer_list<std::string_view> words);

    /// Notes the line of `key`, for complaints that come later.
    [[nodiscard]] YamlPlace placeOf(const YamlNode& node, int line, std::string key);
    /// The line where `key` or, if it is not in the file, the section around it stands.
    [[nodiscard]] int lineOf(std::string_view key) const;
    /// "file:line".
    [[nodiscard]] std::string sourceAt(int line) const;

    void complain(const YamlPlace& place, std::string found, std::string_view expected);
    void complainAt(int line, std::string key, std::string found, std::string_view expected);
    [[nodiscard]] bool hasFailed() const noexcept { return m_error.has_value(); }
    [[nodiscard]] const std::optional<Error>& error() const noexcept { return m_error; }

  private:
    [[nodiscard]] std::optional<std::uint64_t> numberOf(const YamlPlace& place, NumberBounds bounds);
    [[nodiscard]] bool isKeyFine(const YamlNode& key, const std::string& mapKey, std::map<std::string_view, int>& seen);

    std::string m_sourceName;
    std::map<std::string, int, std::less<>> m_lines;
    std::optional<Error> m_error;
};

} // namespace ZeroCP
