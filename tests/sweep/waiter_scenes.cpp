#include "sweep/control_scenes.hpp"

namespace ZeroCP::test::scenes
{

/// A row of the discovery segment, which the port of the subscriber then wakes. There is a message, so it does not sleep the
/// first time.
ControlScene waitSetComesAndGoes()
{
    return {.m_name = "wait set comes, waits and goes",
            .m_setting = bothSides,
            .m_before =
                [](Visitor& victim)
            {
                victim.join();
                victim.subscribe("sweep", QoS{}.keepLast(4).maxHeld(4));
                victim.publish("sweep", QoS{}.maxLoans(2));
                victim.m_speaker.say();
            },
            .m_act =
                [](Visitor& victim)
            {
                victim.makeWaitSet();
                victim.waitInWaitSet();
                victim.m_listener.drain();
                victim.waitInWaitSet();
                victim.leaveWaitSet();
            }};
}

} // namespace ZeroCP::test::scenes
