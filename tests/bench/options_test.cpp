#include "latency/options.hpp"

#include <initializer_list>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace latency
{
namespace
{

tl::expected<Options, std::string> parsed(std::initializer_list<const char*> arguments)
{
    return parseOptions({arguments.begin(), arguments.size()});
}

::testing::AssertionResult isRefused(std::initializer_list<const char*> arguments, const std::string& part)
{
    const auto options = parsed(arguments);
    if (options)
    {
        return ::testing::AssertionFailure() << "accepted";
    }
    return (options.error().find(part) != std::string::npos ? ::testing::AssertionSuccess()
                                                            : ::testing::AssertionFailure())
           << "looking for '" << part << "' in '" << options.error() << "'";
}

using Bytes = std::vector<std::uint64_t>;
using Modes = std::vector<Mode>;

TEST(LatencyOptions, WithoutArgumentsEveryModeIsMeasuredFiveTimesAtFiveSizes)
{
    const Options options = parsed({}).value();

    EXPECT_EQ(options.m_payloads, (Bytes{64, 4096, 65536, 1 << 20, 16 << 20}));
    EXPECT_EQ(options.m_modes, (Modes{std::begin(kModes), std::end(kModes)}));
    EXPECT_EQ(options.m_touch, Touch::Ends);
    EXPECT_EQ(options.m_repeats, 5U);
    EXPECT_TRUE(options.m_keepsAwake);
    EXPECT_TRUE(options.m_jsonFile.empty());
}

TEST(LatencyOptions, PayloadsTakeUnitsAndCountOnceEach)
{
    EXPECT_EQ(parsed({"--payload", "64,4K,2M,4096"}).value().m_payloads, (Bytes{64, 4096, 2 << 20}));
}

TEST(LatencyOptions, PayloadsThatAreNoMessageAreRefused)
{
    for (const char* payload : {"", "0", "8", "65", "257M", "64,", ",64", "4k", "-64", " 64", "K", "1KM",
                                "18446744073709551616", "18014398509481985K"})
    {
        EXPECT_TRUE(isRefused({"--payload", payload}, "multiples of 8 from 16 to 256M")) << payload;
    }
    EXPECT_TRUE(isRefused({"--payload", "64,12"}, "found '12'"));
    EXPECT_EQ(parsed({"--payload", "16,256M"}).value().m_payloads, (Bytes{16, 256 << 20}));
}

TEST(LatencyOptions, ModesAreListedOrAll)
{
    EXPECT_EQ(parsed({"--mode", "blocking,busy,blocking"}).value().m_modes, (Modes{Mode::Blocking, Mode::Busy}));
    EXPECT_EQ(parsed({"--mode", "all"}).value().m_modes, (Modes{std::begin(kModes), std::end(kModes)}));
    EXPECT_TRUE(isRefused({"--mode", "lazy"}, "--mode: found 'lazy', expected busy, spin, blocking,"));
    EXPECT_TRUE(isRefused({"--mode", ""}, "found ''"));
}

TEST(LatencyOptions, TouchIsEndsOrFull)
{
    EXPECT_EQ(parsed({"--touch", "full"}).value().m_touch, Touch::Full);
    EXPECT_TRUE(isRefused({"--touch", "half"}, "expected ends or full"));
}

TEST(LatencyOptions, CountsBeginAtOne)
{
    const Options options = parsed({"--samples", "1000", "--repeats", "1", "--near-below", "60"}).value();

    EXPECT_EQ(options.m_samples, 1000U);
    EXPECT_EQ(options.m_repeats, 1U);
    EXPECT_EQ(options.m_nearBelowNs, 60U);
    EXPECT_TRUE(isRefused({"--samples", "0"}, "--samples: found '0', expected a number from 1 to 10000000"));
    EXPECT_TRUE(isRefused({"--samples", "10000001"}, "--samples"));
    EXPECT_TRUE(isRefused({"--samples", "1K"}, "--samples"));
    EXPECT_TRUE(isRefused({"--repeats", "1001"}, "from 1 to 1000"));
}

TEST(LatencyOptions, FlagsAndTheFileAreUnderstood)
{
    const Options options = parsed({"--no-awake", "--slices", "--json", "out.json"}).value();

    EXPECT_FALSE(options.m_keepsAwake);
    EXPECT_TRUE(options.m_onlySlices);
    EXPECT_EQ(options.m_jsonFile, "out.json");
    EXPECT_TRUE(parsed({"--no-awake", "--awake"}).value().m_keepsAwake);
    EXPECT_TRUE(parsed({"--help"}).value().m_wantsHelp);
}

TEST(LatencyOptions, UnknownAndUnfinishedArgumentsAreNamed)
{
    EXPECT_TRUE(isRefused({"--paylaod", "64"}, "unknown option '--paylaod'"));
    EXPECT_TRUE(isRefused({"64"}, "unknown option '64'"));
    EXPECT_TRUE(isRefused({"--samples", "5", "--json"}, "--json wants a value"));
    EXPECT_TRUE(isRefused({"--json", ""}, "the name of a file"));
}

TEST(LatencyOptions, HelpNamesEveryMode)
{
    const std::string help = helpText("some_program");

    EXPECT_TRUE(help.starts_with("usage: some_program"));
    for (const Mode mode : kModes)
    {
        EXPECT_NE(help.find("  " + std::string(toString(mode)) + "  "), std::string::npos) << toString(mode);
    }
}

} // namespace
} // namespace latency
