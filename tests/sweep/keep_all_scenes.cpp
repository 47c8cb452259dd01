#include "sweep/scenes.hpp"

namespace ZeroCP::test::scenes
{

namespace
{

StageShape keepingAll()
{
    return {.m_quick = QoS{}.keepAll().maxHeld(4),
            .m_slow = QoS{}.keepAll().bestEffort().maxHeld(2),
            .m_victim = QoS{}.keepAll().maxHeld(2),
            .m_keepAll = true};
}

} // namespace

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

} // namespace ZeroCP::test::scenes
