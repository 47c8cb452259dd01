// Messages of 64 bytes per second from one process to another, as fast as they go: keepAll, where nothing may be lost, and
// keepLast, where received + missed must be what was sent. Both processes are pinned, each to a CPU of its own.
//
//     zerocp_throughput [MESSAGES [REPEATS [QOS]]]         QOS: keepAll, keepLast10 or keepLast1000 alone
#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <utility>
#include <vector>

#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <signal.h>

#include "zerocp/zerocp.hpp"

namespace
{

using Message = std::array<std::uint64_t, 8>;

constexpr unsigned kWatchdogSeconds = 120;

struct Shared
{
    std::atomic<std::uint32_t> m_ready;
    std::atomic<std::uint64_t> m_received;
    std::atomic<std::uint64_t> m_missed;
    std::atomic<bool> m_ordered;
    std::atomic<std::int64_t> m_endNs;
};

std::int64_t nowNs()
{
    return std::chrono::steady_clock::now().time_since_epoch().count();
}

/// The `which`th CPU that this process may use; the last if there are fewer.
void pinTo(int which)
{
    cpu_set_t allowed;
    if (::sched_getaffinity(0, sizeof allowed, &allowed) != 0)
    {
        return;
    }
    std::size_t chosen = 0;
    for (std::size_t cpu = 0; cpu < CPU_SETSIZE && which >= 0; ++cpu)
    {
        if (CPU_ISSET(cpu, &allowed))
        {
            chosen = cpu;
            --which;
        }
    }
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(chosen, &one);
    ::sched_setaffinity(0, sizeof one, &one);
}

ZeroCP::NodeOptions optionsFor(std::uint32_t domain)
{
    return {.domain = domain, .configFile = {}, .root = {}, .config = {}};
}

/// Takes until all that was sent has come or is counted as missed.
bool receive(std::uint32_t domain, const ZeroCP::QoS& qos, std::uint64_t count, Shared& shared)
{
    pinTo(1);
    auto node = ZeroCP::Node::create("sink", optionsFor(domain));
    auto subscriber = node ? node->createSubscriber<Message>("throughput", qos)
                           : ZeroCP::Expected<ZeroCP::Subscriber<Message>, ZeroCP::Error>(tl::unexpected(node.error()));
    if (!subscriber)
    {
        std::fprintf(stderr, "zerocp_throughput: %s\n", subscriber.error().message().c_str());
        return false;
    }
    shared.m_ready = 1;
    std::uint64_t received = 0;
    std::uint64_t last = 0;
    bool ordered = true;
    while (last != count)
    {
        const auto sample = subscriber->take();
        if (sample)
        {
            const std::uint64_t value = (**sample)[0];
            ordered &= value > last && (**sample)[7] == value;
            last = value;
            ++received;
        }
    }
    shared.m_endNs = nowNs();
    shared.m_received = received;
    shared.m_missed = subscriber->missed();
    shared.m_ordered = ordered;
    return true;
}

/// Nanoseconds from the first publish until the last take; 0 if something went wrong.
std::int64_t send(std::uint32_t domain, const ZeroCP::QoS& qos, std::uint64_t count, const Shared& shared)
{
    auto node = ZeroCP::Node::create("source", optionsFor(domain));
    auto publisher = node ? node->createPublisher<Message>("throughput", qos)
                          : ZeroCP::Expected<ZeroCP::Publisher<Message>, ZeroCP::Error>(tl::unexpected(node.error()));
    if (!publisher || !publisher->waitForSubscribers(1, std::chrono::seconds(10)))
    {
        std::fprintf(stderr, "zerocp_throughput: no publisher, or no subscriber within 10 s\n");
        return 0;
    }
    const std::int64_t start = nowNs();
    for (std::uint64_t i = 1; i <= count; ++i)
    {
        auto loan = publisher->loan();
        if (!loan)
        {
            std::fprintf(stderr, "zerocp_throughput: no chunk at message %lu\n", static_cast<unsigned long>(i));
            return 0;
        }
        (**loan)[0] = i;
        (**loan)[7] = i;
        if (!publisher->publish(std::move(*loan)))
        {
            return 0;
        }
    }
    while (shared.m_endNs == 0)
    {
    }
    return shared.m_endNs - start;
}

struct Result
{
    double m_perSecond;
    bool m_exact;
    std::uint64_t m_missed;
};

Result measure(const ZeroCP::QoS& qos, std::uint64_t count)
{
    static std::uint32_t run = 0;
    const std::uint32_t domain = 40000 + (static_cast<std::uint32_t>(::getpid()) * 16 + run++) % 10000;
    void* memory = ::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    auto& shared = *new (memory) Shared{};
    const pid_t child = ::fork();
    if (child == 0)
    {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        ::alarm(kWatchdogSeconds);
        ::_exit(receive(domain, qos, count, shared) ? 0 : 1);
    }
    pinTo(0);
    const std::int64_t nanos = send(domain, qos, count, shared);
    if (nanos == 0)
    {
        ::kill(child, SIGKILL);
    }
    int status = 1;
    ::waitpid(child, &status, 0);
    const std::uint64_t missed = shared.m_missed;
    const bool exact = status == 0 && shared.m_ordered && shared.m_received + missed == count;
    ::munmap(memory, sizeof(Shared));
    return {nanos == 0 ? 0 : static_cast<double>(count) * 1e9 / static_cast<double>(nanos), exact, missed};
}

struct Variant
{
    const char* m_name;
    ZeroCP::QoS m_qos;
    bool m_lossless;
    std::vector<double> m_rates{};
    std::uint64_t m_missed{0};
    bool m_exact{true};
};

bool isKnown(std::string_view name)
{
    return name.empty() || name == "keepAll" || name == "keepLast10" || name == "keepLast1000";
}

} // namespace

int main(int argc, char** argv)
{
    const std::uint64_t count = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 10'000'000;
    const std::uint64_t repeats = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 5;
    const std::string_view only = argc > 3 ? argv[3] : "";
    if (count == 0 || repeats == 0 || !isKnown(only))
    {
        std::fprintf(stderr, "usage: zerocp_throughput [MESSAGES [REPEATS [keepAll|keepLast10|keepLast1000]]]\n");
        return 2;
    }
    ::alarm(static_cast<unsigned>(repeats) * kWatchdogSeconds);
    cpu_set_t all;
    ::sched_getaffinity(0, sizeof all, &all);
    Variant variants[] = {{"keepAll", ZeroCP::QoS{}.keepAll(), true},
                          {"keepLast10", ZeroCP::QoS{}.keepLast(10), false},
                          {"keepLast1000", ZeroCP::QoS{}.keepLast(1000), false}};
    for (std::uint64_t i = 0; i < repeats; ++i)
    {
        for (Variant& variant : variants)
        {
            if (!only.empty() && only != variant.m_name)
            {
                continue;
            }
            ::sched_setaffinity(0, sizeof all, &all);
            const Result result = measure(variant.m_qos, count);
            variant.m_rates.push_back(result.m_perSecond);
            variant.m_missed += result.m_missed;
            variant.m_exact &= result.m_exact && !(variant.m_lossless && result.m_missed != 0);
        }
    }
    bool good = true;
    for (Variant& variant : variants)
    {
        if (variant.m_rates.empty())
        {
            continue;
        }
        std::sort(variant.m_rates.begin(), variant.m_rates.end());
        std::printf("%-20s median %5.1f M/s, least %5.1f, most %5.1f; missed %4.1f %%; %s\n", variant.m_name,
                    variant.m_rates[variant.m_rates.size() / 2] / 1e6, variant.m_rates.front() / 1e6,
                    variant.m_rates.back() / 1e6,
                    100.0 * static_cast<double>(variant.m_missed) / static_cast<double>(count * repeats),
                    variant.m_exact ? "exact" : "NOT EXACT");
        good &= variant.m_exact;
    }
    return good ? 0 : 1;
}
