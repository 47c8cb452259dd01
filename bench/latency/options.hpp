/// What the command line asks for.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <tl/expected.hpp>

#include "latency/subject.hpp"

namespace latency
{

struct Options
{
    static constexpr std::uint64_t kLeastPayload = 16; ///< two ends of 8 bytes
    static constexpr std::uint64_t kMostPayload = std::uint64_t{256} << 20;
    static constexpr std::uint64_t kMostSamples = 10'000'000;
    static constexpr std::uint64_t kMostRepeats = 1000;
    static constexpr std::uint64_t kMostNearNs = 10'000;

    std::vector<std::uint64_t> m_payloads{64, 4096, 65536, 1048576, 16777216};
    std::vector<Mode> m_modes{std::begin(kModes), std::end(kModes)};
    Touch m_touch{Touch::Ends};
    std::uint64_t m_samples{100'000}; ///< at most, per slice
    std::uint64_t m_repeats{5};
    /// Seen: threads of one core at 28 to 64 (by the clock of their core), others at 140 to 220.
    std::uint64_t m_nearBelowNs{95};
    bool m_keepsAwake{true}; ///< where somebody may sleep
    bool m_onlySlices{false};
    bool m_wantsHelp{false};
    std::string m_jsonFile; ///< empty: none
};

/// `arguments` without the program's name. Else a sentence: which argument, what it was, what was expected.
[[nodiscard]] tl::expected<Options, std::string> parseOptions(std::span<const char* const> arguments);

[[nodiscard]] std::string helpText(std::string_view program);

} // namespace latency
