#include "zerocp/core/deadline_book.hpp"

#include <thread>

#include <gtest/gtest.h>

namespace ZeroCP
{
namespace
{

constexpr std::uint64_t kPeriod = 100;
constexpr std::uint64_t kNever = std::numeric_limits<std::uint64_t>::max();

std::uint64_t countAt(const DeadlineBook& book, std::uint64_t nowNs)
{
    return book.at(nowNs, kPeriod).m_count;
}

TEST(DeadlineBook, CountsNothingBeforeTheFirstMessage)
{
    const DeadlineBook book{};

    EXPECT_EQ(countAt(book, 1'000'000), 0U);
    EXPECT_EQ(book.at(1'000'000, kPeriod).m_nextNs, kNever);
}

TEST(DeadlineBook, CountsThePeriodsOfTheRunningGapThatAreOver)
{
    DeadlineBook book{};
    book.note(1000, kPeriod);

    EXPECT_EQ(countAt(book, 1099), 0U);
    EXPECT_EQ(countAt(book, 1100), 1U);
    EXPECT_EQ(countAt(book, 1199), 1U);
    EXPECT_EQ(countAt(book, 1350), 3U);
}

TEST(DeadlineBook, AMessageEndsAGapAndStartsTheNextPeriod)
{
    DeadlineBook book{};
    book.note(1000, kPeriod);
    book.note(1099, kPeriod); // in time
    book.note(1350, kPeriod); // two late
    book.note(1450, kPeriod); // a period is over when it is over

    EXPECT_EQ(countAt(book, 1450), 3U);
    EXPECT_EQ(countAt(book, 1549), 3U);
    EXPECT_EQ(countAt(book, 1550), 4U);
}

TEST(DeadlineBook, SaysWhenTheLastWasMissedAndTheNextWillBe)
{
    DeadlineBook book{};
    book.note(1000, kPeriod);
    EXPECT_EQ(book.at(1050, kPeriod).m_lastNs, 0U);
    EXPECT_EQ(book.at(1050, kPeriod).m_nextNs, 1100U);
    EXPECT_EQ(book.at(1230, kPeriod).m_lastNs, 1200U);
    EXPECT_EQ(book.at(1230, kPeriod).m_nextNs, 1300U);

    book.note(1230, kPeriod);

    EXPECT_EQ(book.at(1290, kPeriod).m_lastNs, 1200U);
    EXPECT_EQ(book.at(1290, kPeriod).m_nextNs, 1330U);
    EXPECT_EQ(book.at(1330, kPeriod).m_lastNs, 1330U);
}

TEST(DeadlineBook, DoesNotGoBackForAReaderWhoseClockWasReadBeforeTheMessage)
{
    DeadlineBook book{};
    book.note(1000, kPeriod);
    book.note(1250, kPeriod);

    EXPECT_EQ(countAt(book, 1249), 2U);
    EXPECT_EQ(book.at(1249, kPeriod).m_lastNs, 1200U);
}

// A writer killed between two stores leaves one of these. The reader then sees the gap that is still running.
TEST(DeadlineBook, IsRightWhereverItsWriterIsKilled)
{
    for (int stores = 0; stores <= 3; ++stores)
    {
        DeadlineBook before{};
        before.note(1000, kPeriod);
        before.note(1130, kPeriod);
        DeadlineBook after{};
        after.note(1000, kPeriod);
        after.note(1130, kPeriod);
        after.note(1360, kPeriod);
        before.m_missedNs = stores >= 1 ? after.m_missedNs.load() : before.m_missedNs.load();
        before.m_missed = stores >= 2 ? after.m_missed.load() : before.m_missed.load();
        before.m_start = stores >= 3 ? after.m_start.load() : before.m_start.load();

        EXPECT_EQ(countAt(before, 1200), stores == 0 ? 1U : 3U)
            << stores << ": a clock that was read before the message";
        EXPECT_EQ(before.at(1200, kPeriod).m_lastNs, stores == 0 ? 1100U : 1330U) << stores;
        EXPECT_EQ(countAt(before, 1370), 3U) << stores;
        EXPECT_EQ(before.at(1370, kPeriod).m_lastNs, 1330U) << stores;
        EXPECT_EQ(countAt(before, 1460), 4U) << stores;
        EXPECT_EQ(before.at(1460, kPeriod).m_lastNs, stores < 3 ? 1430U : 1460U) << stores;
    }
}

TEST(DeadlineBook, NumberAndTimeBelongTogetherWhileMessagesCome)
{
    constexpr std::uint64_t kFirst = 1000;
    constexpr std::uint64_t kGap = 250; // two periods missed in each
    DeadlineBook book{};
    book.note(kFirst, kPeriod);
    std::atomic<bool> done{false};
    std::atomic<std::uint64_t> reads{0};
    std::jthread writer(
        [&]
        {
            for (std::uint64_t i = 1; i <= 200'000; ++i)
            {
                book.note(kFirst + i * kGap, kPeriod);
                // A reader gives up after kTries messages; here it never has to.
                const std::uint64_t before = reads;
                while (i % 8 == 0 && reads == before && !::testing::Test::HasFailure())
                {
                    std::this_thread::yield();
                }
            }
            done = true;
        });

    std::uint64_t last = 0;
    while (!done)
    {
        const Deadlines seen = book.at(0, kPeriod); // as of the last message
        ASSERT_GE(seen.m_count, last);
        ASSERT_EQ(seen.m_count % 2, 0U);
        ASSERT_EQ(seen.m_lastNs, seen.m_count == 0 ? 0 : kFirst + (seen.m_count / 2 - 1) * kGap + 2 * kPeriod);
        last = seen.m_count;
        ++reads;
    }
    writer.join();
    EXPECT_EQ(countAt(book, 0), 400'000U);
}

} // namespace
} // namespace ZeroCP
