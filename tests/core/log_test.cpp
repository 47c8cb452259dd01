#include "zerocp/core/log.hpp"

#include <string>

#include <gtest/gtest.h>

namespace ZeroCP
{
namespace
{

TEST(Log, WarningsGoToStandardErrorByDefault)
{
    ::testing::internal::CaptureStderr();

    log(LogLevel::Warn, "the pool {} is small"); // braces are text, not a format

    const std::string written = ::testing::internal::GetCapturedStderr();
    EXPECT_NE(written.find("the pool {} is small"), std::string::npos) << written;
}

TEST(Log, WhatIsBelowTheLevelIsNotWritten)
{
    ::testing::internal::CaptureStderr();

    log(LogLevel::Debug, "a detail");

    EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
}

} // namespace
} // namespace ZeroCP
