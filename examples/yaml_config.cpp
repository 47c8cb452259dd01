/// Memory by plan: zerocp.yaml gives two topics one pool set with six large chunks. Shows how full it is before, while and
/// after scans are held, and what loan() answers when it is empty. One process plays both sides.
///
/// Exit code: 0 if the pool ran dry and recovered as planned, also after Ctrl-C; 1 if a call fails, for example because
/// of a mistake in the file; 2 for a wrong option.
#include <zerocp/zerocp.hpp>

#include <array>
#include <cstdio>
#include <filesystem>
#include <vector>

#include "example_support.hpp"

namespace
{

/// 64 008 bytes: only the larger chunks of zerocp.yaml fit.
struct LidarScan
{
    std::uint64_t number;
    std::array<float, 16000> ranges;
};

struct Lidar
{
    ZeroCP::Publisher<LidarScan> publisher;
    ZeroCP::Subscriber<LidarScan> subscriber;
};

/// inspect() works from any process, also from one that is no member of the domain.
int printPools(const ZeroCP::Node& node, const char* when)
{
    const auto snapshot = ZeroCP::inspect(node.domain());
    if (!snapshot)
    {
        return example::fail(snapshot.error().message());
    }
    std::printf("%s\n", when);
    for (const ZeroCP::PoolSetSnapshot& set : snapshot->poolSets)
    {
        for (const ZeroCP::PoolSnapshot& pool : set.pools)
        {
            std::printf("  pool set %s: %6llu bytes x %2u, %2u in use, %2u free\n", set.name.c_str(),
                        static_cast<unsigned long long>(pool.chunkSize), pool.total, pool.total - pool.free, pool.free);
        }
    }
    for (const ZeroCP::HolderSnapshot& holder : snapshot->holders)
    {
        std::printf("  held on %s by %s: %u\n", holder.topic.c_str(), holder.node.c_str(), holder.chunks);
    }
    return example::kSuccess;
}

/// One scan from the publisher to the subscriber, which keeps it in `held`. A loan that fails is the point of this
/// example, everything else is a failure.
ZeroCP::Expected<void, ZeroCP::LoanError> sendAndHold(Lidar& lidar, std::uint64_t number,
                                                      std::vector<ZeroCP::Sample<LidarScan>>& held)
{
    auto loan = lidar.publisher.loan();
    if (!loan)
    {
        return tl::unexpected(loan.error());
    }
    (*loan)->number = number;
    (*loan)->ranges.fill(1.5F);
    const auto sent = lidar.publisher.publish(std::move(*loan));
    auto sample = lidar.subscriber.take(); // same thread: it is there already
    if (!sent || !sample)
    {
        std::fprintf(stderr, "%s: a scan did not arrive\n", lidar.publisher.topic().c_str());
        return {};
    }
    held.push_back(std::move(*sample));
    return {};
}

/// Fills the pool, alternating between the topics. The answer of the loan that failed, or nothing after Ctrl-C.
std::optional<ZeroCP::LoanError> holdUntilExhausted(std::array<Lidar, 2>& lidars,
                                                    std::vector<ZeroCP::Sample<LidarScan>>& held)
{
    for (std::uint64_t number = 0; !example::stopRequested(); ++number)
    {
        if (const auto sent = sendAndHold(lidars[number % lidars.size()], number, held); !sent)
        {
            return sent.error();
        }
    }
    return std::nullopt;
}

} // namespace

int main(int argc, char** argv)
{
    std::string file = std::filesystem::path(__FILE__).replace_filename("zerocp.yaml");
    const auto exitCode = example::parseOptions(argc, argv, "Two topics that share a pool set from a YAML file.",
                                                {{"FILE", &file, "the configuration"}});
    if (exitCode)
    {
        return *exitCode;
    }
    example::stopOnSignals();

    ZeroCP::NodeOptions options;
    options.configFile = file;
    auto node = ZeroCP::Node::create("yaml_config", options);
    if (!node)
    {
        return example::fail(node.error().message()); // file:line, key, what was found, what was expected
    }
    std::array<Lidar, 2> lidars;
    const std::array<const char*, 2> topics{"lidar/front", "lidar/rear"};
    for (std::size_t i = 0; i < lidars.size(); ++i)
    {
        auto publisher = node->createPublisher<LidarScan>(topics[i]); // no QoS: the file's
        auto subscriber = node->createSubscriber<LidarScan>(topics[i]);
        if (!publisher || !subscriber)
        {
            return example::fail((!publisher ? publisher.error() : subscriber.error()).message());
        }
        lidars[i] = {std::move(*publisher), std::move(*subscriber)};
    }

    if (printPools(*node, "before:") != example::kSuccess)
    {
        return example::kFailure;
    }
    std::vector<ZeroCP::Sample<LidarScan>> held;
    const auto answer = holdUntilExhausted(lidars, held);
    if (!answer)
    {
        return example::kSuccess; // Ctrl-C
    }
    std::printf("holding %zu scans, the next loan answers: %s\n", held.size(), std::string(toString(*answer)).c_str());
    const int shown = printPools(*node, "while they are held:");

    held.clear(); // gives the chunks back; the next loan finds them without any further call
    const bool again = lidars[0].publisher.loan().has_value(); // dropped at once, unpublished
    std::printf("after dropping them, the next loan %s\n", again ? "succeeds" : "still fails");
    const int shownAgain = printPools(*node, "after:");
    const bool asPlanned = *answer == ZeroCP::LoanError::PoolExhausted && again && shown + shownAgain == 0;
    return asPlanned ? example::kSuccess : example::kFailure;
}
