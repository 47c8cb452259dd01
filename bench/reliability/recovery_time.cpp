// A process dies with 100 of a pool's 10,000 chunks: how long does recover() take, and is everything free again?
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "figures.hpp"
#include "measurements.hpp"
#include "worker.hpp"

namespace reliability
{

namespace
{

constexpr std::uint32_t kChunks = 10'000;
constexpr std::uint32_t kLoans = 50;
constexpr std::uint32_t kSamples = 50;
constexpr double kBoundNs = 10e6;
constexpr unsigned kWatchdogSeconds = 60;

struct Message
{
    std::uint64_t words[8];
};

struct Progress
{
    std::atomic<bool> m_holds;
};

ZeroCP::Config onePool()
{
    ZeroCP::PoolConfig pool;
    pool.name = "pool";
    pool.chunks = {{sizeof(Message), kChunks}};
    ZeroCP::TopicConfig topic;
    topic.name = "held";
    topic.pool = "pool";
    ZeroCP::Config config;
    config.pools = {pool};
    config.topics = {topic};
    return config;
}

/// Holds loans and samples until it is killed.
bool holdUntilKilled(const Setting& setting, Progress& progress)
{
    auto node = setting.node("victim", onePool());
    auto publisher = orEnd(node.createPublisher<Message>("held", ZeroCP::QoS{}.maxLoans(kLoans + 1)));
    auto subscriber = orEnd(node.createSubscriber<Message>("held", ZeroCP::QoS{}.keepLast(kSamples).maxHeld(kSamples)));
    std::vector<ZeroCP::Sample<Message>> samples;
    for (std::uint32_t i = 0; i < kSamples; ++i)
    {
        static_cast<void>(publisher.publishCopy({}));
        samples.push_back(subscriber.take().value());
    }
    std::vector<ZeroCP::Loan<Message>> loans;
    for (std::uint32_t i = 0; i < kLoans; ++i)
    {
        loans.push_back(publisher.loan().value());
    }
    progress.m_holds = true;
    for (;;)
    {
        ::pause();
    }
}

std::uint32_t usedChunks(const Setting& setting)
{
    const auto snapshot = orEnd(ZeroCP::inspect(Setting::kDomain, setting.m_root));
    std::uint32_t used = 0;
    for (const auto& set : snapshot.poolSets)
    {
        for (const auto& pool : set.pools)
        {
            used += pool.total - pool.free;
        }
    }
    return used;
}

} // namespace

void measureRecoveryTime(const Setting& setting, Table& table)
{
    auto node = setting.node("survivor", onePool());
    auto survivor = orEnd(node.createSubscriber<Message>("held"));
    std::vector<double> times;
    std::uint32_t leastHeld = kChunks;
    bool exact = true;
    for (int i = 0; i < kRepeats; ++i)
    {
        const Board<Progress> progress;
        Worker victim(kWatchdogSeconds, [&] { return holdUntilKilled(setting, *progress); });
        exact &= await([&] { return progress->m_holds.load(); });
        leastHeld = std::min(leastHeld, usedChunks(setting));
        victim.kill();
        std::uint32_t processes = 0;
        times.push_back(
            timeOf([&] { processes = orEnd(ZeroCP::recover(Setting::kDomain, setting.m_root)).processes; }));
        while (survivor.take())
        {
        }
        exact &= processes == 1 && usedChunks(setting) == 0;
    }
    table.check("recover(): " + std::to_string(leastHeld) + " of 10,000 chunks held", medianAndMost(times),
                "median < 10 ms", median(times) < kBoundNs);
    table.check("recover(): all chunks free afterwards, each time", exact ? "yes" : "no", "yes",
                exact && leastHeld >= kLoans + kSamples);
}

} // namespace reliability
