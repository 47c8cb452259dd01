#include "zerocp/core/error.hpp"

#include <cerrno>
#include <set>
#include <string>

#include <gtest/gtest.h>

namespace ZeroCP
{

namespace
{

TEST(Error, EveryCodeHasAName)
{
    std::set<std::string_view> names;
    for (int code = 0; code <= static_cast<int>(ErrorCode::Forked); ++code)
    {
        names.insert(toString(static_cast<ErrorCode>(code)));
    }

    EXPECT_EQ(names.size(), static_cast<std::size_t>(ErrorCode::Forked) + 1);
    EXPECT_EQ(names.count("unknown ErrorCode"), 0U);
    EXPECT_EQ(toString(ErrorCode::NoSpace), "NoSpace");
}

TEST(Error, NumbersOutsideTheEnumAreNamedUnknown)
{
    EXPECT_EQ(toString(static_cast<ErrorCode>(200)), "unknown ErrorCode");
}

TEST(Error, SystemErrorNamesObjectCallAndErrno)
{
    const Error error = systemError("/dev/shm/x", "open", ENOENT);

    EXPECT_EQ(error.message(), "/dev/shm/x: open failed: No such file or directory (errno 2)");
    EXPECT_EQ(error.code(), ErrorCode::SystemError);
}

TEST(Error, SystemErrorTellsRightsAndSpaceApart)
{
    EXPECT_EQ(systemError("x", "y", EACCES).code(), ErrorCode::PermissionDenied);
    EXPECT_EQ(systemError("x", "y", EPERM).code(), ErrorCode::PermissionDenied);
    EXPECT_EQ(systemError("x", "y", ENOSPC).code(), ErrorCode::NoSpace);
    EXPECT_EQ(systemError("x", "y", EDQUOT).code(), ErrorCode::NoSpace);
}

TEST(Error, FailureBecomesAnExpectedWithoutAValue)
{
    const Expected<int, Error> answer = failure(ErrorCode::Timeout, "waited 1 s");

    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().code(), ErrorCode::Timeout);
    EXPECT_EQ(answer.error().message(), "waited 1 s");
}

} // namespace

} // namespace ZeroCP
