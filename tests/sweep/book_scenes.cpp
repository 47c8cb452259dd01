#include "sweep/scenes.hpp"

namespace ZeroCP::test::scenes
{

namespace
{

/// Every message writes the deadline books of its pairs and the lease; a sign of life writes the lease alone.
Scene promising(const std::string& name, std::chrono::nanoseconds deadline)
{
    return {.m_name = name,
            .m_shape = {.m_victimPublishes = true, .m_deadline = deadline},
            .m_prepare = [](Stage& stage) { stage.m_speaker.say(1); },
            .m_act =
                [](Stage& stage)
            {
                stage.m_speaker.say(1);
                stage.m_speaker.assertLiveliness();
                stage.m_speaker.say(1);
            }};
}

} // namespace

Scene keepingPromises()
{
    return promising("deadline kept, lease", kLongestPeriod);
}

Scene breakingPromises()
{
    return promising("deadline missed, lease", kShortestPeriod);
}

} // namespace ZeroCP::test::scenes
