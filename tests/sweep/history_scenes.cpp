#include "sweep/scenes.hpp"

namespace ZeroCP::test::scenes
{

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

} // namespace ZeroCP::test::scenes
