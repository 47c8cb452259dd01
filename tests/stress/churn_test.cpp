// Endpoints, topics and nodes that come and go at random in eight processes while messages flow. Nothing is lost beyond
// what is counted, and whoever stays has as many descriptors, mappings, files and used chunks as before. Runs for
// ZEROCP_CHURN creations and destructions (default 20,000); ZEROCP_TEST_SEED gives the same choices again.
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "pubsub/pubsub_support.hpp"
#include "support/child_process.hpp"
#include "support/shared_board.hpp"
#include "support/test_domain.hpp"
#include "zerocp/zerocp.hpp"

namespace ZeroCP::test
{
namespace
{

constexpr std::uint32_t kProcesses = 8;
constexpr std::uint32_t kKeptTopics = 3; ///< the observer subscribes to them all the time; others come and go
constexpr std::uint32_t kTopics = 2 * kKeptTopics;
constexpr std::size_t kMost = 4; ///< of each kind in one process
constexpr std::uint32_t kDepth = 16;
constexpr unsigned kWatchdogSeconds = 3000; // for the long run; ctest ends the short one much earlier

struct Board
{
    std::atomic<std::uint64_t> m_changes;
    std::array<std::atomic<std::uint64_t>, kTopics> m_sent;
};

std::string topicName(std::uint64_t topic)
{
    return (topic < kKeptTopics ? "kept/t" : "gone/t") + std::to_string(topic);
}

std::uint64_t openDescriptors()
{
    std::uint64_t count = 0;
    for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd"))
    {
        ++count;
    }
    return count;
}

std::uint64_t mappedSegments()
{
    std::ifstream maps("/proc/self/maps");
    std::uint64_t count = 0;
    for (std::string line; std::getline(maps, line);)
    {
        count += line.find("/dev/shm/") != std::string::npos ? 1U : 0U;
    }
    return count;
}

/// A subscriber and what it must add up to.
class Reader
{
  public:
    explicit Reader(Subscriber<Number> subscriber) : m_subscriber(std::move(subscriber)) {}

    /// False if there is nothing to take.
    bool take()
    {
        const auto sample = m_subscriber.take();
        if (!sample)
        {
            EXPECT_EQ(sample.error(), TakeError::NoData);
            return false;
        }
        const std::uint64_t sequence = sample->info().sequence;
        Line& line = m_lines[sample->info().publisherId];
        EXPECT_EQ((*sample)->value, sequence);
        EXPECT_GT(sequence, line.m_last) << "out of order or twice";
        line.m_gaps += line.m_received == 0 ? 0 : sequence - line.m_last - 1;
        line.m_fromStart += sequence - line.m_last - 1;
        line.m_last = sequence;
        ++line.m_received;
        return true;
    }

    /// What it has not got although it got something later is counted. May have come in the middle of things.
    void checkGaps() const
    {
        std::uint64_t gaps = 0;
        for (const auto& [id, line] : m_lines)
        {
            gaps += line.m_gaps;
        }
        EXPECT_LE(gaps, m_subscriber.missed());
    }

    /// It was there before everybody and has taken all: each of `sent` messages was taken or is counted as missed.
    void checkAll(std::uint64_t sent) const
    {
        std::uint64_t received = 0;
        std::uint64_t lost = 0;
        for (const auto& [id, line] : m_lines)
        {
            received += line.m_received;
            lost += line.m_fromStart;
        }
        EXPECT_EQ(m_subscriber.missed(), lost);
        EXPECT_EQ(received + m_subscriber.missed(), sent);
    }

  private:
    struct Line
    {
        std::uint64_t m_last{0};
        std::uint64_t m_received{0};
        std::uint64_t m_gaps{0};
        std::uint64_t m_fromStart{0};
    };

    Subscriber<Number> m_subscriber;
    std::map<std::uint64_t, Line> m_lines; ///< by publisher
};

/// One process's share of the coming and going.
class Churn
{
  public:
    Churn(const TestDomain& domain, Board& board, std::uint64_t seed) : m_domain(domain), m_board(board), m_random(seed)
    {
    }

    void run(std::uint64_t changes)
    {
        while (m_board.m_changes.fetch_add(1) < changes && !::testing::Test::HasFailure())
        {
            change();
            for (int i = 0; i < 8; ++i)
            {
                publish();
            }
            for (Reader& reader : m_readers)
            {
                for (std::uint64_t most = m_random.below(24); most > 0 && reader.take(); --most)
                {
                }
            }
        }
    }

  private:
    struct Writer
    {
        Publisher<Number> m_publisher;
        std::uint64_t m_topic;
        std::uint64_t m_sent{0};
    };

    void change()
    {
        const std::uint64_t topic = m_random.below(kTopics);
        switch (m_random.below(8))
        {
        case 0: removeOne(m_nodes); return; // its endpoints stay
        case 1:
        case 2: removeOne(m_writers); return;
        case 3:
            for (const Reader& reader : m_readers)
            {
                reader.checkGaps();
            }
            removeOne(m_readers);
            return;
        case 4:
        case 5:
            if (m_writers.size() < kMost)
            {
                auto publisher = node().createPublisher<Number>(topicName(topic));
                ASSERT_TRUE(publisher) << publisher.error().message();
                m_writers.push_back({std::move(*publisher), topic});
            }
            return;
        default:
            if (m_readers.size() < kMost)
            {
                auto subscriber = node().createSubscriber<Number>(topicName(topic), QoS{}.keepLast(kDepth));
                ASSERT_TRUE(subscriber) << subscriber.error().message();
                m_readers.emplace_back(std::move(*subscriber));
            }
        }
    }

    template <typename Things>
    void removeOne(Things& things)
    {
        if (!things.empty())
        {
            std::swap(things[m_random.below(things.size())], things.back());
            things.pop_back();
        }
    }

    Node& node()
    {
        if (m_nodes.empty() || (m_nodes.size() < kMost && m_random.below(4) == 0))
        {
            NodeOptions options{.domain = m_domain.number(), .configFile = {}, .root = {}, .config = Config{}};
            m_nodes.push_back(Node::create("churn", options).value());
        }
        return m_nodes[m_random.below(m_nodes.size())];
    }

    void publish()
    {
        if (!m_writers.empty())
        {
            Writer& writer = m_writers[m_random.below(m_writers.size())];
            EXPECT_TRUE(writer.m_publisher.publishCopy({++writer.m_sent}));
            m_board.m_sent[writer.m_topic].fetch_add(1);
        }
    }

    const TestDomain& m_domain;
    Board& m_board;
    Random m_random;
    std::vector<Node> m_nodes;
    std::vector<Writer> m_writers;
    std::vector<Reader> m_readers;
};

} // namespace

TEST(Churn, WhoeverStaysSeesEveryMessageAndKeepsWhatItHad)
{
    const std::uint64_t changes = numberFrom("ZEROCP_CHURN", kSanitized ? 2000 : 20'000);
    const std::uint64_t seed = testSeed();
    const SharedBoard<Board> board;
    OneNode one;
    std::vector<Reader> observers;
    for (std::uint32_t t = 0; t < kKeptTopics; ++t)
    {
        observers.emplace_back(one.subscriber(QoS{}.keepLast(kDepth), topicName(t)));
    }
    const std::uint64_t descriptors = openDescriptors();
    const std::uint64_t mappings = mappedSegments();
    const std::size_t files = one.m_domain.files().size();
    const std::uint32_t used = usedChunks(one.inspect());
    const auto start = std::chrono::steady_clock::now();

    std::vector<std::unique_ptr<ChildProcess>> children;
    for (std::uint32_t p = 0; p < kProcesses; ++p)
    {
        children.push_back(std::make_unique<ChildProcess>(
            [&, p](Peer&)
            {
                const std::uint64_t before = openDescriptors();
                const std::uint64_t mapped = mappedSegments(); // the parent's
                {
                    Churn churn(one.m_domain, *board, seed + p);
                    churn.run(changes);
                }
                EXPECT_EQ(openDescriptors(), before);
                EXPECT_EQ(mappedSegments(), mapped);
                return true;
            },
            kWatchdogSeconds));
    }
    const auto anybodyLeft = [&children]
    { return std::any_of(children.begin(), children.end(), [](const auto& child) { return !child->hasEnded(); }); };
    while (anybodyLeft())
    {
        for (Reader& observer : observers)
        {
            for (int i = 0; i < 1000 && observer.take(); ++i)
            {
            }
        }
        ::sched_yield();
    }
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    for (const auto& child : children)
    {
        EXPECT_TRUE(child->wait().succeeded());
    }
    children.clear();

    for (std::uint32_t t = 0; t < kKeptTopics; ++t)
    {
        while (observers[t].take())
        {
        }
        observers[t].checkAll(board->m_sent[t]);
    }
    EXPECT_EQ(openDescriptors(), descriptors);
    EXPECT_EQ(mappedSegments(), mappings);
    EXPECT_EQ(one.m_domain.files().size(), files);
    EXPECT_EQ(usedChunks(one.inspect()), used);
    expectAllChunksFree(one.m_domain.number());
    std::printf("%llu changes in %.1f s, %.0f a second\n", static_cast<unsigned long long>(changes), seconds.count(),
                static_cast<double>(changes) / seconds.count());
}

} // namespace ZeroCP::test
