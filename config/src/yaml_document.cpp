#include "yaml_document.hpp"

#include <algorithm>
#include <cstddef>
#include <exception>
#include <optional>
#include <sstream>
#include <utility>

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include "violation.hpp"
#include "zerocp/config/yaml_loader.hpp"

namespace ZeroCP
{

namespace
{

/// The configuration needs five levels; more would only tempt the recursion of whoever reads the tree.
constexpr std::size_t kMaxDepthOfTree = 16;

constexpr std::string_view kExpectedDocument = "one document of plain YAML";

int lineOf(const YAML::Mark& mark) noexcept
{
    return mark.line + 1;
}

/// yaml-cpp writes "?" or nothing for a plain node and "!" for a quoted one; whatever else comes from the text.
bool isExplicit(const std::string& tag) noexcept
{
    return !tag.empty() && tag != "?" && tag != "!";
}

/// Valid YAML that we do not take. Derived from the parser's exception, because it passes through the parser.
class Refusal final : public YAML::ParserException
{
  public:
    using YAML::ParserException::ParserException;
};

/// Turns the parser's events into a tree. Complains with a Refusal; parseYaml() catches it.
class TreeBuilder final : public YAML::EventHandler
{
  public:
    void OnDocumentStart(const YAML::Mark& mark) override
    {
        m_lastLine = lineOf(mark);
        if (m_documents++ > 0)
        {
            throw Refusal(mark, "a second document or text after the end of the first");
        }
    }
    void OnDocumentEnd() override {}

    void OnNull(const YAML::Mark& mark, YAML::anchor_t) override { add(mark, YamlKind::Null); }
    void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override { add(mark, YamlKind::Alias); }
    void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t, const std::string& value) override
    {
        YamlNode& node = add(mark, isExplicit(tag) ? YamlKind::Tagged : YamlKind::Scalar);
        node.text = value;
        node.isQuoted = tag == "!";
    }

    void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t,
                         YAML::EmitterStyle::value) override
    {
        open(mark, tag, YamlKind::List);
    }
    void OnSequenceEnd() override { m_open.pop_back(); }

    void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t, YAML::EmitterStyle::value) override
    {
        open(mark, tag, YamlKind::Map);
    }
    void OnMapEnd() override { m_open.pop_back(); }

    [[nodiscard]] YamlNode takeRoot() && { return std::move(m_root); }
    /// Where the parser got to: some of its exceptions do not know.
    [[nodiscard]] int lastLine() const noexcept { return m_lastLine; }

  private:
    /// Borrowed from the tree. A parent's vector does not grow while a child is open, so the pointer stays valid.
    struct OpenNode
    {
        YamlNode* node;
        bool hasKey; ///< of a map: the next node is the value of its last entry
    };

    void open(const YAML::Mark& mark, const std::string& tag, YamlKind kind)
    {
        if (isExplicit(tag))
        {
            throw Refusal(mark, "the tag " + printable(tag) + ", which has no meaning here");
        }
        if (m_open.size() == kMaxDepthOfTree)
        {
            throw Refusal(mark, "more than " + std::to_string(kMaxDepthOfTree) + " nested lists and maps");
        }
        YamlNode& node = add(mark, kind);
        m_open.push_back(OpenNode{&node, false});
    }

    YamlNode& add(const YAML::Mark& mark, YamlKind kind)
    {
        m_lastLine = lineOf(mark);
        YamlNode& node = nextPlace();
        node = emptyNode(kind, m_lastLine);
        return node;
    }

    YamlNode& nextPlace()
    {
        if (m_open.empty())
        {
            return m_root;
        }
        auto& [parent, hasKey] = m_open.back();
        if (parent->kind == YamlKind::List)
        {
            return parent->items.emplace_back(emptyNode(YamlKind::Null, m_lastLine));
        }
        hasKey = !hasKey;
        if (hasKey)
        {
            const YamlNode nothing = emptyNode(YamlKind::Null, m_lastLine);
            return parent->entries.emplace_back(YamlEntry{nothing, nothing}).key;
        }
        return parent->entries.back().value;
    }

    static YamlNode emptyNode(YamlKind kind, int line) { return YamlNode{kind, line, {}, false, {}, {}}; }

    int m_documents{0};
    int m_lastLine{1};
    YamlNode m_root{emptyNode(YamlKind::Null, 1)};
    std::vector<OpenNode> m_open;
};

tl::unexpected<Error> failureAt(std::string_view sourceName, std::ptrdiff_t line, std::string found,
                                std::string_view expected)
{
    std::string message(sourceName);
    message.append(":").append(std::to_string(line)).append(": ");
    message.append(toString(Violation{{}, std::move(found), std::string(expected), {}}));
    return failure(ErrorCode::ConfigInvalid, std::move(message));
}

/// Neither YAML nor anything in a configuration uses these, and to yaml-cpp byte 4 is the end of the text.
bool isForbiddenByte(char c) noexcept
{
    return (static_cast<unsigned char>(c) < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7f;
}

std::optional<tl::unexpected<Error>> problemOfBytes(std::string_view text, std::string_view sourceName)
{
    constexpr std::string_view kExpected = "UTF-8 text without control characters";
    if (text.size() > kMaxConfigBytes)
    {
        return failureAt(sourceName, 1, "a text of " + std::to_string(text.size()) + " bytes",
                         "at most " + std::to_string(kMaxConfigBytes));
    }
    if (text.starts_with("\xfe\xff") || text.starts_with("\xff\xfe"))
    {
        return failureAt(sourceName, 1, "the byte order mark of UTF-16", kExpected);
    }
    const auto bad = std::find_if(text.begin(), text.end(), isForbiddenByte);
    if (bad != text.end())
    {
        return failureAt(sourceName, 1 + std::count(text.begin(), bad, '\n'),
                         "the byte " + inQuotes(std::string_view(bad, 1)), kExpected);
    }
    return std::nullopt;
}

/// Without byte order mark; without blanks at the end, because yaml-cpp takes a quote that is never closed for closed
/// if a line break follows.
std::string_view trimmed(std::string_view text) noexcept
{
    if (text.starts_with("\xef\xbb\xbf"))
    {
        text.remove_prefix(3);
    }
    return text.substr(0, text.find_last_not_of(" \t\r\n") + 1);
}

} // namespace

std::string describe(const YamlNode& node)
{
    switch (node.kind)
    {
    case YamlKind::Null: return "nothing";
    case YamlKind::Scalar: return node.isQuoted ? "the quoted text " + inQuotes(node.text) : inQuotes(node.text);
    case YamlKind::List: return "a list";
    case YamlKind::Map: return "a map";
    case YamlKind::Alias: return "an alias, which is not supported";
    case YamlKind::Tagged: return "a tag, which is not supported";
    }
    return "something unknown";
}

Expected<YamlNode, Error> parseYaml(std::string_view text, std::string_view sourceName)
{
    if (auto problem = problemOfBytes(text, sourceName))
    {
        return std::move(*problem);
    }
    TreeBuilder builder;
    try
    {
        std::istringstream stream{std::string(trimmed(text))};
        YAML::Parser parser(stream);
        while (parser.HandleNextDocument(builder))
        {
        }
    }
    catch (const Refusal& refusal)
    {
        return failureAt(sourceName, lineOf(refusal.mark), refusal.msg, kExpectedDocument);
    }
    catch (const YAML::Exception& exception)
    {
        const int line = std::max(lineOf(exception.mark), builder.lastLine());
        return failureAt(sourceName, line, "a syntax error (" + printable(exception.msg) + ")", kExpectedDocument);
    }
    catch (const std::exception& exception) // yaml-cpp documents its own exceptions only; we promise none at all
    {
        return failureAt(sourceName, builder.lastLine(),
                         "a text that the parser gives up (" + printable(exception.what()) + ")", kExpectedDocument);
    }
    return std::move(builder).takeRoot();
}

} // namespace ZeroCP
