#include "zerocp/pubsub/chunk_ledger.hpp"

#include <set>

#include <gtest/gtest.h>

namespace ZeroCP
{

std::multiset<std::uint32_t> flightsOf(ChunkLedger& ledger)
{
    std::multiset<std::uint32_t> found;
    ledger.forEachFlight([&found](std::uint32_t chunk) { found.insert(chunk); });
    return found;
}

TEST(ChunkLedger, UnstashesWhatWasStashedLastFirst)
{
    ChunkLedger ledger(8, 1);
    ledger.stash(0, 3);
    ledger.stash(0, 0);

    EXPECT_EQ(ledger.unstash(0), 0U);
    EXPECT_EQ(ledger.unstash(0), 3U);
    EXPECT_EQ(ledger.stashed(0), 0U);
}

TEST(ChunkLedger, KeepsTheStashesOfSizeClassesApart)
{
    ChunkLedger ledger(8, 1);
    ledger.stash(0, 1);
    ledger.stash(1, 2);
    ledger.stash(0, 3);

    EXPECT_EQ(ledger.unstash(1), 2U);
    EXPECT_EQ(ledger.stashed(0), 2U);
    EXPECT_EQ(ledger.stashed(1), 0U);
}

TEST(ChunkLedger, ListsEveryFlightOnceWhateverOrderTheyEndIn)
{
    ChunkLedger ledger(8, 1);
    for (const std::uint32_t chunk : {5U, 0U, 7U, 2U})
    {
        ledger.startFlight(chunk);
    }
    ledger.landed(0);
    ledger.landed(2);

    EXPECT_EQ(flightsOf(ledger), (std::multiset<std::uint32_t>{5, 7}));
}

TEST(ChunkLedger, ListsAChunkOnceThatFliesAgainBeforeAnybodyHasLooked)
{
    ChunkLedger ledger(8, 1);
    ledger.startFlight(3);
    ledger.landed(3);
    static_cast<void>(ledger.unstash(0));
    ledger.startFlight(3);

    EXPECT_EQ(flightsOf(ledger), (std::multiset<std::uint32_t>{3}));
    EXPECT_EQ(flightsOf(ledger), (std::multiset<std::uint32_t>{3})) << "looking changes nothing";
}

TEST(ChunkLedger, LetsAChunkLandWhileTheFlightsAreWalked)
{
    ChunkLedger ledger(8, 1);
    for (const std::uint32_t chunk : {1U, 2U, 3U})
    {
        ledger.startFlight(chunk);
    }
    ledger.forEachFlight(
        [&ledger](std::uint32_t chunk)
        {
            if (chunk == 2)
            {
                ledger.landed(chunk);
            }
        });

    EXPECT_EQ(ledger.stashed(0), 1U);
    EXPECT_EQ(flightsOf(ledger), (std::multiset<std::uint32_t>{1, 3}));
}

TEST(ChunkLedger, KnowsWhichChunksFly)
{
    ChunkLedger ledger(8, 1);
    ledger.startFlight(0);
    ledger.startFlight(4);
    ledger.landed(4);

    EXPECT_TRUE(ledger.isFlying(0));
    EXPECT_FALSE(ledger.isFlying(4));
    EXPECT_FALSE(ledger.isFlying(1));
}

TEST(ChunkLedger, GathersTheBitsOfAChunkAndTouchesItOncePerWord)
{
    ChunkLedger ledger(8, 3);
    ledger.gather(6, 0, 1);
    ledger.gather(6, 2, 4);
    ledger.gather(6, 0, 2);

    ASSERT_EQ(ledger.touchedCount(), 2U);
    EXPECT_EQ(ledger.touched(0), 6U);
    EXPECT_EQ(ledger.touched(1), 6U);
    EXPECT_EQ(ledger.returned(6, 0), 3U);
    EXPECT_EQ(ledger.returned(6, 1), 0U);
    EXPECT_EQ(ledger.returned(6, 2), 4U);
}

TEST(ChunkLedger, TouchesAChunkAgainAfterItsBitsWereApplied)
{
    ChunkLedger ledger(8, 1);
    ledger.gather(6, 0, 1);
    ledger.returned(6, 0) = 0;
    ledger.clearTouched();

    ledger.gather(6, 0, 1);

    EXPECT_EQ(ledger.touchedCount(), 1U);
}

} // namespace ZeroCP
