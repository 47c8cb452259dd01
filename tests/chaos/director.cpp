#include "chaos/director.hpp"

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <string>

#include <unistd.h>

#include <gtest/gtest.h>

#include "chaos/witness.hpp"

namespace ZeroCP::test::chaos
{

namespace
{

using namespace std::chrono_literals;

/// How long a process that is not stopped may do nothing. Control calls wait for one that is stopped in a control call.
/// Who is silent for longer than any stop is left alone, so that it is seen if it hangs.
constexpr auto kMostSilence = kSanitized ? 30s : 8s;
constexpr auto kLongestStop = 400ms;
constexpr auto kLongSilence = 600ms;
constexpr std::uint64_t kMostPauseMicroseconds = kSanitized ? 60'000 : 25'000;

std::string lineOf(const std::string& file)
{
    std::ifstream stream(file);
    std::string line;
    std::getline(stream, line);
    return line;
}

} // namespace

Director::Director(const Scene& scene, std::uint64_t seed, std::chrono::seconds duration)
    : m_scene(scene), m_random(seed), m_duration(duration)
{
    startWitnesses();
    std::size_t place = m_witnesses.size();
    for (const Role& role : kRoles)
    {
        for (std::uint32_t i = 0; i < role.m_processes; ++i)
        {
            m_companions.push_back(
                {.m_name = role.m_name, .m_session = role.m_session, .m_place = &scene.m_board.m_places.at(place++)});
        }
    }
    for (Seat& seat : m_companions)
    {
        start(seat);
    }
}

void Director::startWitnesses()
{
    const std::uint64_t seed = m_random();
    const auto watchdog = static_cast<unsigned>(m_duration.count()) + 120;
    const auto add = [this, watchdog](const char* name, std::size_t place, auto body)
    {
        Place& where = m_scene.m_board.m_places.at(place);
        where.at("starts");
        m_witnesses.push_back(
            {.m_name = name,
             .m_place = &where,
             .m_process = std::make_unique<ChildProcess>([body, &where](Peer&) { return body(where); }, watchdog),
             .m_lastBeat = Clock::now()});
    };
    add("witness subscriber", 0, [this](Place& place) { return subscribeAsWitness(m_scene, place); });
    add("witness publisher", 1, [this, seed](Place& place) { return publishAsWitness(m_scene, place, seed); });
    await([this] { return m_scene.m_board.m_witnessIsThere.load() || m_witnesses[0].m_process->hasEnded(); });
}

void Director::start(Seat& seat)
{
    const std::uint64_t seed = m_random();
    const auto watchdog = static_cast<unsigned>(m_duration.count()) + 120;
    seat.m_place->m_leave = false;
    seat.m_place->at("starts");
    seat.m_lastBeat = Clock::now();
    seat.m_isStopped = false;
    seat.m_process = std::make_unique<ChildProcess>(
        [this, &seat, seed](Peer&)
        {
            Random random(seed);
            while (!m_scene.mustLeave(*seat.m_place) && !::testing::Test::HasFailure())
            {
                seat.m_session(m_scene, *seat.m_place, random);
            }
            seat.m_place->at("ends");
            return true;
        },
        watchdog);
}

void Director::run()
{
    const auto end = Clock::now() + m_duration;
    while (Clock::now() < end && !::testing::Test::HasFailure())
    {
        const auto until = Clock::now() + std::chrono::microseconds(m_random.below(kMostPauseMicroseconds));
        for (auto now = Clock::now(); now < until; now = Clock::now())
        {
            continueThoseDue(now);
            ::usleep(500);
        }
        Seat& seat = m_companions[m_random.below(m_companions.size())];
        if (seat.m_isStopped || Clock::now() - seat.m_lastBeat < kLongSilence)
        {
            makeMischief(seat);
        }
        watch();
    }
    continueAll();
}

void Director::makeMischief(Seat& seat)
{
    switch (m_random.below(10))
    {
    case 0:
    case 1: stop(seat); break;
    case 2: // in order
        if (!seat.m_isStopped)
        {
            seat.m_place->m_leave = true; // watch() replaces it
        }
        break;
    default: kill(seat); // perhaps while it is stopped
    }
}

void Director::kill(Seat& seat)
{
    if (seat.m_process->hasEnded())
    {
        return; // watch() looks why
    }
    const ExitStatus status = seat.m_process->kill(SIGKILL);
    // It may have ended in order between the look and the signal.
    EXPECT_TRUE(status.killedBy(SIGKILL) || (seat.m_place->m_leave && status.succeeded()))
        << seat.m_name << ": " << ::testing::PrintToString(status);
    ++m_kills;
    start(seat);
}

void Director::stop(Seat& seat)
{
    if (!seat.m_isStopped)
    {
        seat.m_process->signal(SIGSTOP);
        seat.m_isStopped = true;
        seat.m_goesOn =
            Clock::now() + std::chrono::microseconds(m_random.below(
                               std::chrono::duration_cast<std::chrono::microseconds>(kLongestStop).count()));
        ++m_stops;
    }
}

void Director::continueThoseDue(Clock::time_point now)
{
    for (Seat& seat : m_companions)
    {
        if (seat.m_isStopped && now >= seat.m_goesOn)
        {
            seat.m_process->signal(SIGCONT);
            seat.m_isStopped = false;
            seat.m_lastBeat = now;
        }
    }
}

void Director::watch()
{
    const auto now = Clock::now();
    for (Seat& seat : m_witnesses)
    {
        watch(seat, now);
        EXPECT_FALSE(seat.m_process->hasEnded())
            << seat.m_name << " ended, it was last seen when it " << seat.m_place->m_doing.load();
    }
    for (Seat& seat : m_companions)
    {
        watch(seat, now);
        if (!seat.m_isStopped && seat.m_process->hasEnded())
        {
            const ExitStatus status = seat.m_process->wait();
            EXPECT_TRUE(seat.m_place->m_leave && status.succeeded())
                << seat.m_name << ", last seen when it " << seat.m_place->m_doing.load() << ": "
                << ::testing::PrintToString(status);
            ++m_departures;
            start(seat);
        }
    }
}

void Director::watch(Seat& seat, Clock::time_point now)
{
    if (const std::uint64_t beats = seat.m_place->m_beats; beats != seat.m_beats || seat.m_isStopped)
    {
        seat.m_beats = beats;
        seat.m_lastBeat = now;
        return;
    }
    const auto silence = now - seat.m_lastBeat;
    m_longestSilence = std::max<std::chrono::duration<double>>(m_longestSilence, silence);
    if (silence > kMostSilence && !::testing::Test::HasFailure())
    {
        ADD_FAILURE() << seat.m_name << " hangs";
        explainHang();
    }
}

/// Who waits where.
void Director::explainHang() const
{
    for (const auto* seats : {&m_witnesses, &m_companions})
    {
        for (const Seat& seat : *seats)
        {
            if (seat.m_process->hasEnded())
            {
                continue;
            }
            const std::string proc = "/proc/" + std::to_string(seat.m_process->pid()) + "/";
            const std::chrono::duration<double> silence = Clock::now() - seat.m_lastBeat;
            std::printf("  %s, pid %d%s, silent for %.1f s, %s; wchan %s, syscall %s\n", seat.m_name.c_str(),
                        seat.m_process->pid(), seat.m_isStopped ? ", stopped" : "", silence.count(),
                        seat.m_place->m_doing.load(), lineOf(proc + "wchan").c_str(), lineOf(proc + "syscall").c_str());
        }
    }
    std::fflush(stdout);
}

void Director::continueAll()
{
    for (Seat& seat : m_companions)
    {
        seat.m_process->signal(SIGCONT);
        seat.m_isStopped = false;
        seat.m_lastBeat = Clock::now();
    }
}

void Director::endCompanions()
{
    m_scene.m_board.m_stop = true;
    for (Seat& seat : m_companions)
    {
        waitForEnd(seat);
    }
}

void Director::endWitnesses()
{
    m_scene.m_board.m_witnessStop = true;
    waitForEnd(m_witnesses[1]);
    m_scene.m_board.m_drain = true;
    waitForEnd(m_witnesses[0]);
}

/// When the test has failed nobody is waited for.
void Director::waitForEnd(Seat& seat)
{
    while (!seat.m_process->hasEnded())
    {
        watch(seat, Clock::now());
        if (::testing::Test::HasFailure())
        {
            seat.m_process->kill(SIGKILL);
            return;
        }
        ::usleep(1000);
    }
    const ExitStatus status = seat.m_process->wait();
    EXPECT_TRUE(status.succeeded()) << seat.m_name << ", last seen when it " << seat.m_place->m_doing.load() << ": "
                                    << ::testing::PrintToString(status);
}

void Director::printFigures() const
{
    const Board& board = m_scene.m_board;
    const auto number = [](const std::atomic<std::uint64_t>& value)
    { return static_cast<unsigned long long>(value.load()); };
    std::printf("%llu kills, %llu stops, %llu left in order; witness: %llu + %llu == %llu; others received %llu; %llu "
                "calls settled, %llu answered; recoverers found %llu dead; longest silence %.2f s\n",
                static_cast<unsigned long long>(m_kills), static_cast<unsigned long long>(m_stops),
                static_cast<unsigned long long>(m_departures), number(board.m_witnessReceived),
                number(board.m_witnessMissed), number(board.m_sent[0]) + number(board.m_sent[1]),
                number(board.m_received), number(board.m_calls), number(board.m_answers), number(board.m_recoveries),
                m_longestSilence.count());
}

} // namespace ZeroCP::test::chaos
