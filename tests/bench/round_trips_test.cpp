#include "latency/round_trips.hpp"

#include <gtest/gtest.h>

namespace latency
{
namespace
{

constexpr std::int64_t kHour = std::int64_t{3600} * 1'000'000'000;

std::size_t lapsOf(const Extent& extent)
{
    RoundTrips trips(extent);
    trips.start();
    while (trips.lap())
    {
    }
    return trips.times().size();
}

TEST(LatencyRoundTrips, EndAtTheGreatestNumber)
{
    EXPECT_EQ(lapsOf({1000, 8, kHour}), 1000U);
    EXPECT_EQ(lapsOf({1, 8, kHour}), 1U);
}

TEST(LatencyRoundTrips, EndWhenTheTimeIsUpButNotBelowTheLeastNumber)
{
    EXPECT_EQ(lapsOf({1000, 8, 0}), 8U);
    EXPECT_EQ(lapsOf({5, 8, 0}), 5U);
}

TEST(LatencyRoundTrips, AreAllCounted)
{
    RoundTrips trips({100, 8, kHour});
    const std::int64_t before = nowNs();
    trips.start();
    while (trips.lap())
    {
    }
    const std::int64_t whole = nowNs() - before;

    std::int64_t sum = 0;
    for (const std::int64_t time : trips.times())
    {
        EXPECT_GE(time, 0);
        sum += time;
    }
    EXPECT_LE(sum, whole);
}

} // namespace
} // namespace latency
