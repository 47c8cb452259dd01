#include "zerocp/pubsub/loan.hpp"

#include <algorithm>
#include <array>
#include <barrier>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "pubsub/pubsub_support.hpp"

namespace ZeroCP
{

using test::nodeIn;
using test::Number;
using test::OneNode;
using test::Page;
using test::TestDomain;
using test::usedChunks;

static_assert(!std::is_copy_constructible_v<Loan<Number>> && !std::is_copy_assignable_v<Loan<Number>>);
static_assert(std::is_nothrow_move_constructible_v<Loan<Number>> && std::is_nothrow_move_assignable_v<Loan<Number>>);

TEST(Loan, IsAlignedToACacheLine)
{
    OneNode one;
    auto publisher = one.publisher<Page>(QoS{}.maxLoans(8));
    std::vector<Loan<Page>> loans;
    for (int i = 0; i < 8; ++i)
    {
        loans.push_back(publisher.loan().value());
        EXPECT_EQ(reinterpret_cast<std::uintptr_t>(loans.back().get()) % 64, 0U);
    }
}

TEST(Loan, GivesItsChunkBackUnpublishedWhenItIsDropped)
{
    OneNode one;
    auto subscriber = one.subscriber();
    auto publisher = one.publisher();
    const bool loaned = publisher.loan().has_value();

    EXPECT_TRUE(loaned);
    EXPECT_FALSE(subscriber.take());
    EXPECT_EQ(usedChunks(one.inspect()), 0U);
}

TEST(Loan, CountsAsUsedWhileItIsOut)
{
    OneNode one;
    auto publisher = one.publisher();
    const auto loan = publisher.loan();

    EXPECT_TRUE(loan);
    EXPECT_EQ(usedChunks(one.inspect()), 1U);
}

TEST(Loan, IsEmptyAfterAMove)
{
    OneNode one;
    auto publisher = one.publisher();
    Loan<Number> first = publisher.loan().value();
    Number* const message = first.get();

    const Loan<Number> second = std::move(first);

    EXPECT_FALSE(first); // NOLINT(bugprone-use-after-move)
    EXPECT_EQ(first.get(), nullptr);
    EXPECT_EQ(second.get(), message);
}

TEST(Loan, GivesTheFormerChunkBackWhenAnotherIsMovedOntoIt)
{
    OneNode one;
    auto publisher = one.publisher();
    Loan<Number> first = publisher.loan().value();
    Loan<Number> second = publisher.loan().value();

    first = std::move(second);

    EXPECT_TRUE(first);
    EXPECT_EQ(usedChunks(one.inspect()), 1U);
}

TEST(Loan, DroppedOnAnotherThreadGivesItsChunkBack)
{
    OneNode one;
    auto publisher = one.publisher(QoS{}.maxLoans(1));
    for (int i = 0; i < 100; ++i)
    {
        auto loan = publisher.loan();
        ASSERT_TRUE(loan) << toString(loan.error()) << " at round " << i;
        std::thread([loan = std::move(*loan)] {}).join();
    }
    const auto last = publisher.loan(); // collects what other threads dropped

    EXPECT_TRUE(last);
    EXPECT_EQ(usedChunks(one.inspect()), 1U);
}

/// Node, Publisher and Loan go in every order; the loan also on another thread.
class LoanLifetime : public ::testing::TestWithParam<std::tuple<std::array<int, 3>, bool>>
{
};

TEST_P(LoanLifetime, EndsInAnyOrderWithoutAFileLeft)
{
    const auto& [order, onThread] = GetParam();
    TestDomain domain;
    auto node = std::make_optional(nodeIn(domain));
    auto publisher = std::make_optional(node->createPublisher<Number>("t").value());
    auto loan = std::make_optional(publisher->loan().value());
    for (const int part : order)
    {
        const auto drop = [&] { part == 0 ? node.reset() : part == 1 ? publisher.reset() : loan.reset(); };
        if (onThread)
        {
            std::thread(drop).join();
        }
        else
        {
            drop();
        }
        if (loan)
        {
            (*loan)->value = 1; // still mapped
        }
    }

    EXPECT_TRUE(domain.files().empty());
}

INSTANTIATE_TEST_SUITE_P(Orders, LoanLifetime,
                         ::testing::Combine(::testing::Values(std::array{0, 1, 2}, std::array{0, 2, 1},
                                                              std::array{1, 0, 2}, std::array{1, 2, 0},
                                                              std::array{2, 0, 1}, std::array{2, 1, 0}),
                                            ::testing::Bool()),
                         [](const auto& param)
                         {
                             std::string name = std::get<1>(param.param) ? "OnOtherThreads" : "OnOneThread";
                             for (const int part : std::get<0>(param.param))
                             {
                                 name += part == 0 ? "Node" : part == 1 ? "Publisher" : "Loan";
                             }
                             return name;
                         });

TEST(Loan, DroppedOnFourThreadsAtOnceWhileThePublisherGoesOnLosesNoChunk)
{
    constexpr std::size_t kThreads = 4;
    constexpr int kRounds = 500;
    OneNode one;
    auto subscriber = one.subscriber();
    {
        auto publisher = one.publisher(QoS{}.maxLoans(kThreads + 1));
        std::array<Loan<Number>, kThreads> loans;
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
                        loans[t] = Loan<Number>();
                        done.arrive_and_wait();
                    }
                });
        }
        for (int round = 0; round < kRounds; ++round)
        {
            for (Loan<Number>& loan : loans)
            {
                loan = publisher.loan().value();
            }
            ready.arrive_and_wait();
            EXPECT_TRUE(publisher.publishCopy({1}));
            EXPECT_TRUE(subscriber.take());
            done.arrive_and_wait();
        }
        for (std::thread& thread : threads)
        {
            thread.join();
        }
    }

    EXPECT_EQ(usedChunks(one.inspect()), 0U);
    EXPECT_GT(test::expectAllChunksFree(one.m_domain.number()), 0U);
}

TEST(Loan, TheLastOfFourDroppedAtOnceEndsAPublisherThatIsGone)
{
    constexpr std::size_t kThreads = 4;
    for (int round = 0; round < 100; ++round)
    {
        TestDomain domain;
        std::array<Loan<Number>, kThreads> loans;
        auto publisher =
            std::make_optional(nodeIn(domain).createPublisher<Number>("t", QoS{}.maxLoans(kThreads)).value());
        for (Loan<Number>& loan : loans)
        {
            loan = publisher->loan().value();
        }
        std::barrier start(kThreads + 1);
        std::vector<std::thread> threads;
        for (Loan<Number>& loan : loans)
        {
            threads.emplace_back(
                [&]
                {
                    start.arrive_and_wait();
                    loan = Loan<Number>();
                });
        }
        start.arrive_and_wait();
        publisher.reset();
        for (std::thread& thread : threads)
        {
            thread.join();
        }

        ASSERT_TRUE(domain.files().empty()) << "round " << round;
    }
}

} // namespace ZeroCP
