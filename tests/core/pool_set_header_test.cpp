#include "zerocp/core/pool_set_header.hpp"

#include <gtest/gtest.h>

namespace ZeroCP
{
namespace
{

TEST(PoolSetHeader, TheEpochHasALineOfItsOwn)
{
    EXPECT_EQ(offsetof(PoolSetHeader, m_epoch), 0U);
    EXPECT_EQ(offsetof(PoolSetHeader, m_managerOffset), kCacheLineBytes);
}

TEST(PoolSetHeader, TheLayoutHashDependsOnItsNumbers)
{
    constexpr std::uint64_t kA[] = {1, 2};
    constexpr std::uint64_t kB[] = {2, 1};

    EXPECT_NE(hashNumbers(kA, 2), hashNumbers(kB, 2));
    EXPECT_NE(poolSetLayoutHash(), 0U);
}

} // namespace
} // namespace ZeroCP
