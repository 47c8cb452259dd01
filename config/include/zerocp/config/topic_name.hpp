/// The rules that names of topics and nodes keep: those of ROS 2, so that a bridge never has to rename anything.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "zerocp/core/error.hpp"

namespace ZeroCP
{

/// Longest name of a topic (without the leading '/') or node.
inline constexpr std::size_t kMaxNameBytes = 255;

/// The one spelling under which a topic is stored and compared: without the leading '/', which is optional.
///
/// Tokens of [A-Za-z_][A-Za-z0-9_]* separated by single '/'; no "__"; 1 to 255 bytes. The substitutions '~' and '{}' of
/// ROS 2 are not supported.
/// Error: InvalidName; the message has the name, the offending character, where it is, and the rule.
[[nodiscard]] Expected<std::string, Error> normaliseTopicName(std::string_view name);

/// The name itself if it is [A-Za-z_][A-Za-z0-9_]* of 1 to 255 bytes, else InvalidName with the same details.
[[nodiscard]] Expected<std::string, Error> checkNodeName(std::string_view name);

} // namespace ZeroCP
