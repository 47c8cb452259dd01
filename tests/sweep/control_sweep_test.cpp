// Every way to die in a control call: see control_sweep.hpp. One TEST is one scene.
#include <cstdio>

#include <gtest/gtest.h>

#include "support/child_process.hpp"
#include "support/sanitized.hpp"
#include "support/test_domain.hpp"
#include "sweep/control_sweep.hpp"

namespace ZeroCP::test
{
namespace
{

constexpr unsigned kWatchdogSeconds = 100;

template <typename Body>
void inAnotherProcess(const std::string& name, Body&& body)
{
    if (kSanitized)
    {
        GTEST_SKIP() << "sanitizers have threads and memory of their own that a bare fork does not carry over";
    }
    ::setenv("ZEROCP_LOG", "error", 1); // thousands of deaths are no news here
    TestDirectory directory;
    ChildProcess process(
        [&](Peer&)
        {
            const ControlSweepFigures figures = body(directory.path());
            std::printf("%s: %llu points, %llu deaths, %llu of recoverers\n", name.c_str(),
                        static_cast<unsigned long long>(figures.m_points),
                        static_cast<unsigned long long>(figures.m_deaths),
                        static_cast<unsigned long long>(figures.m_recoverers));
            return true;
        },
        kWatchdogSeconds);
    EXPECT_TRUE(process.wait().succeeded());
}

void sweep(const ControlScene& scene)
{
    constexpr std::uint64_t kStride = 48; // one in so many deaths is repeated
    inAnotherProcess(scene.m_name, [&](const std::filesystem::path& directory)
                     { return ControlSweep(directory, scene).dieEverywhere(kStride); });
}

void sweepWithKilledRecoverers(const ControlScene& scene, std::uint64_t stride)
{
    inAnotherProcess(scene.m_name + ", recoverers killed", [&](const std::filesystem::path& directory)
                     { return ControlSweep(directory, scene).killRecoverers(stride); });
}

void join(Visitor& visitor)
{
    visitor.join();
}

void nothing(Visitor& /*visitor*/) {}

void leave(Visitor& visitor)
{
    visitor.leave();
}

/// A publisher with a subscriber, both of somebody who stays.
void bothSides(Visitor& host)
{
    host.join();
    host.subscribe("sweep", QoS{}.keepLast(4).maxHeld(4));
    host.publish("sweep", QoS{}.maxLoans(2));
    host.m_speaker.say(2);
}

ControlScene firstJoining()
{
    return {.m_name = "first process joins", .m_before = nothing, .m_act = join};
}

ControlScene lastLeaving()
{
    return {.m_name = "last process leaves",
            .m_before =
                [](Visitor& victim)
            {
                victim.join();
                victim.publish("sweep", QoS{}.maxLoans(2));
            },
            .m_act = leave};
}

ControlScene joining()
{
    return {.m_name = "process joins and leaves",
            .m_setting = bothSides,
            .m_before = nothing,
            .m_act = [](Visitor& victim)
            {
                victim.join();
                victim.leave();
            }};
}

/// The automatic pool set is made, its first class and its chunks.
ControlScene newTopic()
{
    return {.m_name = "publisher on a new topic",
            .m_setting = bothSides,
            .m_before = join,
            .m_act =
                [](Visitor& victim)
            {
                victim.publish("new", QoS{}.maxLoans(2));
                victim.m_speaker.say();
            },
            .m_topic = "new"};
}

/// The configured pool set is made.
ControlScene newPool()
{
    return {.m_name = "publisher on a new pool",
            .m_setting = join,
            .m_before = join,
            .m_act = [](Visitor& victim) { victim.publish("sweep", QoS{}.maxLoans(2)); },
            .m_pooled = true,
            .m_poolStays = true};
}

/// A second topic on a configured pool set that others use.
ControlScene secondOnPool()
{
    return {.m_name = "second publisher on a pool",
            .m_setting = bothSides,
            .m_before = join,
            .m_act = [](Visitor& victim) { victim.publish("new", QoS{}.maxLoans(2)); },
            .m_topic = "new",
            .m_pooled = true};
}

/// A pair with the subscriber; the class grows by the new publisher's budget.
ControlScene anotherPublisher()
{
    return {.m_name = "publisher on a topic",
            .m_setting = bothSides,
            .m_before = join,
            .m_act = [](Visitor& victim)
            {
                victim.publish("sweep", QoS{}.maxLoans(2));
                victim.m_speaker.say(2);
            }};
}

const QoS kRemembering = QoS{}.keepLast(3).maxLoans(2).transientLocal();
const QoS kLate = QoS{}.keepLast(4).maxHeld(4).transientLocal();

void rememberingSide(Visitor& host)
{
    host.join();
    host.publish("sweep", kRemembering);
    host.m_speaker.say(4);
}

/// The block of its history too.
ControlScene rememberingPublisher()
{
    return {.m_name = "transient-local publisher",
            .m_setting = rememberingSide,
            .m_before = join,
            .m_act =
                [](Visitor& victim)
            {
                victim.publish("sweep", kRemembering);
                victim.m_speaker.say();
                victim.m_speaker.leave();
            },
            .m_publisher = kRemembering,
            .m_subscriber = kLate};
}

ControlScene subscriberOnANewTopic()
{
    return {.m_name = "subscriber on a new topic",
            .m_setting = bothSides,
            .m_before = join,
            .m_act = [](Visitor& victim) { victim.subscribe("new", QoS{}.keepLast(4).maxHeld(4)); },
            .m_topic = "new"};
}

/// A pair with the publisher, whose class grows.
ControlScene anotherSubscriber()
{
    return {.m_name = "subscriber on a topic",
            .m_setting = bothSides,
            .m_before = join,
            .m_act = [](Visitor& victim)
            {
                victim.subscribe("sweep", QoS{}.keepLast(12).maxHeld(4));
                victim.m_listener.hear();
            }};
}

/// Pins what is in the history and reads it.
ControlScene lateSubscriber()
{
    return {.m_name = "subscriber joins a history",
            .m_setting = rememberingSide,
            .m_before = join,
            .m_act =
                [](Visitor& victim)
            {
                victim.subscribe("sweep", kLate);
                victim.m_listener.hear(2);
                victim.m_listener.drop(1);
                victim.m_listener.leave();
            },
            .m_publisher = kRemembering,
            .m_subscriber = kLate};
}

/// The class shrinks to what two publishers need; messages of the one that goes are held by the subscriber that stays.
ControlScene publisherLeaving()
{
    return {.m_name = "publisher leaves a topic",
            .m_setting = bothSides,
            .m_before =
                [](Visitor& victim)
            {
                victim.join();
                victim.publish("sweep", QoS{}.maxLoans(2));
                victim.m_speaker.say(3);
            },
            .m_act = [](Visitor& victim) { victim.m_speaker.leave(); }};
}

/// Nobody subscribes any more, so everything that the publisher does not need is given back.
ControlScene subscriberLeaving()
{
    return {.m_name = "subscriber leaves, pool shrinks",
            .m_setting =
                [](Visitor& host)
            {
                host.join();
                host.publish("sweep", QoS{}.maxLoans(2));
            },
            .m_before =
                [](Visitor& victim)
            {
                victim.join();
                victim.subscribe("sweep", QoS{}.keepLast(40).maxHeld(4));
            },
            .m_act = [](Visitor& victim) { victim.m_listener.leave(); },
            .m_givesBack = true};
}

/// What was given back when an earlier subscriber left comes back.
ControlScene growingAgain()
{
    return {.m_name = "subscriber comes, pool grows again",
            .m_setting =
                [](Visitor& host)
            {
                host.join();
                host.publish("sweep", QoS{}.maxLoans(2));
                host.subscribe("sweep", QoS{}.keepLast(24).maxHeld(2));
                host.m_listener.leave();
            },
            .m_before = join,
            .m_act = [](Visitor& victim) { victim.subscribe("sweep", QoS{}.keepLast(26).maxHeld(2)); }};
}

/// The last endpoint of a topic: rows and files go.
ControlScene lastOnTopic()
{
    return {.m_name = "last endpoint leaves its topic",
            .m_setting = bothSides,
            .m_before =
                [](Visitor& victim)
            {
                victim.join();
                victim.publish("new", QoS{}.maxLoans(2));
            },
            .m_act = [](Visitor& victim) { victim.m_speaker.leave(); },
            .m_topic = "new"};
}

/// A second size class, for longer slices.
ControlScene newClasses()
{
    return {.m_name = "size classes for slices",
            .m_setting = bothSides,
            .m_before =
                [](Visitor& victim)
            {
                victim.join();
                victim.publishSlices("slices");
                static_cast<void>(victim.saySlice(10));
            },
            .m_act = [](Visitor& victim) { static_cast<void>(victim.saySlice(2000)); }};
}

TEST(ControlSweep, FirstProcessJoins)
{
    sweep(firstJoining());
}

TEST(ControlSweep, LastProcessLeaves)
{
    sweep(lastLeaving());
}

TEST(ControlSweep, ProcessJoinsAndLeaves)
{
    sweep(joining());
}

TEST(ControlSweep, PublisherOnANewTopic)
{
    sweep(newTopic());
}

TEST(ControlSweep, PublisherOnANewPool)
{
    sweep(newPool());
}

TEST(ControlSweep, SecondPublisherOnAPool)
{
    sweep(secondOnPool());
}

TEST(ControlSweep, PublisherOnATopic)
{
    sweep(anotherPublisher());
}

TEST(ControlSweep, PublisherWithAHistory)
{
    sweep(rememberingPublisher());
}

TEST(ControlSweep, SubscriberOnANewTopic)
{
    sweep(subscriberOnANewTopic());
}

TEST(ControlSweep, SubscriberOnATopic)
{
    sweep(anotherSubscriber());
}

TEST(ControlSweep, SubscriberJoinsAHistory)
{
    sweep(lateSubscriber());
}

TEST(ControlSweep, PublisherLeaves)
{
    sweep(publisherLeaving());
}

TEST(ControlSweep, SubscriberLeavesAndThePoolShrinks)
{
    sweep(subscriberLeaving());
}

TEST(ControlSweep, SubscriberComesAndThePoolGrowsAgain)
{
    sweep(growingAgain());
}

TEST(ControlSweep, LastEndpointLeavesItsTopic)
{
    sweep(lastOnTopic());
}

TEST(ControlSweep, SizeClassesForSlices)
{
    sweep(newClasses());
}

TEST(ControlSweep, RecovererOfANewTopic)
{
    sweepWithKilledRecoverers(newTopic(), 24);
}

TEST(ControlSweep, RecovererOfAPublisherThatJoins)
{
    sweepWithKilledRecoverers(anotherPublisher(), 24);
}

TEST(ControlSweep, RecovererOfALateSubscriber)
{
    sweepWithKilledRecoverers(lateSubscriber(), 24);
}

TEST(ControlSweep, RecovererOfAShrinkingPool)
{
    sweepWithKilledRecoverers(subscriberLeaving(), 24);
}

TEST(ControlSweep, RecovererOfALastEndpoint)
{
    sweepWithKilledRecoverers(lastOnTopic(), 24);
}

} // namespace
} // namespace ZeroCP::test
