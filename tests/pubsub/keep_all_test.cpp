// Queues from which nothing is evicted: keepAll on either side, with every reliability.
#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <random>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "pubsub/pubsub_support.hpp"
#include "support/child_process.hpp"
#include "support/shared_board.hpp"
#include "zerocp/discovery/domain_lock.hpp"

namespace ZeroCP
{

using namespace std::chrono_literals;
using test::ChildProcess;
using test::nodeIn;
using test::Number;
using test::OneNode;
using test::Peer;
using test::TestDomain;
using test::totalChunks;
using test::usedChunks;

namespace
{

constexpr std::uint32_t kCapacity = 4;

Config capacityOf(std::uint32_t capacity, std::chrono::nanoseconds timeout = 0ns)
{
    Config config;
    config.queue.keepAllCapacity = capacity;
    config.queue.publishTimeout = timeout;
    return config;
}

const QoS kKeepAll = QoS{}.keepAll();
const QoS kKeepAllBestEffort = QoS{}.keepAll().bestEffort();

void fill(Publisher<Number>& publisher, std::uint64_t first = 1, std::uint64_t count = kCapacity)
{
    for (std::uint64_t i = first; i < first + count; ++i)
    {
        ASSERT_TRUE(publisher.publishCopy({i}));
    }
}

/// The value of the next message; 0 if there is none.
std::uint64_t next(Subscriber<Number>& subscriber)
{
    const auto sample = subscriber.take();
    return sample ? (*sample)->value : 0;
}

} // namespace

TEST(KeepAll, RefusesAMessageForWhichThereIsNoRoomWithTimeout)
{
    OneNode one(capacityOf(kCapacity));
    auto publisher = one.publisher(kKeepAll);
    auto subscriber = one.subscriber(kKeepAll);
    fill(publisher);

    const auto refused = publisher.publishCopy({5});

    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error(), PublishError::Timeout);
}

TEST(KeepAll, LeavesTheLoanOfARefusedMessageUntouched)
{
    OneNode one(capacityOf(kCapacity));
    auto publisher = one.publisher(kKeepAll);
    auto subscriber = one.subscriber(kKeepAll);
    fill(publisher);
    auto loan = publisher.loan().value();
    loan->value = 5;
    ASSERT_FALSE(publisher.publish(std::move(loan)));
    ASSERT_EQ(next(subscriber), 1U);

    const auto sequence = publisher.publish(std::move(loan));

    EXPECT_EQ(sequence.value_or(0), 5U);
}

TEST(KeepAll, DeliversARefusedMessageToNobodyAndItsRetryOnce)
{
    OneNode one(capacityOf(kCapacity));
    auto publisher = one.publisher(kKeepAll);
    auto slow = one.subscriber(kKeepAll);
    auto quick = one.subscriber(kKeepAll);
    auto newest = one.subscriber(QoS{}.keepLast(1));
    fill(publisher);
    for (std::uint64_t i = 1; i <= kCapacity; ++i)
    {
        ASSERT_EQ(next(quick), i);
    }
    ASSERT_FALSE(publisher.publishCopy({5}));
    EXPECT_EQ(next(quick), 0U);
    EXPECT_EQ(next(newest), 4U);

    ASSERT_EQ(next(slow), 1U);
    ASSERT_EQ(publisher.publishCopy({5}).value_or(0), 5U);

    EXPECT_EQ(next(quick), 5U);
    EXPECT_EQ(next(quick), 0U);
    EXPECT_EQ(next(newest), 5U);
    for (std::uint64_t i = 2; i <= 5; ++i)
    {
        EXPECT_EQ(next(slow), i);
    }
}

TEST(KeepAll, HasRoomAgainForEveryMessageTaken)
{
    OneNode one(capacityOf(kCapacity));
    auto publisher = one.publisher(kKeepAll);
    auto subscriber = one.subscriber(kKeepAll);
    fill(publisher);
    for (std::uint64_t i = kCapacity + 1; i <= 1000; ++i)
    {
        ASSERT_EQ(next(subscriber), i - kCapacity);
        ASSERT_TRUE(publisher.publishCopy({i})) << i;
        ASSERT_FALSE(publisher.publishCopy({0})) << i;
    }
    EXPECT_EQ(subscriber.missed(), 0U);
}

TEST(KeepAll, KeepsWhatSubscribersHoldBesideAFullQueue)
{
    OneNode one(capacityOf(kCapacity));
    auto publisher = one.publisher(kKeepAll);
    auto subscriber = one.subscriber(QoS{}.keepAll().maxHeld(3));
    std::vector<Sample<Number>> held;
    for (std::uint64_t i = 1; i <= 3; ++i)
    {
        fill(publisher, i, 1);
        held.push_back(subscriber.take().value());
    }

    fill(publisher, 4);

    EXPECT_EQ(subscriber.take().error(), TakeError::TooManyHeld);
    EXPECT_EQ(held.front()->value, 1U);
    held.clear();
    EXPECT_EQ(next(subscriber), 4U);
}

TEST(KeepAll, PublishWaitsUntilTheSubscriberTakes)
{
    OneNode one(capacityOf(kCapacity, 60s));
    auto publisher = one.publisher(kKeepAll);
    auto subscriber = one.subscriber(kKeepAll);
    fill(publisher);
    std::thread writer([&] { EXPECT_EQ(publisher.publishCopy({5}).value_or(0), 5U); });

    for (std::uint64_t i = 1; i <= 5; ++i)
    {
        EXPECT_EQ(subscriber.wait(60s).value()->value, i);
    }
    writer.join();
}

TEST(KeepAll, PublishWaitsNoShorterThanItsTimeout)
{
    OneNode one(capacityOf(kCapacity, 120ms));
    auto publisher = one.publisher(kKeepAll);
    auto subscriber = one.subscriber(kKeepAll);
    fill(publisher);
    const auto start = std::chrono::steady_clock::now();

    EXPECT_EQ(publisher.publishCopy({5}).error(), PublishError::Timeout);

    EXPECT_GE(std::chrono::steady_clock::now() - start, 120ms);
}

TEST(KeepAll, PublishGoesOnWhenTheSubscriberThatBlocksItLeaves)
{
    OneNode one(capacityOf(kCapacity, 60s));
    auto publisher = one.publisher(kKeepAll);
    auto subscriber = one.subscriber(kKeepAll);
    fill(publisher);
    std::thread writer([&] { EXPECT_EQ(publisher.publishCopy({5}).value_or(0), 5U); });

    subscriber = {};
    writer.join();

    EXPECT_EQ(usedChunks(one.inspect()), 0U);
}

TEST(KeepAll, PublishDoesNotWaitForASubscriberThatIsGoneButForASampleThatIsStillHeld)
{
    OneNode one(capacityOf(kCapacity, 0ns));
    auto publisher = one.publisher(kKeepAll);
    auto subscriber = one.subscriber(kKeepAll);
    fill(publisher, 1, 1);
    auto sample = subscriber.take();

    subscriber = {};

    for (std::uint64_t i = 2; i < 2 + 100 * kCapacity; ++i)
    {
        ASSERT_TRUE(publisher.publishCopy({i})) << i;
    }
    EXPECT_EQ((*sample)->value, 1U);
    EXPECT_EQ(publisher.subscriberCount(), 0U);
    EXPECT_EQ(usedChunks(one.inspect()), 1U) << "what is held, and nothing for a queue that nobody reads";
    *sample = {};
    EXPECT_EQ(usedChunks(one.inspect()), 0U);
}

TEST(KeepAll, APublisherThatComesLaterDoesNotWaitForSuchASubscriberEither)
{
    OneNode one(capacityOf(kCapacity, 0ns));
    auto first = one.publisher(kKeepAll);
    auto subscriber = one.subscriber(kKeepAll);
    fill(first, 1, 1);
    auto sample = subscriber.take();
    subscriber = {};

    auto later = one.publisher(kKeepAll);

    fill(later, 1, 10 * kCapacity);
    EXPECT_TRUE(sample);
}

TEST(KeepAll, PublishThatWaitsGoesOnWhenTheSubscriberGoesAndKeepsASample)
{
    OneNode one(capacityOf(kCapacity, 60s));
    auto publisher = one.publisher(kKeepAll);
    auto subscriber = one.subscriber(kKeepAll);
    fill(publisher);
    auto sample = subscriber.take();
    fill(publisher, 5, 1);
    std::thread writer([&] { EXPECT_EQ(publisher.publishCopy({6}).value_or(0), 6U); });

    subscriber = {};
    writer.join();

    EXPECT_EQ((*sample)->value, 1U);
}

TEST(KeepAll, PublishGoesOnWhenAKilledSubscriberCannotBeRecovered)
{
    TestDomain domain;
    ChildProcess child(
        [&](Peer& parent)
        {
            auto node = nodeIn(domain, capacityOf(kCapacity));
            auto subscriber = node.createSubscriber<Number>("t", kKeepAll);
            parent.tell("ready");
            parent.pause();
            return true;
        });
    ASSERT_EQ(child.hear(), "ready");
    auto node = nodeIn(domain, capacityOf(kCapacity, 2s));
    auto publisher = node.createPublisher<Number>("t", kKeepAll).value();
    fill(publisher);
    auto somebody = DomainLock::open(domain.root() / Domain::fileName(domain.number(), "lock"), {}).value();
    ASSERT_TRUE(somebody.lockControl()); // stopped in a control call, as it were

    child.kill(SIGKILL);

    fill(publisher, 5, 100);
    somebody.unlockControl();
}

TEST(KeepAll, PublishGoesOnWhenTheSubscriberThatBlocksItIsKilled)
{
    TestDomain domain;
    ChildProcess child(
        [&](Peer& parent)
        {
            auto node = nodeIn(domain, capacityOf(kCapacity));
            auto subscriber = node.createSubscriber<Number>("t", kKeepAll);
            parent.tell("ready");
            parent.pause();
            return true;
        });
    ASSERT_EQ(child.hear(), "ready");
    auto node = nodeIn(domain, capacityOf(kCapacity, 60s));
    auto publisher = node.createPublisher<Number>("t", kKeepAll).value();
    fill(publisher);
    std::thread writer([&] { EXPECT_EQ(publisher.publishCopy({5}).value_or(0), 5U); });

    child.kill(SIGKILL);
    writer.join();

    EXPECT_EQ(publisher.subscriberCount(), 0U);
}

TEST(KeepAll, AStoppedSubscriberIsWaitedForAndLosesNothing)
{
    TestDomain domain;
    ChildProcess child(
        [&](Peer& parent)
        {
            auto node = nodeIn(domain, capacityOf(kCapacity));
            auto subscriber = node.createSubscriber<Number>("t", kKeepAll).value();
            parent.tell("ready");
            parent.pause();
            std::uint64_t expected = 1;
            while (expected <= 100)
            {
                const auto sample = subscriber.wait(60s);
                EXPECT_TRUE(sample && (*sample)->value == expected);
                ++expected;
            }
            return subscriber.missed() == 0;
        });
    ASSERT_EQ(child.hear(), "ready");
    auto node = nodeIn(domain, capacityOf(kCapacity, 10ms));
    auto publisher = node.createPublisher<Number>("t", kKeepAll).value();
    fill(publisher);
    child.signal(SIGSTOP);
    child.tell("go");
    EXPECT_EQ(publisher.publishCopy({5}).error(), PublishError::Timeout);
    child.signal(SIGCONT);
    for (std::uint64_t i = 5; i <= 100;)
    {
        i += publisher.publishCopy({i}) ? 1U : 0U;
    }

    EXPECT_TRUE(child.wait().succeeded());
}

TEST(KeepAll, APublisherThatKeepsTheLastDoesNotWaitForItsSubscribers)
{
    OneNode one(capacityOf(kCapacity, 60s));
    auto publisher = one.publisher(QoS{}.keepLast(2));
    auto subscriber = one.subscriber(kKeepAll);

    fill(publisher, 1, kCapacity + 3);

    EXPECT_EQ(next(subscriber), 4U);
    EXPECT_EQ(subscriber.missed(), 3U);
}

TEST(KeepAll, ASubscriberThatKeepsTheLastIsNotWaitedFor)
{
    OneNode one(capacityOf(kCapacity, 60s));
    auto publisher = one.publisher(kKeepAll);
    auto subscriber = one.subscriber(QoS{}.keepLast(2));

    fill(publisher, 1, 10);

    EXPECT_EQ(next(subscriber), 9U);
    EXPECT_EQ(subscriber.missed(), 8U);
}

TEST(KeepAll, BestEffortDropsTheNewestAndCountsIt)
{
    OneNode one(capacityOf(kCapacity, 60s));
    auto publisher = one.publisher(kKeepAll);
    auto subscriber = one.subscriber(kKeepAllBestEffort);

    fill(publisher, 1, kCapacity + 3);

    EXPECT_EQ(subscriber.missed(), 3U);
    for (std::uint64_t i = 1; i <= kCapacity; ++i)
    {
        EXPECT_EQ(next(subscriber), i);
    }
    EXPECT_EQ(next(subscriber), 0U);
    EXPECT_EQ(subscriber.missed(), 3U);
}

TEST(KeepAll, BestEffortTakesNewMessagesForEveryOneTaken)
{
    OneNode one(capacityOf(kCapacity, 60s));
    auto publisher = one.publisher(kKeepAllBestEffort);
    auto subscriber = one.subscriber(kKeepAllBestEffort);
    std::uint64_t published = 0;
    std::uint64_t received = 0;
    std::uint64_t last = 0;
    std::mt19937_64 random(test::testSeed());
    for (int round = 0; round < 5000; ++round)
    {
        for (std::uint64_t i = random() % 9; i > 0; --i)
        {
            ASSERT_TRUE(publisher.publishCopy({++published}));
        }
        for (std::uint64_t i = random() % 7; i > 0; --i)
        {
            const std::uint64_t value = next(subscriber);
            ASSERT_TRUE(value == 0 || value > last) << value << " after " << last;
            received += value != 0 ? 1U : 0U;
            last = std::max(last, value);
        }
    }
    while (const std::uint64_t value = next(subscriber))
    {
        ++received;
        last = value;
    }

    EXPECT_EQ(received + subscriber.missed(), published);
    EXPECT_GT(subscriber.missed(), 0U);
    EXPECT_EQ(usedChunks(one.inspect()), 0U);
}

TEST(KeepAll, BestEffortFindsAChunkHoweverOldItsSubscribersMessagesAre)
{
    OneNode one(capacityOf(kCapacity));
    auto publisher = one.publisher(kKeepAll);
    std::vector<Subscriber<Number>> subscribers;
    for (int i = 0; i < 5; ++i)
    {
        subscribers.push_back(one.subscriber(kKeepAllBestEffort)); // each keeps four others
        fill(publisher, 1, kCapacity);
    }

    fill(publisher, 1, 1000);

    EXPECT_EQ(usedChunks(one.inspect()), 5 * kCapacity);
}

TEST(KeepAll, SlicesCommitMemoryForWhatIsInUseOnly)
{
    OneNode one(capacityOf(1024));
    auto publisher = one.publisher<Slice<std::byte>>(kKeepAll);
    auto subscriber = one.subscriber<Slice<std::byte>>(kKeepAll);
    const std::vector<std::byte> large(1 << 20);

    for (std::size_t bytes = 64; bytes <= large.size(); bytes *= 2)
    {
        ASSERT_TRUE(publisher.publishCopy(std::span(large).first(bytes)));
    }

    EXPECT_LE(totalChunks(one.inspect()), 15 * 64U);
}

TEST(KeepAll, SlicesFillTheWholeQueue)
{
    OneNode one(capacityOf(1000));
    auto publisher = one.publisher<Slice<std::byte>>(kKeepAll);
    auto subscriber = one.subscriber<Slice<std::byte>>(kKeepAll);
    const std::array<std::byte, 100> message{};

    for (int i = 0; i < 1000; ++i)
    {
        ASSERT_TRUE(publisher.publishCopy(message)) << i;
    }

    EXPECT_EQ(publisher.publishCopy(message).error(), PublishError::Timeout);
    int received = 0;
    while (subscriber.take())
    {
        ++received;
    }
    EXPECT_EQ(received, 1000);
}

TEST(KeepAll, ALateSubscriberGetsTheHistoryAndThenEverything)
{
    OneNode one(capacityOf(kCapacity));
    auto publisher = one.publisher(QoS{}.keepAll().transientLocal());
    fill(publisher, 1, 10);
    auto late = one.subscriber(QoS{}.keepAll().transientLocal());
    fill(publisher, 11);
    ASSERT_FALSE(publisher.publishCopy({0}));

    for (std::uint64_t i = 7; i <= 14; ++i)
    {
        EXPECT_EQ(next(late), i);
    }
    EXPECT_EQ(next(late), 0U);
    EXPECT_EQ(late.missed(), 0U);
}

TEST(KeepAll, WhatAKilledPublisherSentStaysReadable)
{
    TestDomain domain;
    ChildProcess child(
        [&](Peer& parent)
        {
            parent.pause();
            auto inner = nodeIn(domain, capacityOf(kCapacity));
            auto publisher = inner.createPublisher<Number>("t", kKeepAll).value();
            fill(publisher);
            parent.tell("ready");
            parent.pause();
            return true;
        });
    auto node = nodeIn(domain, capacityOf(kCapacity));
    auto all = node.createSubscriber<Number>("t", kKeepAll).value();
    auto some = node.createSubscriber<Number>("t", kKeepAllBestEffort).value();
    child.tell("go");
    ASSERT_EQ(child.hear(), "ready");
    child.kill(SIGKILL);
    ASSERT_TRUE(recover(domain.number(), domain.root()));

    for (auto* subscriber : {&all, &some})
    {
        for (std::uint64_t i = 1; i <= kCapacity; ++i)
        {
            EXPECT_EQ(next(*subscriber), i);
        }
        EXPECT_EQ(next(*subscriber), 0U);
        EXPECT_EQ(subscriber->publisherCount(), 0U);
    }
    EXPECT_EQ(usedChunks(inspect(domain.number(), domain.root()).value()), 0U);
}

} // namespace ZeroCP
