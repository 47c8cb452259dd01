/// The results as texts: a table for people, JSON for programs.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>

#include "latency/statistics.hpp"

namespace latency
{

/// What holds for a whole run.
struct Circumstances
{
    std::array<int, 2> m_cpus{};
    bool m_keptAwake{false};
    double m_clockReadNs{0}; ///< is part of every round trip
    std::uint64_t m_droppedSlices{0};
};

[[nodiscard]] std::string tableOf(std::span<const Result> results);

[[nodiscard]] std::string jsonOf(const Circumstances& circumstances, std::span<const Result> results);

} // namespace latency
