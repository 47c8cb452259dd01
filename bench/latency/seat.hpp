/// One side's view of a slice: what is measured, and what it shares with the other side. Lives in the forked process.
#pragma once

#include <cstdint>
#include <string>

#include <tl/expected.hpp>

#include "latency/board.hpp"
#include "latency/payload.hpp"
#include "latency/subject.hpp"

namespace latency
{

/// Nothing, or a sentence.
using Outcome = tl::expected<void, std::string>;

/// How long a run of round trips goes on: until `m_most`, or until the time has passed, but not below `m_least`.
struct Extent
{
    std::uint64_t m_most;
    std::uint64_t m_least;
    std::int64_t m_longestNs;
};

struct Seat
{
    const Board* m_board;
    Side m_side;
    Subject m_subject;
    bool m_onlySlices;
    std::uint32_t m_domain; ///< of ZeroCP
    Extent m_warmUp;
    Extent m_extent;

    [[nodiscard]] Payload payload() const noexcept { return {m_subject.m_payloadBytes, m_subject.m_touch}; }
    [[nodiscard]] BoardHead& head() const noexcept { return m_board->head(); }
    [[nodiscard]] bool serves() const noexcept { return m_side == Side::Serving; }

    /// Waits until both sides are here. Once per slice.
    void meet() const noexcept;
};

} // namespace latency
