#include <zerocp/zerocp.hpp>
#include <cstdio>

struct Pose { double x, y, heading; };   // trivially copyable, standard layout, no pointers

int main()
{
    auto node = ZeroCP::Node::create("driver");
    if (!node) { std::fprintf(stderr, "%s\n", node.error().message().c_str()); return 1; }
    auto publisher = node->createPublisher<Pose>("robot/pose");
    auto subscriber = node->createSubscriber<Pose>("robot/pose");
    if (!publisher || !subscriber) { return 1; }

    auto loan = publisher->loan();                      // uninitialised memory in the data segment
    if (!loan) { return 1; }
    **loan = Pose{1.0, 2.0, 3.0};
    if (!publisher->publish(std::move(*loan))) { return 1; }

    auto sample = subscriber->take();
    if (!sample) { return 1; }
    std::printf("%llu: %g %g\n", static_cast<unsigned long long>(sample->info().sequence), (*sample)->x, (*sample)->y);
}
