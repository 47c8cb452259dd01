/// Scans of a lidar, each with as many points as there were echoes. `lidar talker` publishes them, `lidar listener` reads
/// them where they were written.
///
/// Exit code: 0 after --count scans or Ctrl-C, 1 if something failed, 2 for a wrong option.
#include <zerocp/zerocp.hpp>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <span>
#include <thread>

#include "example_support.hpp"

namespace
{

struct Point
{
    float x, y, z;
    float intensity;
};

using Scan = ZeroCP::Slice<Point>;

constexpr const char* kTopic = "lidar/points";

/// Between 1,000 and 3,000.
std::size_t pointsOf(std::uint32_t scan)
{
    return static_cast<std::size_t>(2000.0 + 1000.0 * std::sin(static_cast<double>(scan)));
}

void fill(std::span<Point> points)
{
    for (std::size_t i = 0; i < points.size(); ++i)
    {
        const float angle = 6.2831853F * static_cast<float>(i) / static_cast<float>(points.size());
        points[i] = {10.0F * std::cos(angle), 10.0F * std::sin(angle), 0.0F, 1.0F};
    }
}

int talk(ZeroCP::Node& node, std::uint32_t count, std::uint32_t rate)
{
    auto publisher = node.createPublisher<Scan>(kTopic);
    if (!publisher)
    {
        return example::fail(publisher.error().message());
    }
    std::printf("scanning\n");
    auto next = std::chrono::steady_clock::now();
    for (std::uint32_t scan = 1; (count == 0 || scan <= count) && !example::stopRequested(); ++scan)
    {
        auto loan = publisher->loan(pointsOf(scan)); // memory for so many points, in the data segment
        if (!loan)
        {
            return example::fail("loan: " + std::string(toString(loan.error())));
        }
        fill(loan->get());
        const std::size_t points = loan->get().size();
        if (auto sent = publisher->publish(std::move(*loan)); !sent)
        {
            return example::fail("publish: " + std::string(toString(sent.error())));
        }
        std::printf("scan %u: %zu points\n", scan, points);
        std::this_thread::sleep_until(next += std::chrono::nanoseconds(1'000'000'000 / rate));
    }
    return example::kSuccess;
}

int listen(ZeroCP::Node& node, std::uint32_t count)
{
    auto subscriber = node.createSubscriber<Scan>(kTopic);
    if (!subscriber)
    {
        return example::fail(subscriber.error().message());
    }
    std::printf("listening\n");
    std::uint32_t scans = 0;
    std::uint64_t points = 0;
    while ((count == 0 || scans < count) && !example::stopRequested())
    {
        const auto sample = subscriber->wait(example::kPatience);
        if (!sample && sample.error() == ZeroCP::TakeError::Timeout)
        {
            continue;
        }
        if (!sample)
        {
            return example::fail("wait: " + std::string(toString(sample.error())));
        }
        const std::span<const Point> scan = sample->get(); // in place
        float farthest = 0;
        for (const Point& point : scan)
        {
            farthest = std::max(farthest, std::hypot(point.x, point.y, point.z));
        }
        std::printf("scan %u: %zu points, the farthest at %.1f m\n", ++scans, scan.size(),
                    static_cast<double>(farthest));
        points += scan.size();
    }
    std::printf("received %u scans, %llu points, missed %llu\n", scans, static_cast<unsigned long long>(points),
                static_cast<unsigned long long>(subscriber->missed()));
    return example::kSuccess;
}

} // namespace

int main(int argc, char** argv)
{
    std::string mode = "listener";
    std::uint32_t count = 0;
    std::uint32_t rate = 10;
    const auto exitCode = example::parseOptions(argc, argv, "Publishes or receives scans of varying length.",
                                                {{"mode", &mode, "talker or listener"},
                                                 {"--count", &count, "scans; 0: until Ctrl-C"},
                                                 {"--rate", &rate, "scans a second", 1, 10'000}});
    if (exitCode)
    {
        return *exitCode;
    }
    if (mode != "talker" && mode != "listener")
    {
        std::fprintf(stderr, "lidar: found mode '%s', expected talker or listener\n", mode.c_str());
        return example::kWrongUsage;
    }
    example::stopOnSignals();

    auto node = ZeroCP::Node::create("lidar_" + mode);
    if (!node)
    {
        return example::fail(node.error().message());
    }
    return mode == "talker" ? talk(*node, count, rate) : listen(*node, count);
}
