// 16 publishers and 64 subscribers, each a process, all as fast as they can: for every pair what was received and what was
// lost is what was sent, and the losses of all pairs of a subscriber are what it counts as missed.
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
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

constexpr std::uint32_t kPublishers = 16;
constexpr std::uint32_t kSubscribers = 64;
constexpr unsigned kWatchdogSeconds = 240;
const char* const kTopic = "saturated";

struct Message
{
    std::uint64_t m_number;
};

struct Record
{
    std::atomic<std::uint32_t> m_subscribersThere;
    std::atomic<std::uint32_t> m_publishersThere;
    std::atomic<bool> m_go;
    std::atomic<bool> m_stop;
    std::atomic<std::uint32_t> m_done; ///< publishers that have published their last message
    std::atomic<bool> m_leave;
    std::array<std::atomic<std::uint64_t>, kPublishers> m_id;
    std::array<std::atomic<std::uint64_t>, kPublishers> m_sent;
    std::atomic<std::uint64_t> m_received;
    std::atomic<std::uint64_t> m_missed;
    std::atomic<std::uint64_t> m_wrongPairs;
    std::atomic<std::uint64_t> m_refused;
};

bool publish(const Setting& setting, Record& record, std::uint32_t me)
{
    auto node = setting.node("publisher");
    auto publisher = orEnd(node.createPublisher<Message>(kTopic));
    record.m_id[me] = publisher.id();
    record.m_publishersThere.fetch_add(1);
    if (!await([&] { return record.m_go.load(); }))
    {
        return false;
    }
    std::uint64_t sent = 0;
    std::uint64_t refused = 0;
    while (!record.m_stop || sent == 0)
    {
        const bool published = publisher.publishCopy({sent + 1}).has_value();
        sent += published ? 1U : 0U; // the newest is never lost, so everybody ends with the last one
        refused += published ? 0U : 1U;
    }
    record.m_refused += refused;
    record.m_sent[me] = sent;
    record.m_done.fetch_add(1);
    return await([&] { return record.m_leave.load(); }, std::chrono::seconds(120));
}

struct Line
{
    std::uint64_t m_received{0};
    std::uint64_t m_last{0};
    std::uint64_t m_lost{0};
    bool m_ordered{true};
};

/// Pairs whose sum is not what was sent, and the subscriber's own sum if that is not right.
std::uint64_t wrongPairs(const Record& record, const std::map<std::uint64_t, Line>& lines, std::uint64_t missed)
{
    std::uint64_t wrong = 0;
    std::uint64_t lost = 0;
    for (std::uint32_t p = 0; p < kPublishers; ++p)
    {
        const auto line = lines.find(record.m_id[p]);
        const bool right = line != lines.end() && line->second.m_ordered &&
                           line->second.m_received + line->second.m_lost == record.m_sent[p];
        wrong += right ? 0U : 1U;
        lost += right ? line->second.m_lost : 0U;
    }
    return wrong + (lost == missed ? 0U : 1U);
}

bool subscribe(const Setting& setting, Record& record)
{
    auto node = setting.node("subscriber");
    auto subscriber = orEnd(node.createSubscriber<Message>(kTopic));
    record.m_subscribersThere.fetch_add(1);
    std::map<std::uint64_t, Line> lines;
    std::uint64_t received = 0;
    for (bool last = false;;)
    {
        const bool allPublished = record.m_done == kPublishers;
        const auto sample = subscriber.wait(std::chrono::milliseconds(10));
        if (!sample)
        {
            if (last)
            {
                break;
            }
            last = allPublished; // and then once more
            continue;
        }
        Line& line = lines[sample->info().publisherId];
        const std::uint64_t number = (*sample)->m_number;
        line.m_ordered &= number > line.m_last && number == sample->info().sequence;
        line.m_lost += number - line.m_last - 1;
        line.m_last = number;
        ++line.m_received;
        ++received;
    }
    record.m_received += received;
    record.m_missed += subscriber.missed();
    record.m_wrongPairs += wrongPairs(record, lines, subscriber.missed());
    return true;
}

} // namespace

void measureManyPairs(const Setting& setting, Table& table)
{
    const Board<Record> record;
    std::vector<Worker> publishers;
    std::vector<Worker> subscribers;
    for (std::uint32_t s = 0; s < kSubscribers; ++s)
    {
        subscribers.emplace_back(kWatchdogSeconds, [&] { return subscribe(setting, *record); });
    }
    bool good = await([&] { return record->m_subscribersThere == kSubscribers; });
    for (std::uint32_t p = 0; p < kPublishers; ++p)
    {
        publishers.emplace_back(kWatchdogSeconds, [&, p] { return publish(setting, *record, p); });
    }
    good &= await([&] { return record->m_publishersThere == kPublishers; });
    record->m_go = true;
    std::this_thread::sleep_for(setting.m_overloadTime);
    record->m_stop = true;
    for (Worker& subscriber : subscribers)
    {
        good &= subscriber.succeeds();
    }
    record->m_leave = true;
    for (Worker& publisher : publishers)
    {
        good &= publisher.succeeds();
    }
    std::uint64_t sent = 0;
    for (const auto& count : record->m_sent)
    {
        sent += count;
    }
    table.check("16 x 64 saturated: everybody ends well", good ? "yes" : "no", "yes", good);
    table.check("16 x 64 saturated: publications, refused",
                std::to_string(sent) + ", " + std::to_string(record->m_refused), "none refused",
                record->m_refused == 0 && sent > 1000 * kPublishers);
    const bool exact = record->m_wrongPairs == 0 && record->m_received + record->m_missed == sent * kSubscribers;
    table.check("16 x 64 saturated: received + missed == sent, per pair",
                std::to_string(record->m_received) + " + " + std::to_string(record->m_missed) +
                    " == " + std::to_string(sent * kSubscribers),
                "exact", exact);
}

} // namespace reliability
