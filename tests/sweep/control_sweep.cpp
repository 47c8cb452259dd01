#include "sweep/control_sweep.hpp"

#include <cerrno>
#include <csignal>
#include <list>
#include <optional>

#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "support/pool_audit.hpp"
#include "sweep/change_trap.hpp"
#include "sweep/held_locks.hpp"
#include "sweep/stepper.hpp"
#include "zerocp/zerocp.hpp"

namespace ZeroCP::test
{

namespace
{

/// A fork has the descriptors of its parent, whose locks must not live on in it.
void forgetLocksOfParent()
{
    for (const int descriptor : lockDescriptors(::getpid()))
    {
        ::close(descriptor);
    }
}

int waitForStopOrEnd(pid_t pid)
{
    int status = 0;
    while (::waitpid(pid, &status, WUNTRACED) < 0 && errno == EINTR)
    {
    }
    return status;
}

constexpr int kWays = 3;
constexpr unsigned kWatchdogSeconds = 60;

} // namespace

ControlDomain::ControlDomain(const std::filesystem::path& directory, const ControlScene& scene)
    : m_scene(scene), m_directory(directory), m_segments(directory / "shm"), m_host(directory, "host", configOf(scene))
{
    if (m_scene.m_setting)
    {
        m_scene.m_setting(m_host);
    }
    m_before = figures();
}

std::string ControlDomain::where(const std::string& what) const
{
    return m_scene.m_name + ", death " + std::to_string(m_point) + m_story + ": " + what;
}

/// Runs `prepare` and, up to behind change number `point`, `act`. False: it came to its end before.
bool ControlDomain::runTo(std::uint64_t point, const Part& part, bool othersGoOn)
{
    const pid_t pid = forkExactly(kWatchdogSeconds);
    if (pid == 0)
    {
        forgetLocksOfParent();
        part.m_prepare();
        trapChange(m_segments, point, othersGoOn ? AtChange::Stop : AtChange::Die);
        part.m_act();
        ::_exit(0);
    }
    int status = waitForStopOrEnd(pid);
    while (WIFSTOPPED(status) && m_board->m_hostsTurn.exchange(false))
    {
        m_scene.m_hostActs(m_host);
        ::kill(pid, SIGCONT);
        status = waitForStopOrEnd(pid);
    }
    if (WIFSTOPPED(status))
    {
        goOn();
        ::kill(pid, SIGKILL);
        ::waitpid(pid, &status, 0);
    }
    const bool killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    EXPECT_TRUE(killed || status == 0) << where("ended with status " + std::to_string(status));
    return killed;
}

/// The victim, until its parent has acted as the host. No raise(): that blocks the signals by which changes are counted.
void ControlDomain::standStill()
{
    m_board->m_hostsTurn = true;
    ::kill(::getpid(), SIGSTOP);
}

bool ControlDomain::die(std::uint64_t point, bool othersGoOn)
{
    m_point = point;
    m_story = othersGoOn ? ", others go on" : "";
    std::optional<Visitor> victim;
    const Part part{[&]
                    {
                        victim.emplace(m_directory, "victim", configOf(m_scene));
                        victim->onHostsTurn([this] { standStill(); });
                        m_scene.m_before(*victim);
                    },
                    [&] { m_scene.m_act(*victim); }};
    const bool died = runTo(point, part, othersGoOn);
    if (othersGoOn)
    {
        goOn();
    }
    return died;
}

bool ControlDomain::dieRecovering(std::uint64_t point)
{
    m_story += ", recoverer dies at " + std::to_string(point);
    std::optional<Visitor> recoverer;
    const Part part{[&] { recoverer.emplace(m_directory, "recoverer", configOf(m_scene)); },
                    [&] { recoverer->join(); }};
    return runTo(point, part, false);
}

void ControlDomain::recover(std::uint64_t way)
{
    static const char* const kNames[kWays] = {", recover()", ", a newcomer joins", ", an endpoint comes"};
    way = m_host.isThere() ? way % kWays : 1;
    m_story += kNames[way];
    if (way == 0)
    {
        const auto report = ZeroCP::recover(Visitor::kDomain, m_host.root());
        EXPECT_TRUE(report && report->pending == 0) << where("recover()");
        return;
    }
    Visitor newcomer(m_directory, "newcomer", configOf(m_scene));
    if (way == 1)
    {
        newcomer.join();
        newcomer.leave();
        return;
    }
    static_cast<void>(m_host.node().createSubscriber<Message>("elsewhere").value());
}

void ControlDomain::expectNoTrace()
{
    settleCalls();
    m_host.m_listener.drain(); // else the pair of a publisher that is gone stays for what waits in it
    DomainFigures now = figures();
    if (m_scene.m_poolStays && now.m_poolSets == m_before.m_poolSets + 1)
    {
        now = now.withoutOnePoolSet();
    }
    EXPECT_EQ(differences(m_before.m_inUse, now.m_inUse), "") << where("leaks");
    EXPECT_EQ(now.m_misplaced, "") << where("chunks");
    if (m_scene.m_givesBack)
    {
        EXPECT_EQ(now.m_staleBytes, 0U) << where("memory that should have been given back");
    }
}

/// Every call of the host comes to one end, whoever has died.
void ControlDomain::settleCalls()
{
    m_host.m_server.serve();
    if (m_host.m_caller.isThere())
    {
        m_host.m_caller.hearAll(m_host.m_server);
        EXPECT_EQ(m_host.m_caller.complaints(), "") << where("calls");
    }
}

void ControlDomain::remember()
{
    m_kept = figures().m_kept;
}

void ControlDomain::expectNoGrowth()
{
    EXPECT_EQ(differences(m_kept, figures().m_kept), "") << where("grows");
}

/// Publishes and takes without any control call.
void ControlDomain::goOn()
{
    if (m_host.m_speaker.isThere())
    {
        m_host.m_speaker.say(3);
    }
    m_host.m_listener.hear(3);
    m_host.m_listener.drop(2);
    if (m_scene.m_hostActs)
    {
        m_scene.m_hostActs(m_host);
    }
}

void ControlDomain::expectFlow(Visitor& newcomer)
{
    newcomer.m_listener.drain();
    for (int i = 0; i < 10; ++i)
    {
        EXPECT_TRUE(newcomer.m_speaker.say()) << where("a new publisher finds no chunk");
        EXPECT_TRUE(newcomer.m_listener.hear()) << where("a new subscriber hears nothing");
        newcomer.m_listener.drop(1);
        if (m_host.m_speaker.isThere())
        {
            EXPECT_TRUE(m_host.m_speaker.say()) << where("who was there before finds no chunk");
            newcomer.m_listener.hear();
            newcomer.m_listener.drop(1);
        }
        m_host.m_listener.hear(2);
        m_host.m_listener.drop(2);
    }
    EXPECT_EQ(newcomer.m_listener.wrong() + m_host.m_listener.wrong(), "") << where("messages");
}

void ControlDomain::liveOn()
{
    Visitor newcomer(m_directory, "newcomer", configOf(m_scene));
    newcomer.onHostsTurn([this] { m_scene.m_hostActs(m_host); });
    m_scene.m_before(newcomer);
    m_scene.m_act(newcomer);
    newcomer.leave();
    newcomer.join();
    newcomer.subscribe(m_scene.m_topic, m_scene.m_subscriber);
    newcomer.publish(m_scene.m_topic, m_scene.m_publisher);
    expectFlow(newcomer);
    newcomer.leave();
    expectNoTrace();
    leaveAll();
}

/// The host too; what its publisher and subscriber have had must be free then.
void ControlDomain::leaveAll()
{
    std::list<MappedSet> sets; // while they have names
    for (const std::string& name : poolSetsOf(Visitor::kDomain, m_segments))
    {
        sets.emplace_back(m_segments, name);
    }
    m_host.leave();
    for (const MappedSet& set : sets)
    {
        for (std::uint32_t c = 0; c < set.view().classCount(); ++c)
        {
            EXPECT_EQ(auditClass(set.view(), set.view().classAt(c)), "") << where("when all have gone");
        }
    }
    EXPECT_TRUE(filesOf(Visitor::kDomain, m_segments).empty()) << where("files are left when all have gone");
}

std::filesystem::path ControlSweep::newDirectory()
{
    return m_directory / std::to_string(m_domains++);
}

ControlSweepFigures ControlSweep::dieEverywhere(std::uint64_t stride)
{
    constexpr std::uint64_t kManyRounds = 50;
    // A row that was made in one round is there in the next, which then gets a change further.
    constexpr std::uint64_t kSettled = 25;
    ControlSweepFigures figures;
    for (bool more = true; more && !::testing::Test::HasFailure(); ++figures.m_points)
    {
        const std::uint64_t point = figures.m_points;
        const std::filesystem::path directory = newDirectory();
        ControlDomain domain(directory, m_scene);
        const std::uint64_t rounds = point % stride == 0 ? kManyRounds : 1;
        for (std::uint64_t round = 0; round < rounds && !::testing::Test::HasFailure(); ++round)
        {
            const bool died = domain.die(point, (point / 2 + round) % 2 == 1);
            more = round == 0 ? died : more; // later rounds find rows that are there and are through earlier
            domain.recover(point + round);
            domain.expectNoTrace();
            round < kSettled ? domain.remember() : domain.expectNoGrowth();
            figures.m_deaths += died ? 1U : 0U;
        }
        domain.liveOn();
        std::filesystem::remove_all(directory);
    }
    return figures;
}

ControlSweepFigures ControlSweep::killRecoverers(std::uint64_t stride)
{
    ControlSweepFigures figures;
    for (bool more = true; more && !::testing::Test::HasFailure(); ++figures.m_points)
    {
        const std::filesystem::path directory = newDirectory();
        ControlDomain domain(directory, m_scene);
        bool recovering = true;
        const std::uint64_t first = figures.m_points % stride;
        for (std::uint64_t at = first; recovering && !::testing::Test::HasFailure(); at += stride)
        {
            const bool died = domain.die(figures.m_points, false);
            more = at == first ? died : more;
            recovering = domain.dieRecovering(at);
            domain.recover(at);
            domain.expectNoTrace();
            figures.m_deaths += died ? 1U : 0U;
            figures.m_recoverers += recovering ? 1U : 0U;
        }
        domain.liveOn();
        std::filesystem::remove_all(directory);
    }
    return figures;
}

} // namespace ZeroCP::test
