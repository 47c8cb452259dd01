// 200 processes and 1,000 topics: what joining and creating cost, what the idle cost, and what the death of one means to
// the others.
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "figures.hpp"
#include "measurements.hpp"
#include "witness_pair.hpp"
#include "worker.hpp"

namespace reliability
{

namespace
{

using namespace std::chrono_literals;

constexpr std::uint32_t kMembers = 200;
constexpr std::uint32_t kTopicsEach = 5;
constexpr double kRecoveryBoundNs = 100e6;
constexpr double kLatencyBound = 2;
constexpr auto kWindow = 2000ms; ///< divided below, so not in whole seconds
constexpr auto kSettle = 1s;     ///< after the dead have been replaced
constexpr int kDeathsPerWindow = 4;
constexpr unsigned kWatchdogSeconds = 280;

struct Message
{
    std::uint64_t words[8];
};

std::string topicOf(std::uint32_t member, std::uint32_t topic)
{
    return "member" + std::to_string(member % kMembers) + "/topic" + std::to_string(topic);
}

/// Publishes five topics, subscribes to its neighbour's, and sleeps until it is killed or told to stop.
bool belong(const Setting& setting, std::uint32_t me, std::atomic<std::uint32_t>& ready, const std::atomic<bool>& stop)
{
    auto node = setting.node("member");
    std::vector<ZeroCP::Publisher<Message>> publishers;
    std::vector<ZeroCP::Subscriber<Message>> subscribers;
    for (std::uint32_t t = 0; t < kTopicsEach; ++t)
    {
        publishers.push_back(orEnd(node.createPublisher<Message>(topicOf(me, t))));
        subscribers.push_back(orEnd(node.createSubscriber<Message>(topicOf(me + 1, t))));
        static_cast<void>(publishers.back().publishCopy({}));
    }
    ready.fetch_add(1);
    while (!stop)
    {
        static_cast<void>(subscribers[0].wait(1s));
    }
    return true;
}

/// The 200 processes.
class Members
{
  public:
    explicit Members(const Setting& setting) : m_setting(setting)
    {
        for (std::uint32_t i = 0; i < kMembers && m_complete; ++i)
        {
            m_workers.push_back(start(i));
        }
    }
    Members(const Members&) = delete;
    Members& operator=(const Members&) = delete;

    [[nodiscard]] bool areComplete() const { return m_complete; }

    /// Kills the next one in turn.
    void killOne()
    {
        m_workers[m_killed % kMembers].kill();
        ++m_killed;
    }
    /// Starts those anew who were killed.
    void refill()
    {
        for (; m_restarted != m_killed; ++m_restarted)
        {
            m_workers[m_restarted % kMembers] = start(m_restarted % kMembers);
        }
    }
    bool leave()
    {
        m_state->m_stop = true;
        bool good = true;
        for (Worker& worker : m_workers)
        {
            good &= worker.succeeds();
        }
        return good;
    }

    /// CPU time of all of them so far.
    [[nodiscard]] double cpuNs() const
    {
        double sum = 0;
        for (const Worker& worker : m_workers)
        {
            std::ifstream file("/proc/" + std::to_string(worker.pid()) + "/schedstat");
            double onCpu = 0;
            file >> onCpu;
            sum += onCpu;
        }
        return sum;
    }

  private:
    struct State
    {
        std::atomic<std::uint32_t> m_ready;
        std::atomic<bool> m_stop;
    };

    /// One after the other: what is measured is the domain, not a stampede.
    Worker start(std::uint32_t index)
    {
        const std::uint32_t before = m_state->m_ready;
        Worker worker(kWatchdogSeconds,
                      [this, index] { return belong(m_setting, index, m_state->m_ready, m_state->m_stop); });
        m_complete &= await([&] { return m_state->m_ready > before; });
        return worker;
    }

    const Setting& m_setting;
    Board<State> m_state;
    std::vector<Worker> m_workers;
    std::uint32_t m_killed{0};
    std::uint32_t m_restarted{0};
    bool m_complete{true};
};

/// What control calls take, in nanoseconds, in a process that has nothing yet.
struct ControlTimes
{
    std::vector<double> m_join;
    std::vector<double> m_newTopic;
    std::vector<double> m_oldTopic;
    std::vector<double> m_leave;
};

ControlTimes timeControlCalls(const Setting& setting, const std::string& oldTopic)
{
    ControlTimes times;
    for (int i = 0; i < kRepeats; ++i)
    {
        const Board<std::array<double, 4>> took;
        Worker newcomer(kWatchdogSeconds,
                        [&]
                        {
                            ZeroCP::Node node;
                            ZeroCP::Publisher<Message> publisher;
                            ZeroCP::Subscriber<Message> subscriber;
                            (*took)[0] = timeOf([&] { node = setting.node("newcomer"); });
                            (*took)[1] = timeOf([&] { publisher = orEnd(node.createPublisher<Message>("new")); });
                            (*took)[2] = timeOf([&] { subscriber = orEnd(node.createSubscriber<Message>(oldTopic)); });
                            (*took)[3] = timeOf([&] { publisher = {}; });
                            return true;
                        });
        if (newcomer.succeeds())
        {
            times.m_join.push_back((*took)[0]);
            times.m_newTopic.push_back((*took)[1]);
            times.m_oldTopic.push_back((*took)[2]);
            times.m_leave.push_back((*took)[3]);
        }
    }
    return times;
}

void tellControlTimes(Table& table, const ControlTimes& small, const ControlTimes& big)
{
    const auto tell = [&table](const char* name, const std::vector<double>& first, const std::vector<double>& then)
    {
        table.tell(std::string(name) + ": empty domain, big domain",
                   time(median(first)) + ", " + time(median(then)) + " (most " + time(largest(then)) + ")");
    };
    tell("Node::create", small.m_join, big.m_join);
    tell("createPublisher, new topic", small.m_newTopic, big.m_newTopic);
    tell("createSubscriber, topic of another", small.m_oldTopic, big.m_oldTopic);
    tell("publisher leaves its topic", small.m_leave, big.m_leave);
}

/// Kills members at even distances for the time of a window and recovers each; the times of recover().
void killAndRecover(const Setting& setting, Members& members, std::vector<double>& times)
{
    for (int i = 0; i < kDeathsPerWindow; ++i)
    {
        const auto next = std::chrono::steady_clock::now() + kWindow / kDeathsPerWindow;
        members.killOne();
        times.push_back(timeOf([&] { static_cast<void>(orEnd(ZeroCP::recover(Setting::kDomain, setting.m_root))); }));
        std::this_thread::sleep_until(next);
    }
}

void measureWitness(const Setting& setting, Table& table, Members& members, WitnessPair::Reader reader,
                    std::vector<double>& recoveries)
{
    WitnessPair pair(setting, reader);
    std::vector<double> quiet;
    std::vector<double> meanwhile;
    std::size_t least = ~std::size_t{0}; // messages that the witness took in a window
    for (int i = 0; i < kRepeats; ++i)
    {
        const std::size_t start = pair.taken();
        std::this_thread::sleep_for(kWindow);
        const std::size_t middle = pair.taken();
        killAndRecover(setting, members, recoveries);
        const std::size_t end = pair.taken();
        quiet.push_back(quantile(pair.ages(start, middle), 0.99));
        meanwhile.push_back(quantile(pair.ages(middle, end), 0.99));
        least = std::min({least, middle - start, end - middle});
        members.refill();
        std::this_thread::sleep_for(kSettle);
    }
    const std::string name = reader == WitnessPair::Reader::Busy ? "busy" : "waiting";
    const double ratio = median(meanwhile) / median(quiet);
    table.check("witness (" + name + ") p99 without, with recoveries",
                time(median(quiet)) + ", " + time(median(meanwhile)) + ": x " + number(ratio, ""), "x 2",
                ratio <= kLatencyBound);
    table.check("witness (" + name + "): messages per window", std::to_string(least) + " at least", "1,000",
                least >= 1000); // of 2,000 that are sent
    const bool exact = pair.endsExact();
    table.check("witness (" + name + "): received + missed == sent", exact ? "yes" : "no", "yes", exact);
}

} // namespace

void measureBigDomain(const Setting& setting, Table& table)
{
    auto node = setting.node("recoverer");
    const auto first = orEnd(node.createPublisher<Message>("first"));
    const ControlTimes small = timeControlCalls(setting, "first");
    Members members(setting);
    table.check("200 processes have 1,000 topics, 2,000 endpoints", members.areComplete() ? "yes" : "no", "yes",
                members.areComplete());
    if (!members.areComplete())
    {
        return;
    }
    tellControlTimes(table, small, timeControlCalls(setting, "first"));

    const double before = members.cpuNs();
    std::this_thread::sleep_for(kWindow);
    const double perSecond = (members.cpuNs() - before) / std::chrono::duration<double>(kWindow).count();
    table.tell("200 idle members: CPU time of all, in a second", time(perSecond));

    std::vector<double> recoveries;
    measureWitness(setting, table, members, WitnessPair::Reader::Busy, recoveries);
    measureWitness(setting, table, members, WitnessPair::Reader::Waiting, recoveries);
    table.check("recover() of one of 200 processes, 1,000 topics", medianAndMost(recoveries), "median < 100 ms",
                median(recoveries) < kRecoveryBoundNs);
    const bool left = members.leave();
    table.check("all members leave", left ? "yes" : "no", "yes", left);
}

} // namespace reliability
