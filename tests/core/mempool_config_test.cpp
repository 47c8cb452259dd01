#include "zerocp/core/mempool_config.hpp"

#include <gtest/gtest.h>

namespace ZeroCP
{

namespace
{

TEST(MemPoolConfig, KeepsTheOrderInWhichEntriesWereAdded)
{
    MemPoolConfig config;

    EXPECT_TRUE(config.addMemPoolEntry(4096, 10));
    EXPECT_TRUE(config.addMemPoolEntry(128, 20));

    ASSERT_EQ(config.entries.size(), 2U);
    EXPECT_EQ(config.entries[0].m_poolSize, 4096U);
    EXPECT_EQ(config.entries[1].m_poolCount, 20U);
    EXPECT_EQ(config.totalChunks(), 30U);
}

TEST(MemPoolConfig, RefusesZeros)
{
    MemPoolConfig config;

    EXPECT_FALSE(config.addMemPoolEntry(0, 10));
    EXPECT_FALSE(config.addMemPoolEntry(128, 0));
    EXPECT_TRUE(config.entries.empty());
}

TEST(MemPoolConfig, RefusesASizeThatIsThereAlready)
{
    MemPoolConfig config;
    config.addMemPoolEntry(128, 10);

    EXPECT_FALSE(config.addMemPoolEntry(128, 20));
    EXPECT_EQ(config.totalChunks(), 10U);
}

TEST(MemPoolConfig, RefusesTheSeventeenthClass)
{
    MemPoolConfig config;
    for (std::uint64_t size = 1; size <= kMaxPools; ++size)
    {
        ASSERT_TRUE(config.addMemPoolEntry(64 * size, 1));
    }

    EXPECT_FALSE(config.addMemPoolEntry(1 << 20, 1));
    EXPECT_EQ(config.entries.size(), kMaxPools);
}

TEST(MemPoolConfig, RefusesMoreChunksThanNumbersHaveBits)
{
    MemPoolConfig config;

    EXPECT_FALSE(config.addMemPoolEntry(64, kMaxChunks + 1));
    EXPECT_TRUE(config.addMemPoolEntry(64, kMaxChunks - 1));
    EXPECT_FALSE(config.addMemPoolEntry(128, 2));
    EXPECT_TRUE(config.addMemPoolEntry(128, 1));
}

TEST(MemPoolConfig, RefusesBytesThatDoNotFitInto63Bits)
{
    MemPoolConfig config;

    EXPECT_FALSE(config.addMemPoolEntry(~0ULL, 1));
    EXPECT_FALSE(config.addMemPoolEntry(1ULL << 60, 100));
    EXPECT_FALSE(config.addMemPoolEntry(1ULL << 62, 4));
    EXPECT_TRUE(config.addMemPoolEntry(1ULL << 40, 1)) << "1 TiB is no overflow";
}

TEST(MemPoolConfig, ComparesSizesCountsAndOrder)
{
    MemPoolConfig a;
    MemPoolConfig b;
    a.addMemPoolEntry(128, 1);
    b.addMemPoolEntry(128, 1);
    EXPECT_TRUE(a == b);

    b.addMemPoolEntry(256, 1);
    EXPECT_FALSE(a == b);

    MemPoolConfig reversed;
    reversed.addMemPoolEntry(256, 1);
    reversed.addMemPoolEntry(128, 1);
    EXPECT_FALSE(b == reversed);
}

} // namespace

} // namespace ZeroCP
