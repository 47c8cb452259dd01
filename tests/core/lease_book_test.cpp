#include "zerocp/core/lease_book.hpp"

#include <memory>
#include <thread>

#include <gtest/gtest.h>

namespace ZeroCP
{
namespace
{

constexpr std::uint64_t kLease = 100;

/// Zeros, as in a fresh segment, and started.
std::unique_ptr<LeaseBook> startedAt(std::uint64_t nowNs)
{
    auto book = std::make_unique<LeaseBook>();
    book->start(nowNs);
    return book;
}

TEST(LeaseBook, ALeaseThatIsOverIsLostOnceHoweverLongAgo)
{
    const auto book = startedAt(1000);

    EXPECT_FALSE(book->at(1099, kLease).m_isLost);
    EXPECT_EQ(book->at(1099, kLease).m_lost, 0U);
    EXPECT_EQ(book->at(1099, kLease).m_nextNs, 1100U);
    for (const std::uint64_t nowNs : {1100U, 1250U, 999'999U})
    {
        EXPECT_TRUE(book->at(nowNs, kLease).m_isLost);
        EXPECT_EQ(book->at(nowNs, kLease).m_lost, 1U);
        EXPECT_EQ(book->at(nowNs, kLease).m_lostNs, 1100U);
    }
}

TEST(LeaseBook, ASignOfLifeInTimeLosesNothing)
{
    const auto book = startedAt(1000);

    EXPECT_FALSE(book->note(1099, kLease));
    EXPECT_FALSE(book->note(1198, kLease));

    EXPECT_EQ(book->at(1297, kLease).m_lost, 0U);
    EXPECT_EQ(book->at(1297, kLease).m_lostNs, 0U);
}

TEST(LeaseBook, ALateSignOfLifeEndsALostLeaseAndSaysSo)
{
    const auto book = startedAt(1000);

    EXPECT_TRUE(book->note(1500, kLease));

    EXPECT_FALSE(book->at(1599, kLease).m_isLost);
    EXPECT_EQ(book->at(1599, kLease).m_lost, 1U);
    EXPECT_EQ(book->at(1599, kLease).m_lostNs, 1100U);
    EXPECT_EQ(book->at(1600, kLease).m_lost, 2U);
    EXPECT_EQ(book->at(1600, kLease).m_lostNs, 1600U);
}

TEST(LeaseBook, ANewBookForgetsTheFormerOne)
{
    const auto book = startedAt(1000);
    static_cast<void>(book->note(1500, kLease));

    book->start(2000);

    EXPECT_EQ(book->at(2000, kLease).m_lost, 0U);
}

// Before its last store the writer has written the entry that nobody reads.
TEST(LeaseBook, AWriterThatIsKilledInANoteLeavesTheFormerEntry)
{
    const auto book = startedAt(1000);
    static_cast<void>(book->note(1050, kLease));
    LeaseBook::Entry& other = book->m_entries[(book->m_version + 1) % 2];

    other.m_assertedNs = 7777;
    other.m_lost = 77;
    other.m_lostNs = 777;

    EXPECT_EQ(book->at(1149, kLease).m_lost, 0U);
    EXPECT_EQ(book->at(1150, kLease).m_lost, 1U);
    EXPECT_EQ(book->at(1150, kLease).m_lostNs, 1150U);
}

TEST(LeaseBook, NumberAndTimeBelongTogetherWhileSignsOfLifeCome)
{
    constexpr std::uint64_t kStart = 1000;
    constexpr std::uint64_t kGap = 250;
    const auto book = startedAt(kStart);
    std::atomic<bool> done{false};
    std::jthread writer(
        [&]
        {
            for (std::uint64_t i = 1; i <= 200'000; ++i)
            {
                static_cast<void>(book->note(kStart + i * kGap, kLease));
            }
            done = true;
        });

    std::uint64_t last = 0;
    while (!done)
    {
        const Leases seen = book->at(0, kLease); // as of the last sign of life
        ASSERT_GE(seen.m_lost, last);
        ASSERT_EQ(seen.m_lostNs, seen.m_lost == 0 ? 0 : kStart + (seen.m_lost - 1) * kGap + kLease);
        ASSERT_EQ(seen.m_nextNs, kStart + seen.m_lost * kGap + kLease);
        last = seen.m_lost;
    }
    writer.join();
    EXPECT_EQ(book->at(0, kLease).m_lost, 200'000U);
}

} // namespace
} // namespace ZeroCP
