#include "zerocp/core/page_policy.hpp"

#include <gtest/gtest.h>

namespace ZeroCP
{
namespace
{

TEST(PagePolicy, EveryPolicyComesBackFromItsWord)
{
    for (std::uint32_t word = 0; word < 8; ++word)
    {
        const auto policy = PagePolicy::of(word);

        ASSERT_TRUE(policy);
        EXPECT_EQ(policy->word(), word);
    }
    EXPECT_EQ(PagePolicy::of(6), (PagePolicy{.m_prefault = false, .m_lock = true, .m_hugePages = true}));
}

TEST(PagePolicy, AWordWithOtherBitsIsNone)
{
    EXPECT_FALSE(PagePolicy::of(8));
    EXPECT_FALSE(PagePolicy::of(0x80000001U));
}

TEST(PagePolicy, LockedPagesAreHeldAsPrefaultedOnesAre)
{
    EXPECT_TRUE((PagePolicy{.m_prefault = true}.holdsPages()));
    EXPECT_TRUE((PagePolicy{.m_lock = true}.holdsPages()));
    EXPECT_FALSE((PagePolicy{.m_hugePages = true}.holdsPages()));
}

} // namespace
} // namespace ZeroCP
