#include "latency/report.hpp"

#include <cinttypes>
#include <cstdarg>
#include <cstdio>
#include <string_view>

namespace latency
{

namespace
{

/// Appends as printf would print; a line at most.
[[gnu::format(printf, 2, 3)]] void append(std::string& text, const char* format, ...)
{
    char line[512];
    std::va_list values;
    va_start(values, format);
    std::vsnprintf(line, sizeof line, format, values);
    va_end(values);
    text += line;
}

/// As people write it: 64, 4K, 16M.
std::string sizeOf(std::uint64_t bytes)
{
    const bool isMebi = bytes % (1U << 20) == 0;
    const bool isKibi = bytes % (1U << 10) == 0;
    return isMebi   ? std::to_string(bytes >> 20) + "M"
           : isKibi ? std::to_string(bytes >> 10) + "K"
                    : std::to_string(bytes);
}

void appendRow(std::string& text, const Result& result, double ratio)
{
    const Subject& subject = result.m_subject;
    const Figures& figures = result.m_figures;
    append(text, "%-8s %-9s %8s %-5s %-5s %3.0f-%-3.0f %6" PRIu64 " %9" PRIu64 " %10.1f %10.1f %10.0f %10.0f %10.0f",
           subject.m_system.data(), toString(subject.m_mode).data(), sizeOf(subject.m_payloadBytes).c_str(),
           toString(subject.m_touch).data(), toString(result.m_distance).data(), result.m_leastLineNs,
           result.m_mostLineNs, result.m_slices, figures.m_samples, figures.m_mid, figures.m_p50, figures.m_p99,
           figures.m_p999, figures.m_max);
    if (ratio > 0)
    {
        append(text, " %6.2f\n", ratio);
    }
    else
    {
        append(text, " %6s\n", "-");
    }
}

void appendEntry(std::string& text, const Result& result)
{
    const Subject& subject = result.m_subject;
    const Figures& figures = result.m_figures;
    append(text,
           "    {\"system\": \"%s\", \"mode\": \"%s\", \"payload\": %" PRIu64 ", \"touch\": \"%s\", \"class\": \"%s\", "
           "\"line_min_ns\": %.1f, \"line_max_ns\": %.1f, \"slices\": %" PRIu64 ", \"samples\": %" PRIu64 ", ",
           subject.m_system.data(), toString(subject.m_mode).data(), subject.m_payloadBytes,
           toString(subject.m_touch).data(), toString(result.m_distance).data(), result.m_leastLineNs,
           result.m_mostLineNs, result.m_slices, figures.m_samples);
    append(text, "\"mid_ns\": %.1f, \"p50_ns\": %.1f, \"p99_ns\": %.1f, \"p999_ns\": %.1f, \"max_ns\": %.1f}",
           figures.m_mid, figures.m_p50, figures.m_p99, figures.m_p999, figures.m_max);
}

} // namespace

std::string tableOf(std::span<const Result> results)
{
    std::string text;
    append(text, "%-8s %-9s %8s %-5s %-5s %7s %6s %9s %10s %10s %10s %10s %10s %6s\n", "system", "mode", "payload",
           "touch", "class", "line ns", "slices", "samples", "mid ns", "p50 ns", "p99 ns", "p99.9 ns", "max ns",
           "x raw");
    for (const Result& result : results)
    {
        appendRow(text, result, ratioToRaw(result, results));
    }
    return text;
}

std::string jsonOf(const Circumstances& circumstances, std::span<const Result> results)
{
    std::string text = "{\n  \"results\": [";
    for (const Result& result : results)
    {
        text += &result == results.data() ? "\n" : ",\n";
        appendEntry(text, result);
    }
    append(text,
           "\n  ],\n  \"cpus\": [%d, %d],\n  \"kept_awake\": %s,\n  \"clock_read_ns\": %.1f,\n  \"dropped_slices\": "
           "%" PRIu64 "\n}\n",
           circumstances.m_cpus[0], circumstances.m_cpus[1], circumstances.m_keptAwake ? "true" : "false",
           circumstances.m_clockReadNs, circumstances.m_droppedSlices);
    return text;
}

} // namespace latency
