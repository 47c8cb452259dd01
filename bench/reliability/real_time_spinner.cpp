// A real-time process spins on the CPU of ordinary ones that make control calls, and makes control calls too. It must not
// wait for ever for one that it keeps from running, and when it is gone the others go on.
#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <thread>

#include <sched.h>

#include "figures.hpp"
#include "measurements.hpp"
#include "worker.hpp"

namespace reliability
{

namespace
{

using namespace std::chrono_literals;

constexpr auto kSpin = 2s;
constexpr auto kAfterwards = 500ms;
constexpr unsigned kWatchdogSeconds = 60;
constexpr std::uint64_t kCallsAfterwards = 10;
const char* const kTopic = "spun";

struct Message
{
    std::uint64_t words[8];
};

struct Record
{
    std::atomic<bool> m_stop;
    std::atomic<int> m_errno; ///< why there is no real-time process
    std::atomic<std::uint64_t> m_sent;
    std::atomic<std::uint64_t> m_received;
    std::atomic<std::uint64_t> m_controlCalls;  ///< of the ordinary process
    std::atomic<std::uint64_t> m_spinnersCalls; ///< control calls of the spinner
    std::atomic<std::int64_t> m_longestCallNs;  ///< of the spinner
    std::atomic<std::uint64_t>
        m_spinnersErrors; ///< other than the time-out that a stopped holder of the lock may cause
};

bool pinToFirstCpu()
{
    cpu_set_t allowed;
    cpu_set_t one;
    CPU_ZERO(&one);
    if (::sched_getaffinity(0, sizeof allowed, &allowed) != 0)
    {
        return false;
    }
    std::size_t cpu = 0;
    while (cpu < CPU_SETSIZE && !CPU_ISSET(cpu, &allowed))
    {
        ++cpu;
    }
    CPU_SET(cpu, &one);
    return ::sched_setaffinity(0, sizeof one, &one) == 0;
}

/// Publishes, and creates and destroys a subscriber, all the time.
bool publishAndChurn(const Setting& setting, Record& record)
{
    auto node = setting.node("ordinary_publisher");
    auto publisher = orEnd(node.createPublisher<Message>(kTopic));
    bool good = pinToFirstCpu();
    while (!record.m_stop)
    {
        for (int i = 0; i < 100; ++i)
        {
            record.m_sent += publisher.publishCopy({}) ? 1U : 0U;
        }
        good &= node.createSubscriber<Message>(kTopic).has_value();
        record.m_controlCalls += 2;
    }
    return good;
}

bool receive(const Setting& setting, Record& record)
{
    auto node = setting.node("ordinary_subscriber");
    auto subscriber = orEnd(node.createSubscriber<Message>(kTopic));
    bool good = pinToFirstCpu();
    while (!record.m_stop)
    {
        if (const auto sample = subscriber.wait(20ms))
        {
            record.m_received += 1;
        }
    }
    return good;
}

/// Never sleeps of its own will.
bool spin(const Setting& setting, Record& record)
{
    const sched_param parameter{.sched_priority = 10};
    if (!pinToFirstCpu() || ::sched_setscheduler(0, SCHED_FIFO, &parameter) != 0)
    {
        record.m_errno = errno;
        return true;
    }
    auto node = setting.node("spinner");
    auto subscriber = orEnd(node.createSubscriber<Message>(kTopic));
    const auto end = std::chrono::steady_clock::now() + kSpin;
    while (std::chrono::steady_clock::now() < end)
    {
        for (int i = 0; i < 20'000; ++i)
        {
            static_cast<void>(subscriber.take());
        }
        const double took = timeOf(
            [&]
            {
                const auto publisher = node.createPublisher<Message>(kTopic);
                record.m_spinnersErrors += publisher ? 0U : 1U; // Timeout: somebody held the lock for ten seconds
            });
        record.m_longestCallNs = std::max<std::int64_t>(record.m_longestCallNs, static_cast<std::int64_t>(took));
        ++record.m_spinnersCalls;
    }
    return true;
}

} // namespace

void measureRealTimeSpinner(const Setting& setting, Table& table)
{
    const Board<Record> record;
    Worker subscriber(kWatchdogSeconds, [&] { return receive(setting, *record); });
    Worker publisher(kWatchdogSeconds, [&] { return publishAndChurn(setting, *record); });
    bool good = await([&] { return record->m_received > 1000 && record->m_controlCalls > 10; });
    Worker spinner(kWatchdogSeconds, [&] { return spin(setting, *record); });
    good &= spinner.succeeds();
    const std::uint64_t received = record->m_received;
    const std::uint64_t calls = record->m_controlCalls;
    std::this_thread::sleep_for(kAfterwards);
    const bool goesOn = await([&] { return record->m_received > received + 1000; }) &&
                        await([&] { return record->m_controlCalls > calls + kCallsAfterwards; });
    record->m_stop = true;
    const bool published = publisher.succeeds();
    good &= subscriber.succeeds() && published;
    if (record->m_errno != 0)
    {
        table.line("real-time spinner", std::string("SCHED_FIFO: ") + std::strerror(record->m_errno), "",
                   Verdict::Skip);
        return;
    }
    table.check("real-time spinner: its control calls end",
                std::to_string(record->m_spinnersCalls) + ", longest " +
                    time(static_cast<double>(record->m_longestCallNs)),
                "no deadlock", good && record->m_spinnersCalls > 0 && record->m_spinnersErrors == 0);
    table.check("real-time spinner: traffic and control calls go on", goesOn ? "yes" : "no", "yes", goesOn);
}

} // namespace reliability
