// One of two subscribers is stopped while a publisher goes on. In turns with times in which it is not.
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include "figures.hpp"
#include "measurements.hpp"
#include "worker.hpp"

namespace reliability
{

namespace
{

constexpr std::uint32_t kDepth = 16;
constexpr std::size_t kMost = 1U << 20;
constexpr double kLatencyBound = 2;
constexpr unsigned kWatchdogSeconds = 300;
constexpr std::chrono::microseconds kPeriod{200};
const char* const kTopic = "overload";

struct Message
{
    std::uint64_t m_number;
    std::uint64_t m_check;
};

std::uint64_t checkOf(std::uint64_t value)
{
    return ~value * 0x9E3779B97F4A7C15U;
}

struct Record
{
    std::atomic<std::uint32_t> m_ready;
    std::atomic<bool> m_run;  ///< the publisher publishes while it is set
    std::atomic<bool> m_idle; ///< the publisher has seen that it is not
    std::atomic<bool> m_stop;
    std::atomic<std::uint64_t> m_sent;
    std::atomic<std::uint64_t> m_taken; ///< by the subscriber that is stopped, as the next
    std::atomic<std::uint64_t> m_missed;
    std::atomic<std::uint64_t> m_newest;
    std::atomic<std::uint64_t> m_damaged;
    std::atomic<std::size_t> m_calls;
    std::array<std::int64_t, kMost> m_times; ///< of publishCopy()
};

bool publish(const Setting& setting, Record& record)
{
    auto node = setting.node("publisher");
    auto publisher = orEnd(node.createPublisher<Message>(kTopic));
    record.m_ready.fetch_add(1);
    for (std::uint64_t value = 1; !record.m_stop;)
    {
        std::this_thread::sleep_for(kPeriod);
        if (!record.m_run)
        {
            record.m_idle = true;
            continue;
        }
        record.m_idle = false;
        const std::int64_t start = nowNs();
        const auto sequence = publisher.publishCopy({value, checkOf(value)});
        record.m_times[record.m_calls % kMost] = nowNs() - start;
        if (sequence.value_or(0) != value)
        {
            return false;
        }
        record.m_sent = value++;
        record.m_calls.fetch_add(1, std::memory_order_release);
    }
    return true;
}

bool subscribe(const Setting& setting, Record& record, bool isTheVictim)
{
    auto node = setting.node("subscriber");
    auto subscriber = orEnd(node.createSubscriber<Message>(kTopic, ZeroCP::QoS{}.keepLast(kDepth)));
    record.m_ready.fetch_add(1);
    while (!record.m_stop)
    {
        const auto sample = subscriber.wait(std::chrono::milliseconds(20));
        if (!isTheVictim)
        {
            continue;
        }
        record.m_missed = subscriber.missed();
        if (sample)
        {
            const Message message = **sample;
            record.m_damaged += message.m_check != checkOf(message.m_number) || message.m_number <= record.m_newest;
            record.m_newest = message.m_number;
            record.m_taken.fetch_add(1); // last: who sees the sum sees the rest
        }
    }
    return true;
}

class Overload
{
  public:
    explicit Overload(const Setting& setting)
        : m_victim(kWatchdogSeconds, [&] { return subscribe(setting, *m_record, true); }),
          m_other(kWatchdogSeconds, [&] { return subscribe(setting, *m_record, false); }),
          m_publisher(startPublisher(setting))
    {
        static_cast<void>(await([this] { return m_record->m_ready == 3; }));
    }

    void runFor(std::chrono::nanoseconds duration, bool stopped)
    {
        const std::size_t first = m_record->m_calls;
        if (stopped)
        {
            m_victim.signal(SIGSTOP);
        }
        m_record->m_run = true;
        std::this_thread::sleep_for(duration);
        m_record->m_run = false;
        static_cast<void>(await([this] { return m_record->m_idle.load(); }));
        std::vector<double> times;
        for (std::size_t i = first; i < m_record->m_calls; ++i)
        {
            times.push_back(static_cast<double>(m_record->m_times[i % kMost]));
        }
        (stopped ? m_stoppedP99 : m_p99).push_back(quantile(times, 0.99));
        const std::uint64_t takenBefore = m_record->m_taken;
        if (stopped)
        {
            m_victim.signal(SIGCONT);
        }
        // Whatever is lost is lost now: all that was sent is taken or missed.
        m_exact &= await([this] { return m_record->m_newest == m_record->m_sent; }, std::chrono::seconds(10)) &&
                   await([this] { return m_record->m_taken + m_record->m_missed == m_record->m_sent; },
                         std::chrono::seconds(10));
        m_newestValid &= !stopped || m_record->m_taken - takenBefore >= kDepth;
    }

    void report(Table& table)
    {
        const double ratio = median(m_stoppedP99) / median(m_p99);
        table.check("subscriber stopped: publisher's p99 before, meanwhile",
                    time(median(m_p99)) + ", " + time(median(m_stoppedP99)) + ": x " + number(ratio, ""), "x 2",
                    ratio <= kLatencyBound);
        table.check("subscriber stopped: received + missed == sent",
                    std::to_string(m_record->m_taken) + " + " + std::to_string(m_record->m_missed) +
                        " == " + std::to_string(m_record->m_sent),
                    "exact", m_exact);
        table.check("subscriber stopped: newest " + std::to_string(kDepth) + " valid, in order afterwards",
                    m_newestValid && m_record->m_damaged == 0 ? "yes" : "no", "yes",
                    m_newestValid && m_record->m_damaged == 0);
        m_record->m_stop = true;
        const bool published = m_publisher.succeeds();
        const bool others = m_other.succeeds();
        const bool good = m_victim.succeeds() && published && others;
        table.check("subscriber stopped: everybody leaves", good ? "yes" : "no", "yes", good);
    }

  private:
    /// After the subscribers: each is owed everything.
    Worker startPublisher(const Setting& setting)
    {
        static_cast<void>(await([this] { return m_record->m_ready == 2; }));
        return Worker(kWatchdogSeconds, [&] { return publish(setting, *m_record); });
    }

    Board<Record> m_record;
    Worker m_victim;
    Worker m_other;
    Worker m_publisher;
    std::vector<double> m_p99;
    std::vector<double> m_stoppedP99;
    bool m_exact{true};
    bool m_newestValid{true};
};

} // namespace

void measureStoppedSubscriber(const Setting& setting, Table& table)
{
    Overload overload(setting);
    for (int i = 0; i < kRepeats; ++i)
    {
        overload.runFor(setting.m_overloadTime / kRepeats, false);
        overload.runFor(setting.m_overloadTime / kRepeats, true);
    }
    overload.report(table);
}

} // namespace reliability
