// How long one publish and one take last in the worst case, as a real-time process would run them.
#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>
#include <vector>

#include <sched.h>
#include <sys/mman.h>

#include "../reliability/figures.hpp"
#include "check.hpp"

namespace realtime
{

namespace
{

constexpr std::uint64_t kMessages = 1'000'000;
constexpr std::uint64_t kWarmUp = 10'000;
constexpr std::uint32_t kWindow = 256;
/// The kernel stops real-time processes that leave it less than a twentieth of a second's time
/// (/proc/sys/kernel/sched_rt_runtime_us): both rest for longer than that.
constexpr std::uint64_t kBetweenRests = 10'000;
constexpr auto kRest = std::chrono::milliseconds(5);

using Small = Message<64>;

struct Shared
{
    Progress m_progress;
    std::atomic<int> m_errno; ///< why somebody is no real-time process
};

/// Real-time, on the CPU with that number among those that we may use.
void becomeRealTime(std::size_t place, Shared& shared)
{
    cpu_set_t allowed;
    cpu_set_t one;
    CPU_ZERO(&one);
    bool good = ::sched_getaffinity(0, sizeof allowed, &allowed) == 0;
    for (std::size_t cpu = 0; good && cpu < CPU_SETSIZE && CPU_COUNT(&one) == 0; ++cpu)
    {
        if (CPU_ISSET(cpu, &allowed) && place-- == 0)
        {
            CPU_SET(cpu, &one);
        }
    }
    const sched_param parameter{.sched_priority = 50};
    good = good && ::sched_setaffinity(0, sizeof one, &one) == 0 &&
           ::sched_setscheduler(0, SCHED_FIFO, &parameter) == 0 && ::mlockall(MCL_CURRENT | MCL_FUTURE) == 0;
    if (!good)
    {
        shared.m_errno = errno;
    }
}

void print(const char* what, std::vector<double> nanos)
{
    nanos.erase(nanos.begin(), nanos.begin() + static_cast<std::ptrdiff_t>(kWarmUp));
    std::printf("%-16s p50 %s, p99.9 %s, most %s\n", what, reliability::time(reliability::quantile(nanos, 0.5)).c_str(),
                reliability::time(reliability::quantile(nanos, 0.999)).c_str(),
                reliability::time(reliability::largest(nanos)).c_str());
    std::fflush(stdout);
}

/// Times `once(start)`, which sets its start, for every message.
template <typename Once>
bool timeAll(const char* what, Once&& once)
{
    std::vector<double> nanos(kWarmUp + kMessages, 0.0);
    for (std::uint64_t i = 0; i < nanos.size(); ++i)
    {
        if (i % kBetweenRests == 0)
        {
            std::this_thread::sleep_for(kRest);
        }
        if (!once(nanos[i]))
        {
            return false;
        }
    }
    print(what, std::move(nanos));
    return true;
}

bool publishAll(ZeroCP::Publisher<Small>& publisher, Progress& progress)
{
    return timeAll("loan + publish",
                   [&](double& nanos)
                   {
                       const std::uint64_t number = progress.m_published.load(std::memory_order_relaxed);
                       while (number - progress.m_taken.load(std::memory_order_acquire) >= kWindow)
                       {
                       }
                       const std::int64_t start = reliability::nowNs();
                       auto loan = publisher.loan();
                       const bool published = loan && publisher.publish(std::move(*loan));
                       nanos = static_cast<double>(reliability::nowNs() - start);
                       progress.m_published.store(number + 1, std::memory_order_release);
                       return published;
                   });
}

bool takeAll(ZeroCP::Subscriber<Small>& subscriber, Progress& progress)
{
    return timeAll("take + release",
                   [&](double& nanos)
                   {
                       const std::uint64_t number = progress.m_taken.load(std::memory_order_relaxed);
                       while (progress.m_published.load(std::memory_order_acquire) == number)
                       {
                       }
                       const std::int64_t start = reliability::nowNs();
                       const bool taken = subscriber.take().has_value();
                       nanos = static_cast<double>(reliability::nowNs() - start);
                       progress.m_taken.store(number + 1, std::memory_order_release);
                       return taken;
                   });
}

} // namespace

bool printTimes(Pools pools)
{
    const reliability::Board<Shared> shared;
    const pid_t creator = ::getpid();
    Progress& progress = shared->m_progress;
    reliability::Worker publishing(kWatchdogSeconds,
                                   [&]
                                   {
                                       becomeRealTime(0, *shared);
                                       auto node = nodeOf(creator, pools, sizeof(Small), kWindow);
                                       auto publisher = orEnd(node.createPublisher<Small>(kTopic));
                                       return reliability::await([&] { return progress.m_isSubscribed.load(); }) &&
                                              publishAll(publisher, progress);
                                   });
    reliability::Worker taking(kWatchdogSeconds,
                               [&]
                               {
                                   becomeRealTime(1, *shared);
                                   auto node = nodeOf(creator, pools, sizeof(Small), kWindow);
                                   auto subscriber =
                                       orEnd(node.createSubscriber<Small>(kTopic, ZeroCP::QoS{}.keepLast(kWindow)));
                                   progress.m_isSubscribed = true;
                                   return takeAll(subscriber, progress);
                               });
    const bool taken = taking.succeeds();
    const bool published = publishing.succeeds();
    if (shared->m_errno != 0)
    {
        std::printf("not under SCHED_FIFO with locked memory on two CPUs: %s\n", std::strerror(shared->m_errno));
    }
    return taken && published;
}

} // namespace realtime
