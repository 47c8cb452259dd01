#include "sweep/control_scenes.hpp"

namespace ZeroCP::test::scenes
{

namespace
{

const QoS kRemembering = QoS{}.keepLast(3).maxLoans(2).transientLocal();
const QoS kLate = QoS{}.keepLast(4).maxHeld(4).transientLocal();

void rememberingSide(Visitor& host)
{
    host.join();
    host.publish("sweep", kRemembering);
    host.m_speaker.say(4);
}

/// Of a microsecond: all of them are missed.
const QoS kPromising =
    QoS{}.maxLoans(2).deadline(kShortestPeriod).liveliness(Liveliness::ManualByTopic, kLongestPeriod);
const QoS kDemanding =
    QoS{}.keepLast(4).maxHeld(4).deadline(kShortestPeriod).liveliness(Liveliness::ManualByTopic, kLongestPeriod);

} // namespace

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

/// Its lease, and the deadline books of its pair, which stay until the subscriber has counted them.
ControlScene promisingPublisher()
{
    return {.m_name = "publisher with a deadline and a lease",
            .m_setting =
                [](Visitor& host)
            {
                host.join();
                host.subscribe("sweep", kDemanding);
                host.publish("sweep", kPromising);
                host.m_speaker.say(2);
            },
            .m_before = join,
            .m_act =
                [](Visitor& victim)
            {
                victim.publish("sweep", kPromising);
                victim.m_speaker.say(2);
                victim.m_speaker.assertLiveliness();
                victim.m_speaker.leave();
            },
            .m_publisher = kPromising,
            .m_subscriber = kDemanding};
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
ControlScene publisherLeavingATopic()
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
ControlScene subscriberLeavingATopic()
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

} // namespace ZeroCP::test::scenes
