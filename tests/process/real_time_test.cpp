// What a real-time process has to be spared once it runs: docs/real-time.md. That a million messages cost neither a page
// fault nor a system call is checked by zerocp_real_time_check, which is a test of its own.
#include <array>
#include <cstdint>
#include <string>

#include <sys/resource.h>

#include <gtest/gtest.h>

#include "support/child_process.hpp"
#include "support/sanitized.hpp"
#include "support/test_domain.hpp"
#include "zerocp/zerocp.hpp"

namespace ZeroCP::test
{
namespace
{

using Message = std::array<std::uint64_t, 8>;

constexpr std::uint32_t kChunks = 512;
const char* const kTopic = "control/loop";

NodeOptions optionsOf(const TestDomain& domain, const MemoryConfig& memory)
{
    Config config;
    config.domain = domain.number();
    config.pools = {{"fast", {{sizeof(Message), kChunks}}, {}, memory, ""}};
    config.topics = {{kTopic, "fast", {}, ""}};
    return {.domain = domain.number(), .configFile = {}, .root = {}, .config = config};
}

std::uint64_t pageFaults()
{
    rusage usage{};
    EXPECT_EQ(::getrusage(RUSAGE_SELF, &usage), 0);
    return static_cast<std::uint64_t>(usage.ru_minflt + usage.ru_majflt);
}

/// Page faults of the first messages to a subscriber that another process has created while the publisher was running.
std::uint64_t faultsWhenSomebodyJoins(const TestDomain& domain, const MemoryConfig& memory)
{
    // Forked first: a fork makes its parent pay for every page that it writes next.
    ChildProcess guest(
        [&](Peer& parent)
        {
            parent.pause();
            Node own = Node::create("guest", optionsOf(domain, memory)).value();
            auto subscriber = own.createSubscriber<Message>(kTopic, QoS{}.keepLast(256)).value();
            parent.tell("joined");
            parent.pause();
            std::uint64_t taken = 0;
            while (subscriber.take())
            {
                ++taken;
            }
            parent.tell("took " + std::to_string(taken));
            return true;
        });
    Node node = Node::create("loop", optionsOf(domain, memory)).value();
    auto publisher = node.createPublisher<Message>(kTopic).value();
    auto listener = node.createSubscriber<Message>(kTopic, QoS{}.keepLast(4)).value();
    const auto sendAndTake = [&](int count)
    {
        bool good = true;
        for (int i = 0; i < count; ++i)
        {
            good &= publisher.publishCopy({}).has_value() && listener.take().has_value();
        }
        return good;
    };
    EXPECT_TRUE(sendAndTake(100));
    guest.tell("join");
    EXPECT_EQ(guest.hear(), "joined");

    const std::uint64_t before = pageFaults();
    const bool good = sendAndTake(200); // what the guest does not take needs chunks that were not used so far
    const std::uint64_t faults = pageFaults() - before;

    EXPECT_TRUE(good);
    guest.tell("take");
    EXPECT_EQ(guest.hear(), "took 200");
    EXPECT_TRUE(guest.wait().succeeded());
    return faults;
}

TEST(RealTime, APublisherOfAPrefaultedSetTakesNoPageFaultWhenASubscriberJoins)
{
    if (kSanitized)
    {
        GTEST_SKIP() << "a sanitizer has pages of its own";
    }
    const TestDomain domain;

    EXPECT_EQ(faultsWhenSomebodyJoins(domain, {.prefault = true, .lock = false, .hugePages = false, .numaNode = {}}),
              0U);
}

TEST(RealTime, APublisherOfAnotherSetDoesTakeSome)
{
    const TestDomain domain;

    EXPECT_GT(faultsWhenSomebodyJoins(domain, {}), 0U); // else the test above would see nothing
}

} // namespace
} // namespace ZeroCP::test
