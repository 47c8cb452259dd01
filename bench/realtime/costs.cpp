// The costs of messages: page faults, system calls and allocations after the warm-up, each of which must be 0.
#include <cerrno>
#include <cstring>

#include <sys/mman.h>

#include "check.hpp"
#include "quiet_loop.hpp"

namespace realtime
{

namespace
{

struct Figures
{
    Costs m_costs;
    bool m_complete;
};

struct Shared
{
    Progress m_progress;
    Figures m_publisher;
    Figures m_subscriber;
};

/// `once` as often as the warm-up wants, then `messages` times while the kernel watches.
template <typename Once>
bool countOver(std::uint64_t warmUp, std::uint64_t messages, Figures& figures, Once&& once)
{
    for (std::uint64_t i = 0; i < warmUp; ++i)
    {
        if (!once())
        {
            return false;
        }
    }
    if (!startCounting())
    {
        return false;
    }
    std::uint64_t done = 0;
    while (done < messages && once())
    {
        ++done;
    }
    figures.m_costs = costsSoFar();
    figures.m_complete = done == messages;
    ::_exit(0); // destructors would make system calls
}

/// As a real-time process does, where it may: what it touches stays in memory, and what it does not is not touched.
void lockMemory()
{
    static_cast<void>(::mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT));
}

bool print(const char* who, std::uint64_t bytes, std::uint64_t messages, const Figures& figures)
{
    if (!figures.m_complete)
    {
        std::printf("%-10s %6llu B x %llu: did not get to the end\n", who, static_cast<unsigned long long>(bytes),
                    static_cast<unsigned long long>(messages));
        return false;
    }
    const struct
    {
        const char* m_what;
        std::uint64_t m_figure;
    } lines[] = {{"minor page faults", figures.m_costs.m_minorFaults},
                 {"major page faults", figures.m_costs.m_majorFaults},
                 {"system calls", figures.m_costs.m_systemCalls},
                 {"allocations", figures.m_costs.m_allocations}};
    bool good = true;
    for (const auto& line : lines)
    {
        std::printf("%-10s %6llu B x %-8llu %-18s %llu\n", who, static_cast<unsigned long long>(bytes),
                    static_cast<unsigned long long>(messages), line.m_what,
                    static_cast<unsigned long long>(line.m_figure));
        good &= line.m_figure == 0;
    }
    return good;
}

/// The warm-up begins with a window full of messages that nobody takes, so that as many chunks have been used as ever will
/// be.
template <std::size_t Bytes>
bool checkOne(Pools pools, std::uint64_t messages, std::uint32_t window)
{
    const reliability::Board<Shared> shared;
    const pid_t creator = ::getpid();
    const std::uint64_t warmUp = 10ULL * window;
    Progress& progress = shared->m_progress;
    reliability::Worker publishing(kWatchdogSeconds,
                                   [&]
                                   {
                                       lockMemory();
                                       auto node = nodeOf(creator, pools, Bytes, window);
                                       auto publisher = orEnd(node.createPublisher<Message<Bytes>>(kTopic));
                                       return reliability::await([&] { return progress.m_isSubscribed.load(); }) &&
                                              countOver(warmUp, messages, shared->m_publisher,
                                                        [&] { return publishOne(publisher, progress, window); });
                                   });
    reliability::Worker taking(
        kWatchdogSeconds,
        [&]
        {
            lockMemory();
            auto node = nodeOf(creator, pools, Bytes, window);
            auto subscriber = orEnd(node.createSubscriber<Message<Bytes>>(kTopic, ZeroCP::QoS{}.keepLast(window)));
            progress.m_isSubscribed = true;
            return reliability::await([&] { return progress.m_published >= window; }) &&
                   countOver(warmUp, messages, shared->m_subscriber, [&] { return takeOne(subscriber, progress); });
        });
    const bool taken = taking.succeeds();
    const bool published = publishing.succeeds();
    const auto cleaned = ZeroCP::recover(40000 + static_cast<std::uint32_t>(creator) % 10000);
    const bool printed = print("publisher", Bytes, messages, shared->m_publisher);
    return print("subscriber", Bytes, messages, shared->m_subscriber) && printed && taken && published && cleaned;
}

} // namespace

bool checkCosts(Pools pools)
{
    const bool small = checkOne<64>(pools, 1'000'000, 256);
    return checkOne<65536>(pools, 10'000, 8) && small;
}

} // namespace realtime
