// User events, changes of the graph and timers in a wait set.
#include "zerocp/pubsub/user_event.hpp"

#include <atomic>
#include <barrier>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <pthread.h>

#include "pubsub/pubsub_support.hpp"
#include "support/child_process.hpp"
#include "support/sanitized.hpp"
#include "zerocp/pubsub/wait_set.hpp"

namespace ZeroCP
{

using namespace std::chrono_literals;
using test::ChildProcess;
using test::nodeIn;
using test::OneNode;
using test::Peer;

namespace
{

constexpr std::chrono::nanoseconds kForEver{-1};
constexpr std::chrono::nanoseconds kNotAtAll{0};

using Ids = std::vector<std::uint64_t>;

Ids wait(WaitSet& set, std::chrono::nanoseconds timeout)
{
    const auto ready = set.wait(timeout);
    return {ready.begin(), ready.end()};
}

struct Scene : OneNode
{
    explicit Scene(std::chrono::nanoseconds spin = 0ns)
        : OneNode(
              [spin]
              {
                  Config config;
                  config.wait.spin = spin;
                  return config;
              }()),
          m_set(WaitSet::create(m_node).value())
    {
    }

    WaitSet m_set;
};

TEST(UserEvent, MakesItsWaitSetReadyOncePerTrigger)
{
    Scene scene;
    const UserEvent event;
    ASSERT_TRUE(scene.m_set.attach(event, 7));
    EXPECT_EQ(wait(scene.m_set, kNotAtAll), Ids{});

    event.trigger();
    event.trigger(); // nobody looked meanwhile

    EXPECT_EQ(wait(scene.m_set, kForEver), Ids{7});
    EXPECT_EQ(wait(scene.m_set, kNotAtAll), Ids{});
}

TEST(UserEvent, TriggeredBeforeItIsAttachedIsReady)
{
    Scene scene;
    const UserEvent event;
    event.trigger();

    ASSERT_TRUE(scene.m_set.attach(event, 7));

    EXPECT_EQ(wait(scene.m_set, kForEver), Ids{7});
}

TEST(UserEvent, IsTriggeredThroughAnyCopy)
{
    Scene scene;
    std::optional<UserEvent> event(std::in_place);
    const UserEvent copy = *event;
    ASSERT_TRUE(scene.m_set.attach(*event, 7));
    event.reset();

    copy.trigger();

    EXPECT_EQ(wait(scene.m_set, kForEver), Ids{7});
}

TEST(UserEvent, IsNotForgottenWhenItsLastHandleGoesAfterTheTrigger)
{
    Scene scene;
    {
        const UserEvent event;
        ASSERT_TRUE(scene.m_set.attach(event, 7));
        event.trigger();
    }

    EXPECT_EQ(wait(scene.m_set, kNotAtAll), Ids{7});
    EXPECT_EQ(wait(scene.m_set, kNotAtAll), Ids{});
}

TEST(UserEvent, WakesFromOtherThreadsEveryTime)
{
    constexpr int kRounds = test::kSanitized ? 2000 : 20000;
    Scene scene;
    const UserEvent ping;
    const UserEvent pong;
    auto other = WaitSet::create(scene.m_node).value();
    ASSERT_TRUE(scene.m_set.attach(pong, 1));
    ASSERT_TRUE(other.attach(ping, 2));
    std::uint64_t shared = 0; // handed over by the events

    std::thread echo(
        [&]
        {
            for (int i = 0; i < kRounds; ++i)
            {
                ASSERT_EQ(wait(other, kForEver), Ids{2});
                ++shared;
                pong.trigger();
            }
        });
    for (int i = 0; i < kRounds; ++i)
    {
        ++shared;
        ping.trigger();
        ASSERT_EQ(wait(scene.m_set, kForEver), Ids{1});
    }
    echo.join();

    EXPECT_EQ(shared, 2U * kRounds);
}

TEST(UserEvent, MayBeAttachedElsewhereWhileOthersTriggerIt)
{
    Scene scene;
    const UserEvent event;
    std::atomic<bool> stop{false};
    std::thread other(
        [&]
        {
            while (!stop)
            {
                event.trigger();
            }
        });

    for (int round = 0; round < 200; ++round)
    {
        auto set = WaitSet::create(scene.m_node).value();
        ASSERT_TRUE(set.attach(event, 7));
        EXPECT_EQ(wait(set, kForEver), Ids{7});
    }
    stop = true;
    other.join();
}

std::atomic<const UserEvent*> g_event{nullptr};

void triggerIt(int)
{
    g_event.load()->trigger();
}

TEST(UserEvent, IsTriggeredFromASignalHandlerThatInterruptsTheWait)
{
    Scene scene;
    const UserEvent event;
    g_event = &event;
    struct sigaction action
    {
    };
    action.sa_handler = triggerIt;
    ASSERT_EQ(::sigaction(SIGUSR1, &action, nullptr), 0);
    ASSERT_TRUE(scene.m_set.attach(event, 7));
    const pthread_t waiter = ::pthread_self();
    std::barrier step(2);
    std::thread other(
        [&]
        {
            for (int round = 0; round < 500; ++round)
            {
                step.arrive_and_wait();
                ::pthread_kill(waiter, SIGUSR1); // before, in or after the system call
            }
        });

    for (int round = 0; round < 500; ++round)
    {
        step.arrive_and_wait();
        ASSERT_EQ(wait(scene.m_set, kForEver), Ids{7});
    }
    other.join();
}

TEST(GraphOfAWaitSet, IsReadyOnceAfterChangesSinceAttaching)
{
    Scene scene;
    ASSERT_TRUE(scene.m_set.attachGraph(7));
    EXPECT_EQ(wait(scene.m_set, kNotAtAll), Ids{});

    auto publisher = scene.publisher();
    auto subscriber = scene.subscriber();

    EXPECT_EQ(wait(scene.m_set, kForEver), Ids{7});
    EXPECT_EQ(wait(scene.m_set, kNotAtAll), Ids{});
}

TEST(GraphOfAWaitSet, IsWokenByAnotherProcess)
{
    Scene scene;
    ChildProcess child(
        [&](Peer& parent)
        {
            Node node = nodeIn(scene.m_domain, {}, "other");
            parent.tell("joined");
            parent.pause();
            return true;
        });
    ASSERT_EQ(child.hear(), "joined");
    ASSERT_TRUE(scene.m_set.attachGraph(7));
    std::thread other([&] { EXPECT_TRUE(child.finish().succeeded()); });

    EXPECT_EQ(wait(scene.m_set, kForEver), Ids{7}) << "its node has gone";
    other.join();
}

TEST(TimerOfAWaitSet, IsReadyAtEachMomentAndNotBefore)
{
    constexpr std::chrono::nanoseconds kPeriod = 2ms;
    Scene scene;
    const std::int64_t start = Waiter::now();
    const auto timer = scene.m_node.createTimer(kPeriod).value();
    ASSERT_TRUE(scene.m_set.attach(timer, 7));

    for (std::uint64_t i = 1; i <= 20; ++i)
    {
        ASSERT_EQ(wait(scene.m_set, kForEver), Ids{7});
        const auto moments = static_cast<std::int64_t>(i + timer.missed());
        EXPECT_GE(Waiter::now() - start, moments * kPeriod.count());
    }
}

TEST(TimerOfAWaitSet, WakesAWaiterThatSleptBeforeItWasReset)
{
    Scene scene;
    auto timer = scene.m_node.createTimer(1ms).value();
    timer.cancel();
    ASSERT_TRUE(scene.m_set.attach(timer, 7));
    EXPECT_TRUE(timer.isCancelled());
    EXPECT_EQ(wait(scene.m_set, 3ms), Ids{});
    std::thread other([&] { timer.reset(); });

    EXPECT_EQ(wait(scene.m_set, kForEver), Ids{7});

    other.join();
    EXPECT_FALSE(timer.isCancelled());
}

TEST(TimerOfAWaitSet, IsForgottenWhenItsHandleIsDestroyed)
{
    Scene scene;
    {
        const auto timer = scene.m_node.createTimer(1ns).value();
        ASSERT_TRUE(scene.m_set.attach(timer, 7));
        EXPECT_EQ(wait(scene.m_set, kForEver), Ids{7});
    }

    EXPECT_EQ(wait(scene.m_set, kNotAtAll), Ids{});
}

} // namespace

} // namespace ZeroCP
