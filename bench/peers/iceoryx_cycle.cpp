// One thread, one process: loan + publish + take + release of 64 bytes in ZeroCP and in iceoryx, in turns, so that both
// see the same moments of the machine. Needs a running iox-roudi; scripts/peers.sh starts one and ends it.
//
// Disproved if: the ratio is above one fifth.
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include <unistd.h>

#include <iceoryx_posh/popo/publisher.hpp>
#include <iceoryx_posh/popo/subscriber.hpp>
#include <iceoryx_posh/runtime/posh_runtime.hpp>

#include "zerocp/zerocp.hpp"

namespace
{

using Message = std::array<std::uint64_t, 8>;
using Clock = std::chrono::steady_clock;

constexpr int kRounds = 51;
constexpr int kCycles = 20'000;

/// Nanoseconds of one cycle.
template <typename Cycle>
double timeOf(Cycle&& cycle)
{
    const auto start = Clock::now();
    for (int i = 0; i < kCycles; ++i)
    {
        if (!cycle())
        {
            std::fprintf(stderr, "a cycle failed\n");
            std::exit(1);
        }
    }
    return std::chrono::duration<double, std::nano>(Clock::now() - start).count() / kCycles;
}

double median(std::vector<double> values)
{
    std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2), values.end());
    return values[values.size() / 2];
}

} // namespace

int main()
{
    iox::runtime::PoshRuntime::initRuntime("zerocp-bench");
    iox::popo::Publisher<Message> peerPublisher({"bench", "cycle", "message"});
    iox::popo::Subscriber<Message> peerSubscriber({"bench", "cycle", "message"});

    ZeroCP::NodeOptions options;
    options.domain = 40000 + static_cast<std::uint32_t>(::getpid()) % 10000;
    auto node = ZeroCP::Node::create("bench", options);
    if (!node)
    {
        std::fprintf(stderr, "%s\n", node.error().message().c_str());
        return 1;
    }
    auto publisher = node->createPublisher<Message>("cycle").value();
    auto subscriber = node->createSubscriber<Message>("cycle").value();

    const auto ours = [&]
    {
        auto loan = publisher.loan();
        if (!loan)
        {
            return false;
        }
        (**loan)[0] = 1;
        return publisher.publish(std::move(*loan)).has_value() && subscriber.take().has_value();
    };
    const auto theirs = [&]
    {
        auto loan = peerPublisher.loan();
        if (loan.has_error())
        {
            return false;
        }
        (**loan)[0] = 1;
        loan->publish();
        return !peerSubscriber.take().has_error();
    };
    while (!theirs()) // the daemon connects them in its own time
    {
    }

    std::vector<double> own;
    std::vector<double> peer;
    std::vector<double> ratios;
    for (int i = 0; i < kRounds; ++i)
    {
        own.push_back(timeOf(ours));
        peer.push_back(timeOf(theirs));
        ratios.push_back(own.back() / peer.back());
    }
    std::sort(ratios.begin(), ratios.end());
    std::printf("64 B, one thread, loan + publish + take + release, %d interleaved rounds of %d\n", kRounds, kCycles);
    std::printf("ZeroCP  %7.1f ns\niceoryx %7.1f ns\n", median(own), median(peer));
    std::printf("ratio   %.3f (lowest %.3f, highest %.3f): 1/%.1f\n", median(ratios), ratios.front(), ratios.back(),
                1 / median(ratios));
}
