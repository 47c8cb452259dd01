#include "sweep/scenes.hpp"

namespace ZeroCP::test::scenes
{

namespace
{

using namespace std::chrono_literals;

/// Long enough that it falls asleep, short enough that it does so a thousand times in a test.
constexpr auto kNap = 2ms;

} // namespace

/// It says that it sleeps, sleeps, wakes by the time-out and looks for dead ones. Then there is a message at once.
Scene sleeping()
{
    return {.m_name = "wait: asleep, time-out, take",
            .m_shape = {.m_victimSubscribes = true},
            .m_act =
                [](Stage& stage)
            {
                stage.m_listener.wait(kNap);
                stage.m_listener.hear();
                stage.m_listener.drop(1);
            },
            .m_listenerDies = true};
}

/// The same through the row of a wait set, which stays when it dies.
Scene sleepingInAWaitSet()
{
    return {.m_name = "wait set: asleep, time-out, take",
            .m_shape = {.m_victimSubscribes = true},
            .m_prepare = [](Stage& stage) { stage.makeWaitSet(); },
            .m_act =
                [](Stage& stage)
            {
                static_cast<void>(stage.m_waitSet.wait(kNap));
                stage.m_listener.hear(2);
                stage.m_listener.drop(1);
                stage.m_listener.hear();
            }};
}

} // namespace ZeroCP::test::scenes
