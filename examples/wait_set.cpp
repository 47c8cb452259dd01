/// One thread that sleeps for everything at once: two topics, a timer, and Ctrl-C, which arrives as a user event. It
/// publishes to itself; `talker --topic greetings` adds to what it hears.
///
/// Exit code: 0 after Ctrl-C, 1 if something failed, 2 for a wrong option.
#include <zerocp/zerocp.hpp>

#include <cstdio>

#include "example_support.hpp"
#include "text_message.hpp"

namespace
{

struct Temperature
{
    double celsius;
};

/// What wait() answers.
enum Id : std::uint64_t
{
    kStop,
    kTick,
    kTemperature,
    kGreeting,
};

/// Made before the handler is installed. trigger() may be called from a signal handler.
const ZeroCP::UserEvent* g_stopEvent = nullptr;

void stopOnSignal(const ZeroCP::UserEvent& event)
{
    g_stopEvent = &event;
    for (const int number : {SIGINT, SIGTERM})
    {
        std::signal(number, [](int) { g_stopEvent->trigger(); });
    }
    std::setvbuf(stdout, nullptr, _IOLBF, 0);
}

/// Fails if one of them does.
bool attachAll(ZeroCP::WaitSet& set, const ZeroCP::UserEvent& stop, const ZeroCP::Timer& timer,
               ZeroCP::Subscriber<Temperature>& temperatures, ZeroCP::Subscriber<example::TextMessage>& greetings)
{
    return set.attach(stop, kStop) && set.attach(timer, kTick) && set.attach(temperatures, kTemperature) &&
           set.attach(greetings, kGreeting);
}

} // namespace

int main(int argc, char** argv)
{
    std::uint32_t period = 500;
    const auto exitCode = example::parseOptions(argc, argv, "Waits for two topics, a timer and Ctrl-C at once.",
                                                {{"--period", &period, "milliseconds between two ticks", 1}});
    if (exitCode)
    {
        return *exitCode;
    }
    const ZeroCP::UserEvent stop;
    stopOnSignal(stop);

    auto node = ZeroCP::Node::create("wait_set");
    if (!node)
    {
        return example::fail(node.error().message());
    }
    auto publisher = node->createPublisher<Temperature>("temperature");
    auto temperatures = node->createSubscriber<Temperature>("temperature");
    auto greetings = node->createSubscriber<example::TextMessage>("greetings");
    const auto timer = node->createTimer(std::chrono::milliseconds(period));
    auto set = ZeroCP::WaitSet::create(*node);
    if (!publisher || !temperatures || !greetings || !timer || !set ||
        !attachAll(*set, stop, *timer, *temperatures, *greetings))
    {
        return example::fail("cannot create publisher, subscribers, timer and wait set");
    }
    std::printf("waiting\n");

    for (std::uint64_t ticks = 0;;)
    {
        // Sleeps until something is ready. A subscriber is ready as long as it has something to take.
        for (const std::uint64_t id : set->wait(std::chrono::nanoseconds(-1)))
        {
            switch (id)
            {
            case kStop: std::printf("stopped after %llu ticks\n", static_cast<unsigned long long>(ticks)); return 0;
            case kTick: static_cast<void>(publisher->publishCopy({20.0 + 0.1 * static_cast<double>(++ticks)})); break;
            case kTemperature:
                if (const auto sample = temperatures->take())
                {
                    std::printf("temperature %.1f\n", (*sample)->celsius);
                }
                break;
            default:
                if (const auto sample = greetings->take())
                {
                    std::printf("heard a greeting of publisher %llu\n",
                                static_cast<unsigned long long>(sample->info().publisherId));
                }
            }
        }
    }
}
