// Every way to die in a control call: see control_sweep.hpp. One TEST is one scene.
#include <gtest/gtest.h>

#include "support/child_process.hpp"
#include "support/sanitized.hpp"
#include "support/test_domain.hpp"
#include "sweep/control_scenes.hpp"
#include "sweep/control_sweep.hpp"
#include "sweep/figures_line.hpp"

namespace ZeroCP::test
{
namespace
{

constexpr unsigned kWatchdogSeconds = 600; ///< of a loaded machine; ctest itself is less patient

template <typename Body>
void inAnotherProcess(const std::string& name, Body&& body)
{
    if (kSanitized)
    {
        GTEST_SKIP() << "sanitizers have threads and memory of their own that a bare fork does not carry over";
    }
    ::setenv("ZEROCP_LOG", "error", 1); // thousands of deaths are no news here
    TestDirectory directory;
    ChildProcess process(
        [&](Peer&)
        {
            const ControlSweepFigures figures = body(directory.path());
            printFigures(name, {{"points", figures.m_points},
                                {"deaths", figures.m_deaths},
                                {"recoverers", figures.m_recoverers},
                                {"bad", ::testing::Test::HasFailure() ? 1U : 0U}});
            return figures.m_points >= 10; // less means that changes were not noticed
        },
        kWatchdogSeconds);
    EXPECT_TRUE(process.wait().succeeded());
}

void sweep(const ControlScene& scene)
{
    constexpr std::uint64_t kStride = 48; // one in so many deaths is repeated
    inAnotherProcess(scene.m_name, [&](const std::filesystem::path& directory)
                     { return ControlSweep(directory, scene).dieEverywhere(kStride); });
}

void sweepWithKilledRecoverers(const ControlScene& scene, std::uint64_t stride)
{
    inAnotherProcess(scene.m_name + ", recoverers killed", [&](const std::filesystem::path& directory)
                     { return ControlSweep(directory, scene).killRecoverers(stride); });
}

TEST(ControlSweep, FirstProcessJoins)
{
    sweep(scenes::firstJoining());
}

TEST(ControlSweep, LastProcessLeaves)
{
    sweep(scenes::lastLeaving());
}

TEST(ControlSweep, ProcessJoinsAndLeaves)
{
    sweep(scenes::joining());
}

TEST(ControlSweep, PublisherOnANewTopic)
{
    sweep(scenes::newTopic());
}

TEST(ControlSweep, PublisherOnANewPool)
{
    sweep(scenes::newPool());
}

TEST(ControlSweep, SecondPublisherOnAPool)
{
    sweep(scenes::secondOnPool());
}

TEST(ControlSweep, PublisherOnATopic)
{
    sweep(scenes::anotherPublisher());
}

TEST(ControlSweep, PublisherWithAHistory)
{
    sweep(scenes::rememberingPublisher());
}

TEST(ControlSweep, SubscriberOnANewTopic)
{
    sweep(scenes::subscriberOnANewTopic());
}

TEST(ControlSweep, SubscriberOnATopic)
{
    sweep(scenes::anotherSubscriber());
}

TEST(ControlSweep, SubscriberJoinsAHistory)
{
    sweep(scenes::lateSubscriber());
}

TEST(ControlSweep, PublisherLeaves)
{
    sweep(scenes::publisherLeavingATopic());
}

TEST(ControlSweep, SubscriberLeavesAndThePoolShrinks)
{
    sweep(scenes::subscriberLeavingATopic());
}

TEST(ControlSweep, SubscriberComesAndThePoolGrowsAgain)
{
    sweep(scenes::growingAgain());
}

TEST(ControlSweep, LastEndpointLeavesItsTopic)
{
    sweep(scenes::lastOnTopic());
}

TEST(ControlSweep, SizeClassesForSlices)
{
    sweep(scenes::newClasses());
}

TEST(ControlSweep, SecondNodeOfAProcess)
{
    sweep(scenes::secondNode());
}

TEST(ControlSweep, PublisherWithADeadlineAndALease)
{
    sweep(scenes::promisingPublisher());
}

TEST(ControlSweep, WaitSetComesAndGoes)
{
    sweep(scenes::waitSetComesAndGoes());
}

TEST(ControlSweep, DescriptorsComeAndGo)
{
    sweep(scenes::descriptorsComeAndGo());
}

TEST(ControlSweep, ClientComesAndGoes)
{
    sweep(scenes::clientComesAndGoes());
}

TEST(ControlSweep, ClientCalls)
{
    sweep(scenes::clientCalls());
}

TEST(ControlSweep, ServerComesAndGoes)
{
    sweep(scenes::serverComesAndGoes());
}

TEST(ControlSweep, ServerAnswers)
{
    sweep(scenes::serverAnswers());
}

TEST(ControlSweep, RecovererOfANewTopic)
{
    sweepWithKilledRecoverers(scenes::newTopic(), 24);
}

TEST(ControlSweep, RecovererOfAPublisherThatJoins)
{
    sweepWithKilledRecoverers(scenes::anotherPublisher(), 24);
}

TEST(ControlSweep, RecovererOfALateSubscriber)
{
    sweepWithKilledRecoverers(scenes::lateSubscriber(), 24);
}

TEST(ControlSweep, RecovererOfAShrinkingPool)
{
    sweepWithKilledRecoverers(scenes::subscriberLeavingATopic(), 24);
}

TEST(ControlSweep, RecovererOfAServer)
{
    sweepWithKilledRecoverers(scenes::serverAnswers(), 24);
}

TEST(ControlSweep, RecovererOfALastEndpoint)
{
    sweepWithKilledRecoverers(scenes::lastOnTopic(), 24);
}

} // namespace
} // namespace ZeroCP::test
