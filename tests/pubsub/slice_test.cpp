#include "zerocp/pubsub/slice.hpp"

#include <cstddef>
#include <cstdint>
#include <numeric>
#include <optional>
#include <span>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "pubsub/pubsub_support.hpp"

namespace ZeroCP
{

using test::OneNode;
using test::pooled;
using test::usedChunks;

using Bytes = Slice<std::byte>;
using Numbers = Slice<std::uint32_t>;

static_assert(SliceMessage<Bytes> && !SliceMessage<int>);

TEST(Slice, ArrivesWithTheLengthThatWasLoaned)
{
    OneNode one;
    auto subscriber = one.subscriber<Numbers>();
    auto publisher = one.publisher<Numbers>();
    auto loan = publisher.loan(1000);
    ASSERT_TRUE(loan);
    std::iota((**loan).begin(), (**loan).end(), 5U);
    ASSERT_TRUE(publisher.publish(std::move(*loan)));

    const auto sample = subscriber.take();

    ASSERT_TRUE(sample);
    const std::span<const std::uint32_t> numbers = **sample;
    ASSERT_EQ(numbers.size(), 1000U);
    EXPECT_EQ(numbers.front(), 5U);
    EXPECT_EQ(numbers.back(), 1004U);
}

TEST(Slice, MayBeEmpty)
{
    OneNode one;
    auto subscriber = one.subscriber<Numbers>();
    auto publisher = one.publisher<Numbers>();
    auto loan = publisher.loan(0);
    ASSERT_TRUE(loan);
    ASSERT_TRUE(publisher.publish(std::move(*loan)));

    const auto sample = subscriber.take();

    ASSERT_TRUE(sample);
    EXPECT_EQ(sample->get().size(), 0U);
}

TEST(Slice, ArrivesInEverySize)
{
    OneNode one;
    auto subscriber = one.subscriber<Numbers>();
    auto publisher = one.publisher<Numbers>();
    for (std::uint32_t count = 1; count < 500'000; count = count * 3 + 1)
    {
        auto loan = publisher.loan(count);
        ASSERT_TRUE(loan) << count << ": " << toString(loan.error());
        std::iota(loan->get().begin(), loan->get().end(), count);
        ASSERT_TRUE(publisher.publish(std::move(*loan)));

        const auto sample = subscriber.take();
        ASSERT_TRUE(sample) << count;
        ASSERT_EQ(sample->get().size(), count);
        ASSERT_EQ(sample->get().back(), 2 * count - 1);
    }

    EXPECT_EQ(usedChunks(one.inspect()), 0U);
}

TEST(Slice, CanBePublishedAsACopy)
{
    OneNode one;
    auto subscriber = one.subscriber<Numbers>();
    auto publisher = one.publisher<Numbers>();
    const std::vector<std::uint32_t> numbers{1, 2, 3};

    ASSERT_TRUE(publisher.publishCopy(numbers));

    const auto sample = subscriber.take();
    ASSERT_TRUE(sample);
    EXPECT_TRUE(std::equal(numbers.begin(), numbers.end(), sample->get().begin(), sample->get().end()));
}

TEST(Slice, ReachesASubscriberThatKnowsNoClassYet)
{
    OneNode one;
    auto publisher = one.publisher<Numbers>();
    auto subscriber = one.subscriber<Numbers>();
    ASSERT_TRUE(publisher.publishCopy(std::vector<std::uint32_t>(10, 1U)));
    ASSERT_TRUE(publisher.publishCopy(std::vector<std::uint32_t>(100'000, 2U)));

    const auto small = subscriber.take();
    const auto large = subscriber.take();

    ASSERT_TRUE(small && large);
    EXPECT_EQ(small->get().size(), 10U);
    EXPECT_EQ(large->get().back(), 2U);
}

TEST(Slice, AnswersPayloadTooLargeBeyondTheLargestMessage)
{
    Config config;
    config.limits.maxMessageBytes = 4096;
    OneNode one(config);
    auto publisher = one.publisher<Bytes>();

    EXPECT_TRUE(publisher.loan(4096));
    EXPECT_EQ(publisher.loan(4097).error(), LoanError::PayloadTooLarge);
}

TEST(Slice, AnswersPayloadTooLargeBeyondTheLargestConfiguredChunk)
{
    OneNode one(pooled(256, 8));
    auto publisher = one.publisher<Bytes>();

    EXPECT_TRUE(publisher.loan(256));
    EXPECT_EQ(publisher.loan(257).error(), LoanError::PayloadTooLarge);
}

TEST(Slice, AnswersPayloadTooLargeToACountThatOverflows)
{
    OneNode one;
    auto publisher = one.publisher<Numbers>();

    EXPECT_EQ(publisher.loan(~std::size_t{0} / 2).error(), LoanError::PayloadTooLarge);
}

TEST(Slice, AnswersPayloadTooLargeToTheGreatestCountInEveryStateOfThePublisher)
{
    OneNode one;
    auto publisher = one.publisher<Bytes>();
    EXPECT_EQ(publisher.loan(~std::size_t{0}).error(), LoanError::PayloadTooLarge) << "before there is a size class";

    EXPECT_TRUE(publisher.loan(64)); // a chunk in the stash
    auto subscriber = one.subscriber<Bytes>();
    EXPECT_EQ(publisher.subscriberCount(), 1U); // the publisher knows of it

    EXPECT_EQ(publisher.loan(~std::size_t{0}).error(), LoanError::PayloadTooLarge);
}

TEST(Slice, AnswersNoSpaceBeyondTheBytesOfAPoolSet)
{
    Config config;
    config.limits.poolSetBytes = 1U << 20;
    OneNode one(config);
    auto publisher = one.publisher<Bytes>();

    EXPECT_EQ(publisher.loan(1U << 20).error(), LoanError::NoSpace);
    EXPECT_TRUE(publisher.loan(1000)) << "smaller ones still fit";
}

TEST(Slice, LetsOthersJoinAfterALoanForWhichThereWasNoSpace)
{
    Config config;
    config.limits.poolSetBytes = 1U << 20;
    OneNode one(config);
    auto publisher = one.publisher<Bytes>();
    ASSERT_EQ(publisher.loan(300'000).error(), LoanError::NoSpace)
        << "a class would fit, a publisher's budget does not";

    const auto subscriber = one.m_node.createSubscriber<Bytes>("t");
    const auto other = one.m_node.createPublisher<Bytes>("t");

    EXPECT_TRUE(subscriber) << subscriber.error().message();
    EXPECT_TRUE(other) << other.error().message();
}

TEST(Slice, TakesALargerChunkIfNoSmallOneCanBeAdded)
{
    Config config;
    config.limits.poolSetBytes = 1U << 20;
    OneNode one(config);
    auto publisher = one.publisher<Bytes>(QoS{}.maxLoans(1));
    std::size_t largest = 4096;
    while (publisher.loan(2 * largest))
    {
        largest *= 2;
    }
    for (std::size_t size = largest; size > 0; size /= 2)
    {
        const auto loan = publisher.loan(size);
        ASSERT_TRUE(loan) << size << ": " << toString(loan.error());
    }
}

TEST(Slice, TakesASmallChunkForASmallMessageAfterALargeOne)
{
    OneNode one;
    auto publisher = one.publisher<Bytes>();
    const bool large = publisher.loan(1'000'000).has_value();
    const auto small = publisher.loan(100);

    EXPECT_TRUE(large && small);
    const DomainSnapshot snapshot = one.inspect();
    for (const PoolSnapshot& pool : snapshot.poolSets.at(0).pools)
    {
        EXPECT_EQ(pool.total - pool.free, pool.chunkSize < 1000 ? 1U : 0U) << pool.chunkSize;
    }
}

TEST(Slice, GrowsWhileSamplesAreDroppedOnOtherThreads)
{
    OneNode one;
    auto subscriber = one.subscriber<Bytes>(QoS{}.maxHeld(2));
    auto publisher = one.publisher<Bytes>();
    auto gone = std::make_optional(one.publisher<Bytes>());
    for (std::size_t size = 64; size < 2'000'000; size *= 2)
    {
        // A sample of a publisher that is gone: its chunk goes into the free list from another thread, while the
        // subscriber's own thread finds a new size class.
        gone = one.publisher<Bytes>();
        ASSERT_TRUE(gone->loan(64).has_value());
        ASSERT_TRUE(gone->publishCopy(std::vector<std::byte>(64)));
        auto sample = subscriber.take();
        ASSERT_TRUE(sample);
        gone.reset();
        ASSERT_TRUE(publisher.publishCopy(std::vector<std::byte>(size)));
        std::thread other([held = std::move(*sample)]() mutable { held = Sample<Bytes>(); });
        const auto next = subscriber.take();
        other.join();
        ASSERT_TRUE(next) << toString(next.error());
        ASSERT_EQ(next->get().size(), size);
    }

    EXPECT_EQ(usedChunks(one.inspect()), 0U);
}

} // namespace ZeroCP
