#include "zerocp/pubsub/wait_set.hpp"

#include <barrier>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "pubsub/pubsub_support.hpp"
#include "support/child_process.hpp"
#include "support/counting_new.hpp"
#include "support/sanitized.hpp"

namespace ZeroCP
{

using namespace std::chrono_literals;
using test::ChildProcess;
using test::nodeIn;
using test::Number;
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

Config sleepAtOnce()
{
    Config config;
    config.wait.spin = 0ns;
    return config;
}

/// A node and a wait set of it.
struct Scene : OneNode
{
    explicit Scene(Config config = {}) : OneNode(std::move(config)), m_set(WaitSet::create(m_node).value()) {}

    WaitSet m_set;
};

TEST(WaitSet, AnswersNothingWhenNothingIsReady)
{
    Scene scene;
    auto subscriber = scene.subscriber();
    ASSERT_TRUE(scene.m_set.attach(subscriber, 7));

    EXPECT_EQ(wait(scene.m_set, kNotAtAll), Ids{});
    EXPECT_EQ(wait(scene.m_set, 2ms), Ids{});
}

TEST(WaitSet, WithoutMembersWaitsForItsTimeout)
{
    Scene scene(sleepAtOnce());
    const auto start = std::chrono::steady_clock::now();

    EXPECT_EQ(wait(scene.m_set, 5ms), Ids{});

    EXPECT_GE(std::chrono::steady_clock::now() - start, 5ms);
}

TEST(WaitSet, AnswersTheIdsOfAllThatAreReady)
{
    Scene scene;
    auto a = scene.subscriber({}, "a");
    auto b = scene.subscriber({}, "b");
    auto c = scene.subscriber({}, "c");
    ASSERT_TRUE(scene.m_set.attach(a, 1));
    ASSERT_TRUE(scene.m_set.attach(b, 2));
    ASSERT_TRUE(scene.m_set.attach(c, ~0ULL));

    ASSERT_TRUE(scene.publisher({}, "a").publishCopy({1}));
    ASSERT_TRUE(scene.publisher({}, "c").publishCopy({1}));

    EXPECT_EQ(wait(scene.m_set, kForEver), (Ids{1, ~0ULL}));
}

TEST(WaitSet, StaysReadyUntilTheLastMessageIsTaken)
{
    Scene scene;
    auto subscriber = scene.subscriber();
    auto publisher = scene.publisher();
    ASSERT_TRUE(scene.m_set.attach(subscriber, 7));
    ASSERT_TRUE(publisher.publishCopy({1}));
    ASSERT_TRUE(publisher.publishCopy({2}));

    EXPECT_EQ(wait(scene.m_set, kForEver), Ids{7});
    ASSERT_TRUE(subscriber.take());
    EXPECT_EQ(wait(scene.m_set, kForEver), Ids{7});
    ASSERT_TRUE(subscriber.take());
    EXPECT_EQ(wait(scene.m_set, kNotAtAll), Ids{});
}

TEST(WaitSet, IsReadyForWhatWasPublishedBeforeAttaching)
{
    Scene scene;
    auto subscriber = scene.subscriber();
    ASSERT_TRUE(scene.publisher().publishCopy({1}));

    ASSERT_TRUE(scene.m_set.attach(subscriber, 7));

    EXPECT_EQ(wait(scene.m_set, kForEver), Ids{7});
}

TEST(WaitSet, IsReadyForAnOldestMessageThatWasOverwritten)
{
    Scene scene;
    auto publisher = scene.publisher();
    auto subscriber = scene.subscriber(QoS{}.keepLast(2));
    ASSERT_TRUE(scene.m_set.attach(subscriber, 7));
    ASSERT_EQ(wait(scene.m_set, kNotAtAll), Ids{}); // it has looked at the place that is overwritten
    for (std::uint64_t i = 1; i <= 9; ++i)
    {
        ASSERT_TRUE(publisher.publishCopy({i}));
    }

    EXPECT_EQ(wait(scene.m_set, kForEver), Ids{7});
    EXPECT_EQ((*subscriber.take())->value, 8U);
    EXPECT_EQ(subscriber.missed(), 7U);
}

TEST(WaitSet, BindsTheEndpointAndNotItsHandle)
{
    Scene scene;
    auto publisher = scene.publisher();
    std::optional<Subscriber<Number>> first(scene.subscriber());
    ASSERT_TRUE(scene.m_set.attach(*first, 7));
    auto second = std::move(*first);
    first.reset();
    WaitSet moved = std::move(scene.m_set);

    ASSERT_TRUE(publisher.publishCopy({1}));

    EXPECT_EQ(wait(moved, kForEver), Ids{7});
    EXPECT_TRUE(second.take());
}

TEST(WaitSet, ForgetsASubscriberThatIsDestroyed)
{
    Scene scene;
    auto publisher = scene.publisher();
    auto other = scene.subscriber();
    ASSERT_TRUE(scene.m_set.attach(other, 1));
    {
        auto subscriber = scene.subscriber();
        ASSERT_TRUE(scene.m_set.attach(subscriber, 2));
        ASSERT_TRUE(publisher.publishCopy({1}));
        EXPECT_EQ(wait(scene.m_set, kForEver), (Ids{1, 2}));
    }

    EXPECT_EQ(wait(scene.m_set, kForEver), Ids{1});
    auto newcomer = scene.subscriber(); // may have the record of the one that went
    EXPECT_TRUE(scene.m_set.attach(newcomer, 2));
}

TEST(WaitSet, MayBeDestroyedBeforeWhatIsAttachedToIt)
{
    OneNode one;
    auto publisher = one.publisher();
    auto subscriber = one.subscriber();
    auto timer = one.m_node.createTimer(1ms).value();
    const UserEvent event;
    for (int round = 0; round < 3; ++round)
    {
        auto set = WaitSet::create(one.m_node).value();
        ASSERT_TRUE(set.attach(subscriber, 1));
        ASSERT_TRUE(set.attach(timer, 2));
        ASSERT_TRUE(set.attach(event, 3));
    }

    event.trigger();
    ASSERT_TRUE(publisher.publishCopy({1}));
    EXPECT_TRUE(subscriber.wait(kForEver));
}

TEST(WaitSet, RefusesWhatIsAttachedAlready)
{
    Scene scene;
    auto other = WaitSet::create(scene.m_node).value();
    auto subscriber = scene.subscriber();
    const auto timer = scene.m_node.createTimer(1s).value();
    const UserEvent event;
    ASSERT_TRUE(scene.m_set.attach(subscriber, 1));
    ASSERT_TRUE(scene.m_set.attach(timer, 2));
    ASSERT_TRUE(scene.m_set.attach(event, 3));

    for (WaitSet* set : {&scene.m_set, &other})
    {
        EXPECT_EQ(set->attach(subscriber, 4).error().code(), ErrorCode::ConfigInvalid);
        EXPECT_EQ(set->attach(timer, 5).error().code(), ErrorCode::ConfigInvalid);
        EXPECT_EQ(set->attach(event, 6).error().code(), ErrorCode::ConfigInvalid);
    }
}

TEST(WaitSet, RefusesATimerWithACallback)
{
    Scene scene;
    const auto timer = scene.m_node.createTimer(1s, [] {}).value();

    EXPECT_EQ(scene.m_set.attach(timer, 1).error().code(), ErrorCode::ConfigInvalid);
}

TEST(WaitSet, RefusesASubscriberOfAnotherDomain)
{
    Scene scene;
    OneNode elsewhere;
    auto subscriber = elsewhere.subscriber();

    const auto attached = scene.m_set.attach(subscriber, 1);

    ASSERT_FALSE(attached);
    EXPECT_EQ(attached.error().code(), ErrorCode::ConfigInvalid);
    EXPECT_NE(attached.error().message().find("'t'"), std::string::npos) << attached.error().message();
}

TEST(WaitSet, AnswersClosedForEmptyHandles)
{
    Scene scene;
    Subscriber<Number> noSubscriber;
    auto subscriber = scene.subscriber();
    WaitSet noSet;

    EXPECT_EQ(WaitSet::create(Node()).error().code(), ErrorCode::Closed);
    EXPECT_EQ(scene.m_set.attach(noSubscriber, 1).error().code(), ErrorCode::Closed);
    EXPECT_EQ(scene.m_set.attach(Timer(), 1).error().code(), ErrorCode::Closed);
    EXPECT_EQ(noSet.attach(subscriber, 1).error().code(), ErrorCode::Closed);
    EXPECT_EQ(noSet.attach(UserEvent(), 1).error().code(), ErrorCode::Closed);
    EXPECT_EQ(noSet.attachGraph(1).error().code(), ErrorCode::Closed);
    EXPECT_EQ(wait(noSet, kForEver), Ids{}) << "returns at once";
    noSet.detach(1);
}

TEST(WaitSet, DetachesEverythingWithAnId)
{
    Scene scene;
    auto a = scene.subscriber();
    auto b = scene.subscriber();
    auto c = scene.subscriber();
    ASSERT_TRUE(scene.m_set.attach(a, 1));
    ASSERT_TRUE(scene.m_set.attach(b, 2));
    ASSERT_TRUE(scene.m_set.attach(c, 1));
    auto publisher = scene.publisher();
    ASSERT_TRUE(publisher.publishCopy({1}));

    scene.m_set.detach(1);

    EXPECT_EQ(wait(scene.m_set, kForEver), Ids{2});
    auto other = WaitSet::create(scene.m_node).value();
    EXPECT_TRUE(other.attach(a, 5));
    EXPECT_EQ(wait(other, kForEver), Ids{5});
}

TEST(WaitSet, DoesNotHinderTheSubscribersOwnWait)
{
    Scene scene(sleepAtOnce());
    auto subscriber = scene.subscriber();
    auto publisher = scene.publisher();
    ASSERT_TRUE(scene.m_set.attach(subscriber, 7));
    std::barrier step(2);
    std::thread other(
        [&]
        {
            for (std::uint64_t i = 1; i <= 200; ++i)
            {
                step.arrive_and_wait();
                EXPECT_TRUE(publisher.publishCopy({i}));
            }
        });

    for (std::uint64_t i = 1; i <= 200; ++i) // half of them by the one, half by the other
    {
        step.arrive_and_wait();
        if (i % 2 == 0)
        {
            EXPECT_EQ(wait(scene.m_set, kForEver), Ids{7});
        }
        const auto sample = i % 2 == 0 ? subscriber.take() : subscriber.wait(kForEver);
        ASSERT_TRUE(sample);
        EXPECT_EQ((*sample)->value, i);
    }
    other.join();
}

TEST(WaitSet, LosesNothingWhenPublishersOnOtherThreadsWakeIt)
{
    constexpr std::uint64_t kMessages = test::kSanitized ? 2000 : 20000;
    constexpr std::uint64_t kTopics = 3;
    Scene scene(sleepAtOnce());
    std::vector<Subscriber<Number>> subscribers;
    std::vector<std::thread> threads;
    std::vector<std::uint64_t> expected(kTopics, 1);
    for (std::uint64_t t = 0; t < kTopics; ++t)
    {
        const std::string topic = "t" + std::to_string(t);
        subscribers.push_back(scene.subscriber(QoS{}.keepAll(), topic));
        ASSERT_TRUE(scene.m_set.attach(subscribers.back(), t));
        threads.emplace_back(
            [publisher = scene.publisher(QoS{}.keepAll(), topic)]() mutable
            {
                for (std::uint64_t i = 1; i <= kMessages; ++i)
                {
                    ASSERT_TRUE(publisher.publishCopy({i}));
                }
            });
    }

    for (std::uint64_t left = kTopics * kMessages; left > 0;)
    {
        for (const std::uint64_t id : scene.m_set.wait(kForEver))
        {
            const auto sample = subscribers[id].take();
            ASSERT_TRUE(sample) << toString(sample.error());
            ASSERT_EQ((*sample)->value, expected[id]++);
            --left;
        }
    }
    for (std::thread& thread : threads)
    {
        thread.join();
    }
    EXPECT_EQ(wait(scene.m_set, kNotAtAll), Ids{});
}

TEST(WaitSet, IsReadyForTheHistoryOfATransientLocalTopic)
{
    Scene scene;
    const QoS latched = QoS{}.keepLast(3).transientLocal();
    auto publisher = scene.publisher(latched);
    for (std::uint64_t i = 1; i <= 5; ++i)
    {
        ASSERT_TRUE(publisher.publishCopy({i}));
    }
    auto subscriber = scene.subscriber(latched);
    ASSERT_TRUE(scene.m_set.attach(subscriber, 7));

    Ids values;
    while (wait(scene.m_set, kNotAtAll) == Ids{7})
    {
        values.push_back((*subscriber.take())->value);
    }
    EXPECT_EQ(values, (Ids{3, 4, 5}));

    ASSERT_TRUE(publisher.publishCopy({6}));
    EXPECT_EQ(wait(scene.m_set, kForEver), Ids{7});
}

class WaitSetOfKeepAll : public ::testing::TestWithParam<bool>
{
};

TEST_P(WaitSetOfKeepAll, IsReadyForEveryMessageThatWasKept)
{
    const QoS qos = GetParam() ? QoS{}.keepAll().reliable() : QoS{}.keepAll().bestEffort();
    Config config;
    config.queue.keepAllCapacity = 4;
    config.queue.publishTimeout = 1ms;
    Scene scene(config);
    auto publisher = scene.publisher(qos);
    auto subscriber = scene.subscriber(qos);
    ASSERT_TRUE(scene.m_set.attach(subscriber, 7));

    std::uint64_t published = 0;
    for (int round = 0; round < 5; ++round)
    {
        for (int i = 0; i < 6; ++i) // more than it has room for
        {
            published += publisher.publishCopy({1}) ? 1U : 0U;
        }
        while (wait(scene.m_set, kNotAtAll) == Ids{7})
        {
            ASSERT_TRUE(subscriber.take());
            --published;
        }
        EXPECT_EQ(subscriber.take().error(), TakeError::NoData);
    }
    EXPECT_EQ(published, subscriber.missed());
}

INSTANTIATE_TEST_SUITE_P(Policy, WaitSetOfKeepAll, ::testing::Bool(),
                         [](const auto& test) { return test.param ? "Reliable" : "BestEffort"; });

TEST(WaitSet, ServesMoreThanAHundredSubscribers)
{
    constexpr std::uint64_t kCount = 120;
    Scene scene(sleepAtOnce());
    std::vector<Subscriber<Number>> subscribers;
    std::vector<Publisher<Number>> publishers;
    for (std::uint64_t i = 0; i < kCount; ++i)
    {
        const std::string topic = "t" + std::to_string(i);
        subscribers.push_back(scene.subscriber({}, topic));
        publishers.push_back(scene.publisher({}, topic));
        ASSERT_TRUE(scene.m_set.attach(subscribers.back(), i));
    }
    std::barrier step(2);
    std::thread other(
        [&]
        {
            for (auto& publisher : publishers)
            {
                EXPECT_TRUE(publisher.publishCopy({1}));
                step.arrive_and_wait();
            }
        });

    for (std::uint64_t i = 0; i < kCount; ++i)
    {
        EXPECT_EQ(wait(scene.m_set, kForEver), Ids{i});
        EXPECT_TRUE(subscribers[i].take());
        step.arrive_and_wait();
    }
    other.join();
}

TEST(WaitSet, AllocatesNothingWhileItWaits)
{
    Scene scene(sleepAtOnce());
    auto a = scene.subscriber({}, "a");
    auto b = scene.subscriber({}, "b");
    auto publisher = scene.publisher({}, "b");
    const auto timer = scene.m_node.createTimer(1h).value();
    const UserEvent event;
    ASSERT_TRUE(scene.m_set.attach(a, 1));
    ASSERT_TRUE(scene.m_set.attach(b, 2));
    ASSERT_TRUE(scene.m_set.attach(timer, 3));
    ASSERT_TRUE(scene.m_set.attach(event, 4));
    ASSERT_TRUE(scene.m_set.attachGraph(5));
    ASSERT_TRUE(publisher.publishCopy({1}));
    ASSERT_EQ(wait(scene.m_set, kForEver), Ids{2});
    ASSERT_TRUE(b.take());

    const std::uint64_t before = test::allocationsOfThisThread();
    for (int i = 0; i < 10; ++i)
    {
        static_cast<void>(scene.m_set.wait(100us));
        event.trigger();
        static_cast<void>(publisher.publishCopy({1}));
        EXPECT_EQ(scene.m_set.wait(kForEver).size(), 2U);
        static_cast<void>(b.take());
    }
    EXPECT_EQ(test::allocationsOfThisThread() - before, 0U);
}

TEST(WaitSet, InAForkedChildReturnsAtOnceAndLeavesTheParentsAlone)
{
    OneNode one(sleepAtOnce());
    auto publisher = one.publisher();
    auto subscriber = one.subscriber();
    auto set = std::make_optional(WaitSet::create(one.m_node).value());
    ASSERT_TRUE(set->attach(subscriber, 7));
    ASSERT_TRUE(publisher.publishCopy({1}));

    ChildProcess child(
        [&](Peer&)
        {
            EXPECT_EQ(wait(*set, kForEver), Ids{});
            const UserEvent event;
            EXPECT_EQ(set->attach(event, 1).error().code(), ErrorCode::Forked);
            set.reset();
            return true;
        });
    ASSERT_TRUE(child.wait().succeeded());

    EXPECT_EQ(wait(*set, kForEver), Ids{7});
    auto other = WaitSet::create(one.m_node).value();
    EXPECT_EQ(other.attach(subscriber, 1).error().code(), ErrorCode::ConfigInvalid) << "it is still attached";
}

TEST(WaitSet, OfAProcessThatIsKilledGivesItsRowBack)
{
    Config config;
    config.limits.endpoints = 2;
    OneNode one(config);
    ChildProcess child(
        [&](Peer& parent)
        {
            Node node = nodeIn(one.m_domain, {}, "other");
            const auto first = WaitSet::create(node);
            const auto second = WaitSet::create(node);
            parent.tell(first && second ? "two" : "none");
            parent.pause();
            return true;
        });
    ASSERT_EQ(child.hear(), "two");
    EXPECT_EQ(WaitSet::create(one.m_node).error().code(), ErrorCode::LimitReached);

    ASSERT_TRUE(child.kill(SIGKILL).killedBy(SIGKILL));

    const auto first = WaitSet::create(one.m_node);
    const auto second = WaitSet::create(one.m_node);
    EXPECT_TRUE(first && second);
}

} // namespace

} // namespace ZeroCP
