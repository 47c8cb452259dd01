#include "zerocp/core/segment_header.hpp"

#include <cctype>
#include <cstdio>
#include <fstream>
#include <string>

#include <gtest/gtest.h>
#include <unistd.h>

namespace ZeroCP
{

namespace
{

constexpr std::uint64_t kHash = 0x1234;
constexpr std::uint64_t kBytes = 8192;

SegmentHeader freshHeader()
{
    return makeSegmentHeader(SegmentKind::Single, kHash, kBytes);
}

Expected<void, Error> check(const SegmentHeader& header)
{
    return checkSegmentHeader(header, SegmentKind::Single, kHash, kBytes, "/dev/shm/x");
}

TEST(SegmentHeader, AFreshOnePasses)
{
    const SegmentHeader header = freshHeader();

    EXPECT_TRUE(check(header));
    EXPECT_FALSE(isStale(header));
    EXPECT_EQ(header.m_creatorPid, static_cast<std::uint64_t>(::getpid()));
}

TEST(SegmentHeader, StartsWithReadableBytes)
{
    const SegmentHeader header = freshHeader();
    const auto* bytes = reinterpret_cast<const char*>(&header);

    EXPECT_EQ(std::string(bytes, 8), "ZZSERCP1");
}

TEST(SegmentHeader, OtherFilesAreCorrupt)
{
    SegmentHeader header = freshHeader();
    header.m_magic ^= 1;

    const auto checked = check(header);

    ASSERT_FALSE(checked);
    EXPECT_EQ(checked.error().code(), ErrorCode::Corrupt);
    EXPECT_NE(checked.error().message().find("/dev/shm/x: not a ZeroCP segment"), std::string::npos);
}

TEST(SegmentHeader, AnotherKindIsCorruptAndBothAreNamed)
{
    SegmentHeader header = freshHeader();
    header.m_kind = static_cast<std::uint32_t>(SegmentKind::Discovery);

    const auto checked = check(header);

    ASSERT_FALSE(checked);
    EXPECT_EQ(checked.error().code(), ErrorCode::Corrupt);
    EXPECT_NE(checked.error().message().find("kind Discovery (1), not of kind Single (4)"), std::string::npos);
}

TEST(SegmentHeader, AnotherLayoutIsAVersionMismatchThatNamesBothSides)
{
    SegmentHeader header = freshHeader();
    header.m_layoutHash = 0xBEEF;

    const auto checked = check(header);

    ASSERT_FALSE(checked);
    EXPECT_EQ(checked.error().code(), ErrorCode::VersionMismatch);
    EXPECT_NE(checked.error().message().find("0x000000000000beef"), std::string::npos);
    EXPECT_NE(checked.error().message().find("0x0000000000001234"), std::string::npos);
}

TEST(SegmentHeader, AnotherLayoutVersionIsAVersionMismatch)
{
    SegmentHeader header = freshHeader();
    header.m_layoutVersion = 7;

    const auto checked = check(header);

    ASSERT_FALSE(checked);
    EXPECT_EQ(checked.error().code(), ErrorCode::VersionMismatch);
    EXPECT_NE(checked.error().message().find("layout version 7"), std::string::npos);
}

TEST(SegmentHeader, ASizeThatIsNotTheFilesIsCorrupt)
{
    SegmentHeader header = freshHeader();
    header.m_segmentBytes = 4096;

    const auto checked = check(header);

    ASSERT_FALSE(checked);
    EXPECT_EQ(checked.error().code(), ErrorCode::Corrupt);
    EXPECT_NE(checked.error().message().find("4096 bytes, the file has 8192"), std::string::npos);
}

TEST(SegmentHeader, OneFromAnotherBootIsStale)
{
    SegmentHeader header = freshHeader();
    header.m_bootId[3] ^= 0x40;

    EXPECT_TRUE(isStale(header));
    EXPECT_TRUE(check(header)) << "staleness is asked separately";
}

TEST(SegmentHeader, OneFromAnUnknownBootIsKept)
{
    SegmentHeader header = freshHeader();
    header.m_bootId = {};

    EXPECT_FALSE(isStale(header));
}

TEST(SegmentHeader, TheBootIdIsThatOfTheKernel)
{
    std::string expected;
    std::ifstream("/proc/sys/kernel/random/boot_id") >> expected;
    std::erase(expected, '-');
    std::string seen;
    for (const std::uint8_t byte : currentBootId())
    {
        char text[3];
        std::snprintf(text, sizeof text, "%02x", static_cast<unsigned>(byte));
        seen += text;
    }

    EXPECT_EQ(seen, expected);
}

TEST(SegmentHeader, TheHashDependsOnEveryNumberAndTheirOrder)
{
    constexpr std::uint64_t a[] = {1, 2, 3};
    constexpr std::uint64_t b[] = {1, 3, 2};
    constexpr std::uint64_t c[] = {1, 2, 3ULL << 56};

    EXPECT_EQ(hashNumbers(a, 0), 0xCBF29CE484222325ULL);
    EXPECT_NE(hashNumbers(a, 3), hashNumbers(b, 3));
    EXPECT_NE(hashNumbers(a, 3), hashNumbers(c, 3));
    EXPECT_NE(hashNumbers(a, 3), hashNumbers(a, 2));
}

TEST(SegmentHeader, EveryKindHasAName)
{
    EXPECT_EQ(toString(SegmentKind::Discovery), "Discovery");
    EXPECT_EQ(toString(SegmentKind::Management), "Management");
    EXPECT_EQ(toString(SegmentKind::Data), "Data");
    EXPECT_EQ(toString(SegmentKind::Single), "Single");
    EXPECT_EQ(toString(static_cast<SegmentKind>(99)), "unknown SegmentKind");
}

} // namespace

} // namespace ZeroCP
