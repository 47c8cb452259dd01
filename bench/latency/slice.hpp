/// A few tens of milliseconds of one subject: two new processes, a probe before and after.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "latency/contestant.hpp"
#include "latency/crew.hpp"
#include "latency/options.hpp"
#include "latency/statistics.hpp"

namespace latency
{

/// What all slices of a run have in common.
struct Arena
{
    std::string_view m_program; ///< for what the processes say
    const Options* m_options;
    std::array<int, 2> m_cpus;
    std::uint32_t m_domain; ///< of ZeroCP
};

struct Slice
{
    Figures m_figures;
    std::array<double, 2> m_lineNs; ///< one cache line one way, before and after
};

[[nodiscard]] tl::expected<Slice, Failure> measureSlice(const Arena& arena, const Contestant& contestant,
                                                        std::uint64_t payloadBytes);

} // namespace latency
