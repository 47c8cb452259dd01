// QoS events that are waited for and called back: in wait sets, of subscribers in executors, and of publishers.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "pubsub/pubsub_support.hpp"
#include "support/child_process.hpp"

namespace ZeroCP
{

using namespace std::chrono_literals;
using test::ChildProcess;
using test::nodeIn;
using test::Number;
using test::OneNode;
using test::Peer;
using test::TestDomain;

namespace
{

constexpr auto kPeriod = 5ms;
const QoS kDeadline = QoS{}.deadline(kPeriod);

std::vector<std::uint64_t> idsOf(std::span<const std::uint64_t> ids)
{
    return {ids.begin(), ids.end()};
}

/// Spins until `isDone()`.
template <typename Condition>
void spinUntil(Executor& executor, const Condition& isDone)
{
    while (!isDone())
    {
        ASSERT_TRUE(executor.spinSome());
        std::this_thread::yield();
    }
}

} // namespace

TEST(WaitSetEvents, AreReadyWhenADeadlinePassesAndUntilTheyAreRead)
{
    OneNode one;
    auto publisher = one.publisher(kDeadline);
    auto subscriber = one.subscriber(kDeadline);
    auto waitSet = WaitSet::create(one.m_node).value();
    ASSERT_TRUE(waitSet.attachEvents(subscriber, 1));
    ASSERT_TRUE(waitSet.attachEvents(publisher, 2));
    static_cast<void>(subscriber.livelinessChanged()); // that there is a publisher
    EXPECT_EQ(idsOf(waitSet.wait(0ns)), std::vector<std::uint64_t>{});

    ASSERT_TRUE(publisher.publishCopy({1}));
    bool both = false;
    while (!both)
    {
        both = waitSet.wait(-1ns).size() == 2; // nobody publishes any more: the clock alone makes them ready
    }

    EXPECT_EQ(idsOf(waitSet.wait(0ns)), (std::vector<std::uint64_t>{1, 2})) << "not read yet";
    EXPECT_GE(subscriber.deadlineMissed().count, 1U);
    EXPECT_GE(publisher.deadlineMissed().count, 1U);
}

TEST(WaitSetEvents, AndMessagesOfOneSubscriberAreAttachedApart)
{
    OneNode one;
    auto subscriber = one.subscriber();
    auto waitSet = WaitSet::create(one.m_node).value();
    ASSERT_TRUE(waitSet.attach(subscriber, 1));
    ASSERT_TRUE(waitSet.attachEvents(subscriber, 2));

    std::optional<Publisher<Number>> publisher;
    std::thread coming([&] { publisher = one.publisher(); });
    EXPECT_EQ(idsOf(waitSet.wait(-1ns)), std::vector<std::uint64_t>{2}) << "a publisher came";
    coming.join();
    EXPECT_EQ(subscriber.livelinessChanged().alive, 1U);
    waitSet.detach(2);

    std::thread sending([&] { EXPECT_TRUE(publisher->publishCopy({1})); });
    EXPECT_EQ(idsOf(waitSet.wait(-1ns)), std::vector<std::uint64_t>{1}) << "messages still wake it";
    sending.join();
}

TEST(WaitSetEvents, ASubscriberOfAnotherWaitSetIsRefused)
{
    OneNode one;
    auto subscriber = one.subscriber();
    auto first = WaitSet::create(one.m_node).value();
    auto second = WaitSet::create(one.m_node).value();
    ASSERT_TRUE(first.attachEvents(subscriber, 1));

    EXPECT_EQ(second.attach(subscriber, 1).error().code(), ErrorCode::ConfigInvalid);
    EXPECT_TRUE(first.attach(subscriber, 1));
}

TEST(WaitSetEvents, OfAPublisherThatIsGoneAreForgotten)
{
    OneNode one;
    auto publisher = one.publisher(kDeadline);
    auto waitSet = WaitSet::create(one.m_node).value();
    ASSERT_TRUE(waitSet.attachEvents(publisher, 1));
    ASSERT_TRUE(publisher.publishCopy({1}));

    publisher = {};

    EXPECT_TRUE(waitSet.wait(20ms).empty());
}

TEST(WaitSetEvents, NoticeAPublisherThatIsKilled)
{
    const TestDomain domain;
    ChildProcess child(
        [&](Peer& parent)
        {
            auto node = nodeIn(domain);
            auto publisher = node.createPublisher<Number>("t").value();
            parent.tell("there");
            parent.pause();
            return true;
        });
    ASSERT_EQ(child.hear(), "there");
    auto node = nodeIn(domain);
    auto subscriber = node.createSubscriber<Number>("t").value();
    ASSERT_EQ(subscriber.livelinessChanged().alive, 1U);
    auto waitSet = WaitSet::create(node).value();
    ASSERT_TRUE(waitSet.attachEvents(subscriber, 7));

    child.kill(SIGKILL);

    EXPECT_EQ(idsOf(waitSet.wait(-1ns)), std::vector<std::uint64_t>{7});
    const LivelinessStatus status = subscriber.livelinessChanged();
    EXPECT_EQ(status.alive, 0U);
    EXPECT_EQ(status.notAlive, 1U);
    EXPECT_EQ(status.lost, 1U);
}

TEST(CallbackSubscriberEvents, TellOfPublishersThatComeAndGoAndOfDeadlines)
{
    OneNode one;
    std::uint64_t missed = 0;
    std::vector<std::int64_t> alive;
    std::uint64_t messages = 0;
    auto subscriber =
        one.m_node.createSubscriber<Number>("t", kDeadline, [&](const Sample<Number>&) { ++messages; }).value();
    subscriber.onEvent(
        [&](const QosEventInfo& info)
        {
            missed += info.event == QosEvent::DeadlineMissed ? info.count.change : 0;
            if (info.event == QosEvent::LivelinessChanged)
            {
                alive.push_back(info.liveliness.aliveChange);
            }
        });
    Executor executor;
    ASSERT_TRUE(executor.add(one.m_node));

    std::optional<Publisher<Number>> publisher = one.publisher(kDeadline);
    spinUntil(executor, [&] { return alive.size() == 1; });
    ASSERT_TRUE(publisher->publishCopy({1}));
    spinUntil(executor, [&] { return missed >= 3; });
    publisher.reset();
    spinUntil(executor, [&] { return alive.size() == 2; });

    EXPECT_EQ(messages, 1U);
    EXPECT_EQ(alive, (std::vector<std::int64_t>{1, -1}));
}

TEST(CallbackSubscriberEvents, DoNotKeepMessagesFromTheirTurn)
{
    OneNode one(Config{});
    std::uint64_t messages = 0;
    std::uint64_t lost = 0;
    auto subscriber =
        one.m_node.createSubscriber<Number>("t", QoS{}.keepLast(1), [&](const Sample<Number>&) { ++messages; }).value();
    auto publisher = one.publisher();
    subscriber.onEvent(
        [&](const QosEventInfo& info)
        {
            lost += info.event == QosEvent::MessageLost ? info.count.change : 0;
            for (std::uint64_t i = 0; i < 3 && messages < 100; ++i) // there is always something new to tell
            {
                EXPECT_TRUE(publisher.publishCopy({i}));
            }
        });
    Executor executor;
    ASSERT_TRUE(executor.add(one.m_node));

    spinUntil(executor, [&] { return messages >= 100; });

    EXPECT_GE(lost, 100U);
}

TEST(CallbackSubscriberEvents, MayDestroyTheirSubscriber)
{
    OneNode one;
    std::optional<CallbackSubscriber<Number>> subscriber =
        one.m_node.createSubscriber<Number>("t", QoS{}, [](const Sample<Number>&) {}).value();
    bool told = false;
    subscriber->onEvent(
        [&](const QosEventInfo&)
        {
            subscriber.reset();
            told = true;
        });
    Executor executor;
    ASSERT_TRUE(executor.add(one.m_node));

    auto publisher = one.publisher();
    spinUntil(executor, [&] { return told; });

    EXPECT_EQ(publisher.subscriberCount(), 0U);
}

TEST(EventHandler, TellsWhatAPublisherHasMissedBesideItsOwnThread)
{
    OneNode one;
    auto publisher = one.publisher(QoS{}.deadline(kPeriod).liveliness(Liveliness::ManualByTopic, kPeriod));
    std::uint64_t deadlines = 0;
    std::uint64_t leases = 0;
    auto handler =
        one.m_node
            .createEventHandler(publisher, [&](const QosEventInfo& info)
                                { (info.event == QosEvent::DeadlineMissed ? deadlines : leases) += info.count.change; })
            .value();
    Executor executor;
    ASSERT_TRUE(executor.add(one.m_node));
    std::atomic<bool> done{false};
    std::thread publishing(
        [&]
        {
            for (std::uint64_t i = 0; i < 3; ++i)
            {
                EXPECT_TRUE(publisher.publishCopy({i}));
                std::this_thread::sleep_for(3 * kPeriod);
            }
            done = true;
        });
    spinUntil(executor, [&] { return done.load(); });
    publishing.join();
    spinUntil(executor, [&] { return leases == 3; });

    EXPECT_GE(deadlines, 3U) << "each pause is longer than two periods";
    EXPECT_LE(deadlines, publisher.deadlineMissed().count);
    EXPECT_EQ(publisher.livelinessLost().count, 3U) << "and the handle has read nothing yet";
}

TEST(EventHandler, MayOutliveItsPublisherAndDestroyItself)
{
    OneNode one;
    auto publisher = one.publisher(kDeadline);
    int told = 0;
    std::optional<EventHandler> handler;
    handler = one.m_node
                  .createEventHandler(publisher,
                                      [&](const QosEventInfo&)
                                      {
                                          ++told;
                                          handler.reset();
                                      })
                  .value();
    auto idle = one.m_node.createEventHandler(publisher, [&](const QosEventInfo&) { told += 100; }).value();
    Executor executor;
    ASSERT_TRUE(executor.add(one.m_node));
    ASSERT_TRUE(executor.spinSome());
    publisher = {};
    auto other = one.publisher(kDeadline);
    ASSERT_TRUE(other.publishCopy({1}));
    ASSERT_TRUE(executor.spinSome());
    EXPECT_EQ(told, 0) << "the publisher is gone";

    handler = one.m_node
                  .createEventHandler(other,
                                      [&](const QosEventInfo&)
                                      {
                                          ++told;
                                          handler.reset();
                                      })
                  .value();
    spinUntil(executor, [&] { return told != 0; });

    EXPECT_EQ(told, 1);
    EXPECT_FALSE(handler);
}

TEST(EventHandler, OfAnEmptyPublisherIsRefused)
{
    OneNode one;
    const Publisher<Number> empty;

    EXPECT_EQ(one.m_node.createEventHandler(empty, [](const QosEventInfo&) {}).error().code(), ErrorCode::Closed);
}

TEST(CallbackSubscriberEvents, AndMessagesOfAReentrantGroupAreEachHandledOnce)
{
    constexpr std::uint64_t kMessages = 3000;
    OneNode one;
    std::atomic<std::uint64_t> messages{0};
    std::atomic<std::uint64_t> sum{0};
    std::atomic<std::int64_t> alive{0};
    auto subscriber = one.m_node
                          .createSubscriber<Number>(
                              "t", QoS{}.keepLast(kMessages).maxHeld(8),
                              [&](const Sample<Number>& sample)
                              {
                                  sum += sample->value;
                                  ++messages;
                              },
                              CallbackGroup(CallbackGroupType::Reentrant))
                          .value();
    subscriber.onEvent(
        [&](const QosEventInfo& info)
        {
            alive += info.liveliness.aliveChange;
            const std::uint64_t before = messages;
            for (int i = 0; i < 200 && messages == before; ++i) // meanwhile others handle messages
            {
                std::this_thread::yield();
            }
        });
    Executor executor({.threads = 4});
    ASSERT_TRUE(executor.add(one.m_node));
    std::thread spinning([&] { EXPECT_TRUE(executor.spin()); });

    auto publisher = one.publisher();
    for (std::uint64_t i = 1; i <= kMessages; ++i)
    {
        EXPECT_TRUE(publisher.publishCopy({i}));
        if (i % 16 == 0)
        {
            auto passing = one.publisher(); // comes and goes: two events
        }
    }
    while (messages < kMessages || alive != 1)
    {
        std::this_thread::yield();
    }
    executor.stop();
    spinning.join();

    EXPECT_EQ(messages, kMessages);
    EXPECT_EQ(sum, kMessages * (kMessages + 1) / 2);
    EXPECT_EQ(subscriber.missed(), 0U);
}

TEST(CallbackSubscriber, GetsAWholeBurstOfMessagesThatMayExpire)
{
    OneNode one;
    std::uint64_t messages = 0;
    auto subscriber = one.m_node
                          .createSubscriber<Number>("t", QoS{}.lifespan(std::chrono::hours(1)),
                                                    [&](const Sample<Number>&) { ++messages; })
                          .value();
    auto publisher = one.publisher();
    Executor executor;
    ASSERT_TRUE(executor.add(one.m_node));
    ASSERT_TRUE(executor.spinSome());
    for (std::uint64_t i = 0; i < 5; ++i)
    {
        ASSERT_TRUE(publisher.publishCopy({i}));
    }

    for (int round = 0; round < 5; ++round)
    {
        ASSERT_TRUE(executor.spinSome()); // one callback each
    }

    EXPECT_EQ(messages, 5U);
}

TEST(WaitSet, IsReadyForMessagesThatMayExpire)
{
    OneNode one;
    auto subscriber = one.subscriber(QoS{}.lifespan(std::chrono::hours(1)));
    auto publisher = one.publisher();
    auto waitSet = WaitSet::create(one.m_node).value();
    ASSERT_TRUE(waitSet.attach(subscriber, 3));
    ASSERT_TRUE(publisher.publishCopy({1}));

    EXPECT_EQ(idsOf(waitSet.wait(-1ns)), std::vector<std::uint64_t>{3});
    EXPECT_TRUE(subscriber.take());
    EXPECT_TRUE(waitSet.wait(0ns).empty());
}

TEST(Lifespan, TakeGoesRoundAllPublishersBeforeItAnswersNoData)
{
    OneNode one;
    auto idle = one.publisher();
    auto busy = one.publisher();
    auto other = one.publisher();
    auto subscriber = one.subscriber(QoS{}.lifespan(std::chrono::hours(1)));
    for (Publisher<Number>* before : {&idle, &busy, &other}) // whose turn was the last
    {
        for (Publisher<Number>* publisher : {&idle, &busy, &other})
        {
            ASSERT_TRUE(before->publishCopy({1}));
            EXPECT_TRUE(subscriber.take());
            ASSERT_TRUE(publisher->publishCopy({2}));
            ASSERT_TRUE(publisher->publishCopy({3}));
            EXPECT_TRUE(subscriber.take());
            EXPECT_TRUE(subscriber.take());
            EXPECT_EQ(subscriber.take().error(), TakeError::NoData);
        }
    }
}

} // namespace ZeroCP
