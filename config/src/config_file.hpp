/// The bytes of a configuration file. Inside config only.
#pragma once

#include <filesystem>
#include <string>

#include "zerocp/core/error.hpp"

namespace ZeroCP
{

/// Reads a regular file of at most kMaxConfigBytes. Never blocks on a pipe or a terminal: those are refused.
/// Errors as loadConfig() documents them.
[[nodiscard]] Expected<std::string, Error> readConfigFile(const std::filesystem::path& file);

} // namespace ZeroCP
