#include "zerocp/pubsub/data_errors.hpp"

#include <gtest/gtest.h>

namespace ZeroCP
{

TEST(DataErrors, LoanErrorsHaveTheNamesOfTheirEnumerators)
{
    EXPECT_EQ(toString(LoanError::PoolExhausted), "PoolExhausted");
    EXPECT_EQ(toString(LoanError::TooManyLoans), "TooManyLoans");
    EXPECT_EQ(toString(LoanError::PayloadTooLarge), "PayloadTooLarge");
    EXPECT_EQ(toString(LoanError::NoSpace), "NoSpace");
    EXPECT_EQ(toString(LoanError::Closed), "Closed");
    EXPECT_EQ(toString(LoanError::Forked), "Forked");
}

TEST(DataErrors, PublishErrorsHaveTheNamesOfTheirEnumerators)
{
    EXPECT_EQ(toString(PublishError::Timeout), "Timeout");
    EXPECT_EQ(toString(PublishError::NotMyLoan), "NotMyLoan");
    EXPECT_EQ(toString(PublishError::NoChunk), "NoChunk");
    EXPECT_EQ(toString(PublishError::NoSubscriber), "NoSubscriber");
    EXPECT_EQ(toString(PublishError::Closed), "Closed");
    EXPECT_EQ(toString(PublishError::Forked), "Forked");
}

TEST(DataErrors, TakeErrorsHaveTheNamesOfTheirEnumerators)
{
    EXPECT_EQ(toString(TakeError::NoData), "NoData");
    EXPECT_EQ(toString(TakeError::Timeout), "Timeout");
    EXPECT_EQ(toString(TakeError::TooManyHeld), "TooManyHeld");
    EXPECT_EQ(toString(TakeError::Corrupt), "Corrupt");
    EXPECT_EQ(toString(TakeError::Closed), "Closed");
    EXPECT_EQ(toString(TakeError::Forked), "Forked");
}

TEST(DataErrors, ANumberThatIsNoEnumeratorHasANameToo)
{
    EXPECT_EQ(toString(static_cast<LoanError>(99)), "unknown LoanError");
    EXPECT_EQ(toString(static_cast<PublishError>(99)), "unknown PublishError");
    EXPECT_EQ(toString(static_cast<TakeError>(99)), "unknown TakeError");
}

} // namespace ZeroCP
