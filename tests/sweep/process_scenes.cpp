#include "sweep/control_scenes.hpp"

namespace ZeroCP::test::scenes
{

void join(Visitor& visitor)
{
    visitor.join();
}

void nothing(Visitor& /*visitor*/) {}

void leave(Visitor& visitor)
{
    visitor.leave();
}

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

/// The first one stays until the process leaves. The endpoint needs no chunks, whose making is looked at elsewhere.
ControlScene secondNode()
{
    return {.m_name = "second node of a process comes and goes",
            .m_setting = bothSides,
            .m_before = join,
            .m_act =
                [](Visitor& victim)
            {
                victim.joinAgain();
                victim.subscribe("new", QoS{}.keepLast(4).maxHeld(4));
                victim.leaveSecondNode();
            },
            .m_topic = "new"};
}

} // namespace ZeroCP::test::scenes
