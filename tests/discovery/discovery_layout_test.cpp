#include "zerocp/discovery/discovery_layout.hpp"

#include <cstddef>
#include <string>

#include <gtest/gtest.h>

namespace ZeroCP
{

TEST(FixedName, GivesBackWhatWasAssigned)
{
    FixedName<8> name{};
    name.assign("abc");

    EXPECT_EQ(name.view(), "abc");
}

TEST(FixedName, LeavesNothingOfALongerFormerName)
{
    FixedName<8> name{};
    name.assign("abcdef");
    name.assign("x");

    EXPECT_EQ(name.view(), "x");
    EXPECT_EQ(name.m_text[2], '\0');
}

TEST(FixedName, CutsWhatDoesNotFit)
{
    FixedName<4> name{};
    name.assign("abcdef");

    EXPECT_EQ(name.view(), "abc");
    EXPECT_EQ(name.maxLength(), 3U);
}

TEST(FixedName, EndsAtTheEndOfItsArrayIfAPeerWroteNoZero)
{
    FixedName<4> name{};
    name.m_text.fill('x');

    EXPECT_EQ(name.view(), "xxxx");
}

// The bytes in shared memory are a contract between builds: whoever changes one of these numbers changes the hash too.
TEST(DiscoveryLayout, HasTheSizesThatOtherBuildsRelyOn)
{
    EXPECT_EQ(sizeof(DiscoveryHeader), 256U);
    EXPECT_EQ(sizeof(ProcessRecord), 64U);
    EXPECT_EQ(sizeof(NodeRecord), 264U);
    EXPECT_EQ(sizeof(TopicRecord), 808U);
    EXPECT_EQ(sizeof(EndpointRecord), 80U);
    EXPECT_EQ(sizeof(PoolSetRecord), 88U);
    EXPECT_EQ(sizeof(WaiterRecord), 64U);
    EXPECT_EQ(offsetof(WaiterRecord, m_signal), 8U);
    EXPECT_EQ(offsetof(WaiterRecord, m_wantsGraph), 16U);
    EXPECT_EQ(offsetof(DiscoveryHeader, m_waiters) - offsetof(DiscoveryHeader, m_poolSets), sizeof(Table));
}

} // namespace ZeroCP
