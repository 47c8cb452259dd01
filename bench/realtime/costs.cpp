// The costs of messages: page faults, system calls and allocations after the warm-up, each of which must be 0.
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

/// `once` for `messages` messages while the kernel watches, and the end of the process.
template <typename Once>
bool countOver(std::uint64_t messages, Figures& figures, Once&& once)
{
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

template <typename Once>
bool repeat(std::uint64_t count, Once&& once)
{
    std::uint64_t done = 0;
    while (done < count && once())
    {
        ++done;
    }
    return done == count;
}

/// As a real-time process does, where it may: code, stack and heap stay in memory.
void lockMemory()
{
    static_cast<void>(::mlockall(MCL_CURRENT | MCL_FUTURE));
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

/// A load, and how it is warmed up. A prefaulted set has to stand that the window fills for the first time, with chunks that
/// nobody has used before, while the kernel watches; an automatic set sees twice as many messages under way before.
struct Load
{
    Pools m_pools;
    std::uint64_t m_messages;
    std::uint32_t m_window;

    /// Without a window the two take turns, which is slow where they share a core.
    [[nodiscard]] std::uint64_t warmUp() const { return isPrefaulted() ? 100U : 10ULL * m_window; }
    [[nodiscard]] bool isPrefaulted() const { return m_pools == Pools::Prefaulted; }
    [[nodiscard]] std::uint32_t warmUpWindow() const { return isPrefaulted() ? 1 : 2 * m_window; }
    [[nodiscard]] std::uint32_t depth() const { return isPrefaulted() ? m_window : 2 * m_window; }
};

template <std::size_t Bytes>
bool publishAll(const Load& load, pid_t creator, Shared& shared)
{
    lockMemory();
    Progress& progress = shared.m_progress;
    auto node = nodeOf(creator, load.m_pools, Bytes, load.m_window);
    auto publisher = orEnd(node.createPublisher<Message<Bytes>>(kTopic));
    const auto publish = [&](std::uint32_t window) { return publishOne(publisher, progress, window); };
    return reliability::await([&] { return progress.m_isSubscribed.load(); }) &&
           repeat(load.warmUp(), [&] { return publish(load.warmUpWindow()); }) &&
           countOver(load.m_messages, shared.m_publisher, [&] { return publish(load.m_window); });
}

template <std::size_t Bytes>
bool takeAll(const Load& load, pid_t creator, Shared& shared)
{
    lockMemory();
    Progress& progress = shared.m_progress;
    auto node = nodeOf(creator, load.m_pools, Bytes, load.m_window);
    auto subscriber = orEnd(node.createSubscriber<Message<Bytes>>(kTopic, ZeroCP::QoS{}.keepLast(load.depth())));
    progress.m_isSubscribed = true;
    const auto take = [&] { return takeOne(subscriber, progress); };
    const auto windowIsFull = [&] { return progress.m_published - progress.m_taken >= load.depth(); };
    return (load.isPrefaulted() || reliability::await(windowIsFull)) && repeat(load.warmUp(), take) &&
           (!load.isPrefaulted() || reliability::await(windowIsFull)) &&
           countOver(load.m_messages, shared.m_subscriber, take);
}

template <std::size_t Bytes>
bool checkOne(const Load& load)
{
    const reliability::Board<Shared> shared;
    const pid_t creator = ::getpid();
    reliability::Worker publishing(kWatchdogSeconds, [&] { return publishAll<Bytes>(load, creator, *shared); });
    reliability::Worker taking(kWatchdogSeconds, [&] { return takeAll<Bytes>(load, creator, *shared); });
    const bool taken = taking.succeeds();
    const bool published = publishing.succeeds();
    const auto cleaned = ZeroCP::recover(domainOf(creator)); // neither has left
    const bool printed = print("publisher", Bytes, load.m_messages, shared->m_publisher);
    return print("subscriber", Bytes, load.m_messages, shared->m_subscriber) && printed && taken && published &&
           cleaned;
}

} // namespace

bool checkCosts(Pools pools)
{
    const bool small = checkOne<64>({pools, 1'000'000, 256});
    return checkOne<65536>({pools, 10'000, 8}) && small;
}

} // namespace realtime
