/// A system in a mode, and how one side of it is played. Rows of constant tables.
#pragma once

#include <span>
#include <string_view>

#include "latency/seat.hpp"
#include "latency/subject.hpp"

namespace latency
{

struct Contestant
{
    std::string_view m_system; ///< a literal
    Mode m_mode;
    /// In the forked process, on its CPU: makes the end, plays the slice, closes the end.
    Outcome (*m_play)(const Seat& seat);
};

/// The raw hand-overs: the measure of all others.
[[nodiscard]] std::span<const Contestant> rawContestants() noexcept;
/// ZeroCP in all modes.
[[nodiscard]] std::span<const Contestant> zerocpContestants() noexcept;
/// iceoryx 2.0.3, only in zerocp_latency_peers.
[[nodiscard]] std::span<const Contestant> iceoryxContestants() noexcept;

} // namespace latency
