// The same as zerocp_latency, with iceoryx taking its turns. Needs a running iox-roudi; scripts/peers.sh starts one and ends
// it.
#include <vector>

#include "latency/run.hpp"

int main(int argc, char** argv)
{
    std::vector<latency::Contestant> all;
    for (const auto contestants : {latency::zerocpContestants(), latency::iceoryxContestants()})
    {
        all.insert(all.end(), contestants.begin(), contestants.end());
    }
    return latency::run("zerocp_latency_peers", {argv + 1, argv + argc}, all);
}
