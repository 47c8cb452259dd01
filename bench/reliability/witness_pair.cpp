#include "witness_pair.hpp"

#include <chrono>
#include <thread>

#include "figures.hpp"

namespace reliability
{

namespace
{

constexpr unsigned kWatchdogSeconds = 240;
constexpr std::chrono::milliseconds kPeriod{1};
const char* const kTopic = "witness";

struct Message
{
    std::uint64_t words[8];
};

} // namespace

WitnessPair::WitnessPair(const Setting& setting, Reader reader)
    : m_reader(kWatchdogSeconds, [&] { return read(setting, *m_record, reader); }),
      m_publisher(kWatchdogSeconds, [&] { return publish(setting, *m_record); })
{
    static_cast<void>(await([this] { return taken() > 100; }));
}

std::vector<double> WitnessPair::ages(std::size_t first, std::size_t last) const
{
    std::vector<double> ages;
    for (std::size_t i = first; i < last && i < kMost; ++i)
    {
        ages.push_back(static_cast<double>(m_record->m_ages[i]));
    }
    return ages;
}

bool WitnessPair::endsExact()
{
    m_record->m_stop = true;
    const bool published = m_publisher.succeeds();
    return m_reader.succeeds() && published;
}

bool WitnessPair::publish(const Setting& setting, Record& record)
{
    if (!await([&] { return record.m_readerIsThere.load(); }))
    {
        return false;
    }
    auto node = setting.node("witness_publisher");
    auto publisher = orEnd(node.createPublisher<Message>(kTopic));
    bool all = true;
    for (auto next = std::chrono::steady_clock::now(); !record.m_stop; next += kPeriod)
    {
        std::this_thread::sleep_until(next);
        const auto sequence = publisher.publishCopy({});
        all &= sequence.has_value();
        record.m_sent = sequence.value_or(0);
    }
    record.m_publisherIsDone = true;
    return all;
}

bool WitnessPair::read(const Setting& setting, Record& record, Reader reader)
{
    auto node = setting.node("witness_subscriber");
    auto subscriber = orEnd(node.createSubscriber<Message>(kTopic));
    record.m_readerIsThere = true;
    std::size_t taken = 0;
    for (bool last = false;;)
    {
        const auto sample =
            reader == Reader::Busy ? subscriber.take() : subscriber.wait(std::chrono::milliseconds(100));
        if (!sample)
        {
            if (last)
            {
                return taken + subscriber.missed() == record.m_sent;
            }
            last = record.m_publisherIsDone; // and then once more
            continue;
        }
        if (taken < kMost)
        {
            record.m_ages[taken] = nowNs() - static_cast<std::int64_t>(sample->info().publishTimeNs);
        }
        record.m_taken.store(++taken, std::memory_order_release);
    }
}

} // namespace reliability
