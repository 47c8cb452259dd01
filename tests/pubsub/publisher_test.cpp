#include "zerocp/pubsub/publisher.hpp"

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "pubsub/pubsub_support.hpp"
#include "support/child_process.hpp"
#include "support/counting_new.hpp"

namespace ZeroCP
{

using namespace std::chrono_literals;
using test::ChildProcess;
using test::Number;
using test::OneNode;
using test::Peer;
using test::pooled;
using test::usedChunks;

TEST(Publisher, CountsItsMessagesFromOne)
{
    OneNode one;
    auto publisher = one.publisher();

    EXPECT_EQ(publisher.publishCopy({0}).value(), 1U);
    EXPECT_EQ(publisher.publishCopy({0}).value(), 2U);
}

TEST(Publisher, CountsMessagesThatNobodyReceives)
{
    OneNode one;
    auto publisher = one.publisher();
    static_cast<void>(publisher.publishCopy({0}));
    auto subscriber = one.subscriber();
    static_cast<void>(publisher.publishCopy({0}));

    const auto sample = subscriber.take();

    ASSERT_TRUE(sample);
    EXPECT_EQ(sample->info().sequence, 2U);
}

TEST(Publisher, GivesItsChunksBackWhenNobodyListens)
{
    OneNode one;
    auto publisher = one.publisher();
    for (int i = 0; i < 1000; ++i)
    {
        ASSERT_TRUE(publisher.publishCopy({0}));
    }

    EXPECT_EQ(usedChunks(one.inspect()), 0U);
}

TEST(Publisher, AnswersTooManyLoansAtItsLimit)
{
    OneNode one;
    auto publisher = one.publisher(QoS{}.maxLoans(2));
    const auto first = publisher.loan();
    const auto second = publisher.loan();

    const auto third = publisher.loan();

    ASSERT_TRUE(first && second);
    ASSERT_FALSE(third);
    EXPECT_EQ(third.error(), LoanError::TooManyLoans);
}

TEST(Publisher, LoansAgainAfterOneLoanWasDropped)
{
    OneNode one;
    auto publisher = one.publisher(QoS{}.maxLoans(2));
    auto first = publisher.loan();
    const auto second = publisher.loan();

    *first = Loan<Number>();

    EXPECT_TRUE(second && publisher.loan());
}

TEST(Publisher, LoansAgainAfterOneLoanWasPublished)
{
    OneNode one;
    auto subscriber = one.subscriber();
    auto publisher = one.publisher(QoS{}.maxLoans(1));
    auto loan = publisher.loan();
    ASSERT_TRUE(publisher.publish(std::move(*loan)));

    EXPECT_TRUE(publisher.loan());
}

TEST(Publisher, TakesItsLimitOfLoansFromTheConfiguration)
{
    Config config;
    config.limits.maxLoans = 1;
    OneNode one(config);
    auto publisher = one.publisher();
    const auto first = publisher.loan();

    const auto second = publisher.loan();

    ASSERT_TRUE(first);
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error(), LoanError::TooManyLoans);
}

TEST(Publisher, AnswersPoolExhaustedOnceEveryChunkIsOut)
{
    OneNode one(pooled(64, 2));
    auto publisher = one.publisher();
    const auto first = publisher.loan();
    const auto second = publisher.loan();

    const auto third = publisher.loan();

    ASSERT_TRUE(first && second);
    ASSERT_FALSE(third);
    EXPECT_EQ(third.error(), LoanError::PoolExhausted);
}

TEST(Publisher, RecoversFromPoolExhaustedWithOneReleasedSample)
{
    OneNode one(pooled(64, 2));
    auto subscriber = one.subscriber();
    auto publisher = one.publisher();
    ASSERT_TRUE(publisher.publishCopy({1}) && publisher.publishCopy({2}));
    auto held = subscriber.take();
    const auto unread = publisher.loan();

    *held = Sample<Number>();

    ASSERT_FALSE(unread);
    EXPECT_EQ(unread.error(), LoanError::PoolExhausted);
    EXPECT_TRUE(publisher.loan());
}

TEST(Publisher, RecoversFromPoolExhaustedWithASampleReleasedOnAnotherThread)
{
    OneNode one(pooled(64, 2));
    auto subscriber = one.subscriber();
    auto publisher = one.publisher();
    ASSERT_TRUE(publisher.publishCopy({1}) && publisher.publishCopy({2}));
    auto held = subscriber.take();
    const auto unread = publisher.loan();

    std::thread([&] { *held = Sample<Number>(); }).join();

    ASSERT_FALSE(unread);
    EXPECT_TRUE(publisher.loan());
}

TEST(Publisher, TakesNoMoreOfAConfiguredSetThanAStashBeyondWhatIsOnItsWay)
{
    OneNode one(pooled(64, 16));
    auto subscriber = one.subscriber(QoS{}.keepLast(8).maxHeld(1));
    auto first = one.publisher(QoS{}.maxLoans(8));
    for (int i = 0; i < 1000; ++i)
    {
        ASSERT_TRUE(first.publishCopy({0}) && subscriber.take());
    }
    auto second = one.publisher(QoS{}.maxLoans(8));

    std::vector<Loan<Number>> loans;
    for (int i = 0; i < 8; ++i)
    {
        auto loan = second.loan();
        ASSERT_TRUE(loan) << toString(loan.error()) << " at loan " << i;
        loans.push_back(std::move(*loan));
    }
}

// Automatic pools: with limits kept, loan() fails in no other way. Five publishers have come and gone and each left a
// full queue to a subscriber that reads none.
// With one chunk at hand each loan would look for what has come back, before its message can be sent.
TEST(Publisher, UsesTwoChunksInTurnForLargeMessagesWhereItsBudgetHasThem)
{
    struct Large
    {
        std::array<std::uint64_t, 16384> words;
    };
    OneNode one;
    auto subscriber = one.subscriber<Large>();
    auto publisher = one.publisher<Large>();
    const auto sendAndTake = [&]
    {
        auto loan = publisher.loan();
        const void* const place = loan ? loan->get() : nullptr;
        EXPECT_TRUE(loan && publisher.publish(std::move(*loan)) && subscriber.take());
        return place;
    };

    const void* const first = sendAndTake();
    const void* const second = sendAndTake();

    EXPECT_NE(first, second);
    for (int i = 0; i < 4; ++i)
    {
        const void* const next = sendAndTake();
        EXPECT_TRUE(next == first || next == second) << "no third one is taken";
    }
}

TEST(Publisher, GetsAllItsLoansAfterManyPredecessorsLeftUnreadMessages)
{
    OneNode one;
    auto subscriber = one.subscriber(QoS{}.keepLast(50).maxHeld(4));
    for (int p = 0; p < 5; ++p)
    {
        auto publisher = one.publisher();
        for (int i = 0; i < 50; ++i)
        {
            ASSERT_TRUE(publisher.publishCopy({0})) << "publisher " << p << " message " << i;
        }
    }
    auto publisher = one.publisher(QoS{}.maxLoans(4));
    std::vector<Loan<Number>> loans;
    for (int i = 0; i < 50; ++i)
    {
        ASSERT_TRUE(publisher.publishCopy({0})) << "message " << i;
    }
    for (int i = 0; i < 4; ++i)
    {
        auto loan = publisher.loan();
        ASSERT_TRUE(loan) << toString(loan.error()) << " at loan " << i;
        loans.push_back(std::move(*loan));
    }
}

TEST(Publisher, GetsEveryChunkThatItsBudgetPromises)
{
    OneNode one;
    std::vector<Subscriber<Number>> subscribers;
    for (std::uint32_t i = 1; i <= 3; ++i)
    {
        subscribers.push_back(one.subscriber(QoS{}.keepLast(4 * i).maxHeld(i)));
    }
    auto publisher = one.publisher(QoS{}.maxLoans(3));
    std::vector<Sample<Number>> held;
    std::vector<Loan<Number>> loans;
    // Every subscriber holds other messages, all queues are full, all loans are out.
    for (std::uint32_t i = 0; i < 3; ++i)
    {
        for (std::uint32_t n = 0; n <= i; ++n)
        {
            ASSERT_TRUE(publisher.publishCopy({0}));
            held.push_back(subscribers[i].takeLatest().value());
        }
    }
    for (int i = 0; i < 40; ++i)
    {
        ASSERT_TRUE(publisher.publishCopy({0})) << "message " << i;
    }
    for (int i = 0; i < 3; ++i)
    {
        auto loan = publisher.loan();
        ASSERT_TRUE(loan) << toString(loan.error()) << " at loan " << i;
        loans.push_back(std::move(*loan));
    }
}

TEST(Publisher, RefusesTheLoanOfAnotherPublisherAndLeavesItUsable)
{
    OneNode one;
    auto subscriber = one.subscriber();
    auto mine = one.publisher();
    auto other = one.publisher();
    auto loan = mine.loan();
    (*loan)->value = 5;

    const auto refused = other.publish(std::move(*loan));
    const auto sent = mine.publish(std::move(*loan)); // NOLINT(bugprone-use-after-move): untouched on error

    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error(), PublishError::NotMyLoan);
    EXPECT_TRUE(sent);
    EXPECT_EQ((*subscriber.take())->value, 5U);
}

// A corrupt peer gives a message back twice: the second time its chunk carries another message.
TEST(Publisher, IgnoresTheReturnOfAnEarlierMessageOfTheSameChunk)
{
    OneNode one(pooled(64, 1));
    auto subscriber = one.subscriber();
    auto publisher = one.publisher();
    const auto memory = SharedMemory::open(one.m_domain.root(), one.m_domain.file("pool.mgmt").filename().native(),
                                           AccessMode::READ_WRITE)
                            .value();
    const PoolView view = PoolView::of("pool", {memory.base(), memory.bytes()}, {}, {}).value();
    ASSERT_TRUE(publisher.publishCopy({1}) && subscriber.take());
    const PairView pair = view.pairView(view.pair(0)).value();
    const std::uint64_t first = pair.returned(0).load();
    ASSERT_TRUE(publisher.publishCopy({2})) << "in the only chunk";

    pair.returned(1) = first;
    const auto loan = publisher.loan();

    EXPECT_FALSE(loan) << "the second message is unread";
    EXPECT_EQ((*subscriber.take())->value, 2U);
}

TEST(Publisher, IgnoresReturnsThatNameNoChunkOfItsOwn)
{
    OneNode one;
    auto subscriber = one.subscriber();
    auto publisher = one.publisher();
    const auto memory = SharedMemory::open(one.m_domain.root(), test::poolSetsOf(one.m_domain.number()).at(0) + ".mgmt",
                                           AccessMode::READ_WRITE)
                            .value();
    const PoolView view = PoolView::of("set", {memory.base(), memory.bytes()}, {}, {}).value();
    const PairView pair = view.pairView(view.pair(0)).value();
    for (std::uint64_t i = 0; i <= pair.m_returnMask; ++i)
    {
        pair.returned(i) = entry::kParity | entry::make(i, static_cast<std::uint32_t>(i * 65537));
    }

    for (std::uint64_t i = 0; i < 100; ++i)
    {
        ASSERT_TRUE(publisher.publishCopy({i}));
    }
    EXPECT_EQ((*subscriber.take())->value, 90U);
}

TEST(Publisher, PublishesALoanOnce)
{
    OneNode one;
    auto subscriber = one.subscriber();
    auto publisher = one.publisher();
    auto loan = publisher.loan();
    ASSERT_TRUE(publisher.publish(std::move(*loan)));

    const auto again = publisher.publish(std::move(*loan)); // NOLINT(bugprone-use-after-move)

    ASSERT_FALSE(again);
    EXPECT_EQ(again.error(), PublishError::NotMyLoan);
    EXPECT_TRUE(subscriber.take());
    EXPECT_FALSE(subscriber.take());
}

TEST(Publisher, PublishCopySaysThatThereWasNoChunk)
{
    OneNode one;
    auto publisher = one.publisher(QoS{}.maxLoans(1));
    const auto loan = publisher.loan();

    const auto sent = publisher.publishCopy({0});

    ASSERT_TRUE(loan);
    ASSERT_FALSE(sent);
    EXPECT_EQ(sent.error(), PublishError::NoChunk);
}

TEST(Publisher, AnswersClosedAfterItWasMovedFrom)
{
    OneNode one;
    auto publisher = one.publisher();
    auto loan = publisher.loan();
    auto taken = std::move(publisher);

    EXPECT_EQ(publisher.loan().error(), LoanError::Closed); // NOLINT(bugprone-use-after-move)
    EXPECT_EQ(publisher.publish(std::move(*loan)).error(), PublishError::Closed);
    EXPECT_EQ(publisher.publishCopy({0}).error(), PublishError::Closed);
    EXPECT_EQ(publisher.subscriberCount(), 0U);
    EXPECT_FALSE(publisher.waitForSubscribers(0, 0ns));
    EXPECT_TRUE(taken.publish(std::move(*loan)));
}

TEST(Publisher, LeavesItsTopicWhenAnotherIsMovedOntoIt)
{
    OneNode one;
    auto first = one.publisher();
    auto second = one.publisher();

    first = std::move(second);

    ASSERT_EQ(one.inspect().topics.size(), 1U);
    EXPECT_EQ(one.inspect().topics[0].publishers, 1U);
    EXPECT_TRUE(first.publishCopy({0}));
}

TEST(Publisher, CountsTheSubscribersOfItsTopicOnly)
{
    OneNode one;
    auto publisher = one.publisher();
    auto first = one.subscriber();
    auto other = one.subscriber({}, "other");
    EXPECT_EQ(publisher.subscriberCount(), 1U);
    {
        auto second = one.subscriber();
        EXPECT_EQ(publisher.subscriberCount(), 2U);
    }

    EXPECT_EQ(publisher.subscriberCount(), 1U);
}

TEST(Publisher, WaitsForSubscribersThatAnotherThreadCreates)
{
    OneNode one;
    auto publisher = one.publisher();
    std::vector<Subscriber<Number>> subscribers;
    std::thread other(
        [&]
        {
            for (int i = 0; i < 3; ++i)
            {
                subscribers.push_back(one.subscriber());
            }
        });

    const bool found = publisher.waitForSubscribers(3, 1h);

    other.join();
    EXPECT_TRUE(found);
}

TEST(Publisher, StopsWaitingForSubscribersThatDoNotCome)
{
    OneNode one;
    auto publisher = one.publisher();
    auto subscriber = one.subscriber();
    const auto start = std::chrono::steady_clock::now();

    const bool found = publisher.waitForSubscribers(2, 20ms);

    EXPECT_FALSE(found);
    EXPECT_GE(std::chrono::steady_clock::now() - start, 20ms);
}

TEST(Publisher, AnswersForkedInAForkedChildAndStillWorksInTheParent)
{
    OneNode one;
    auto subscriber = one.subscriber();
    auto publisher = one.publisher();
    auto loan = publisher.loan();

    ChildProcess child(
        [&](Peer&)
        {
            const bool answers = publisher.loan().error() == LoanError::Forked &&
                                 publisher.publish(std::move(*loan)).error() == PublishError::Forked &&
                                 publisher.publishCopy({0}).error() == PublishError::Forked &&
                                 publisher.subscriberCount() == 0 && !publisher.waitForSubscribers(1, 1h);
            *loan = Loan<Number>();
            publisher = Publisher<Number>();
            return answers;
        });
    const bool succeeded = child.wait().succeeded();

    EXPECT_TRUE(succeeded);
    EXPECT_TRUE(publisher.publish(std::move(*loan)));
    EXPECT_TRUE(subscriber.take());
}

TEST(Publisher, AllocatesNothingToLoanPublishTakeAndRelease)
{
    OneNode one;
    auto subscriber = one.subscriber();
    auto publisher = one.publisher();
    ASSERT_TRUE(publisher.publishCopy({0}));
    ASSERT_TRUE(subscriber.take());
    const std::uint64_t before = test::allocationsOfThisThread();

    std::uint64_t received = 0;
    for (std::uint64_t i = 0; i < 100'000; ++i)
    {
        auto loan = publisher.loan();
        (*loan)->value = i;
        static_cast<void>(publisher.publish(std::move(*loan)));
        received += i % 3 != 0 && subscriber.take() ? 1U : 0U; // the queue overflows, too
    }

    EXPECT_EQ(test::allocationsOfThisThread() - before, 0U);
    EXPECT_GT(received, 0U);
}

} // namespace ZeroCP
