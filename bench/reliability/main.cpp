// Measures what ZeroCP promises for deaths and overload, prints a table, and fails if a bound does not hold.
// scripts/reliability.sh runs it; --help says what each measurement does.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "measurements.hpp"

namespace
{

using namespace reliability;

struct Measurement
{
    const char* m_name;
    const char* m_help;
    void (*m_run)(const Setting&, Table&);
};

constexpr Measurement kMeasurements[] = {
    {"recovery-time", "a process dies with 100 of 10,000 chunks: recover() under 10 ms, everything free again",
     measureRecoveryTime},
    {"big-domain",
     "200 processes, 1,000 topics: recovery of one dead process under 100 ms, p99 of a witness pair at 1 kHz (its\n"
     "                     subscriber busy, then waiting) within 2 x of that without recovery; joining, creating, "
     "idling",
     measureBigDomain},
    {"exhausted-pool", "an exhausted pool: the error within 10 us, and one release makes loan() work again",
     measureExhaustedPool},
    {"stopped-subscriber",
     "a subscriber is stopped: publisher's p99 within 2 x of before, missed count exact, the newest messages valid\n"
     "                     when it goes on (5 s, --long: 60 s)",
     measureStoppedSubscriber},
    {"many-pairs",
     "16 publishers x 64 subscribers saturated: sent == received + missed for every pair (5 s, --long: 60 s)",
     measureManyPairs},
    {"real-time-spinner",
     "a SCHED_FIFO process spins and makes control calls on the CPU of ordinary ones: no deadlock, and traffic goes on",
     measureRealTimeSpinner},
};

void printHelp()
{
    std::printf("usage: zerocp_reliability ROOT [--long] [NAME...]\n\n"
                "ROOT is an empty directory on a tmpfs. Without a NAME all is measured.\n\n");
    for (const Measurement& measurement : kMeasurements)
    {
        std::printf("  %-18s %s\n", measurement.m_name, measurement.m_help);
    }
}

} // namespace

int main(int argc, char** argv)
{
    const std::vector<std::string_view> arguments(argv + 1, argv + argc);
    if (arguments.empty() || arguments[0] == "--help")
    {
        printHelp();
        return arguments.empty() ? 2 : 0;
    }
    ::setenv("ZEROCP_LOG", "error", 0); // deaths are no news here
    Setting setting;
    setting.m_root = arguments[0];
    std::vector<std::string_view> names(arguments.begin() + 1, arguments.end());
    if (std::erase(names, "--long") != 0)
    {
        setting.m_overloadTime = std::chrono::seconds(60);
    }
    for (const std::string_view name : names)
    {
        if (std::none_of(std::begin(kMeasurements), std::end(kMeasurements),
                         [name](const Measurement& measurement) { return measurement.m_name == name; }))
        {
            std::fprintf(stderr, "no measurement is called '%.*s'; see --help\n", static_cast<int>(name.size()),
                         name.data());
            return 2;
        }
    }
    Table table;
    for (const Measurement& measurement : kMeasurements)
    {
        if (names.empty() || std::find(names.begin(), names.end(), measurement.m_name) != names.end())
        {
            measurement.m_run(setting, table);
        }
    }
    std::error_code ignored;
    const bool clean = std::filesystem::is_empty(setting.m_root, ignored);
    table.check("nothing is left in the directory of the segments", clean ? "yes" : "no", "yes", clean);
    return table.hasFailed() ? 1 : 0;
}
