#include "zerocp/pubsub/handle_count.hpp"

#include <atomic>
#include <barrier>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace ZeroCP
{

TEST(HandleCount, CountsWhatTheOwnerAddsAndRemoves)
{
    HandleCount count;
    count.add();
    count.add();
    count.remove();

    EXPECT_EQ(count.out(), 1U);
}

TEST(HandleCount, TakesOverWhatOthersRemovedWithFold)
{
    HandleCount count;
    count.add();
    count.add();
    const bool ended = count.removeForeign();
    const std::uint32_t before = count.out();

    count.fold();

    EXPECT_FALSE(ended);
    EXPECT_EQ(before, 2U);
    EXPECT_EQ(count.out(), 1U);
}

TEST(HandleCount, ClosingWithoutHandlesEndsThePort)
{
    HandleCount count;
    count.add();
    count.remove();

    EXPECT_TRUE(count.close());
}

TEST(HandleCount, ClosingEndsThePortIfOthersRemovedTheLastHandles)
{
    HandleCount count;
    count.add();
    static_cast<void>(count.removeForeign());

    EXPECT_TRUE(count.close());
}

TEST(HandleCount, TheLastHandleAfterClosingEndsThePort)
{
    HandleCount count;
    count.add();
    count.add();

    EXPECT_FALSE(count.close());
    EXPECT_FALSE(count.removeForeign());
    EXPECT_TRUE(count.removeForeign());
}

TEST(HandleCount, ExactlyOneOfManyThreadsEndsThePort)
{
    constexpr int kRounds = 500;
    constexpr int kThreads = 4;
    std::vector<HandleCount> counts(kRounds);
    std::vector<std::atomic<int>> ends(kRounds);
    std::barrier start(kThreads + 1);
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t)
    {
        threads.emplace_back(
            [&]
            {
                for (std::size_t round = 0; round < kRounds; ++round)
                {
                    start.arrive_and_wait();
                    ends[round] += counts[round].removeForeign() ? 1 : 0;
                }
            });
    }
    for (std::size_t round = 0; round < kRounds; ++round)
    {
        for (int t = 0; t < kThreads; ++t)
        {
            counts[round].add();
        }
        start.arrive_and_wait();
        ends[round] += counts[round].close() ? 1 : 0;
    }
    for (std::thread& thread : threads)
    {
        thread.join();
    }

    for (const std::atomic<int>& end : ends)
    {
        ASSERT_EQ(end.load(), 1);
    }
}

} // namespace ZeroCP
