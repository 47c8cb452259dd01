/// Times, medians and percentiles, and how they are written.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

namespace reliability
{

inline constexpr int kRepeats = 5;

/// CLOCK_MONOTONIC, as the times of messages.
inline std::int64_t nowNs()
{
    return std::chrono::steady_clock::now().time_since_epoch().count();
}

/// Nanoseconds that `action` takes.
template <typename Action>
double timeOf(Action&& action)
{
    const std::int64_t start = nowNs();
    action();
    return static_cast<double>(nowNs() - start);
}

/// The value below which `share` of all lie; 0 if there are none.
inline double quantile(std::vector<double> values, double share)
{
    if (values.empty())
    {
        return 0;
    }
    const auto at = static_cast<std::size_t>(share * static_cast<double>(values.size() - 1));
    std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(at), values.end());
    return values[at];
}

inline double median(std::vector<double> values)
{
    return quantile(std::move(values), 0.5);
}

inline double largest(const std::vector<double>& values)
{
    return values.empty() ? 0 : *std::max_element(values.begin(), values.end());
}

inline std::string number(double value, const char* unit)
{
    char text[64];
    std::snprintf(text, sizeof text, "%.*f %s", value < 10 ? 2 : value < 100 ? 1 : 0, value, unit);
    return text;
}

/// A time in the unit that people would use.
inline std::string time(double nanos)
{
    return nanos < 1e3 ? number(nanos, "ns") : nanos < 1e6 ? number(nanos * 1e-3, "us") : number(nanos * 1e-6, "ms");
}

inline std::string medianAndMost(const std::vector<double>& nanos)
{
    return "median " + time(median(nanos)) + ", most " + time(largest(nanos));
}

} // namespace reliability
