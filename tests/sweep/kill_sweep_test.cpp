// Every way to die in a number of scenes: see sweep.hpp. One TEST is one scene.
#include <cstdio>

#include <gtest/gtest.h>

#include "support/child_process.hpp"
#include "support/sanitized.hpp"
#include "support/test_domain.hpp"
#include "sweep/sweep.hpp"

namespace ZeroCP::test
{
namespace
{

constexpr unsigned kWatchdogSeconds = 170;

void sweep(const Scene& scene)
{
    if (kSanitized)
    {
        GTEST_SKIP() << "sanitizers have threads and memory of their own that a bare fork does not carry over";
    }
    TestDirectory directory;
    ChildProcess process(
        [&](Peer&)
        {
            const SweepFigures figures = Sweep(directory.path(), scene).run();
            std::printf("%s: %llu instructions, %llu points, %llu lives after a death, %llu stalls, "
                        "recoverers: %llu instructions, %llu points; bad = %llu\n",
                        scene.m_name.c_str(), static_cast<unsigned long long>(figures.m_steps),
                        static_cast<unsigned long long>(figures.m_points),
                        static_cast<unsigned long long>(figures.m_recovered),
                        static_cast<unsigned long long>(figures.m_stalls),
                        static_cast<unsigned long long>(figures.m_recovererSteps),
                        static_cast<unsigned long long>(figures.m_recovererPoints),
                        static_cast<unsigned long long>(figures.m_bad));
            std::fflush(stdout);
            ::_exit(figures.m_bad == 0 && !::testing::Test::HasFailure() ? 0 : 1);
            return true;
        },
        kWatchdogSeconds);
    EXPECT_TRUE(process.wait().succeeded());
}

/// A publisher whose first loan pops a batch and whose third message evicts: the slow listener waits at the oldest entry,
/// the quick one has not looked yet.
Scene evicting()
{
    return {.m_name = "publish with eviction",
            .m_shape = {.m_victimPublishes = true},
            .m_prepare = [](Stage& stage) { stage.m_slow.hear(1); },
            .m_act = [](Stage& stage) { stage.m_speaker.say(5); }};
}

TEST(KillSweep, APublisherThatPopsPublishesAndEvicts)
{
    sweep(evicting());
}

} // namespace
} // namespace ZeroCP::test
