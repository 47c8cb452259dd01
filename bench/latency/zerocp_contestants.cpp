#include "latency/contestant.hpp"
#include "latency/ping_pong.hpp"
#include "latency/zerocp_end.hpp"
#include "latency/zerocp_receivers.hpp"

namespace latency
{

namespace
{

template <typename Message, typename Receiver>
Outcome playAs(const Seat& seat)
{
    auto end = ZeroCpEnd<Message, Receiver>::create(seat);
    return end ? playSlice(*end, seat) : tl::unexpected(end.error());
}

template <typename Receiver>
Outcome play(const Seat& seat)
{
    switch (seat.m_onlySlices ? 0 : seat.m_subject.m_payloadBytes)
    {
    case 64: return playAs<Block<64>, Receiver>(seat);
    case 4 << 10: return playAs<Block<(4 << 10)>, Receiver>(seat);
    case 64 << 10: return playAs<Block<(64 << 10)>, Receiver>(seat);
    case 1 << 20: return playAs<Block<(1 << 20)>, Receiver>(seat);
    case 16 << 20: return playAs<Block<(16 << 20)>, Receiver>(seat);
    default: return playAs<Words, Receiver>(seat);
    }
}

constexpr std::string_view kName = "zerocp";

constexpr Contestant kContestants[] = {
    {kName, Mode::Busy, play<TakingBusily>},
    {kName, Mode::Spin, play<SpinningThenSleeping>},
    {kName, Mode::Blocking, play<SleepingAtOnce>},
    {kName, Mode::Fd, play<Polling>},
};

} // namespace

std::span<const Contestant> zerocpContestants() noexcept
{
    return kContestants;
}

} // namespace latency
