#include "zerocp/pubsub/sample.hpp"

#include <algorithm>
#include <array>
#include <barrier>
#include <csignal>
#include <cstdint>
#include <ctime>
#include <memory>
#include <numeric>
#include <optional>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "pubsub/pubsub_support.hpp"
#include "zerocp/core/monotonic_clock.hpp"

namespace ZeroCP
{

using test::nodeIn;
using test::Number;
using test::OneNode;
using test::Page;
using test::TestDomain;
using test::usedChunks;

static_assert(!std::is_copy_constructible_v<Sample<Number>> && !std::is_copy_assignable_v<Sample<Number>>);
static_assert(std::is_nothrow_move_constructible_v<Sample<Number>> &&
              std::is_nothrow_move_assignable_v<Sample<Number>>);

namespace
{

} // namespace

TEST(Sample, TellsSequenceTimeAndPublisher)
{
    OneNode one;
    auto subscriber = one.subscriber();
    auto publisher = one.publisher();
    const std::uint64_t before = monotonicNs();
    ASSERT_TRUE(publisher.publishCopy({1}));
    const std::uint64_t after = monotonicNs();

    const MessageInfo info = subscriber.take()->info();

    EXPECT_EQ(info.sequence, 1U);
    EXPECT_EQ(info.publisherId, publisher.id());
    EXPECT_GE(info.publishTimeNs, before);
    EXPECT_LE(info.publishTimeNs, after);
}

TEST(Sample, GivesTheMessageByEveryOperator)
{
    OneNode one;
    auto subscriber = one.subscriber();
    auto publisher = one.publisher();
    ASSERT_TRUE(publisher.publishCopy({42}));

    const Sample<Number> sample = subscriber.take().value();

    EXPECT_EQ((*sample).value, 42U);
    EXPECT_EQ(sample->value, 42U);
    EXPECT_EQ(sample.get()->value, 42U);
}

TEST(Sample, IsTheVeryChunkThatWasLoanedSeenThroughAnotherMapping)
{
    OneNode one;
    auto subscriber = one.subscriber();
    auto publisher = one.publisher();
    auto loan = publisher.loan();
    (*loan)->value = 1;
    const auto written = reinterpret_cast<std::uintptr_t>(loan->get());
    ASSERT_TRUE(publisher.publish(std::move(*loan)));

    const auto sample = subscriber.take();

    const auto read = reinterpret_cast<std::uintptr_t>(sample->get());
    EXPECT_NE(read, written);
    EXPECT_EQ(read % 4096, written % 4096);
}

TEST(Sample, KeepsItsMessageWhateverThePublisherDoes)
{
    OneNode one;
    auto subscriber = one.subscriber(QoS{}.keepLast(2).maxHeld(2));
    auto publisher = one.publisher();
    ASSERT_TRUE(publisher.publishCopy({1}));
    const auto held = subscriber.take();
    for (std::uint64_t i = 2; i < 1000; ++i)
    {
        ASSERT_TRUE(publisher.publishCopy({i}));
        static_cast<void>(subscriber.take());
    }

    ASSERT_TRUE(held);
    EXPECT_EQ((*held)->value, 1U);
}

TEST(Sample, IsEmptyAfterAMove)
{
    OneNode one;
    auto subscriber = one.subscriber();
    auto publisher = one.publisher();
    ASSERT_TRUE(publisher.publishCopy({1}));
    Sample<Number> first = subscriber.take().value();

    const Sample<Number> second = std::move(first);

    EXPECT_FALSE(first); // NOLINT(bugprone-use-after-move)
    EXPECT_EQ(first.get(), nullptr);
    EXPECT_EQ(second->value, 1U);
}

TEST(Sample, ReleasesTheFormerChunkWhenAnotherIsMovedOntoIt)
{
    OneNode one;
    auto subscriber = one.subscriber();
    auto publisher = one.publisher();
    ASSERT_TRUE(publisher.publishCopy({1}) && publisher.publishCopy({2}));
    Sample<Number> sample = subscriber.take().value();

    sample = subscriber.take().value();

    EXPECT_EQ(sample->value, 2U);
    EXPECT_EQ(usedChunks(one.inspect()), 1U);
}

TEST(Sample, CarriesMessagesOfMoreThan64KiB)
{
    struct Large
    {
        std::array<std::uint32_t, 300'000> words;
    };
    OneNode one;
    auto subscriber = one.subscriber<Large>(QoS{}.keepLast(2));
    auto publisher = one.publisher<Large>();
    for (std::uint32_t n = 0; n < 20; ++n)
    {
        auto loan = publisher.loan();
        ASSERT_TRUE(loan) << toString(loan.error());
        std::iota((*loan)->words.begin(), (*loan)->words.end(), n);
        ASSERT_TRUE(publisher.publish(std::move(*loan)));

        const auto sample = subscriber.take();
        ASSERT_TRUE(sample);
        for (std::uint32_t i = 0; i < (*sample)->words.size(); i += 97)
        {
            ASSERT_EQ((*sample)->words[i], n + i);
        }
    }
}

TEST(Sample, KeepsTheAlignmentOfItsType)
{
    struct alignas(64) Line
    {
        std::uint64_t value;
    };
    OneNode one;
    auto subscriber = one.subscriber<Line>();
    auto publisher = one.publisher<Line>();
    for (std::uint64_t i = 0; i < 5; ++i)
    {
        ASSERT_TRUE(publisher.publishCopy({i}));
    }
    for (auto sample = subscriber.take(); sample; sample = subscriber.take())
    {
        EXPECT_EQ(reinterpret_cast<std::uintptr_t>(sample->get()) % 64, 0U);
    }
}

TEST(SampleDeathTest, WritingToAReceivedMessageKillsTheWriterAlone)
{
    OneNode one;
    auto subscriber = one.subscriber();
    auto publisher = one.publisher();
    ASSERT_TRUE(publisher.publishCopy({1}));
    const auto sample = subscriber.take();
    auto* message = const_cast<Number*>(sample->get());

    EXPECT_EXIT(
        {
            std::signal(SIGSEGV, SIG_DFL); // sanitizers have handlers of their own
            static_cast<volatile Number*>(message)->value = 2;
        },
        ::testing::KilledBySignal(SIGSEGV), "");
    EXPECT_EQ((*sample)->value, 1U);
}

TEST(Sample, DroppedOnAnotherThreadGivesItsChunkBack)
{
    OneNode one;
    auto subscriber = one.subscriber(QoS{}.maxHeld(1));
    auto publisher = one.publisher();
    for (std::uint64_t i = 0; i < 200; ++i)
    {
        ASSERT_TRUE(publisher.publishCopy({i})) << i;
        auto sample = subscriber.take();
        ASSERT_TRUE(sample) << toString(sample.error()) << " at round " << i;
        std::thread([sample = std::move(*sample)] {}).join();
    }

    EXPECT_EQ(usedChunks(one.inspect()), 0U);
}

TEST(Sample, DroppedOnAnotherThreadAfterThePublisherLeftGivesItsChunkBack)
{
    OneNode one;
    auto subscriber = one.subscriber();
    auto publisher = std::make_optional(one.publisher());
    ASSERT_TRUE(publisher->publishCopy({1}));
    auto sample = subscriber.take();
    publisher.reset();

    std::thread([sample = std::move(*sample)] {}).join();

    EXPECT_EQ(usedChunks(one.inspect()), 0U);
    EXPECT_GT(test::expectAllChunksFree(one.m_domain.number()), 0U);
}

/// Node, Publisher, Subscriber and Sample go in every order, on one thread or each on another.
class SampleLifetime : public ::testing::TestWithParam<bool>
{
};

TEST_P(SampleLifetime, EndsInAnyOrderWithoutAFileLeft)
{
    std::array<int, 4> order{0, 1, 2, 3};
    do
    {
        TestDomain domain;
        auto node = std::make_optional(nodeIn(domain));
        auto publisher = std::make_optional(node->createPublisher<Number>("t").value());
        auto subscriber = std::make_optional(node->createSubscriber<Number>("t").value());
        ASSERT_TRUE(publisher->publishCopy({7}) && publisher->publishCopy({8}));
        auto sample = std::make_optional(subscriber->take().value());
        for (const int part : order)
        {
            const auto drop = [&]
            {
                switch (part)
                {
                case 0: node.reset(); break;
                case 1: publisher.reset(); break;
                case 2: subscriber.reset(); break;
                default: sample.reset(); break;
                }
            };
            if (GetParam())
            {
                std::thread(drop).join();
            }
            else
            {
                drop();
            }
            if (sample)
            {
                ASSERT_EQ((*sample)->value, 7U) << "still mapped and untouched";
            }
        }
        ASSERT_TRUE(domain.files().empty()) << order[0] << order[1] << order[2] << order[3];
    } while (std::next_permutation(order.begin(), order.end()));
}

INSTANTIATE_TEST_SUITE_P(Threads, SampleLifetime, ::testing::Bool(),
                         [](const auto& param) { return param.param ? "OnOtherThreads" : "OnOneThread"; });

TEST(Sample, DroppedOnFourThreadsAtOnceWhileTheSubscriberGoesOnLosesNoChunk)
{
    constexpr std::size_t kThreads = 4;
    constexpr int kRounds = 500;
    OneNode one;
    auto keeper = one.publisher(); // the pool set outlives the other publisher
    {
        auto publisher = one.publisher();
        auto subscriber = one.subscriber(QoS{}.maxHeld(kThreads + 1));
        std::array<Sample<Number>, kThreads> samples;
        std::barrier ready(kThreads + 1);
        std::barrier done(kThreads + 1);
        std::vector<std::thread> threads;
        for (std::size_t t = 0; t < kThreads; ++t)
        {
            threads.emplace_back(
                [&, t]
                {
                    for (int round = 0; round < kRounds; ++round)
                    {
                        ready.arrive_and_wait();
                        samples[t] = Sample<Number>();
                        done.arrive_and_wait();
                    }
                });
        }
        for (int round = 0; round < kRounds; ++round)
        {
            for (Sample<Number>& sample : samples)
            {
                ASSERT_TRUE(publisher.publishCopy({1}));
                sample = subscriber.take().value();
            }
            ready.arrive_and_wait();
            EXPECT_TRUE(publisher.publishCopy({2}));
            EXPECT_TRUE(subscriber.take());
            done.arrive_and_wait();
        }
        for (std::thread& thread : threads)
        {
            thread.join();
        }
        EXPECT_EQ(usedChunks(one.inspect()), 0U);
    }
}

TEST(Sample, OfAGonePublisherDroppedOnFourThreadsAtOnceLosesNoChunk)
{
    constexpr std::size_t kThreads = 4;
    OneNode one;
    auto keeper = one.subscriber({}, "t"); // keeps the topic and sees everything, too
    for (int round = 0; round < 100; ++round)
    {
        auto subscriber = std::make_optional(one.subscriber(QoS{}.maxHeld(kThreads)));
        auto publisher = std::make_optional(one.publisher());
        std::array<Sample<Number>, kThreads> samples;
        for (Sample<Number>& sample : samples)
        {
            ASSERT_TRUE(publisher->publishCopy({1}));
            sample = subscriber->take().value();
        }
        std::barrier start(kThreads + 1);
        std::vector<std::thread> threads;
        for (Sample<Number>& sample : samples)
        {
            threads.emplace_back(
                [&]
                {
                    start.arrive_and_wait();
                    sample = Sample<Number>();
                });
        }
        publisher.reset();
        start.arrive_and_wait();
        if (round % 2 == 0)
        {
            subscriber.reset(); // ends with the last sample
        }
        while (keeper.take())
        {
        }
        for (std::thread& thread : threads)
        {
            thread.join();
        }
        subscriber.reset();
        ASSERT_EQ(usedChunks(one.inspect()), 0U) << "round " << round;
    }

    EXPECT_GT(test::expectAllChunksFree(one.m_domain.number()), 0U);
}

// The thread that takes changes while the former one still drops samples: who is owner changes under way.
TEST(Sample, DroppedOnTheFormerTakersThreadWhileAnotherTakesLosesNoChunk)
{
    constexpr std::uint64_t kRounds = 2000;
    OneNode one;
    auto publisher = one.publisher();
    auto subscriber = one.subscriber(QoS{}.maxHeld(4));
    std::array<Sample<Number>, 2> held;
    std::barrier turn(2);
    const auto work = [&](std::size_t me)
    {
        for (std::uint64_t round = 0; round < kRounds; ++round)
        {
            turn.arrive_and_wait();
            if (round % 2 == me)
            {
                EXPECT_TRUE(publisher.publishCopy({round}));
                auto sample = subscriber.take();
                EXPECT_TRUE(sample);
                held[me] = std::move(*sample);
            }
            else
            {
                held[me] = Sample<Number>(); // taken when this thread was the owner
            }
        }
        held[me] = Sample<Number>();
    };
    std::thread first(work, 0);
    std::thread second(work, 1);
    first.join();
    second.join();

    EXPECT_EQ(usedChunks(one.inspect()), 0U);
}

} // namespace ZeroCP
