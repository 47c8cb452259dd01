/// The whole program but for the contestants.
#pragma once

#include <span>
#include <string_view>

#include "latency/contestant.hpp"

namespace latency
{

/// Raw hand-overs and `contestants` in turns; the exit code: 0, 1 after a failure, 2 for arguments that make no sense.
[[nodiscard]] int run(std::string_view program, std::span<const char* const> arguments,
                      std::span<const Contestant> contestants);

} // namespace latency
