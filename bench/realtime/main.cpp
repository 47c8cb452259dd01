// What a message costs a real-time process after the warm-up: page faults, system calls, allocations. With --times, how long
// a publish and a take last.
//
//     build/release/bench/zerocp_real_time_check                # a configured pool set with prefault and lock
//     build/release/bench/zerocp_real_time_check --automatic    # the pool set that a topic gets without configuration
//     build/release/bench/zerocp_real_time_check --times
#include <algorithm>
#include <string_view>
#include <vector>

#include "check.hpp"

int main(int argc, char** argv)
{
    std::vector<std::string_view> arguments(argv + 1, argv + argc);
    const bool automatic = std::erase(arguments, "--automatic") != 0;
    const bool times = std::erase(arguments, "--times") != 0;
    if (!arguments.empty())
    {
        std::fprintf(stderr, "usage: zerocp_real_time_check [--automatic] [--times]\n");
        return 2;
    }
    const auto pools = automatic ? realtime::Pools::Automatic : realtime::Pools::Prefaulted;
    return (times ? realtime::printTimes(pools) : realtime::checkCosts(pools)) ? 0 : 1;
}
