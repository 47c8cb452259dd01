// N times loan + publish + take + release of 64 bytes, for counting instructions, which repeats exactly where times do
// not: the difference of two counts, divided by the difference of the two N, is one cycle.
//
//     valgrind --tool=callgrind --callgrind-out-file=/dev/null build/release/bench/zerocp_cycle_count 10000
//     valgrind --tool=callgrind --callgrind-out-file=/dev/null build/release/bench/zerocp_cycle_count 20000
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <vector>

#include <unistd.h>

#include "zerocp/zerocp.hpp"

namespace
{

using Message = std::array<std::uint64_t, 8>;

/// A function of its own: what surrounds the loop has no say in how its registers are used.
[[gnu::noinline]] bool repeat(std::uint64_t count, ZeroCP::Publisher<Message>& publisher,
                              std::vector<ZeroCP::Subscriber<Message>>& readers)
{
    for (std::uint64_t i = 0; i < count; ++i)
    {
        auto loan = publisher.loan();
        if (!loan || !publisher.publish(std::move(*loan)))
        {
            return false;
        }
        for (auto& reader : readers)
        {
            if (!reader.take())
            {
                return false;
            }
        }
    }
    return true;
}

bool run(std::uint64_t count, std::size_t subscribers, const ZeroCP::QoS& qos)
{
    auto node = ZeroCP::Node::create(
        "count",
        {.domain = 40000 + static_cast<std::uint32_t>(::getpid()) % 10000, .configFile = {}, .root = {}, .config = {}});
    if (!node)
    {
        std::fprintf(stderr, "%s\n", node.error().message().c_str());
        return false;
    }
    auto publisher = node->createPublisher<Message>("count", qos);
    std::vector<ZeroCP::Subscriber<Message>> readers;
    for (std::size_t i = 0; i < subscribers; ++i)
    {
        readers.push_back(node->createSubscriber<Message>("count", qos).value());
    }
    return publisher && repeat(count, *publisher, readers);
}

} // namespace

int main(int argc, char** argv)
{
    const std::uint64_t count = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 0;
    const std::uint64_t subscribers = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 1;
    const bool keepsAll = argc > 3 && std::string_view(argv[3]) == "keepAll";
    if (count == 0)
    {
        std::fprintf(stderr, "usage: zerocp_cycle_count CYCLES [SUBSCRIBERS [keepAll]]\n");
        return 2;
    }
    return run(count, subscribers, keepsAll ? ZeroCP::QoS{}.keepAll() : ZeroCP::QoS{}) ? 0 : 1;
}
