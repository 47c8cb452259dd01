/// From YAML text to a validated Config. The only door to yaml-cpp, whose exceptions stay inside.
/// Control path: blocks on the file, allocates. Any thread.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string_view>

#include "zerocp/config/config.hpp"
#include "zerocp/core/error.hpp"

namespace ZeroCP
{

/// Larger texts are refused: no sensible configuration comes near, and it bounds the work on a hostile one.
inline constexpr std::size_t kMaxConfigBytes = std::size_t{1} << 20;

/// Reads `file`, a regular file of at most 1 MiB, and validates what it says. Keys that it leaves out have their
/// defaults. Aliases, tags and a second document are refused; a pool or topic appears in the order of the file.
///
/// Errors: ConfigInvalid with `file:line: key '...': found ..., expected ...` for the first thing that is wrong;
/// ConfigInvalid with the text of errno if there is no such file; PermissionDenied or SystemError if it cannot be read.
[[nodiscard]] Expected<Config, Error> loadConfig(const std::filesystem::path& file);

/// The same for a text in memory; `sourceName` stands for the file in messages and in the `source` of pools and topics.
[[nodiscard]] Expected<Config, Error> parseConfig(std::string_view text, std::string_view sourceName);

} // namespace ZeroCP
