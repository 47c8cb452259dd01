#include "sweep/sweep.hpp"

#include <algorithm>
#include <csignal>
#include <cstring>

#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

namespace ZeroCP::test
{

namespace
{

constexpr unsigned kLifeSeconds = 60;

int waitForEnd(pid_t pid)
{
    int status = -1;
    while (::waitpid(pid, &status, 0) < 0 && errno == EINTR)
    {
    }
    return status;
}

bool hasEnded(pid_t pid)
{
    siginfo_t info{};
    return ::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid != 0;
}

std::string setOf(const std::filesystem::path& root)
{
    return poolSetsOf(Stage::kDomain, root).at(0);
}

} // namespace

Sweep::Sweep(const std::filesystem::path& directory, Scene scene)
    : m_scene(std::move(scene)),
      m_root(directory / "shm"),
      m_stage(directory, m_scene.m_shape),
      m_segments(m_root),
      m_image(m_segments),
      m_set(m_root, setOf(m_root)),
      m_random(m_scene.m_seed)
{
    if (m_scene.m_prepare)
    {
        m_scene.m_prepare(m_stage);
    }
    m_stage.m_speaker.countIn(m_board->m_said);
}

SweepFigures Sweep::run()
{
    rehearse();
    dieEverywhere();
    if (m_scene.m_stops && m_scene.m_trial == Trial::VictimDies)
    {
        stallEverywhere();
    }
    return m_figures;
}

void Sweep::startVictim()
{
    m_victim.emplace([this] { m_stage.m_victimMember.closeLocksOfOthers(); }, [this] { play(); });
}

void Sweep::endVictim()
{
    expectGoodEnd(*m_victim, "the victim itself");
    m_victim.reset();
}

/// A process that was stepped and left alone must have come to its end.
void Sweep::expectGoodEnd(const Stepper& stepper, const std::string& who)
{
    if (goesOn() && (!WIFEXITED(stepper.status()) || WEXITSTATUS(stepper.status()) != 0))
    {
        report(who, stepper.status());
    }
}

void Sweep::dieEverywhere()
{
    const std::uint64_t said = m_board->m_said;
    const SegmentImage before(m_segments);
    startVictim();
    point();
    while (goesOn() && m_victim->step())
    {
        ++m_figures.m_steps;
        if (m_victim->madeSystemCall() || m_image.differs())
        {
            point();
        }
    }
    endVictim();
    before.putBack();
    m_board->m_said = said;
}

/// Not only where something has changed: a process may be stopped between what it reads and what it makes of it.
void Sweep::stallEverywhere()
{
    startVictim();
    while (goesOn() && m_victim->stepToAccess(m_root, Access::LoadOrStore))
    {
        m_image.take();
        stall(Meanwhile::OthersGoOn);
        if (m_stage.goneLives())
        {
            stall(Meanwhile::PublisherDies);
        }
        if (m_scene.m_listenerDies)
        {
            stall(Meanwhile::ListenerDies);
        }
    }
    endVictim();
}

/// The victim's part.
void Sweep::play()
{
    m_scene.m_act(m_stage);
    if (!m_stage.m_listener.wrong().empty())
    {
        tell("the victim heard:\n" + m_stage.m_listener.wrong());
        ::_exit(1);
    }
}

/// Everything once without a death in between, so that pages which the scene touches have memory when it is stepped.
void Sweep::rehearse()
{
    m_image.take();
    const std::uint64_t said = m_board->m_said;
    const HeldLocks locks = m_stage.m_victimMember.locks();
    const HeldLocks gone = m_stage.m_goneMember.locks();
    const pid_t pid = forkExactly(kLifeSeconds);
    if (pid == 0)
    {
        play();
        m_stage.m_victimMember.locks().drop();
        tell(Afterlife(m_stage, m_set.view()).live(Course::RecoveredAtOnce, saidByVictim()));
        ::_exit(m_board->m_complaint[0] == '\0' ? 0 : 1);
    }
    if (const int status = waitForEnd(pid); status != 0)
    {
        report("the rehearsal", status);
    }
    gone.takeAgain();
    locks.takeAgain();
    m_image.putBack();
    m_board->m_said = said;
}

void Sweep::point()
{
    m_image.take();
    ++m_figures.m_points;
    switch (m_scene.m_trial)
    {
    case Trial::VictimDies:
        for (const Course course : kCourses)
        {
            die(course);
        }
        break;
    case Trial::RecovererDies: killRecoverers(); break;
    case Trial::RecoverersDie: killChains(); break;
    }
}

Said Sweep::saidByVictim() const
{
    const std::uint64_t said = m_board->m_said; // the next one may have taken effect
    return {m_stage.m_speaker.id(), said, said + (m_stage.m_speaker.isThere() ? 1U : 0U)};
}

/// In a fork, which the segments do not survive as they are.
void Sweep::lifeAfter(Course course, const std::string& where)
{
    const pid_t pid = forkExactly(kLifeSeconds);
    if (pid == 0)
    {
        tell(Afterlife(m_stage, m_set.view()).live(course, saidByVictim()));
        ::_exit(m_board->m_complaint[0] == '\0' ? 0 : 1);
    }
    if (const int status = waitForEnd(pid); status != 0)
    {
        report(where, status);
    }
    ++m_figures.m_recovered;
}

/// The victim dies where it stands.
void Sweep::die(Course course)
{
    const HeldLocks locks(m_victim->pid());
    const HeldLocks doomed = m_stage.m_doomed.locks();
    const HeldLocks gone = m_stage.m_goneMember.locks();
    locks.drop();
    if (course == Course::TwoDied)
    {
        doomed.drop();
    }
    lifeAfter(course, toString(course));
    m_image.putBack();
    gone.takeAgain();
    doomed.takeAgain();
    locks.takeAgain();
}

/// The survivors' part, first while the victim does not move, then when it has gone on and died.
std::string Sweep::liveBeside(Meanwhile meanwhile)
{
    Afterlife afterlife(m_stage, m_set.view());
    Course course = Course::RecoveredAtOnce;
    switch (meanwhile)
    {
    case Meanwhile::OthersGoOn: afterlife.interfere(); break;
    case Meanwhile::PublisherDies: m_stage.loseGone(); break;
    case Meanwhile::ListenerDies:
        m_stage.m_doomed.locks().drop();
        static_cast<void>(recover(Stage::kDomain, m_stage.m_survivor.root()));
        course = Course::TwoDied;
        break;
    }
    m_board->m_phase = 1;
    await([this] { return m_board->m_phase == 2; });
    return afterlife.live(course, {m_stage.m_speaker.id(), m_board->m_said, m_board->m_said});
}

/// The victim is stopped where it stands while the survivors act, then goes on to its end, and dies there.
void Sweep::stall(Meanwhile meanwhile)
{
    const HeldLocks locks(m_victim->pid());
    if (locks.hasControl())
    {
        return; // control calls wait for it, as they should
    }
    const HeldLocks gone = m_stage.m_goneMember.locks();
    const HeldLocks doomed = m_stage.m_doomed.locks();
    const std::uint64_t said = m_board->m_said;
    m_board->m_phase = 0;
    const pid_t pid = forkExactly(kLifeSeconds);
    if (pid == 0)
    {
        tell(liveBeside(meanwhile));
        ::_exit(m_board->m_complaint[0] == '\0' ? 0 : 1);
    }
    await([&] { return m_board->m_phase == 1 || hasEnded(pid); });
    if (!m_victim->runCopy())
    {
        report("the victim, going on", 0);
    }
    locks.drop();
    m_board->m_phase = 2;
    if (const int status = waitForEnd(pid); status != 0)
    {
        report("stopped, then going on", status);
    }
    ++m_figures.m_stalls;
    m_image.putBack();
    m_board->m_said = said;
    doomed.takeAgain();
    gone.takeAgain();
    locks.takeAgain();
}

void Sweep::tell(const std::string& complaint)
{
    std::snprintf(m_board->m_complaint, sizeof m_board->m_complaint, "%s", complaint.c_str());
}

void Sweep::report(const std::string& where, int status)
{
    ++m_figures.m_bad;
    ADD_FAILURE() << m_scene.m_name << ", step " << (m_victim ? m_victim->steps() : 0) << ", " << where << ": "
                  << (WIFSIGNALED(status) ? "killed by signal " + std::to_string(WTERMSIG(status)) + "\n" : "")
                  << m_board->m_complaint;
    m_board->m_complaint[0] = '\0';
    unlockBelow(m_stage.m_survivor.lockDescriptor(), 2); // whoever failed may have been in a control call
}

} // namespace ZeroCP::test
