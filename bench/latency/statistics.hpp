/// From round trips to figures, and from the figures of slices to those of a table.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
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
    double m_mid{0}; ///< mean of the middle half: as robust as p50 and finer, for a clock may go in steps of 10 ns
    double m_p50{0};
    double m_p99{0};
    double m_p999{0};
    double m_max{0};
};

/// Half of each round trip, nearest rank. Sorts. All 0 if there are none.
[[nodiscard]] Figures figuresOf(std::span<std::int64_t> roundTripNs);

/// The middle, or the mean of both; 0 if there are none. Sorts.
[[nodiscard]] double medianOf(std::span<double> values);

/// Where two CPUs are to each other.
enum class Distance : std::uint8_t
{
    Near, ///< threads of one core
    Far,
};

/// By the times of one cache line one way before and after a slice. Nothing if they disagree: they are on both sides of
/// `nearBelowNs`, or one is more than 1.3 times the other.
[[nodiscard]] std::optional<Distance> distanceOf(const std::array<double, 2>& lineNs, double nearBelowNs) noexcept;

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
    double m_leastLineNs; ///< one cache line one way, in the slice where it took least
    double m_mostLineNs;
    Figures m_figures; ///< medians over the slices' own figures, the greatest max, samples of all
};

/// The slices that count.
class Pool
{
  public:
    void add(const Subject& subject, Distance distance, double lineNs, const Figures& figures);

    /// By touch, payload and class; within these as the subjects first came.
    [[nodiscard]] std::vector<Result> results() const;

  private:
    struct Group
    {
        Subject m_subject;
        Distance m_distance;
        double m_leastLineNs;
        double m_mostLineNs;
        std::vector<Figures> m_slices;
    };

    std::vector<Group> m_groups;
};

/// The middle of `result` over the middle of the raw hand-over that it is compared with; 0 if that was not measured in its class.
[[nodiscard]] double ratioToRaw(const Result& result, std::span<const Result> all);

} // namespace latency
