#include "zerocp/core/contract.hpp"

#include <gtest/gtest.h>

namespace ZeroCP
{

namespace
{

TEST(ContractDeathTest, ABrokenPromiseStopsTheProcessAndSaysWhereAndWhat)
{
    const int chunks = 3;

    EXPECT_DEATH(ZCP_EXPECTS(chunks == 4, "four chunks"),
                 "broken contract at .*contract_test\\.cpp:[0-9]+: four chunks \\(chunks == 4\\)");
}

TEST(Contract, AKeptPromiseCostsNothingAndIsLookedAtOnce)
{
    int looks = 0;

    ZCP_EXPECTS(++looks == 1, "looked at once");

    EXPECT_EQ(looks, 1);
}

} // namespace

} // namespace ZeroCP
