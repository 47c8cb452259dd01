/// Messages there and back through the ends of any system. An end is what one side has of it:
///
///     bool send(write)      gets memory for a message, calls write(std::uint64_t* words), hands it over
///     bool receive(use)     waits for a message, calls use(const std::uint64_t* words), gives it back afterwards
///     std::string trouble() why one of them answered false
///
/// The answer is sent inside `use`: what is received is given back after the answer, as a program in a hurry would do.
/// Everything is inlined into one loop per system and mode.
#pragma once

#include <cstdint>
#include <string>

#include "latency/probe.hpp"
#include "latency/round_trips.hpp"
#include "latency/seat.hpp"
#include "latency/statistics.hpp"

namespace latency
{

template <typename End>
class PingPong
{
  public:
    PingPong(End& end, const Seat& seat) : m_end(end), m_payload(seat.payload()) {}

    /// Measures: false if it went wrong. The other side is in answer().
    [[nodiscard]] bool serve(RoundTrips& trips)
    {
        std::uint64_t number = 1;
        bool isOver = false;
        trips.start();
        bool isGood = send(number);
        while (isGood && !isOver)
        {
            isGood = m_end.receive(
                [&](const std::uint64_t* words)
                {
                    std::uint64_t found = 0;
                    m_isTorn = !m_payload.read(words, found) || found != number;
                    isOver = number == kLast;
                    if (m_isTorn || isOver)
                    {
                        return !m_isTorn;
                    }
                    number = trips.lap() ? number + 1 : kLast;
                    return send(number);
                });
        }
        return isGood;
    }

    /// Sends back what it gets, until the other side has had enough.
    [[nodiscard]] bool answer()
    {
        bool isOver = false;
        bool isGood = true;
        while (isGood && !isOver)
        {
            isGood = m_end.receive(
                [&](const std::uint64_t* words)
                {
                    std::uint64_t number = 0;
                    m_isTorn = !m_payload.read(words, number);
                    isOver = number == kLast;
                    return !m_isTorn && send(number);
                });
        }
        return isGood;
    }

    /// After a false.
    [[nodiscard]] std::string trouble() const
    {
        return m_isTorn ? "a message arrived with other contents than were sent" : m_end.trouble();
    }

  private:
    static constexpr std::uint64_t kLast = ~std::uint64_t{0}; ///< instead of a number: no more will come

    [[nodiscard]] bool send(std::uint64_t number)
    {
        return m_end.send([&](std::uint64_t* words) { m_payload.write(words, number); });
    }

    End& m_end;
    Payload m_payload;
    bool m_isTorn{false};
};

/// The whole slice of one side, once it has its end: warm-up, probe, what counts, probe. The serving side leaves its
/// figures on the board.
template <typename End>
[[nodiscard]] Outcome playSlice(End& end, const Seat& seat)
{
    PingPong<End> game(end, seat);
    Probe probe(seat);
    RoundTrips warmUp(seat.m_warmUp);
    RoundTrips trips(seat.m_extent);
    const auto play = [&](RoundTrips& counted) { return seat.serves() ? game.serve(counted) : game.answer(); };
    seat.meet();
    if (!play(warmUp))
    {
        return tl::unexpected("while warming up: " + game.trouble());
    }
    const double before = probe.measure();
    if (!play(trips))
    {
        return tl::unexpected("in the middle of a slice: " + game.trouble());
    }
    const double after = probe.measure();
    if (seat.serves())
    {
        seat.head().m_figures = figuresOf(trips.times());
        seat.head().m_lineNs = {before, after};
    }
    return {};
}

} // namespace latency
