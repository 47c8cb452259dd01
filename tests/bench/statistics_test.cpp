#include "latency/statistics.hpp"

#include <numeric>
#include <vector>

#include <gtest/gtest.h>

namespace latency
{
namespace
{

constexpr Subject kRawBusy{kRaw, Mode::Busy, 64, Touch::Ends};
constexpr Subject kRawBlocking{kRaw, Mode::Blocking, 64, Touch::Ends};
constexpr Subject kSpin{"zerocp", Mode::Spin, 64, Touch::Ends};
constexpr Subject kBlocking{"zerocp", Mode::Blocking, 64, Touch::Ends};

Figures allEqual(double value, std::uint64_t samples = 10)
{
    return {samples, value, value, value, value, value};
}

TEST(LatencyFigures, AreHalvesOfRoundTripsByNearestRank)
{
    std::vector<std::int64_t> trips(1000);
    std::iota(trips.rbegin(), trips.rend(), 1); // 1000, ..., 1

    const Figures figures = figuresOf(trips);

    EXPECT_EQ(figures.m_samples, 1000U);
    EXPECT_DOUBLE_EQ(figures.m_p50, 250);
    EXPECT_DOUBLE_EQ(figures.m_p99, 495);
    EXPECT_DOUBLE_EQ(figures.m_p999, 499.5);
    EXPECT_DOUBLE_EQ(figures.m_max, 500);
    EXPECT_DOUBLE_EQ(figures.m_mid, 250.25); // of 251 to 750
}

TEST(LatencyFigures, AreNeverBelowTheShareThatTheyName)
{
    std::vector<std::int64_t> trips{2, 4, 6, 8, 10, 12, 14};

    const Figures figures = figuresOf(trips);

    EXPECT_DOUBLE_EQ(figures.m_p50, 4); // four of seven are not slower, three would be less than half
    EXPECT_DOUBLE_EQ(figures.m_p99, 7);
}

TEST(LatencyFigures, MiddleIsFinerThanTheClockAndBlindToInterruptions)
{
    std::vector<std::int64_t> trips{150, 150, 150, 150, 160, 160, 160, 1'000'000};

    EXPECT_DOUBLE_EQ(figuresOf(trips).m_mid, 77.5);
}

TEST(LatencyFigures, OfOneRoundTripAreAllTheSame)
{
    std::vector<std::int64_t> trips{300};

    const Figures figures = figuresOf(trips);

    EXPECT_EQ(figures.m_samples, 1U);
    for (const double figure : {figures.m_mid, figures.m_p50, figures.m_p99, figures.m_p999, figures.m_max})
    {
        EXPECT_DOUBLE_EQ(figure, 150);
    }
}

TEST(LatencyFigures, OfNothingAreZero)
{
    EXPECT_EQ(figuresOf({}).m_samples, 0U);
    EXPECT_DOUBLE_EQ(figuresOf({}).m_max, 0);
}

TEST(LatencyMedian, IsTheMiddleOrTheMeanOfBoth)
{
    std::vector<double> odd{9, 1, 5};
    std::vector<double> even{9, 1, 5, 4};

    EXPECT_DOUBLE_EQ(medianOf(odd), 5);
    EXPECT_DOUBLE_EQ(medianOf(even), 4.5);
    EXPECT_DOUBLE_EQ(medianOf({}), 0);
}

TEST(LatencyDistance, NeedsBothProbesToAgree)
{
    EXPECT_EQ(distanceOf({28, 30}, 35), Distance::Near);
    EXPECT_EQ(distanceOf({140, 150}, 35), Distance::Far);
    EXPECT_EQ(distanceOf({35, 35}, 35), Distance::Far);
    EXPECT_FALSE(distanceOf({34, 36}, 35)) << "on both sides";
    EXPECT_FALSE(distanceOf({28, 140}, 35));
    EXPECT_FALSE(distanceOf({140, 28}, 35));
    EXPECT_FALSE(distanceOf({60, 140}, 35)) << "both far, but not equally";
}

TEST(LatencyPool, TakesMediansOfSlicesAndTheGreatestMax)
{
    Pool pool;
    pool.add(kSpin, Distance::Far, 140, {100, 12, 10, 20, 30, 40});
    pool.add(kSpin, Distance::Far, 142, {200, 14, 12, 90, 31, 4000});
    pool.add(kSpin, Distance::Far, 139, {50, 13, 11, 21, 99, 41});

    const std::vector<Result> results = pool.results();

    ASSERT_EQ(results.size(), 1U);
    EXPECT_EQ(results[0].m_subject, kSpin);
    EXPECT_EQ(results[0].m_slices, 3U);
    EXPECT_DOUBLE_EQ(results[0].m_leastLineNs, 139);
    EXPECT_DOUBLE_EQ(results[0].m_mostLineNs, 142);
    EXPECT_EQ(results[0].m_figures.m_samples, 350U);
    EXPECT_DOUBLE_EQ(results[0].m_figures.m_mid, 13);
    EXPECT_DOUBLE_EQ(results[0].m_figures.m_p50, 11);
    EXPECT_DOUBLE_EQ(results[0].m_figures.m_p99, 21);
    EXPECT_DOUBLE_EQ(results[0].m_figures.m_p999, 31);
    EXPECT_DOUBLE_EQ(results[0].m_figures.m_max, 4000);
}

TEST(LatencyPool, NeverPutsClassesSizesModesOrTouchesTogether)
{
    Pool pool;
    Subject larger = kSpin;
    larger.m_payloadBytes = 4096;
    Subject full = kSpin;
    full.m_touch = Touch::Full;
    pool.add(full, Distance::Far, 140, allEqual(1));
    pool.add(larger, Distance::Far, 140, allEqual(2));
    pool.add(kSpin, Distance::Far, 140, allEqual(3));
    pool.add(kBlocking, Distance::Far, 140, allEqual(4));
    pool.add(kSpin, Distance::Near, 28, allEqual(5));

    std::vector<double> inOrder;
    for (const Result& result : pool.results())
    {
        inOrder.push_back(result.m_figures.m_p50);
    }

    // By touch, payload, class; then as they came.
    EXPECT_EQ(inOrder, (std::vector<double>{5, 3, 4, 2, 1}));
}

TEST(LatencyRatio, IsThatToTheRawHandOverOfTheSameKindAndClass)
{
    Pool pool;
    pool.add(kRawBusy, Distance::Near, 28, allEqual(40));
    pool.add(kRawBusy, Distance::Far, 140, allEqual(160));
    pool.add(kRawBlocking, Distance::Far, 140, allEqual(16'000));
    pool.add(kSpin, Distance::Far, 140, allEqual(200));
    pool.add(kSpin, Distance::Near, 28, allEqual(60));
    pool.add(kBlocking, Distance::Far, 140, allEqual(20'000));
    pool.add(kBlocking, Distance::Near, 28, allEqual(20'000));

    for (const std::vector<Result> results = pool.results(); const Result& result : results)
    {
        const bool isNear = result.m_distance == Distance::Near;
        const double expected = result.m_subject == kSpin       ? (isNear ? 1.5 : 1.25)
                                : result.m_subject == kBlocking ? (isNear ? 0 : 1.25) // no raw one in that class
                                                                : 1;
        EXPECT_DOUBLE_EQ(ratioToRaw(result, results), expected)
            << toString(result.m_subject.m_mode) << ' ' << toString(result.m_distance);
    }
}

} // namespace
} // namespace latency
