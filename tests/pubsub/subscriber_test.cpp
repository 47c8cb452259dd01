#include "zerocp/pubsub/subscriber.hpp"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "pubsub/pubsub_support.hpp"
#include "support/child_process.hpp"
#include "support/sanitized.hpp"

namespace ZeroCP
{

using namespace std::chrono_literals;
using test::ChildProcess;
using test::Number;
using test::OneNode;
using test::Peer;
using test::usedChunks;

namespace
{

constexpr std::chrono::nanoseconds kForEver{-1};

/// Naps that found data without having been woken, over all ports of a domain.
std::uint64_t rescuesIn(std::uint32_t domain)
{
    std::uint64_t rescues = 0;
    for (const std::string& name : test::poolSetsOf(domain))
    {
        const test::MappedSet set("/dev/shm", name);
        for (std::uint32_t port = 1; set && port < set.view().header().m_portHighWater.load(); ++port)
        {
            rescues += set.view().port(port).m_rescues.load();
        }
    }
    return rescues;
}

/// Rows of the pair tables that have been used, over all pool sets of a domain.
std::uint32_t pairRowsIn(std::uint32_t domain)
{
    std::uint32_t rows = 0;
    for (const std::string& name : test::poolSetsOf(domain))
    {
        const test::MappedSet set("/dev/shm", name);
        rows += set ? set.view().header().m_pairHighWater.load() : 0U;
    }
    return rows;
}

Config sleepAtOnce()
{
    Config config;
    config.wait.spin = 0ns;
    return config;
}

} // namespace

TEST(Subscriber, AnswersNoDataBeforeAnythingWasPublished)
{
    OneNode one;
    auto publisher = one.publisher();
    auto subscriber = one.subscriber();

    EXPECT_EQ(subscriber.take().error(), TakeError::NoData);
    EXPECT_EQ(subscriber.takeLatest().error(), TakeError::NoData);
}

TEST(Subscriber, TakesWhatWasPublishedInOrder)
{
    OneNode one;
    auto subscriber = one.subscriber();
    auto publisher = one.publisher();
    for (std::uint64_t i = 1; i <= 5; ++i)
    {
        ASSERT_TRUE(publisher.publishCopy({i}));
    }

    for (std::uint64_t i = 1; i <= 5; ++i)
    {
        const auto sample = subscriber.take();
        ASSERT_TRUE(sample);
        EXPECT_EQ((*sample)->value, i);
    }
    EXPECT_EQ(subscriber.take().error(), TakeError::NoData);
}

TEST(Subscriber, GetsNothingThatWasPublishedBeforeItWasCreated)
{
    OneNode one;
    auto early = one.subscriber();
    auto publisher = one.publisher();
    ASSERT_TRUE(publisher.publishCopy({1}));

    auto late = one.subscriber();

    EXPECT_FALSE(late.take());
    EXPECT_TRUE(early.take());
}

TEST(Subscriber, KeepsTheLastEightOfAHundredInOrderAndCountsTheOtherNinetyTwo)
{
    OneNode one;
    auto subscriber = one.subscriber(QoS{}.keepLast(8));
    auto publisher = one.publisher();
    for (std::uint64_t i = 1; i <= 100; ++i)
    {
        ASSERT_TRUE(publisher.publishCopy({i}));
    }

    std::vector<std::uint64_t> received;
    for (auto sample = subscriber.take(); sample; sample = subscriber.take())
    {
        received.push_back((*sample)->value);
    }

    EXPECT_EQ(received, (std::vector<std::uint64_t>{93, 94, 95, 96, 97, 98, 99, 100}));
    EXPECT_EQ(subscriber.missed(), 92U);
}

TEST(Subscriber, KeepsTheLastEightAlsoIfItLookedAtAnEmptyQueueBefore)
{
    OneNode one;
    auto publisher = one.publisher();
    auto subscriber = one.subscriber(QoS{}.keepLast(8));
    ASSERT_TRUE(publisher.publishCopy({0}));
    ASSERT_TRUE(subscriber.take());
    ASSERT_FALSE(subscriber.take()); // announces the position that is evicted first
    for (std::uint64_t i = 1; i <= 100; ++i)
    {
        ASSERT_TRUE(publisher.publishCopy({i}));
    }

    const auto oldest = subscriber.take();

    ASSERT_TRUE(oldest);
    EXPECT_EQ((*oldest)->value, 93U);
    EXPECT_EQ(subscriber.missed(), 92U);
}

TEST(Subscriber, FreesEveryChunkThatWasEvicted)
{
    OneNode one;
    auto publisher = one.publisher();
    auto subscriber = one.subscriber(QoS{}.keepLast(3));
    for (std::uint64_t i = 0; i < 1000; ++i)
    {
        ASSERT_TRUE(publisher.publishCopy({i}));
        if (i % 7 == 0)
        {
            static_cast<void>(subscriber.take());
            static_cast<void>(subscriber.take());
        }
    }
    EXPECT_EQ(usedChunks(one.inspect()), 3U);
    while (subscriber.take())
    {
    }

    EXPECT_EQ(usedChunks(one.inspect()), 0U);
}

TEST(Subscriber, HoldsWithDepthOneTheNewestMessageOnly)
{
    OneNode one;
    auto subscriber = one.subscriber(QoS{}.keepLast(1));
    auto publisher = one.publisher();
    ASSERT_TRUE(publisher.publishCopy({1}) && publisher.publishCopy({2}));

    const auto sample = subscriber.take();

    ASSERT_TRUE(sample);
    EXPECT_EQ((*sample)->value, 2U);
    EXPECT_EQ(subscriber.take().error(), TakeError::NoData);
    EXPECT_EQ(subscriber.missed(), 1U);
}

TEST(Subscriber, GoesRoundThePublishers)
{
    OneNode one;
    auto subscriber = one.subscriber();
    std::vector<Publisher<Number>> publishers;
    for (int p = 0; p < 3; ++p)
    {
        publishers.push_back(one.publisher());
    }
    for (auto& publisher : publishers)
    {
        for (std::uint64_t i = 0; i < 4; ++i)
        {
            ASSERT_TRUE(publisher.publishCopy({i}));
        }
    }

    for (std::uint64_t round = 0; round < 4; ++round)
    {
        std::set<std::uint64_t> heard;
        for (int p = 0; p < 3; ++p)
        {
            const auto sample = subscriber.take();
            ASSERT_TRUE(sample);
            EXPECT_EQ((*sample)->value, round) << "the order of one publisher";
            heard.insert(sample->info().publisherId);
        }
        EXPECT_EQ(heard.size(), 3U) << "round " << round;
    }
}

TEST(Subscriber, TakeLatestGivesTheNewestOfAllPublishersAndDropsTheRest)
{
    OneNode one;
    auto subscriber = one.subscriber();
    auto first = one.publisher();
    auto second = one.publisher();
    ASSERT_TRUE(first.publishCopy({1}) && second.publishCopy({2}) && second.publishCopy({3}) && first.publishCopy({4}));

    const auto sample = subscriber.takeLatest();

    ASSERT_TRUE(sample);
    EXPECT_EQ((*sample)->value, 4U);
    EXPECT_EQ(subscriber.take().error(), TakeError::NoData);
}

TEST(Subscriber, TakeLatestDoesNotCountWhatItSkipped)
{
    OneNode one;
    auto subscriber = one.subscriber();
    auto publisher = one.publisher();
    for (std::uint64_t i = 0; i < 5; ++i)
    {
        ASSERT_TRUE(publisher.publishCopy({i}));
    }

    const bool taken = subscriber.takeLatest().has_value();

    EXPECT_TRUE(taken);
    EXPECT_EQ(subscriber.missed(), 0U);
    EXPECT_EQ(usedChunks(one.inspect()), 0U);
}

TEST(Subscriber, TakeLatestWorksWithAllButOneSampleHeld)
{
    OneNode one;
    auto subscriber = one.subscriber(QoS{}.maxHeld(2));
    auto publisher = one.publisher();
    for (std::uint64_t i = 0; i < 5; ++i)
    {
        ASSERT_TRUE(publisher.publishCopy({i}));
    }
    const auto held = subscriber.take();

    const auto latest = subscriber.takeLatest();

    ASSERT_TRUE(held && latest);
    EXPECT_EQ((*latest)->value, 4U);
}

TEST(Subscriber, AnswersTooManyHeldAtItsLimitAndRecoversWithOneRelease)
{
    OneNode one;
    auto subscriber = one.subscriber(QoS{}.maxHeld(2));
    auto publisher = one.publisher();
    for (std::uint64_t i = 0; i < 4; ++i)
    {
        ASSERT_TRUE(publisher.publishCopy({i}));
    }
    auto first = subscriber.take();
    const auto second = subscriber.take();

    const auto refused = subscriber.take();
    *first = Sample<Number>();
    const auto third = subscriber.take();

    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error(), TakeError::TooManyHeld);
    ASSERT_TRUE(second && third);
    EXPECT_EQ((*third)->value, 2U) << "nothing is lost by the refusal";
}

TEST(Subscriber, AnswersTooManyHeldFromWaitAndTakeLatestToo)
{
    OneNode one;
    auto subscriber = one.subscriber(QoS{}.maxHeld(1));
    auto publisher = one.publisher();
    ASSERT_TRUE(publisher.publishCopy({0}) && publisher.publishCopy({1}));
    const auto held = subscriber.take();

    EXPECT_TRUE(held);
    EXPECT_EQ(subscriber.wait(kForEver).error(), TakeError::TooManyHeld);
    EXPECT_EQ(subscriber.takeLatest().error(), TakeError::TooManyHeld);
}

TEST(Subscriber, RecoversFromTooManyHeldWithAReleaseOnAnotherThread)
{
    OneNode one;
    auto subscriber = one.subscriber(QoS{}.maxHeld(1));
    auto publisher = one.publisher();
    ASSERT_TRUE(publisher.publishCopy({0}) && publisher.publishCopy({1}));
    auto held = subscriber.take();

    std::thread([&] { *held = Sample<Number>(); }).join();

    EXPECT_TRUE(subscriber.take());
}

TEST(Subscriber, TakesItsLimitOfSamplesFromTheConfiguration)
{
    Config config;
    config.limits.maxHeld = 1;
    OneNode one(config);
    auto subscriber = one.subscriber();
    auto publisher = one.publisher();
    ASSERT_TRUE(publisher.publishCopy({0}) && publisher.publishCopy({1}));
    const auto held = subscriber.take();

    EXPECT_TRUE(held);
    EXPECT_EQ(subscriber.take().error(), TakeError::TooManyHeld);
}

TEST(Subscriber, WaitsNoShorterThanItsTimeout)
{
    OneNode one;
    auto subscriber = one.subscriber();
    const auto start = std::chrono::steady_clock::now();

    const auto sample = subscriber.wait(20ms);

    ASSERT_FALSE(sample);
    EXPECT_EQ(sample.error(), TakeError::Timeout);
    EXPECT_GE(std::chrono::steady_clock::now() - start, 20ms);
}

TEST(Subscriber, WaitsNotAtAllIfAMessageIsThere)
{
    OneNode one;
    auto subscriber = one.subscriber();
    auto publisher = one.publisher();
    ASSERT_TRUE(publisher.publishCopy({1}));

    EXPECT_TRUE(subscriber.wait(0ns));
    EXPECT_EQ(subscriber.wait(0ns).error(), TakeError::Timeout);
}

TEST(Subscriber, IsWokenByAMessageFromAnotherThread)
{
    OneNode one(sleepAtOnce());
    auto subscriber = one.subscriber();
    auto publisher = one.publisher();
    std::thread other([&] { EXPECT_TRUE(publisher.publishCopy({7})); });

    const auto sample = subscriber.wait(kForEver);

    other.join();
    ASSERT_TRUE(sample);
    EXPECT_EQ((*sample)->value, 7U);
}

TEST(Subscriber, IsWokenByTheFirstMessageOfAPublisherThatCameWhileItSlept)
{
    OneNode one(sleepAtOnce());
    auto subscriber = one.subscriber();
    std::thread other(
        [&]
        {
            auto publisher = one.publisher();
            EXPECT_TRUE(publisher.publishCopy({7}));
        });

    const auto sample = subscriber.wait(kForEver);

    other.join();
    ASSERT_TRUE(sample);
    EXPECT_EQ((*sample)->value, 7U);
}

// Endless waits without spinning: a lost wake-up would be found by the next look half a second later, and counted.
TEST(Subscriber, MissesNoWakeUpInAHundredThousandPingPongs)
{
    constexpr std::uint64_t kRounds = 100'000;
    OneNode one(sleepAtOnce());
    auto pings = one.subscriber({}, "ping");
    auto pongs = one.subscriber({}, "pong");
    auto pinger = one.publisher({}, "ping");
    auto ponger = one.publisher({}, "pong");
    std::thread other(
        [&]
        {
            for (std::uint64_t i = 0; i < kRounds; ++i)
            {
                const auto ping = pings.wait(kForEver);
                ASSERT_TRUE(ping);
                ASSERT_TRUE(ponger.publishCopy({(*ping)->value}));
            }
        });
    for (std::uint64_t i = 0; i < kRounds; ++i)
    {
        ASSERT_TRUE(pinger.publishCopy({i}));
        const auto pong = pongs.wait(kForEver);
        ASSERT_TRUE(pong);
        ASSERT_EQ((*pong)->value, i);
    }
    other.join();

    EXPECT_EQ(rescuesIn(one.m_domain.number()), 0U);
}

TEST(Subscriber, ReadsWhatAPublisherThatIsGoneHasLeft)
{
    OneNode one;
    auto subscriber = one.subscriber();
    {
        auto publisher = one.publisher();
        ASSERT_TRUE(publisher.publishCopy({1}) && publisher.publishCopy({2}));
    }

    for (std::uint64_t i = 1; i <= 2; ++i)
    {
        const auto sample = subscriber.take();
        ASSERT_TRUE(sample);
        EXPECT_EQ((*sample)->value, i);
    }
    EXPECT_EQ(subscriber.take().error(), TakeError::NoData);
    EXPECT_EQ(usedChunks(one.inspect()), 0U);
}

TEST(Subscriber, CountsWhatAPublisherThatIsGoneHasEvicted)
{
    OneNode one;
    auto subscriber = one.subscriber(QoS{}.keepLast(2));
    {
        auto publisher = one.publisher();
        for (std::uint64_t i = 0; i < 10; ++i)
        {
            ASSERT_TRUE(publisher.publishCopy({i}));
        }
    }
    std::uint64_t received = 0;
    for (auto sample = subscriber.take(); sample; sample = subscriber.take())
    {
        ++received;
    }

    EXPECT_EQ(received, 2U);
    EXPECT_EQ(subscriber.missed(), 8U);
}

TEST(Subscriber, CountsPublishersUntilTheirLastMessageWasTaken)
{
    OneNode one;
    auto subscriber = one.subscriber();
    EXPECT_EQ(subscriber.publisherCount(), 0U);
    {
        auto publisher = one.publisher();
        ASSERT_TRUE(publisher.publishCopy({1}));
        EXPECT_EQ(subscriber.publisherCount(), 1U);
    }
    EXPECT_EQ(subscriber.publisherCount(), 1U);
    EXPECT_TRUE(subscriber.take());

    EXPECT_EQ(subscriber.publisherCount(), 0U);
}

TEST(Subscriber, ForgetsThousandsOfPublishersThatCameAndWent)
{
    OneNode one;
    auto subscriber = one.subscriber();
    for (std::uint64_t i = 0; i < 2000; ++i)
    {
        auto publisher = one.publisher();
        ASSERT_TRUE(publisher.publishCopy({i})) << i;
        const auto sample = subscriber.take();
        ASSERT_TRUE(sample) << i;
        ASSERT_EQ((*sample)->value, i);
    }

    EXPECT_EQ(subscriber.missed(), 0U);
    EXPECT_EQ(usedChunks(one.inspect()), 0U);
}

TEST(Subscriber, AnswersClosedAfterItWasMovedFrom)
{
    OneNode one;
    auto subscriber = one.subscriber();
    auto publisher = one.publisher();
    ASSERT_TRUE(publisher.publishCopy({1}));
    auto taken = std::move(subscriber);

    EXPECT_EQ(subscriber.take().error(), TakeError::Closed); // NOLINT(bugprone-use-after-move)
    EXPECT_EQ(subscriber.takeLatest().error(), TakeError::Closed);
    EXPECT_EQ(subscriber.wait(kForEver).error(), TakeError::Closed);
    EXPECT_EQ(subscriber.missed(), 0U);
    EXPECT_EQ(subscriber.publisherCount(), 0U);
    EXPECT_TRUE(taken.take());
}

TEST(Subscriber, AnswersForkedInAForkedChildAndStillWorksInTheParent)
{
    OneNode one;
    auto subscriber = one.subscriber();
    auto publisher = one.publisher();
    ASSERT_TRUE(publisher.publishCopy({1}) && publisher.publishCopy({2}));
    auto held = subscriber.take();

    ChildProcess child(
        [&](Peer&)
        {
            const bool answers = subscriber.take().error() == TakeError::Forked &&
                                 subscriber.takeLatest().error() == TakeError::Forked &&
                                 subscriber.wait(kForEver).error() == TakeError::Forked &&
                                 subscriber.publisherCount() == 0;
            *held = Sample<Number>();
            subscriber = Subscriber<Number>();
            return answers;
        });
    const bool succeeded = child.wait().succeeded();

    EXPECT_TRUE(succeeded);
    EXPECT_EQ(usedChunks(one.inspect()), 2U) << "one held, one unread";
    EXPECT_TRUE(subscriber.take());
}

TEST(Subscriber, SaysWhetherAnAddressLiesInItsDataSegment)
{
    OneNode one;
    auto subscriber = one.subscriber();
    auto publisher = one.publisher();
    ASSERT_TRUE(publisher.publishCopy({1}));
    const auto sample = subscriber.take();
    const Number elsewhere{};

    EXPECT_TRUE(subscriber.isInDataSegment(sample->get()));
    EXPECT_FALSE(subscriber.isInDataSegment(&elsewhere));
}

// A publisher thread publishes as soon as it hears that the subscriber exists: no message may be lost.
TEST(Subscriber, GetsTheMessagePublishedRightAfterItWasCreatedTenThousandTimes)
{
    constexpr std::uint64_t kRounds = 10'000;
    OneNode one;
    auto publisher = one.publisher();
    std::atomic<std::uint64_t> asked{0};
    std::thread other(
        [&]
        {
            for (std::uint64_t i = 1; i <= kRounds; ++i)
            {
                while (asked.load() != i)
                {
                    std::this_thread::yield();
                }
                EXPECT_TRUE(publisher.publishCopy({i}));
            }
        });
    std::uint64_t got = 0;
    for (std::uint64_t i = 1; i <= kRounds; ++i)
    {
        auto subscriber = one.subscriber();
        asked = i;
        const auto sample = subscriber.wait(10s);
        got += sample && (*sample)->value == i ? 1U : 0U;
    }
    other.join();

    EXPECT_EQ(got, kRounds);
}

TEST(Subscriber, ForgetsPublishersThatCameAndWentAlsoWhileItsQueuesAreNeverEmpty)
{
    OneNode one;
    auto subscriber = one.subscriber();
    auto busy = one.publisher();
    for (std::uint64_t i = 0; i < 100; ++i)
    {
        ASSERT_TRUE(busy.publishCopy({2 * i + 1}));
        ASSERT_TRUE(busy.publishCopy({2 * i + 2}));
        static_cast<void>(one.publisher());
        ASSERT_TRUE(subscriber.take());
    }
    EXPECT_LE(pairRowsIn(one.m_domain.number()), 4U) << "the pairs of those who are gone are never used again";
}

TEST(Subscriber, MeetsAndForgetsThousandsOfPublishersThatCameAndWentWhileItDidNotLook)
{
    constexpr std::uint64_t kGone = test::kSanitized ? 200 : 2000;
    OneNode one;
    auto subscriber = one.subscriber();
    for (std::uint64_t i = 0; i < kGone; ++i)
    {
        auto publisher = one.publisher();
        ASSERT_TRUE(publisher.publishCopy({i}));
    }
    std::set<std::uint64_t> values;
    while (const auto sample = subscriber.take())
    {
        values.insert((*sample)->value);
    }
    EXPECT_EQ(values.size(), kGone) << "what the dead and gone have published stays readable";
    EXPECT_EQ(subscriber.missed(), 0U);
    EXPECT_EQ(subscriber.publisherCount(), 0U);
    EXPECT_EQ(usedChunks(one.inspect()), 0U);
}

} // namespace ZeroCP
