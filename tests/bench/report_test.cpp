#include "latency/report.hpp"

#include <algorithm>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "bench/json_reader.hpp"

namespace latency
{
namespace
{

std::vector<Result> twoResults()
{
    return {{{kRaw, Mode::Busy, 65536, Touch::Full}, Distance::Far, 5, 60.5, 63, {500, 170.5, 160, 200, 300, 9000}},
            {{"zerocp", Mode::Spin, 65536, Touch::Full}, Distance::Far, 4, 61, 62, {400, 341, 320, 400, 600, 1e9}}};
}

TEST(LatencyJson, HasEveryFigureOfEveryResult)
{
    const auto tree = treeOf(jsonOf({{0, 3}, true, 25.5, 7}, twoResults()));

    const auto& results = tree.get_child("results");
    ASSERT_EQ(results.size(), 2U);
    const auto& first = results.front().second;
    EXPECT_EQ(first.get<std::string>("system"), "raw");
    EXPECT_EQ(first.get<std::string>("mode"), "busy");
    EXPECT_EQ(first.get<std::uint64_t>("payload"), 65536U);
    EXPECT_EQ(first.get<std::string>("touch"), "full");
    EXPECT_EQ(first.get<std::string>("class"), "far");
    EXPECT_EQ(first.get<std::uint64_t>("slices"), 5U);
    EXPECT_EQ(first.get<std::uint64_t>("samples"), 500U);
    EXPECT_DOUBLE_EQ(first.get<double>("line_min_ns"), 60.5);
    EXPECT_DOUBLE_EQ(first.get<double>("line_max_ns"), 63);
    EXPECT_DOUBLE_EQ(first.get<double>("mid_ns"), 170.5);
    EXPECT_DOUBLE_EQ(first.get<double>("p50_ns"), 160);
    EXPECT_DOUBLE_EQ(first.get<double>("p99_ns"), 200);
    EXPECT_DOUBLE_EQ(first.get<double>("p999_ns"), 300);
    EXPECT_DOUBLE_EQ(first.get<double>("max_ns"), 9000);
    EXPECT_DOUBLE_EQ(results.back().second.get<double>("max_ns"), 1e9);
}

TEST(LatencyJson, SaysWhatHeldForTheRun)
{
    const auto tree = treeOf(jsonOf({{0, 3}, false, 25.5, 7}, {}));

    EXPECT_TRUE(tree.get_child("results").empty());
    EXPECT_EQ(tree.get_child("cpus").front().second.get_value<int>(), 0);
    EXPECT_EQ(tree.get_child("cpus").back().second.get_value<int>(), 3);
    EXPECT_FALSE(tree.get<bool>("kept_awake"));
    EXPECT_DOUBLE_EQ(tree.get<double>("clock_read_ns"), 25.5);
    EXPECT_EQ(tree.get<std::uint64_t>("dropped_slices"), 7U);
}

TEST(LatencyTable, HasALineForEachResultWithItsRatio)
{
    const std::string table = tableOf(twoResults());

    EXPECT_EQ(std::count(table.begin(), table.end(), '\n'), 3);
    EXPECT_NE(table.find(" 64K "), std::string::npos) << table;
    EXPECT_NE(table.find(" 1.00\n"), std::string::npos) << table;
    EXPECT_NE(table.find(" 2.00\n"), std::string::npos) << table;
}

TEST(LatencyTable, HasNoRatioWhereThereIsNothingToCompareWith)
{
    std::vector<Result> alone = twoResults();
    alone.erase(alone.begin());

    EXPECT_TRUE(tableOf(alone).ends_with(" -\n")) << tableOf(alone);
}

} // namespace
} // namespace latency
