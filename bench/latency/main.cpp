// Latency of ZeroCP between two processes, beside raw hand-overs through the same kind of memory; --help says how it is
// measured. scripts/latency.sh builds and runs it.
//
// Disproved if: busy is above 1.3 times the raw hand-over for 64 bytes (two cores), or grows with the message where only
// its ends are touched.
#include "latency/run.hpp"

int main(int argc, char** argv)
{
    return latency::run("zerocp_latency", {argv + 1, argv + argc}, latency::zerocpContestants());
}
