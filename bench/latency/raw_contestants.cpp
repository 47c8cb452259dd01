#include "latency/contestant.hpp"
#include "latency/ping_pong.hpp"
#include "latency/raw_futex.hpp"
#include "latency/raw_handover.hpp"

namespace latency
{

namespace
{

template <typename End>
Outcome play(const Seat& seat)
{
    End end(seat);
    return playSlice(end, seat);
}

constexpr Contestant kContestants[] = {
    {kRaw, Mode::Busy, play<RawHandover>},
    {kRaw, Mode::Blocking, play<RawFutex>},
};

} // namespace

std::span<const Contestant> rawContestants() noexcept
{
    return kContestants;
}

} // namespace latency
