// All chunks of a pool are held: how long does loan() take to say so, and does one release make it work again?
#include <cstdint>
#include <string>
#include <vector>

#include "figures.hpp"
#include "measurements.hpp"

namespace reliability
{

namespace
{

constexpr std::uint32_t kChunks = 256;
constexpr int kTries = 2000;
constexpr double kBoundNs = 10e3;

struct Message
{
    std::uint64_t words[8];
};

ZeroCP::Config smallPool()
{
    ZeroCP::PoolConfig pool;
    pool.name = "small";
    pool.chunks = {{sizeof(Message), kChunks}};
    ZeroCP::TopicConfig topic;
    topic.name = "exhausted";
    topic.pool = "small";
    ZeroCP::Config config;
    config.pools = {pool};
    config.topics = {topic};
    return config;
}

} // namespace

void measureExhaustedPool(const Setting& setting, Table& table)
{
    auto node = setting.node("exhauster", smallPool());
    auto publisher = orEnd(node.createPublisher<Message>("exhausted", ZeroCP::QoS{}.maxLoans(kChunks)));
    auto subscriber =
        orEnd(node.createSubscriber<Message>("exhausted", ZeroCP::QoS{}.keepLast(kChunks).maxHeld(kChunks)));
    std::vector<double> medians;
    std::vector<double> most;
    std::vector<double> successes;
    bool works = true;
    for (int repeat = 0; repeat < kRepeats; ++repeat)
    {
        std::vector<ZeroCP::Sample<Message>> held;
        while (publisher.publishCopy({}))
        {
            held.push_back(subscriber.take().value());
        }
        std::vector<double> errors;
        for (int i = 0; i < kTries; ++i)
        {
            errors.push_back(timeOf([&] { works &= !publisher.loan(); }));
        }
        const auto loan = publisher.loan();
        works &= !loan && loan.error() == ZeroCP::LoanError::PoolExhausted && held.size() + 16 > kChunks;
        held.pop_back();
        bool worksAgain = false;
        successes.push_back(timeOf([&] { worksAgain = publisher.loan().has_value(); }));
        works &= worksAgain;
        medians.push_back(median(errors));
        most.push_back(quantile(errors, 0.99));
    }
    const std::string ratio = number(median(medians) / median(successes), "");
    table.check("exhausted pool: error of loan(), median and p99", time(median(medians)) + ", " + time(median(most)),
                "median < 10 us", median(medians) < kBoundNs);
    table.tell("exhausted pool: the error beside a loan that succeeds", time(median(successes)) + ": x " + ratio);
    table.check("exhausted pool: works again after one release", works ? "yes" : "no", "yes", works);
}

} // namespace reliability
