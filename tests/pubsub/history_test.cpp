// Transient-local topics: what a subscriber finds that comes after the messages.
#include <cstdint>
#include <optional>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "pubsub/pubsub_support.hpp"

namespace ZeroCP
{

using test::Number;
using test::OneNode;
using test::usedChunks;

namespace
{

QoS latched(std::uint32_t depth)
{
    return QoS{}.keepLast(depth).transientLocal();
}

void publish(Publisher<Number>& publisher, std::uint64_t from, std::uint64_t to)
{
    for (std::uint64_t i = from; i <= to; ++i)
    {
        ASSERT_TRUE(publisher.publishCopy({i})) << i;
    }
}

std::vector<std::uint64_t> takeAll(Subscriber<Number>& subscriber)
{
    std::vector<std::uint64_t> values;
    while (auto sample = subscriber.take())
    {
        values.push_back((*sample)->value);
    }
    return values;
}

using Values = std::vector<std::uint64_t>;

TEST(History, ALateSubscriberGetsTheLastMessagesInOrderAndThenWhatComes)
{
    OneNode one;
    auto publisher = one.publisher(latched(3));
    publish(publisher, 1, 5);

    auto subscriber = one.subscriber(latched(3));
    EXPECT_EQ(takeAll(subscriber), (Values{3, 4, 5}));
    publish(publisher, 6, 7);
    EXPECT_EQ(takeAll(subscriber), (Values{6, 7}));
    EXPECT_EQ(subscriber.missed(), 0U);
}

TEST(History, TheNewMessagesComeAfterTheOldOnesAlsoWhenNothingWasTakenBetween)
{
    OneNode one;
    auto publisher = one.publisher(latched(3));
    publish(publisher, 1, 5);
    auto subscriber = one.subscriber(latched(3));
    publish(publisher, 6, 7);

    EXPECT_EQ(takeAll(subscriber), (Values{3, 4, 5, 6, 7}));
    EXPECT_EQ(subscriber.missed(), 0U);
}

TEST(History, TheSmallerOfBothDepthsCounts)
{
    OneNode one;
    auto publisher = one.publisher(latched(3));
    publish(publisher, 1, 9);
    auto small = one.subscriber(latched(2));
    auto large = one.subscriber(latched(10));

    EXPECT_EQ(takeAll(small), (Values{8, 9}));
    EXPECT_EQ(takeAll(large), (Values{7, 8, 9}));
}

TEST(History, AVolatileSubscriberGetsNothingOld)
{
    OneNode one;
    auto publisher = one.publisher(latched(3));
    publish(publisher, 1, 5);
    auto subscriber = one.subscriber(QoS{}.keepLast(3));
    EXPECT_EQ(takeAll(subscriber), Values{});
    publish(publisher, 6, 6);
    EXPECT_EQ(takeAll(subscriber), (Values{6}));
}

TEST(History, APublisherWithoutMessagesHasNone)
{
    OneNode one;
    auto publisher = one.publisher(latched(3));
    auto subscriber = one.subscriber(latched(3));
    EXPECT_EQ(takeAll(subscriber), Values{});
    publish(publisher, 1, 2);
    EXPECT_EQ(takeAll(subscriber), (Values{1, 2}));
}

TEST(History, AnOldMessageStaysUnchangedHoweverMuchIsPublishedMeanwhile)
{
    OneNode one;
    auto publisher = one.publisher(latched(2));
    publish(publisher, 1, 2);
    auto subscriber = one.subscriber(latched(2).maxHeld(2));
    auto first = subscriber.take();
    ASSERT_TRUE(first);
    publish(publisher, 3, 200);

    EXPECT_EQ((*first)->value, 1U);
    auto second = subscriber.take();
    ASSERT_TRUE(second);
    EXPECT_EQ((*second)->value, 2U);
    EXPECT_EQ(second->info().sequence, 2U);
    first = tl::unexpected(TakeError::NoData);
    second = tl::unexpected(TakeError::NoData);
    EXPECT_EQ(takeAll(subscriber), (Values{199, 200}));
    EXPECT_EQ(subscriber.missed(), 196U);
}

TEST(History, EverySubscriberThatComesPinsAndNoLoanFails)
{
    OneNode one;
    auto publisher = one.publisher(latched(4).maxLoans(2));
    std::vector<Subscriber<Number>> subscribers;
    for (std::uint64_t i = 0; i < 20; ++i)
    {
        publish(publisher, 10 * i + 1, 10 * i + 10);
        subscribers.push_back(one.subscriber(latched(4).maxHeld(1)));
    }
    std::vector<Sample<Number>> held;
    for (auto& subscriber : subscribers)
    {
        held.push_back(std::move(subscriber.take().value()));
    }
    publish(publisher, 201, 400);
    for (std::uint64_t i = 0; i < 20; ++i)
    {
        EXPECT_EQ(held[i]->value, 10 * i + 7);
    }
}

TEST(History, WhatIsRememberedOrPinnedShowsAsUsed)
{
    OneNode one;
    auto publisher = one.publisher(latched(3));
    publish(publisher, 1, 5);
    EXPECT_EQ(usedChunks(one.inspect()), 3U);
    {
        auto subscriber = one.subscriber(latched(3));
        publish(publisher, 6, 8);
        EXPECT_EQ(usedChunks(one.inspect()), 6U); // three pinned, three in the history and the queue
    }
    EXPECT_EQ(usedChunks(one.inspect()), 3U);
}

TEST(History, PinnedMessagesOutliveTheirPublisherAndTheirSubscriber)
{
    OneNode one;
    Sample<Number> kept;
    auto other = one.subscriber(QoS{}, "other"); // keeps the domain
    auto subscriber = one.subscriber(latched(3));
    {
        auto publisher = one.publisher(latched(3));
        publish(publisher, 1, 3);
        auto late = one.subscriber(latched(3));
        publisher = {};
        kept = std::move(late.take().value());
        EXPECT_EQ(kept->value, 1U);
        auto next = late.take();
        ASSERT_TRUE(next);
        EXPECT_EQ((*next)->value, 2U);
    }
    EXPECT_EQ(kept->value, 1U);
    EXPECT_EQ(takeAll(subscriber), (Values{1, 2, 3}));
    std::thread([&kept] { kept = {}; }).join();
    EXPECT_EQ(usedChunks(one.inspect()), 0U);
    test::expectAllChunksFree(one.m_domain.number(), one.m_domain.root());
}

TEST(History, ASubscriberThatComesAfterThePublisherHasLeftGetsNothing)
{
    OneNode one;
    auto early = one.subscriber(latched(3));
    {
        auto publisher = one.publisher(latched(3));
        publish(publisher, 1, 3);
    }
    auto late = one.subscriber(latched(3));
    EXPECT_EQ(takeAll(late), Values{});
    EXPECT_EQ(takeAll(early), (Values{1, 2, 3}));
}

TEST(History, ASampleOfAHistoryMayBeDroppedOnAnotherThread)
{
    OneNode one;
    auto publisher = one.publisher(latched(2));
    publish(publisher, 1, 2);
    auto subscriber = one.subscriber(latched(2).maxHeld(2));
    for (int i = 0; i < 2; ++i)
    {
        std::thread([sample = std::move(subscriber.take().value())]() mutable { sample = {}; }).join();
    }
    publish(publisher, 3, 100);
    EXPECT_EQ(takeAll(subscriber), (Values{99, 100}));
    subscriber = {};
    EXPECT_EQ(usedChunks(one.inspect()), 2U) << "the history";
}

TEST(History, TakeLatestGivesTheNewestOfHistoryAndQueue)
{
    OneNode one;
    auto publisher = one.publisher(latched(3));
    publish(publisher, 1, 5);
    auto subscriber = one.subscriber(latched(3));
    auto latest = subscriber.takeLatest();
    ASSERT_TRUE(latest);
    EXPECT_EQ((*latest)->value, 5U);
    publish(publisher, 6, 7);
    latest = subscriber.takeLatest();
    ASSERT_TRUE(latest);
    EXPECT_EQ((*latest)->value, 7U);
    EXPECT_EQ(subscriber.missed(), 0U);
}

TEST(History, APublisherRecordThatIsUsedAgainDoesNotShowItsFormerHistory)
{
    OneNode one;
    auto early = one.subscriber(latched(3));
    for (std::uint64_t round = 0; round < 5; ++round)
    {
        auto publisher = one.publisher(latched(3));
        publish(publisher, 10 * round, 10 * round + round % 3);
        auto late = one.subscriber(latched(3));
        const Values values = takeAll(late);
        EXPECT_EQ(values.size(), round % 3 + 1) << round;
        EXPECT_EQ(values.front(), 10 * round);
        EXPECT_EQ(takeAll(early), values);
    }
}

TEST(History, APublisherThatLeftWithoutAMessageIsForgottenAlsoWhenNobodyTakes)
{
    OneNode one;
    auto subscriber = one.subscriber(latched(3));
    {
        auto publisher = one.publisher(latched(3));
        EXPECT_EQ(subscriber.publisherCount(), 1U);
    }
    EXPECT_EQ(subscriber.publisherCount(), 0U);
    auto next = one.publisher(latched(3));
    publish(next, 1, 1);
    EXPECT_EQ(takeAll(subscriber), (Values{1}));
}

TEST(History, OfPublishersThatCameAndWentUnseenNothingCountsAsMissed)
{
    OneNode one;
    auto subscriber = one.subscriber(latched(3));
    auto other = one.publisher(latched(3));
    for (std::uint64_t round = 0; round < 3; ++round)
    {
        auto publisher = one.publisher(latched(3));
        publish(publisher, 1, 100);
        publisher = {};
        auto successor = one.publisher(latched(2)); // may get the record of the history
        EXPECT_EQ(takeAll(subscriber), (Values{98, 99, 100}));
        EXPECT_EQ(subscriber.missed(), 97U * (round + 1));
    }
}

TEST(History, SlicesAreRememberedWithTheirLengths)
{
    OneNode one;
    auto publisher = one.publisher<Slice<std::uint64_t>>(latched(2));
    for (const std::size_t count : {1U, 1000U, 7U})
    {
        auto loan = publisher.loan(count);
        ASSERT_TRUE(loan);
        (**loan)[count - 1] = count;
        ASSERT_TRUE(publisher.publish(std::move(*loan)));
    }
    auto subscriber = one.subscriber<Slice<std::uint64_t>>(latched(2));
    for (const std::size_t count : {1000U, 7U})
    {
        auto sample = subscriber.take();
        ASSERT_TRUE(sample);
        ASSERT_EQ(sample->get().size(), count);
        EXPECT_EQ(sample->get()[count - 1], count);
    }
}

TEST(History, ACrowdedTopicWithSeveralHolderWordsPinsInTheRightOne)
{
    Config config;
    config.limits.portsPerTopic = 128;
    OneNode one(config);
    auto publisher = one.publisher(latched(2).maxLoans(1));
    publish(publisher, 1, 2);
    std::vector<Subscriber<Number>> subscribers;
    for (std::uint64_t i = 0; i < 100; ++i)
    {
        subscribers.push_back(one.subscriber(latched(2).maxHeld(1)));
    }
    publish(publisher, 3, 30);
    for (auto& subscriber : subscribers)
    {
        EXPECT_EQ(takeAll(subscriber), (Values{1, 2, 29, 30}));
        EXPECT_EQ(subscriber.missed(), 26U);
    }
    subscribers.clear();
    publisher = {};
    test::expectAllChunksFree(one.m_domain.number(), one.m_domain.root());
}

} // namespace
} // namespace ZeroCP
