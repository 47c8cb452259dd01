#include "zerocp/pubsub/chunk_ledger.hpp"

#include <set>

#include <gtest/gtest.h>

namespace ZeroCP
{

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
    ledger.endFlight(0);
    ledger.endFlight(2);

    const std::set<std::uint32_t> listed{ledger.flight(0), ledger.flight(1)};
    EXPECT_EQ(ledger.flying(), 2U);
    EXPECT_EQ(listed, (std::set<std::uint32_t>{5, 7}));
}

TEST(ChunkLedger, KnowsWhichChunksFly)
{
    ChunkLedger ledger(8, 1);
    ledger.startFlight(0);
    ledger.startFlight(4);
    ledger.endFlight(4);

    EXPECT_TRUE(ledger.isFlying(0));
    EXPECT_FALSE(ledger.isFlying(4));
    EXPECT_FALSE(ledger.isFlying(1));
}

TEST(ChunkLedger, GathersTheBitsOfAChunkAndTouchesItOnce)
{
    ChunkLedger ledger(8, 3);
    ledger.gather(6, 0, 1);
    ledger.gather(6, 2, 4);
    ledger.gather(6, 0, 2);

    ASSERT_EQ(ledger.touchedCount(), 1U);
    EXPECT_EQ(ledger.touched(0), 6U);
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
