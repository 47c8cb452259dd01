/// What a whole QoS or Config must keep: every bound, and the rules about several values. Inside config only.
#pragma once

#include <optional>

#include "violation.hpp"
#include "zerocp/config/config.hpp"
#include "zerocp/config/qos.hpp"

namespace ZeroCP
{

/// The first rule that is broken, in the order of the keys in YAML; keys are relative to the argument.
[[nodiscard]] std::optional<Violation> firstViolation(const QoS& qos);
[[nodiscard]] std::optional<Violation> firstViolation(const Config& config);

} // namespace ZeroCP
