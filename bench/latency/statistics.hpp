/// From round trips to figures, and from the figures of slices to those of a table.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "latency/subject.hpp"

namespace latency
{

/// One way in nanoseconds, of one slice or of several.
struct Figures
{
    std::uint64_t m_samples{0};
    double m_p50{0};
    double m_p99{0};
    double m_p999{0};
    double m_max{0};
};

/// Half of each round trip, nearest rank. Sorts. All 0 if there are none.
[[nodiscard]] Figures figuresOf(std::span<std::int64_t> roundTripNs);

/// The middle, or the mean of both; 0 if there are none. Sorts.
[[nodiscard]] double medianOf(std::span<double> values);

/// Where two CPUs are to each other, by the time of one cache line one way.
enum class Distance : std::uint8_t
{
    Near, ///< threads of one core
    Far,
};

inline constexpr double kNearBelowNs = 60;

[[nodiscard]] constexpr Distance distanceOf(double lineNs) noexcept
{
    return lineNs < kNearBelowNs ? Distance::Near : Distance::Far;
}

[[nodiscard]] constexpr std::string_view toString(Distance distance) noexcept
{
    return distance == Distance::Near ? "near" : "far";
}

/// All slices of one subject and class.
struct Result
{
    Subject m_subject;
    Distance m_distance;
    std::uint64_t m_slices;
    Figures m_figures; ///< medians over the slices' percentiles, the greatest max, samples of all
};

/// The slices that count.
class Pool
{
  public:
    void add(const Subject& subject, Distance distance, const Figures& figures);

    /// By touch, payload and class; within these as the subjects first came.
    [[nodiscard]] std::vector<Result> results() const;

  private:
    struct Group
    {
        Subject m_subject;
        Distance m_distance;
        std::vector<Figures> m_slices;
    };

    std::vector<Group> m_groups;
};

/// p50 of `result` over p50 of the raw hand-over that it is compared with; 0 if that was not measured in its class.
[[nodiscard]] double ratioToRaw(const Result& result, std::span<const Result> all);

} // namespace latency
