// Every way to die in a number of scenes: see sweep.hpp. One TEST is one scene.
#include <cstdio>

#include <gtest/gtest.h>

#include "support/child_process.hpp"
#include "support/sanitized.hpp"
#include "support/test_domain.hpp"
#include "sweep/sweep.hpp"

namespace ZeroCP::test
{
namespace
{

constexpr unsigned kWatchdogSeconds = 170;

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
            std::printf("%s: %llu instructions, %llu points, %llu lives after a death, %llu stalls, "
                        "%llu recoveries killed at %llu points; bad = %llu\n",
                        scene.m_name.c_str(), static_cast<unsigned long long>(figures.m_steps),
                        static_cast<unsigned long long>(figures.m_points),
                        static_cast<unsigned long long>(figures.m_recovered),
                        static_cast<unsigned long long>(figures.m_stalls),
                        static_cast<unsigned long long>(figures.m_recoveries),
                        static_cast<unsigned long long>(figures.m_recovererPoints),
                        static_cast<unsigned long long>(figures.m_bad));
            std::fflush(stdout);
            return figures.m_bad == 0;
        },
        kWatchdogSeconds);
    EXPECT_TRUE(process.wait().succeeded());
}

/// The same with three holder words, a listener in each.
Scene inThreeWords(Scene scene)
{
    scene.m_name += ", three words";
    scene.m_shape.m_portsPerTopic = 3 * holder::kBitsPerWord;
    scene.m_listenerDies = false; // tried with one word
    return scene;
}

/// Every recovery in it is killed too; nothing else is tried.
Scene withKilledRecoverers(Scene scene)
{
    scene.m_name += ", recoverers killed";
    scene.m_killsRecoverers = true;
    return scene;
}

/// The first loan pops a batch, the third message evicts: the slow listener waits at the oldest entry, the quick one has
/// not looked yet.
Scene evicting()
{
    return {.m_name = "loan, publish, evict",
            .m_shape = {.m_victimPublishes = true},
            .m_prepare = [](Stage& stage) { stage.m_slow.hear(1); },
            .m_act = [](Stage& stage) { stage.m_speaker.say(6); },
            .m_listenerDies = true};
}

/// Half of what both listeners hold comes back; the publisher's small stash overflows into the shared list.
Scene collecting()
{
    return {.m_name = "collect, trim, push",
            .m_shape = {.m_pooled = true,
                        .m_quick = QoS{}.keepLast(4).maxHeld(12),
                        .m_slow = QoS{}.keepLast(2).maxHeld(10),
                        .m_victimPublishes = true},
            .m_prepare =
                [](Stage& stage)
            {
                for (int i = 0; i < 11; ++i)
                {
                    stage.m_speaker.say();
                    stage.m_quick.hear();
                    stage.m_slow.hear();
                }
                stage.m_quick.drop(10);
                stage.m_slow.drop(9);
            },
            .m_act = [](Stage& stage) { stage.m_speaker.say(3); },
            .m_listenerDies = true};
}

/// The slow listener is at its limit, so the publisher finds nothing to collect and looks at each of its chunks; the
/// shared list is empty.
Scene exhausting()
{
    return {.m_name = "empty list",
            .m_shape = {.m_pooled = true, .m_quick = QoS{}.keepLast(4).maxHeld(28), .m_victimPublishes = true},
            .m_prepare =
                [](Stage& stage)
            {
                for (int i = 0; i < 28; ++i)
                {
                    stage.m_speaker.say();
                    stage.m_quick.hear();
                }
                stage.m_peer.say(16);
            },
            .m_act = [](Stage& stage) { stage.m_speaker.say(4); }};
}

Scene taking()
{
    return {.m_name = "take, release by the ring",
            .m_shape = {.m_victimSubscribes = true},
            .m_prepare = [](Stage& stage) { stage.m_peer.say(2); },
            .m_act =
                [](Stage& stage)
            {
                stage.m_listener.hear(3);
                stage.m_listener.drop(2);
            }};
}

/// Four entries are gone when it looks, the first of them at the position that it had announced.
Scene missing()
{
    return {.m_name = "take after evictions",
            .m_shape = {.m_victimSubscribes = true},
            .m_prepare =
                [](Stage& stage)
            {
                stage.m_listener.hear(1);
                stage.m_peer.say(6);
            },
            .m_act =
                [](Stage& stage)
            {
                stage.m_listener.hear(3);
                stage.m_listener.drop(2);
            }};
}

/// A return ring of four; the publisher has looked into none of them.
Scene ringFull()
{
    return {.m_name = "release with a full ring",
            .m_shape = {.m_victimSubscribes = true, .m_victim = QoS{}.keepLast(1).maxHeld(1)},
            .m_prepare =
                [](Stage& stage)
            {
                for (int i = 0; i < 4; ++i)
                {
                    stage.m_peer.say();
                    stage.m_listener.hear();
                    stage.m_listener.drop(1);
                }
                stage.m_peer.say();
                stage.m_quick.drain();
            },
            .m_act =
                [](Stage& stage)
            {
                stage.m_listener.hear();
                stage.m_listener.drop(1);
            }};
}

/// The victim is the last to hold what a dead publisher has left: one sample in hand, one in a ring that nobody reads, one
/// in the queue.
Scene lastOne()
{
    return {.m_name = "last holder of a dead one's messages",
            .m_shape = {.m_victimSubscribes = true, .m_hasGone = true},
            .m_prepare =
                [](Stage& stage)
            {
                stage.m_gone.say(2);
                stage.m_listener.hear(2);
                stage.m_listener.drop(1);
                stage.m_gone.say(1);
                stage.loseGone();
                stage.m_quick.drain();
                stage.m_slow.drain();
            },
            .m_act =
                [](Stage& stage)
            {
                stage.m_listener.drop(1);
                stage.m_listener.hear();
                stage.m_listener.drop(1);
                stage.m_listener.hear();
            }};
}

/// It gives back what a publisher has sent who may die at any moment of that.
Scene returningToTheDying()
{
    return {.m_name = "release to a publisher that dies",
            .m_shape = {.m_victimSubscribes = true, .m_victim = QoS{}.keepLast(1).maxHeld(2), .m_hasGone = true},
            .m_prepare =
                [](Stage& stage)
            {
                stage.m_listener.hear();
                stage.m_gone.say(3);
                stage.m_quick.drain();
                stage.m_slow.drain();
            },
            .m_act =
                [](Stage& stage)
            {
                stage.m_listener.hear();
                stage.m_listener.drop(1);
                stage.m_listener.hear();
            }};
}

Scene publisherLeaving()
{
    return {.m_name = "publisher drops a loan and leaves",
            .m_shape = {.m_victimPublishes = true},
            .m_prepare =
                [](Stage& stage)
            {
                stage.m_speaker.say(3);
                stage.m_quick.hear(2);
                stage.m_quick.drop(1);
            },
            .m_act =
                [](Stage& stage)
            {
                static_cast<void>(stage.m_speaker.loan()); // and dropped
                stage.m_speaker.leave();
            }};
}

Scene subscriberLeaving()
{
    return {.m_name = "subscriber leaves",
            .m_shape = {.m_victimSubscribes = true, .m_hasGone = true},
            .m_prepare =
                [](Stage& stage)
            {
                stage.m_gone.say(2);
                stage.m_peer.say(1);
                stage.m_listener.hear(2);
                stage.loseGone();
                stage.m_quick.drain();
                stage.m_slow.drain();
                stage.m_peer.say(3);
            },
            .m_act = [](Stage& stage) { stage.m_listener.leave(); }};
}

/// Each message pushes one out of the history; the slow listener's queue overflows.
Scene remembering()
{
    return {.m_name = "publish into a history",
            .m_shape = {.m_victimPublishes = true, .m_transientLocal = true},
            .m_prepare = [](Stage& stage) { stage.m_slow.hear(1); },
            .m_act = [](Stage& stage) { stage.m_speaker.say(5); }};
}

/// What it pins is let go in the order of age, then the queue is open.
Scene joiningLate()
{
    return {.m_name = "late join",
            .m_shape = {.m_hasGone = true, .m_transientLocal = true},
            .m_prepare =
                [](Stage& stage)
            {
                stage.m_peer.say(3);
                stage.m_gone.say(2);
                stage.m_quick.drain();
                stage.m_slow.drain();
            },
            .m_act =
                [](Stage& stage)
            {
                stage.joinAsSubscriber(QoS{}.keepLast(2).maxHeld(2).transientLocal());
                stage.m_listener.hear(2);
                stage.m_listener.drop(1);
                stage.m_listener.hear();
                stage.m_listener.drop(2);
            }};
}

StageShape keepingAll()
{
    return {.m_quick = QoS{}.keepAll().maxHeld(4),
            .m_slow = QoS{}.keepAll().bestEffort().maxHeld(2),
            .m_victim = QoS{}.keepAll().maxHeld(2),
            .m_keepAll = true};
}

/// The slow listener's queue refuses three messages and takes the next ones; then the quick one's refuses.
Scene publishingAll()
{
    StageShape shape = keepingAll();
    shape.m_victimPublishes = true;
    return {.m_name = "keepAll: publish, drop, refuse",
            .m_shape = shape,
            .m_prepare =
                [](Stage& stage)
            {
                stage.m_speaker.say(4);
                stage.m_quick.hear(3);
                stage.m_quick.drop(3);
            },
            .m_act = [](Stage& stage) { stage.m_speaker.say(5); },
            .m_listenerDies = true};
}

Scene takingAll()
{
    StageShape shape = keepingAll();
    shape.m_victimSubscribes = true;
    return {.m_name = "keepAll: take, release",
            .m_shape = shape,
            .m_prepare =
                [](Stage& stage)
            {
                stage.m_peer.say(4);
                stage.m_quick.drain();
            },
            .m_act =
                [](Stage& stage)
            {
                stage.m_listener.hear(3);
                stage.m_listener.drop(2);
                stage.m_listener.hear();
            }};
}

/// It counts what was refused, then takes what came after.
Scene takingWhatWasNotDropped()
{
    StageShape shape = keepingAll();
    shape.m_victimSubscribes = true;
    shape.m_victim = QoS{}.keepAll().bestEffort().maxHeld(6);
    return {.m_name = "keepAll: take after messages were dropped",
            .m_shape = shape,
            .m_prepare =
                [](Stage& stage)
            {
                stage.m_peer.say(4);
                stage.m_quick.drain();
                stage.m_peer.say(3);
                stage.m_listener.hear(3);
                stage.m_quick.drain();
                stage.m_peer.say(2);
            },
            .m_act =
                [](Stage& stage)
            {
                stage.m_listener.hear(2);
                stage.m_listener.drop(4);
                stage.m_listener.hear(2);
            }};
}

/// Pools grow, pairs are made, the discovery segment gets its rows.
Scene publisherJoining()
{
    return {.m_name = "publisher joins",
            .m_shape = {},
            .m_prepare = [](Stage& stage) { stage.m_peer.say(2); },
            .m_act =
                [](Stage& stage)
            {
                stage.joinAsPublisher();
                stage.m_speaker.say(2);
            },
            .m_stops = false};
}

Scene subscriberJoining()
{
    return {.m_name = "subscriber joins",
            .m_shape = {.m_hasGone = true},
            .m_prepare = [](Stage& stage) { stage.m_peer.say(2); },
            .m_act =
                [](Stage& stage)
            {
                stage.joinAsSubscriber(QoS{}.keepLast(64).maxHeld(8)); // the pool has to grow for it
                stage.m_listener.hear();
            },
            .m_stops = false};
}

/// What the pool has grown for it is given back.
Scene largeSubscriberLeaving()
{
    return {.m_name = "the pool shrinks",
            .m_shape = {.m_victimSubscribes = true, .m_victim = QoS{}.keepLast(256).maxHeld(8)},
            .m_prepare = [](Stage& stage) { stage.m_peer.say(2); },
            .m_act = [](Stage& stage) { stage.m_listener.leave(); },
            .m_stops = false};
}

TEST(KillSweep, PublisherThatRemembers)
{
    sweep(remembering());
    sweep(inThreeWords(remembering()));
}

TEST(KillSweep, SubscriberThatJoinsLate)
{
    sweep(joiningLate());
}

TEST(KillSweep, PublisherThatKeepsAll)
{
    sweep(publishingAll());
    sweep(inThreeWords(publishingAll()));
}

TEST(KillSweep, SubscriberThatKeepsAll)
{
    sweep(takingAll());
    sweep(takingWhatWasNotDropped());
}

TEST(KillSweep, RecovererOfAPublisherThatKeepsAll)
{
    sweep(withKilledRecoverers(publishingAll()));
}

TEST(KillSweep, PublisherThatJoins)
{
    sweep(publisherJoining());
}

TEST(KillSweep, SubscriberThatJoins)
{
    sweep(subscriberJoining());
}

TEST(KillSweep, PoolThatShrinks)
{
    sweep(largeSubscriberLeaving());
}

TEST(KillSweep, PublisherThatPopsPublishesAndEvicts)
{
    sweep(evicting());
    sweep(inThreeWords(evicting()));
}

TEST(KillSweep, PublisherThatCollectsAndTrims)
{
    sweep(collecting());
    sweep(inThreeWords(collecting()));
}

TEST(KillSweep, PublisherThatFindsTheListEmpty)
{
    sweep(exhausting());
}

TEST(KillSweep, SubscriberThatTakesAndReleases)
{
    sweep(taking());
    sweep(inThreeWords(taking()));
}

TEST(KillSweep, SubscriberThatMissesMessages)
{
    sweep(missing());
    sweep(inThreeWords(missing()));
}

TEST(KillSweep, SubscriberWhoseRingIsFull)
{
    sweep(ringFull());
    sweep(inThreeWords(ringFull()));
}

TEST(KillSweep, SubscriberThatIsTheLastHolder)
{
    sweep(lastOne());
    sweep(inThreeWords(lastOne()));
}

TEST(KillSweep, SubscriberOfAPublisherThatDies)
{
    sweep(returningToTheDying());
    sweep(inThreeWords(returningToTheDying()));
}

TEST(KillSweep, PublisherThatLeaves)
{
    sweep(publisherLeaving());
    sweep(inThreeWords(publisherLeaving()));
}

TEST(KillSweep, SubscriberThatLeaves)
{
    sweep(subscriberLeaving());
    sweep(inThreeWords(subscriberLeaving()));
}

TEST(KillSweep, RecovererOfASubscriber)
{
    sweep(withKilledRecoverers(ringFull()));
    sweep(withKilledRecoverers(lastOne()));
    sweep(withKilledRecoverers(inThreeWords(lastOne())));
    sweep(withKilledRecoverers(missing()));
}

TEST(KillSweep, RecovererOfAPublisherWithAHistory)
{
    sweep(withKilledRecoverers(remembering()));
}

TEST(KillSweep, RecovererOfALateJoiner)
{
    sweep(withKilledRecoverers(joiningLate()));
}

TEST(KillSweep, RecovererOfOneThatShrinksAPool)
{
    sweep(withKilledRecoverers(largeSubscriberLeaving()));
}

TEST(KillSweep, RecovererOfAPublisher)
{
    sweep(withKilledRecoverers(evicting()));
}

TEST(KillSweep, RecovererOfAPublisherThatTrims)
{
    sweep(withKilledRecoverers(collecting()));
}

} // namespace
} // namespace ZeroCP::test
