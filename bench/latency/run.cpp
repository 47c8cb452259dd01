#include "latency/run.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include <unistd.h>

#include "latency/clock.hpp"
#include "latency/cpus.hpp"
#include "latency/crew.hpp"
#include "latency/options.hpp"
#include "latency/report.hpp"
#include "latency/slice.hpp"
#include "zerocp/zerocp.hpp"

namespace latency
{

namespace
{

constexpr double kMostSpread = 1.5; ///< of cache-line times within a class; beyond, CPUs were at other places
constexpr int kAttempts = 3;        ///< of a slice, until the CPUs stay where they are

using File = std::unique_ptr<std::FILE, int (*)(std::FILE*)>;

/// Raw ones that somebody is compared with, then those in the modes that are wanted.
std::vector<Contestant> chosenOf(std::span<const Contestant> contestants, const Options& options)
{
    const auto isWanted = [&](const Contestant& contestant)
    { return std::find(options.m_modes.begin(), options.m_modes.end(), contestant.m_mode) != options.m_modes.end(); };
    std::vector<Contestant> chosen;
    for (const Contestant& raw : rawContestants())
    {
        if (std::any_of(options.m_modes.begin(), options.m_modes.end(),
                        [&](Mode mode) { return rawModeFor(mode) == raw.m_mode; }))
        {
            chosen.push_back(raw);
        }
    }
    std::copy_if(contestants.begin(), contestants.end(), std::back_inserter(chosen), isWanted);
    return chosen;
}

/// A few attempts at one slice; those across two classes are counted and forgotten.
tl::expected<void, Failure> addSlice(const Arena& arena, const Contestant& contestant, std::uint64_t payloadBytes,
                                     Pool& pool, std::uint64_t& dropped)
{
    const Options& options = *arena.m_options;
    for (int attempt = 0; attempt < kAttempts; ++attempt)
    {
        const auto slice = measureSlice(arena, contestant, payloadBytes);
        if (!slice)
        {
            return tl::unexpected(slice.error());
        }
        if (const auto distance = distanceOf(slice->m_lineNs, static_cast<double>(options.m_nearBelowNs)))
        {
            pool.add({contestant.m_system, contestant.m_mode, payloadBytes, options.m_touch}, *distance,
                     (slice->m_lineNs[0] + slice->m_lineNs[1]) / 2, slice->m_figures);
            return {};
        }
        ++dropped;
    }
    return {};
}

/// All take turns: A B C A B C, so that all see the same moments of the machine.
tl::expected<std::uint64_t, Failure> measureAll(const Arena& arena, std::span<const Contestant> chosen, Pool& pool)
{
    std::uint64_t dropped = 0;
    for (std::uint64_t repeat = 0; repeat < arena.m_options->m_repeats; ++repeat)
    {
        for (const std::uint64_t payloadBytes : arena.m_options->m_payloads)
        {
            for (const Contestant& contestant : chosen)
            {
                if (const auto added = addSlice(arena, contestant, payloadBytes, pool, dropped); !added)
                {
                    return tl::unexpected(added.error());
                }
            }
        }
    }
    return dropped;
}

int fail(std::string_view program, const Failure& failure)
{
    std::fprintf(stderr, "%s: %s\n", program.data(), failure.m_sentence.c_str());
    return failure.m_exitCode;
}

/// Prints the table, and writes `json` if there is one.
tl::expected<void, Failure> report(const Circumstances& circumstances, const Pool& pool, const Options& options,
                                   std::FILE* json)
{
    const std::vector<Result> results = pool.results();
    std::printf("%s", tableOf(results).c_str());
    if (circumstances.m_droppedSlices != 0)
    {
        std::printf("%llu slices were dropped: the host moved a CPU meanwhile\n",
                    static_cast<unsigned long long>(circumstances.m_droppedSlices));
    }
    if (std::any_of(results.begin(), results.end(),
                    [](const Result& result) { return result.m_mostLineNs > kMostSpread * result.m_leastLineNs; }))
    {
        std::printf(
            "within a class the time of a cache line changed much between slices: ratios of those rows say little, "
            "measure again\n");
    }
    if (json != nullptr && (std::fputs(jsonOf(circumstances, results).c_str(), json) == EOF || std::fflush(json) != 0))
    {
        return tl::unexpected(Failure{options.m_jsonFile + " could not be written: " + std::strerror(errno)});
    }
    return {};
}

int measureAndReport(const Arena& arena, std::span<const Contestant> contestants, std::FILE* json)
{
    const Options& options = *arena.m_options;
    const double clockNs = clockReadNs();
    std::printf("one way between CPU %d and CPU %d, %llu interleaved repeats%s; reading the clock takes %.0f ns\n",
                arena.m_cpus[0], arena.m_cpus[1], static_cast<unsigned long long>(options.m_repeats),
                options.m_keepsAwake ? ", kept awake where a receiver may sleep" : "", clockNs);
    std::fflush(stdout);
    ::setenv("ZEROCP_LOG", "error", 0); // who is killed here is no news
    holdSignals();
    Pool pool;
    const auto dropped = measureAll(arena, chosenOf(contestants, options), pool);
    if (!dropped)
    {
        // Processes that were killed have left their domain to whoever looks next.
        static_cast<void>(ZeroCP::recover(arena.m_domain));
        return fail(arena.m_program, dropped.error());
    }
    const auto reported = report({arena.m_cpus, options.m_keepsAwake, clockNs, *dropped}, pool, options, json);
    return reported ? 0 : fail(arena.m_program, reported.error());
}

} // namespace

int run(std::string_view program, std::span<const char* const> arguments, std::span<const Contestant> contestants)
{
    const auto options = parseOptions(arguments);
    if (!options)
    {
        return fail(program, {options.error(), 2});
    }
    if (options->m_wantsHelp)
    {
        std::printf("%s", helpText(program).c_str());
        return 0;
    }
    const std::vector<int> cpus = allowedCpus();
    if (cpus.size() < 2)
    {
        return fail(program, {"needs two CPUs, one for each process, and may use " + std::to_string(cpus.size()) +
                              " (sched_getaffinity; see taskset)"});
    }
    const File json(options->m_jsonFile.empty() ? nullptr : std::fopen(options->m_jsonFile.c_str(), "we"),
                    &std::fclose);
    if (!options->m_jsonFile.empty() && json == nullptr)
    {
        return fail(program, {options->m_jsonFile + " cannot be written: " + std::strerror(errno)});
    }
    const Arena arena{program, &*options, {cpus[0], cpus[1]}, 40000 + static_cast<std::uint32_t>(::getpid()) % 10000};
    return measureAndReport(arena, contestants, json.get());
}

} // namespace latency
