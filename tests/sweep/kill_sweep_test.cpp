// Every way to die in a number of scenes: see sweep.hpp and scenes.hpp. One TEST is one scene, in its variants.
#include <gtest/gtest.h>

#include "support/child_process.hpp"
#include "support/sanitized.hpp"
#include "support/test_domain.hpp"
#include "sweep/figures_line.hpp"
#include "sweep/scenes.hpp"

namespace ZeroCP::test
{
namespace
{

constexpr unsigned kWatchdogSeconds = 600; ///< of a loaded machine; ctest itself is less patient

void sweep(const Scene& scene)
{
    if (kSanitized)
    {
        GTEST_SKIP() << "sanitizers have threads and memory of their own that a bare fork does not carry over";
    }
    TestDirectory directory;
    ChildProcess process(
        [&](Peer&)
        {
            auto* stage = new Sweep(directory.path(), scene); // never ends: its handles are those of the dead
            const SweepFigures figures = stage->run();
            printFigures(scene.m_name, {{"instructions", figures.m_steps},
                                        {"points", figures.m_points},
                                        {"deaths", figures.m_recovered},
                                        {"stops", figures.m_stalls},
                                        {"recoverers", figures.m_recovererPoints},
                                        {"second", figures.m_secondDeaths},
                                        {"third", figures.m_thirdDeaths},
                                        {"bad", figures.m_bad}});
            // Less means that changes were not noticed.
            const bool tried =
                figures.m_points >= 3 && (scene.m_trial == Trial::VictimDies || figures.m_recovererPoints > 0);
            return figures.m_bad == 0 && tried;
        },
        kWatchdogSeconds);
    EXPECT_TRUE(process.wait().succeeded());
}

TEST(KillSweep, PublisherThatRemembers)
{
    sweep(scenes::remembering());
    sweep(scenes::inThreeWords(scenes::remembering()));
}

TEST(KillSweep, SubscriberThatJoinsLate)
{
    sweep(scenes::joiningLate());
}

TEST(KillSweep, PublisherThatKeepsAll)
{
    sweep(scenes::publishingAll());
    sweep(scenes::inThreeWords(scenes::publishingAll()));
}

TEST(KillSweep, SubscriberThatKeepsAll)
{
    sweep(scenes::takingAll());
    sweep(scenes::takingWhatWasNotDropped());
}

TEST(KillSweep, RecovererOfAPublisherThatKeepsAll)
{
    sweep(scenes::withKilledRecoverers(scenes::publishingAll()));
}

TEST(KillSweep, SubscriberThatSleeps)
{
    sweep(scenes::sleeping());
}

TEST(KillSweep, SubscriberThatSleepsInAWaitSet)
{
    sweep(scenes::sleepingInAWaitSet());
}

TEST(KillSweep, SamplesDroppedOnAnotherThread)
{
    sweep(scenes::droppingElsewhere());
    sweep(scenes::inThreeWords(scenes::droppingElsewhere()));
}

TEST(KillSweep, LoanDroppedOnAnotherThread)
{
    sweep(scenes::loanComesHome());
}

TEST(KillSweep, PublisherThatKeepsItsDeadline)
{
    sweep(scenes::keepingPromises());
}

TEST(KillSweep, PublisherThatMissesItsDeadline)
{
    sweep(scenes::breakingPromises());
}

TEST(KillSweep, PublisherThatJoins)
{
    sweep(scenes::publisherJoining());
}

TEST(KillSweep, SubscriberThatJoins)
{
    sweep(scenes::subscriberJoining());
}

TEST(KillSweep, PoolThatShrinks)
{
    sweep(scenes::largeSubscriberLeaving());
}

TEST(KillSweep, PublisherThatPopsPublishesAndEvicts)
{
    sweep(scenes::evicting());
    sweep(scenes::inThreeWords(scenes::evicting()));
}

TEST(KillSweep, PublisherThatCollectsAndTrims)
{
    sweep(scenes::collecting());
    sweep(scenes::inThreeWords(scenes::collecting()));
}

TEST(KillSweep, PublisherThatFindsTheListEmpty)
{
    sweep(scenes::exhausting());
}

TEST(KillSweep, SubscriberThatTakesAndReleases)
{
    sweep(scenes::taking());
    sweep(scenes::inThreeWords(scenes::taking()));
}

TEST(KillSweep, SubscriberThatMissesMessages)
{
    sweep(scenes::missing());
    sweep(scenes::inThreeWords(scenes::missing()));
}

TEST(KillSweep, SubscriberWhoseRingIsFull)
{
    sweep(scenes::ringFull());
    sweep(scenes::inThreeWords(scenes::ringFull()));
}

TEST(KillSweep, SubscriberThatIsTheLastHolder)
{
    sweep(scenes::lastOne());
    sweep(scenes::inThreeWords(scenes::lastOne()));
}

TEST(KillSweep, SubscriberOfAPublisherThatDies)
{
    sweep(scenes::returningToTheDying());
    sweep(scenes::inThreeWords(scenes::returningToTheDying()));
}

TEST(KillSweep, PublisherThatLeaves)
{
    sweep(scenes::publisherLeaving());
    sweep(scenes::inThreeWords(scenes::publisherLeaving()));
}

TEST(KillSweep, SubscriberThatLeaves)
{
    sweep(scenes::subscriberLeaving());
    sweep(scenes::inThreeWords(scenes::subscriberLeaving()));
}

TEST(KillSweep, RecovererOfASubscriber)
{
    sweep(scenes::withKilledRecoverers(scenes::ringFull()));
    sweep(scenes::withKilledRecoverers(scenes::lastOne()));
    sweep(scenes::withKilledRecoverers(scenes::inThreeWords(scenes::lastOne())));
    sweep(scenes::withKilledRecoverers(scenes::missing()));
}

TEST(KillSweep, RecovererOfAPublisherWithAHistory)
{
    sweep(scenes::withKilledRecoverers(scenes::remembering()));
}

TEST(KillSweep, RecovererOfALateJoiner)
{
    sweep(scenes::withKilledRecoverers(scenes::joiningLate()));
}

TEST(KillSweep, RecovererOfOneThatShrinksAPool)
{
    sweep(scenes::withKilledRecoverers(scenes::largeSubscriberLeaving()));
}

TEST(KillSweep, RecovererOfAPublisher)
{
    sweep(scenes::withKilledRecoverers(scenes::evicting()));
}

TEST(KillSweep, RecovererOfAPublisherThatTrims)
{
    sweep(scenes::withKilledRecoverers(scenes::collecting()));
}

TEST(KillSweep, RecovererOfAPublisherWithBooks)
{
    sweep(scenes::withKilledRecoverers(scenes::keepingPromises()));
}

TEST(KillSweep, RecoverersInChains)
{
    sweep(scenes::withChainsOfRecoverers(scenes::evicting()));
    sweep(scenes::withChainsOfRecoverers(scenes::collecting()));
    sweep(scenes::withChainsOfRecoverers(scenes::lastOne()));
    sweep(scenes::withChainsOfRecoverers(scenes::remembering()));
    sweep(scenes::withChainsOfRecoverers(scenes::joiningLate()));
    sweep(scenes::withChainsOfRecoverers(scenes::publishingAll()));
}

} // namespace
} // namespace ZeroCP::test
