/// A topic in an event loop that is not ZeroCP's: one epoll instance for a subscriber, a timer, Ctrl-C, and lines typed on
/// stdin, which are published. It hears itself; `talker --topic greetings` adds to what it hears.
///
/// Exit code: 0 after Ctrl-C, 1 if something failed, 2 for a wrong option.
#include <zerocp/zerocp.hpp>

#include <algorithm>
#include <cstdio>
#include <string_view>

#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "example_support.hpp"
#include "text_message.hpp"

namespace
{

/// What epoll_wait() answers.
enum Source : std::uint32_t
{
    kStop,
    kTick,
    kLine,
    kGreeting,
};

/// Before the first thread is started: from now on these signals are read, not handled.
int signalDescriptor()
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    ::sigprocmask(SIG_BLOCK, &signals, nullptr);
    return ::signalfd(-1, &signals, SFD_CLOEXEC);
}

int timerDescriptor(std::uint32_t milliseconds)
{
    const int timer = ::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    const timespec period{milliseconds / 1000, milliseconds % 1000 * 1'000'000L};
    const itimerspec grid{period, period};
    ::timerfd_settime(timer, 0, &grid, nullptr);
    return timer;
}

bool watch(int loop, int descriptor, Source source)
{
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u32 = source;
    return ::epoll_ctl(loop, EPOLL_CTL_ADD, descriptor, &event) == 0;
}

bool greet(ZeroCP::Publisher<example::TextMessage>& publisher, std::string_view text)
{
    auto loan = publisher.loan();
    if (!loan)
    {
        return false; // every chunk is in use: a greeting less
    }
    example::TextMessage& message = **loan;
    message = {};
    std::copy_n(text.begin(), std::min(text.size(), message.text.size() - 1), message.text.begin());
    return publisher.publish(std::move(*loan)).has_value();
}

/// False at the end of stdin.
bool greetWithALine(ZeroCP::Publisher<example::TextMessage>& publisher)
{
    char line[64];
    const ssize_t count = ::read(STDIN_FILENO, line, sizeof line);
    if (count <= 0)
    {
        return false;
    }
    std::string_view text(line, static_cast<std::size_t>(count));
    text = text.substr(0, text.find('\n'));
    static_cast<void>(greet(publisher, text));
    return true;
}

void printGreetings(ZeroCP::Subscriber<example::TextMessage>& greetings)
{
    // Until there is nothing left: only that makes the descriptor not readable again.
    while (const auto sample = greetings.take())
    {
        const auto& text = (*sample)->text;
        std::printf("heard [%.*s]\n", static_cast<int>(text.size()), text.data());
    }
}

} // namespace

int main(int argc, char** argv)
{
    std::uint32_t period = 1000;
    const auto exitCode = example::parseOptions(argc, argv, "Waits for a topic, a timer, stdin and Ctrl-C with epoll.",
                                                {{"--period", &period, "milliseconds between two greetings", 1}});
    if (exitCode)
    {
        return *exitCode;
    }
    std::setvbuf(stdout, nullptr, _IOLBF, 0);
    const int stop = signalDescriptor();

    auto node = ZeroCP::Node::create("epoll");
    if (!node)
    {
        return example::fail(node.error().message());
    }
    auto publisher = node->createPublisher<example::TextMessage>("greetings");
    auto greetings = node->createSubscriber<example::TextMessage>("greetings");
    if (!publisher || !greetings)
    {
        return example::fail("cannot create publisher and subscriber");
    }
    const auto messages = greetings->fd();
    if (!messages)
    {
        return example::fail(messages.error().message());
    }
    const int loop = ::epoll_create1(EPOLL_CLOEXEC);
    const int tick = timerDescriptor(period);
    if (!watch(loop, stop, kStop) || !watch(loop, tick, kTick) || !watch(loop, *messages, kGreeting))
    {
        return example::fail("cannot watch the descriptors");
    }
    static_cast<void>(watch(loop, STDIN_FILENO, kLine)); // refused if it is a file; then there are no lines
    std::printf("waiting\n");

    for (std::uint64_t ticks = 0;;)
    {
        epoll_event event{};
        if (::epoll_wait(loop, &event, 1, -1) != 1)
        {
            continue; // interrupted, by a debugger say
        }
        switch (event.data.u32)
        {
        case kStop: std::printf("stopped after %llu ticks\n", static_cast<unsigned long long>(ticks)); return 0;
        case kTick:
        {
            std::uint64_t passed = 0;
            ticks += ::read(tick, &passed, sizeof passed) == sizeof passed ? passed : 0;
            static_cast<void>(greet(*publisher, "tick " + std::to_string(ticks)));
            break;
        }
        case kLine:
            if (!greetWithALine(*publisher))
            {
                ::epoll_ctl(loop, EPOLL_CTL_DEL, STDIN_FILENO, nullptr);
            }
            break;
        default: printGreetings(*greetings);
        }
    }
}
