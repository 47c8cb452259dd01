#include "sweep/scenes.hpp"

namespace ZeroCP::test::scenes
{

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

} // namespace ZeroCP::test::scenes
