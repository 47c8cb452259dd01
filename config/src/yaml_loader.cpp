#include "zerocp/config/yaml_loader.hpp"

#include "config_file.hpp"
#include "config_rules.hpp"
#include "yaml_document.hpp"
#include "yaml_reader.hpp"
#include "yaml_sections.hpp"

namespace ZeroCP
{

Expected<Config, Error> loadConfig(const std::filesystem::path& file)
{
    const auto text = readConfigFile(file);
    if (!text)
    {
        return tl::unexpected<Error>(text.error());
    }
    return parseConfig(*text, file.string());
}

Expected<Config, Error> parseConfig(std::string_view text, std::string_view sourceName)
{
    const auto root = parseYaml(text, sourceName);
    if (!root)
    {
        return tl::unexpected<Error>(root.error());
    }
    Config config;
    YamlReader reader(sourceName);
    readDocument(reader, *root, config);
    if (reader.hasFailed())
    {
        return tl::unexpected<Error>(*reader.error());
    }
    if (const auto violation = firstViolation(config)) // rules about several values, such as a topic and its pool
    {
        reader.complainAt(reader.lineOf(violation->key), violation->key, violation->found, violation->expected);
        return tl::unexpected<Error>(*reader.error());
    }
    return config;
}

} // namespace ZeroCP
