#include "sweep/scenes.hpp"

namespace ZeroCP::test::scenes
{

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

} // namespace ZeroCP::test::scenes
