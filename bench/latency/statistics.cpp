#include "latency/statistics.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <tuple>

namespace latency
{

namespace
{

/// The smallest that `share` of all do not exceed.
double nearestRank(std::span<const std::int64_t> sorted, double share)
{
    const auto rank = static_cast<std::size_t>(std::ceil(share * static_cast<double>(sorted.size())));
    return static_cast<double>(sorted[std::max<std::size_t>(rank, 1) - 1]);
}

double medianOf(std::span<const Figures> slices, double Figures::*figure)
{
    std::vector<double> values;
    for (const Figures& slice : slices)
    {
        values.push_back(slice.*figure);
    }
    return latency::medianOf(values);
}

/// The mean without the quickest quarter and the slowest.
double midOf(std::span<const std::int64_t> sorted)
{
    const std::size_t quarter = sorted.size() / 4;
    const auto kept = sorted.subspan(quarter, sorted.size() - 2 * quarter);
    return static_cast<double>(std::accumulate(kept.begin(), kept.end(), std::int64_t{0})) /
           static_cast<double>(kept.size());
}

Figures together(std::span<const Figures> slices)
{
    Figures all;
    for (const Figures& slice : slices)
    {
        all.m_samples += slice.m_samples;
        all.m_max = std::max(all.m_max, slice.m_max);
    }
    all.m_mid = medianOf(slices, &Figures::m_mid);
    all.m_p50 = medianOf(slices, &Figures::m_p50);
    all.m_p99 = medianOf(slices, &Figures::m_p99);
    all.m_p999 = medianOf(slices, &Figures::m_p999);
    return all;
}

} // namespace

Figures figuresOf(std::span<std::int64_t> roundTripNs)
{
    if (roundTripNs.empty())
    {
        return {};
    }
    std::sort(roundTripNs.begin(), roundTripNs.end());
    const auto oneWay = [roundTripNs](double share) { return nearestRank(roundTripNs, share) / 2; };
    return {roundTripNs.size(), midOf(roundTripNs) / 2, oneWay(0.5), oneWay(0.99), oneWay(0.999), oneWay(1)};
}

double medianOf(std::span<double> values)
{
    if (values.empty())
    {
        return 0;
    }
    std::sort(values.begin(), values.end());
    const std::size_t middle = values.size() / 2;
    return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

std::optional<Distance> distanceOf(const std::array<double, 2>& lineNs, double nearBelowNs) noexcept
{
    const auto [less, more] = std::minmax(lineNs[0], lineNs[1]);
    if ((less < nearBelowNs) != (more < nearBelowNs) || more > 1.3 * less)
    {
        return std::nullopt;
    }
    return less < nearBelowNs ? Distance::Near : Distance::Far;
}

void Pool::add(const Subject& subject, Distance distance, double lineNs, const Figures& figures)
{
    auto group =
        std::find_if(m_groups.begin(), m_groups.end(),
                     [&](const Group& other) { return other.m_subject == subject && other.m_distance == distance; });
    if (group == m_groups.end())
    {
        group = m_groups.insert(group, Group{subject, distance, lineNs, lineNs, {}});
    }
    group->m_leastLineNs = std::min(group->m_leastLineNs, lineNs);
    group->m_mostLineNs = std::max(group->m_mostLineNs, lineNs);
    group->m_slices.push_back(figures);
}

std::vector<Result> Pool::results() const
{
    std::vector<Result> results;
    for (const Group& group : m_groups)
    {
        results.push_back({group.m_subject, group.m_distance, group.m_slices.size(), group.m_leastLineNs,
                           group.m_mostLineNs, together(group.m_slices)});
    }
    const auto place = [](const Result& result)
    { return std::tuple(result.m_subject.m_touch, result.m_subject.m_payloadBytes, result.m_distance); };
    std::stable_sort(results.begin(), results.end(),
                     [&](const Result& left, const Result& right) { return place(left) < place(right); });
    return results;
}

double ratioToRaw(const Result& result, std::span<const Result> all)
{
    Subject raw = result.m_subject;
    raw.m_system = kRaw;
    raw.m_mode = rawModeFor(raw.m_mode);
    const auto base = std::find_if(all.begin(), all.end(),
                                   [&](const Result& other)
                                   { return other.m_subject == raw && other.m_distance == result.m_distance; });
    return base == all.end() || base->m_figures.m_mid <= 0 ? 0 : result.m_figures.m_mid / base->m_figures.m_mid;
}

} // namespace latency
