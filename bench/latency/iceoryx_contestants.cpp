#include <chrono>
#include <string>

#include <unistd.h>

#include <iceoryx_hoofs/log/logmanager.hpp>
#include <iceoryx_posh/runtime/posh_runtime.hpp>

#include "latency/contestant.hpp"
#include "latency/iceoryx_end.hpp"
#include "latency/ping_pong.hpp"

namespace latency
{

namespace
{

constexpr std::chrono::seconds kPatience{20};

Outcome play(const Seat& seat)
{
    const std::string name = (seat.serves() ? "latency-serving-" : "latency-answering-") + std::to_string(::getpid());
    iox::log::LogManager::GetLogManager().SetDefaultLogLevel(iox::log::LogLevel::kError,
                                                             iox::log::LogLevelOutput::kHideLogLevel);
    iox::runtime::PoshRuntime::initRuntime(iox::RuntimeName_t(iox::cxx::TruncateToCapacity, name));
    IceoryxEnd end(seat);
    if (!end.awaitConnection(kPatience))
    {
        return tl::unexpected("the daemon has not connected both sides within " + std::to_string(kPatience.count()) +
                              " s");
    }
    return playSlice(end, seat);
}

constexpr Contestant kContestants[] = {{"iceoryx", Mode::Busy, play}};

} // namespace

std::span<const Contestant> iceoryxContestants() noexcept
{
    return kContestants;
}

} // namespace latency
