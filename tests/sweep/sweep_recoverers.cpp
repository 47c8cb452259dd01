// What the sweep does to those who recover a victim.
#include "sweep/sweep.hpp"

#include <string>
#include <vector>

#include <unistd.h>

namespace ZeroCP::test
{

namespace
{

/// Recovers in the name of `member`.
Stepper recovererAs(const Member& member)
{
    return Stepper([&member] { member.closeLocksOfOthers(); },
                   [&member]
                   {
                       const auto done = recover(Stage::kDomain, member.root());
                       ::_exit(done ? 0 : 1);
                   });
}

} // namespace

/// Who recovers the victim is stepped like the victim, and both are recovered.
void Sweep::killRecoverers()
{
    const HeldLocks victim(m_victim->pid());
    const HeldLocks gone = m_stage.m_goneMember.locks();
    victim.drop();
    {
        Stepper recoverer = recovererAs(m_stage.m_recoverers[0]);
        SegmentImage image(m_segments);
        ++m_figures.m_recoveries;
        while (goesOn() && recoverer.stepToAccess(m_root, Access::Store))
        {
            if (!recoverer.madeSystemCall() && !image.differs())
            {
                continue;
            }
            image.take();
            ++m_figures.m_recovererPoints;
            const HeldLocks locks(recoverer.pid());
            locks.drop();
            const Course course =
                m_figures.m_recovererPoints % 2 == 0 ? Course::RecoveredAtOnce : Course::SurvivorsGoOn;
            lifeAfter(course,
                      "its recoverer died at step " + std::to_string(recoverer.steps()) + ", " + toString(course));
            image.putBack();
            gone.takeAgain();
            locks.takeAgain();
        }
        expectGoodEnd(recoverer, "the recoverer itself");
    }
    m_image.putBack();
    victim.takeAgain();
}

void Sweep::killChains()
{
    const HeldLocks victim(m_victim->pid());
    const HeldLocks gone = m_stage.m_goneMember.locks();
    victim.drop();
    for (std::uint32_t i = 0; i < m_scene.m_chains && goesOn(); ++i)
    {
        killOneChain();
        m_image.putBack();
        gone.takeAgain();
    }
    victim.takeAgain();
}

/// Each recoverer finds what the victim and the recoverers before it have left.
void Sweep::killOneChain()
{
    std::vector<HeldLocks> locks;
    for (const Member& member : m_stage.m_recoverers)
    {
        locks.push_back(member.locks());
    }
    std::string where = "seed " + std::to_string(m_scene.m_seed) + ", recoverers died behind change";
    const std::size_t length = 2 + m_random.below(Stage::kRecoverers - 1);
    for (std::size_t depth = 0; depth < length; ++depth)
    {
        const auto change = dieRecovering(depth);
        if (!change)
        {
            break;
        }
        where += " " + std::to_string(*change);
        ++m_figures.m_recovererPoints;
        m_figures.m_secondDeaths += depth == 1 ? 1U : 0U;
        m_figures.m_thirdDeaths += depth == 2 ? 1U : 0U;
    }
    lifeAfter(m_random.below(2) == 0 ? Course::RecoveredAtOnce : Course::SurvivorsGoOn, where);
    for (const HeldLocks& slot : locks)
    {
        slot.takeAgain();
    }
}

/// Behind which store or system call it died, at random; nothing if it made none.
std::optional<std::uint64_t> Sweep::dieRecovering(std::size_t depth)
{
    const SegmentImage before(m_segments);
    for (std::uint64_t most = m_longestRecovery; most > 0 && goesOn();)
    {
        const std::uint64_t wanted = 1 + m_random.below(most);
        std::uint64_t made = 0;
        Stepper recoverer = recovererAs(m_stage.m_recoverers[depth]);
        while (made < wanted && recoverer.stepToAccess(m_root, Access::Store))
        {
            ++made;
        }
        if (made == wanted)
        {
            HeldLocks(recoverer.pid()).drop();
            return made;
        }
        expectGoodEnd(recoverer, "the recoverer itself");
        before.putBack();
        m_longestRecovery = 2 * made + 1;
        most = made;
    }
    return std::nullopt;
}

} // namespace ZeroCP::test
