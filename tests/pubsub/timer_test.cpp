#include "zerocp/pubsub/timer.hpp"

#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "pubsub/pubsub_support.hpp"
#include "support/child_process.hpp"
#include "support/sanitized.hpp"
#include "support/shared_board.hpp"
#include "zerocp/pubsub/executor.hpp"

namespace ZeroCP
{

using namespace std::chrono_literals;
using test::ChildProcess;
using test::OneNode;
using test::Peer;

namespace
{

TEST(TimerCore, FiresOncePerMomentOfItsGridAndCountsThoseThatPassed)
{
    TimerCore core(1h);
    const std::int64_t first = core.nextNs();
    const std::int64_t period = std::chrono::nanoseconds(1h).count();

    EXPECT_FALSE(core.fire(first - 1));
    EXPECT_TRUE(core.fire(first));
    EXPECT_FALSE(core.fire(first));
    EXPECT_EQ(core.nextNs(), first + period);
    EXPECT_EQ(core.missed(), 0U);

    EXPECT_TRUE(core.fire(first + 4 * period + 5)); // moments 1 to 4: one is handled
    EXPECT_EQ(core.missed(), 3U);
    EXPECT_EQ(core.nextNs(), first + 5 * period) << "still on the grid";
}

TEST(TimerCore, AnswersOneOfSeveralThreadsThatAskAtOnce)
{
    constexpr int kThreads = 4;
    constexpr std::int64_t kMoments = test::kSanitized ? 2000 : 20000;
    TimerCore core(1h);
    const std::int64_t first = core.nextNs();
    std::atomic<std::uint64_t> fired{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < kThreads; ++i)
    {
        threads.emplace_back(
            [&]
            {
                for (std::int64_t moment = 0; moment < kMoments; ++moment)
                {
                    fired += core.fire(first + moment * std::chrono::nanoseconds(1h).count()) ? 1U : 0U;
                }
            });
    }
    for (std::thread& thread : threads)
    {
        thread.join();
    }

    EXPECT_EQ(fired + core.missed(), static_cast<std::uint64_t>(kMoments));
}

TEST(TimerCore, DoesNotFireWhenItIsCancelledUntilItIsReset)
{
    TimerCore core(1h);
    const std::int64_t first = core.nextNs();

    core.cancel();
    EXPECT_FALSE(core.fire(first));
    EXPECT_EQ(core.nextNs(), Waiter::kNever);

    core.reset();
    EXPECT_GT(core.nextNs(), first);
    EXPECT_TRUE(core.fire(core.nextNs()));
}

TEST(Timer, RefusesAPeriodThatIsNotPositive)
{
    OneNode one;

    EXPECT_EQ(one.m_node.createTimer(0ns).error().code(), ErrorCode::ConfigInvalid);
    EXPECT_EQ(one.m_node.createTimer(-1s, [] {}).error().code(), ErrorCode::ConfigInvalid);
    EXPECT_EQ(Node().createTimer(1s).error().code(), ErrorCode::Closed);
}

TEST(Timer, OfAForkedChildIsRefused)
{
    OneNode one;
    ChildProcess child(
        [&](Peer&)
        {
            EXPECT_EQ(one.m_node.createTimer(1s).error().code(), ErrorCode::Forked);
            return true;
        });

    EXPECT_TRUE(child.wait().succeeded());
}

TEST(Timer, EmptyAnswersHarmlessly)
{
    Timer timer;
    timer.cancel();
    timer.reset();

    EXPECT_TRUE(timer.isCancelled());
    EXPECT_EQ(timer.missed(), 0U);
    EXPECT_EQ(timer.period(), 0ns);
}

TEST(Timer, RunsItsCallbackPeriodAfterPeriod)
{
    OneNode one;
    Executor executor;
    ASSERT_TRUE(executor.add(one.m_node));
    std::uint64_t calls = 0;
    const std::int64_t start = Waiter::now();
    const auto timer = one.m_node
                           .createTimer(1ms,
                                        [&]
                                        {
                                            if (++calls == 20)
                                            {
                                                executor.stop();
                                            }
                                        })
                           .value();
    EXPECT_EQ(timer.period(), 1ms);

    ASSERT_TRUE(executor.spin());

    EXPECT_EQ(calls, 20U);
    EXPECT_GE(Waiter::now() - start, static_cast<std::int64_t>(calls + timer.missed()) * 1'000'000);
}

TEST(Timer, MayBeCancelledInItsCallbackAndResetByAnother)
{
    OneNode one;
    Executor executor;
    ASSERT_TRUE(executor.add(one.m_node));
    std::uint64_t calls = 0;
    std::uint64_t resets = 0;
    Timer timer;
    timer = one.m_node
                .createTimer(1us,
                             [&]
                             {
                                 ++calls;
                                 timer.cancel();
                                 if (calls == 3)
                                 {
                                     executor.stop();
                                 }
                             })
                .value();
    const auto other = one.m_node
                           .createTimer(1ms,
                                        [&]
                                        {
                                            if (timer.isCancelled())
                                            {
                                                timer.reset();
                                                ++resets;
                                            }
                                        })
                           .value();

    ASSERT_TRUE(executor.spin());

    EXPECT_EQ(calls, 3U);
    EXPECT_EQ(resets, 2U) << "it was called without a reset";
}

TEST(Timer, MayBeDestroyedInItsCallback)
{
    OneNode one;
    Executor executor;
    ASSERT_TRUE(executor.add(one.m_node));
    std::optional<Timer> timer;
    auto mark = std::make_shared<int>(0);
    timer.emplace(one.m_node
                      .createTimer(1us,
                                   [&, mark]
                                   {
                                       timer.reset();
                                       ++*mark; // the callback is still there
                                       executor.stop();
                                   })
                      .value());

    ASSERT_TRUE(executor.spin());

    EXPECT_EQ(*mark, 1);
    EXPECT_EQ(mark.use_count(), 1) << "and is gone now";
}

TEST(Timer, CreatedInACallbackRuns)
{
    OneNode one;
    Executor executor;
    ASSERT_TRUE(executor.add(one.m_node));
    std::optional<Timer> second;
    const auto first =
        one.m_node
            .createTimer(1us,
                         [&]
                         {
                             if (!second)
                             {
                                 second.emplace(one.m_node.createTimer(1us, [&] { executor.stop(); }).value());
                             }
                         })
            .value();

    ASSERT_TRUE(executor.spin());
}

/// What a timer did, as seen by itself.
struct Course
{
    std::uint64_t m_calls{0};
    std::int64_t m_first{0}; ///< when its first callback began
    std::int64_t m_last{0};
    std::uint64_t m_missedBeforeFirst{0};

    void note(std::uint64_t missed)
    {
        m_last = Waiter::now();
        if (m_calls++ == 0)
        {
            m_first = m_last;
            m_missedBeforeFirst = missed;
        }
    }
};

//     ZEROCP_TEST_SECONDS=60 build/release/tests/zerocp_pubsub_tests --gtest_filter='Timer.StaysOnItsGrid*'
TEST(Timer, StaysOnItsGridHoweverLateCallbacksAreAndCountsTheMomentsThatPass)
{
    constexpr std::int64_t kPeriod = 1'000'000;
    const auto moments = static_cast<std::int64_t>(test::numberFrom("ZEROCP_TEST_SECONDS", 2)) * 1000;
    OneNode one;
    Executor executor;
    ASSERT_TRUE(executor.add(one.m_node));
    Course course;
    Timer timer;
    const std::int64_t before = Waiter::now();
    timer = one.m_node
                .createTimer(std::chrono::nanoseconds(kPeriod),
                             [&]
                             {
                                 course.note(timer.missed());
                                 if (course.m_calls % 100 == 0)
                                 {
                                     std::this_thread::sleep_for(std::chrono::nanoseconds(5 * kPeriod / 2)); // the load
                                 }
                                 if (static_cast<std::int64_t>(course.m_calls + timer.missed()) >= moments)
                                 {
                                     timer.cancel();
                                     executor.stop();
                                 }
                             })
                .value();
    const std::int64_t after = Waiter::now();

    ASSERT_TRUE(executor.spin());

    // The last callback stands for the newest moment that had passed when it began, so the two ends of the grid are known.
    const auto passed = static_cast<std::int64_t>(course.m_calls + timer.missed());
    EXPECT_GE(course.m_last, before + passed * kPeriod) << "a moment came too early, or was counted twice";
    const std::int64_t late = course.m_last - (after + passed * kPeriod);
    const std::int64_t periods = passed - 1 - static_cast<std::int64_t>(course.m_missedBeforeFirst);
    const double mean = static_cast<double>(course.m_last - course.m_first) / static_cast<double>(periods);
    std::printf("%lld moments: %llu callbacks, %llu missed; mean period %.3f us, the last callback %.1f us late\n",
                static_cast<long long>(passed), static_cast<unsigned long long>(course.m_calls),
                static_cast<unsigned long long>(timer.missed()), mean / 1000, static_cast<double>(late) / 1000);
    if (moments >= 60'000) // in a short run a single late callback would be seen, which is no drift
    {
        EXPECT_LT(std::abs(mean - static_cast<double>(kPeriod)), 10'000.0);
    }
    EXPECT_GE(timer.missed() + 1, course.m_calls / 100) << "each long callback, but the last, lets one pass unhandled";
}

} // namespace

} // namespace ZeroCP
