#include "latency/payload.hpp"

#include <algorithm>
#include <ostream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace latency
{

void PrintTo(Touch touch, std::ostream* out)
{
    *out << toString(touch);
}

namespace
{

constexpr std::uint64_t kOld = 7;
constexpr std::uint64_t kNew = 8;

/// With a remainder that is no whole cache line.
constexpr std::uint64_t kBytes = 64 * 3 + 40;

TEST(LatencyPayload, EndsTouchesTheFirstAndTheLastWordOnly)
{
    std::vector<std::uint64_t> words(kBytes / 8, kOld);
    const Payload payload(kBytes, Touch::Ends);

    payload.write(words.data(), kNew);

    EXPECT_EQ(words.front(), kNew);
    EXPECT_EQ(words.back(), kNew);
    EXPECT_EQ(std::count(words.begin(), words.end(), kNew), 2);
}

TEST(LatencyPayload, FullTouchesEveryWord)
{
    for (std::uint64_t bytes = 16; bytes <= kBytes; bytes += 8)
    {
        std::vector<std::uint64_t> words(bytes / 8 + 1, kOld);
        const Payload payload(bytes, Touch::Full);

        payload.write(words.data(), kNew);

        EXPECT_EQ(static_cast<std::size_t>(std::count(words.begin(), words.end(), kNew)), bytes / 8);
        EXPECT_EQ(words.back(), kOld) << "behind it";
    }
}

class LatencyPayloadRead : public ::testing::TestWithParam<Touch>
{
};

TEST_P(LatencyPayloadRead, GivesTheNumberThatWasWritten)
{
    std::vector<std::uint64_t> words(kBytes / 8, kOld);
    const Payload payload(kBytes, GetParam());
    payload.write(words.data(), kNew);

    std::uint64_t number = 0;

    EXPECT_TRUE(payload.read(words.data(), number));
    EXPECT_EQ(number, kNew);
}

TEST_P(LatencyPayloadRead, NoticesEveryTouchedWordThatIsOld)
{
    const Payload payload(kBytes, GetParam());
    for (std::size_t i = 0; i < kBytes / 8; ++i)
    {
        std::vector<std::uint64_t> words(kBytes / 8, kOld);
        payload.write(words.data(), kNew);
        const bool isTouched = words[i] == kNew;
        words[i] = kOld;

        std::uint64_t number = 0;

        EXPECT_EQ(payload.read(words.data(), number), !isTouched) << "word " << i;
    }
}

INSTANTIATE_TEST_SUITE_P(Touch, LatencyPayloadRead, ::testing::Values(Touch::Ends, Touch::Full),
                         [](const auto& test) { return std::string(test.param == Touch::Ends ? "Ends" : "Full"); });

} // namespace
} // namespace latency
