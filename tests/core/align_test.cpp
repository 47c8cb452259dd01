#include "zerocp/core/align.hpp"

#include <gtest/gtest.h>

namespace ZeroCP
{

namespace
{

constexpr std::uint64_t kGreatest = ~0ULL;

TEST(Align, RoundsUpToTheNextMultipleAndKeepsMultiples)
{
    EXPECT_EQ(alignUp(0, 64), 0U);
    EXPECT_EQ(alignUp(1, 64), 64U);
    EXPECT_EQ(alignUp(64, 64), 64U);
    EXPECT_EQ(alignUp((1ULL << 40) + 1, 4096), (1ULL << 40) + 4096);
}

TEST(Align, ProductsThatOverflowAreNothing)
{
    EXPECT_EQ(checkedMultiply(1ULL << 32, 1ULL << 31), 1ULL << 63);
    EXPECT_FALSE(checkedMultiply(1ULL << 32, 1ULL << 32));
}

TEST(Align, SumsThatOverflowAreNothing)
{
    EXPECT_EQ(checkedAdd(kGreatest - 1, 1), kGreatest);
    EXPECT_FALSE(checkedAdd(kGreatest, 1));
}

} // namespace

} // namespace ZeroCP
