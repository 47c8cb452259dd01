/// Which keys the sections of a configuration have and where their values go. Inside config only.
#pragma once

#include "yaml_document.hpp"
#include "yaml_reader.hpp"
#include "zerocp/config/config.hpp"

namespace ZeroCP
{

/// Reads a whole document into `config`; afterwards reader.error() has the first complaint, if any.
/// Rules about several values, such as a topic and its pool, are not checked here.
void readDocument(YamlReader& reader, const YamlNode& root, Config& config);

} // namespace ZeroCP
