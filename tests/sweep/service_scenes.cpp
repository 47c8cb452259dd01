// A client or a server beside those of somebody who stays. The host has its turn in the middle of a scene, so that there
// are answers to take and requests to answer.
#include "sweep/control_scenes.hpp"

namespace ZeroCP::test::scenes
{

namespace
{

void serviceSide(Visitor& host)
{
    host.join();
    host.serve();
    host.call();
    host.m_caller.ask(1);
}

/// Half of what it asks goes to the victim, if that serves.
void askAndServe(Visitor& host)
{
    host.m_caller.ask(4);
    host.m_server.serve();
    host.m_caller.hear();
}

ControlScene scene(const std::string& name, std::function<void(Visitor&)> before, std::function<void(Visitor&)> act)
{
    return {.m_name = name,
            .m_setting = serviceSide,
            .m_before = std::move(before),
            .m_act = std::move(act),
            .m_hostActs = askAndServe};
}

} // namespace

/// It leaves with a call that nobody has answered.
ControlScene clientComesAndGoes()
{
    return scene("client comes, calls and goes", join,
                 [](Visitor& victim)
                 {
                     victim.call();
                     victim.m_caller.ask(1);
                     victim.m_caller.leave();
                 });
}

ControlScene clientCalls()
{
    return scene(
        "client calls, takes replies",
        [](Visitor& victim)
        {
            victim.join();
            victim.call();
        },
        [](Visitor& victim)
        {
            victim.m_caller.ask(3);
            victim.letHostAct();
            victim.m_caller.hear();
            victim.m_caller.ask(2);
        });
}

/// It leaves with requests that it has not answered, so it says farewell.
ControlScene serverComesAndGoes()
{
    return scene("server comes and goes", join,
                 [](Visitor& victim)
                 {
                     victim.serve();
                     victim.letHostAct();
                     victim.m_server.leave();
                 });
}

ControlScene serverAnswers()
{
    return scene(
        "server takes requests, replies",
        [](Visitor& victim)
        {
            victim.join();
            victim.serve();
            victim.letHostAct();
        },
        [](Visitor& victim)
        {
            victim.m_server.serve();
            victim.letHostAct();
            victim.m_server.serve();
        });
}

} // namespace ZeroCP::test::scenes
