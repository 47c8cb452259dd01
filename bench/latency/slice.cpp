#include "latency/slice.hpp"

#include <chrono>
#include <cstdio>

#include "latency/cpus.hpp"

namespace latency
{

namespace
{

constexpr std::chrono::seconds kPatience{60};

// Enough to touch every chunk that goes round and to teach the branch predictor.
constexpr Extent kWarmUp{2000, 16, 20'000'000};
constexpr std::int64_t kLongestNs = 50'000'000;
constexpr std::uint64_t kLeast = 8; ///< 16 MiB written and read in full take milliseconds

std::string nameOf(const Subject& subject, Side side)
{
    std::string name = side == Side::Serving ? "the serving process of " : "the answering process of ";
    return name.append(subject.m_system)
        .append(" ")
        .append(toString(subject.m_mode))
        .append(", ")
        .append(std::to_string(subject.m_payloadBytes))
        .append(" bytes");
}

/// The life of one process of a slice.
bool play(const Arena& arena, const Contestant& contestant, const Seat& seat)
{
    const int cpu = arena.m_cpus[static_cast<std::size_t>(seat.m_side)];
    const Outcome played =
        pinTo(cpu) ? contestant.m_play(seat) : tl::unexpected("cannot be kept on CPU " + std::to_string(cpu));
    if (!played)
    {
        std::fprintf(stderr, "%s: %s: %s\n", arena.m_program.data(), nameOf(seat.m_subject, seat.m_side).c_str(),
                     played.error().c_str());
    }
    return played.has_value();
}

tl::expected<void, Failure> startAll(Crew& crew, const Arena& arena, const Contestant& contestant, Seat seat)
{
    if (arena.m_options->m_keepsAwake && contestant.m_mode != Mode::Busy)
    {
        for (const int cpu : arena.m_cpus)
        {
            const std::string role = "the process that keeps CPU " + std::to_string(cpu) + " awake";
            const auto started = crew.startEndless(role,
                                                   [cpu]
                                                   {
                                                       if (pinTo(cpu))
                                                       {
                                                           keepAwake();
                                                       }
                                                   });
            if (!started)
            {
                return started;
            }
        }
    }
    for (const Side side : {Side::Serving, Side::Answering})
    {
        seat.m_side = side;
        const auto started = crew.start(nameOf(seat.m_subject, side), [&] { return play(arena, contestant, seat); });
        if (!started)
        {
            return started;
        }
    }
    return {};
}

} // namespace

tl::expected<Slice, Failure> measureSlice(const Arena& arena, const Contestant& contestant, std::uint64_t payloadBytes)
{
    const Board board(payloadBytes);
    if (!board)
    {
        return tl::unexpected(
            Failure{"there is no shared memory for two messages of " + std::to_string(payloadBytes) + " bytes"});
    }
    const Options& options = *arena.m_options;
    const Seat seat{&board,
                    Side::Serving,
                    {contestant.m_system, contestant.m_mode, payloadBytes, options.m_touch},
                    options.m_onlySlices,
                    arena.m_domain,
                    kWarmUp,
                    {options.m_samples, kLeast, kLongestNs}};
    Crew crew;
    return startAll(crew, arena, contestant, seat)
        .and_then([&] { return crew.wait(kPatience); })
        .map(
            [&] {
                return Slice{board.head().m_figures, board.head().m_lineNs};
            });
}

} // namespace latency
