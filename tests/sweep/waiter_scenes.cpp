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

/// FIFOs of a subscriber and of a wait set: made, armed, written to by the victim's own messages and by the clock, and
/// removed.
ControlScene descriptorsComeAndGo()
{
    return {.m_name = "descriptors come, wake and go",
            .m_setting = bothSides,
            .m_before =
                [](Visitor& victim)
            {
                victim.join();
                victim.subscribe("sweep", QoS{}.keepLast(4).maxHeld(4));
                victim.publish("sweep", QoS{}.maxLoans(2));
            },
            .m_act =
                [](Visitor& victim)
            {
                victim.makeWaitSet();
                victim.makeWaitSetDescriptor();
                victim.lookIntoWaitSet();
                victim.m_speaker.say();
                victim.m_listener.drain();
                victim.lookIntoWaitSet();
                victim.leaveWaitSet();
                victim.m_listener.makeDescriptor();
                victim.m_listener.drain();
                victim.m_speaker.say();
                victim.m_listener.drain();
                victim.m_listener.leave();
            }};
}

} // namespace ZeroCP::test::scenes
