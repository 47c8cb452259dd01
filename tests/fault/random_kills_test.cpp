// Entry 6 of the fault list: 4 publishers x 8 subscribers as processes, and one of them killed at random all the time.
//
//     ZEROCP_TEST_SECONDS=60 build/release/tests/zerocp_fault_tests --gtest_filter='*Entry06*'     # a thousand kills
#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <memory>
#include <vector>

#include <unistd.h>

#include <gtest/gtest.h>

#include "fault/fault_support.hpp"

namespace ZeroCP::test
{
namespace
{

constexpr std::size_t kPublishers = 4;
constexpr std::size_t kSubscribers = 8;
constexpr std::size_t kProcesses = kPublishers + kSubscribers;
constexpr std::size_t kMostLives = 16384; ///< of publishers, one after the other
constexpr std::uint64_t kKillsPerSecond = 17;
constexpr std::uint32_t kDepth = 16;
constexpr unsigned kWatchdogSeconds = 900; // for the long run; ctest ends the short one much earlier

struct Board
{
    struct Life
    {
        std::atomic<std::uint64_t> m_publisher;
        std::atomic<std::uint64_t> m_sent; ///< after each publish(), so the last one of a victim may be missing
    };

    std::array<Life, kMostLives> m_lives;
    std::atomic<std::size_t> m_lifeCount;
    std::atomic<bool> m_publishersStop;
    std::atomic<bool> m_subscribersStop;
};

/// What a publisher had sent around the moment somebody subscribed: what came before is not owed to the subscriber.
struct Owed
{
    std::uint64_t m_publisher;
    std::uint64_t m_least; ///< sent for certain before the subscriber was there
    std::uint64_t m_most;  ///< may have been sent before it was there
};

bool publishUntilStopped(const OneNode& one, Board& board, std::size_t life)
{
    Random random(life);
    Node node = nodeIn(one.m_domain, {}, "publisher");
    auto publisher = node.createPublisher<Number>("t").value();
    board.m_lives[life].m_publisher = publisher.id();
    for (std::uint64_t i = 1; !board.m_publishersStop && !::testing::Test::HasFailure(); ++i)
    {
        auto loan = publisher.loan();
        if (!loan)
        {
            EXPECT_TRUE(loan) << toString(loan.error()) << ": " << publisher.whyExhausted();
            return false;
        }
        **loan = {i};
        EXPECT_EQ(publisher.publish(std::move(*loan)).value_or(0), i);
        board.m_lives[life].m_sent = i;
        if (random.below(16) == 0)
        {
            ::sched_yield();
        }
    }
    return true;
}

std::vector<std::uint64_t> sentSoFar(const Board& board)
{
    std::vector<std::uint64_t> sent;
    for (std::size_t i = 0; i < board.m_lifeCount; ++i)
    {
        sent.push_back(board.m_lives[i].m_sent);
    }
    return sent;
}

/// Its gaps lie between what it has certainly not been owed and what it may have been.
class LateLedger
{
  public:
    void add(const Sample<Number>& sample)
    {
        const MessageInfo info = sample.info();
        EXPECT_EQ(sample->value, info.sequence) << "overwritten";
        auto& [first, last] = m_lines[info.publisherId];
        EXPECT_GT(info.sequence, last) << "out of order or twice";
        first = first == 0 ? info.sequence : first;
        m_gaps += last == 0 ? 0 : info.sequence - last - 1;
        last = info.sequence;
        ++m_received;
    }

    void check(const std::vector<Owed>& before, std::uint64_t missed) const
    {
        std::uint64_t least = m_gaps;
        std::uint64_t most = m_gaps;
        for (const auto& [publisher, line] : m_lines)
        {
            const std::uint64_t publisherId = publisher;
            const auto known =
                std::find_if(before.begin(), before.end(),
                             [publisherId](const Owed& owed) { return owed.m_publisher == publisherId; });
            const std::uint64_t skipped = line.first - 1; // of all that it ever sent
            const bool older = known != before.end();
            least += skipped - std::min(skipped, older ? known->m_most : 0);
            most += skipped - std::min(skipped, older ? known->m_least : 0);
        }
        EXPECT_GE(missed, least) << "lost and not counted";
        EXPECT_LE(missed, most) << "counted and not lost";
    }

    [[nodiscard]] std::uint64_t received() const { return m_received; }

  private:
    std::map<std::uint64_t, std::pair<std::uint64_t, std::uint64_t>> m_lines; ///< first and last, by publisher
    std::uint64_t m_gaps{0};
    std::uint64_t m_received{0};
};

bool subscribeUntilStopped(const OneNode& one, Board& board, std::uint64_t seed)
{
    Random random(seed);
    Node node = nodeIn(one.m_domain, {}, "subscriber");
    const std::vector<std::uint64_t> before = sentSoFar(board);
    auto subscriber = node.createSubscriber<Number>("t", QoS{}.keepLast(kDepth)).value();
    const std::vector<std::uint64_t> after = sentSoFar(board);
    std::vector<Owed> owed;
    for (std::size_t i = 0; i < after.size(); ++i)
    {
        // One more may be under way on either side.
        owed.push_back({board.m_lives[i].m_publisher, i < before.size() ? before[i] : 0, after[i] + 1});
    }
    LateLedger ledger;
    std::vector<Sample<Number>> held(3);
    for (bool drained = false; !drained && !::testing::Test::HasFailure();)
    {
        drained = board.m_subscribersStop;
        auto sample = random.below(4) == 0 ? subscriber.wait(std::chrono::milliseconds(1)) : subscriber.take();
        if (sample)
        {
            drained = false;
            ledger.add(*sample);
            held[random.below(held.size())] = std::move(*sample);
        }
    }
    ledger.check(owed, subscriber.missed());
    return true;
}

class Chaos
{
  public:
    Chaos() : m_random(testSeed()), m_watcher(m_one.subscriber(QoS{}.keepLast(kDepth))) {}

    void run(std::chrono::seconds duration)
    {
        const auto start = std::chrono::steady_clock::now();
        for (std::size_t i = 0; i < kProcesses; ++i)
        {
            m_children[i] = begin(i);
        }
        for (auto now = start; now - start < duration && !::testing::Test::HasFailure();
             now = std::chrono::steady_clock::now())
        {
            m_ledger.takeAll(m_watcher, 1000);
            const auto due = static_cast<std::uint64_t>(std::chrono::duration<double>(now - start).count() *
                                                        static_cast<double>(kKillsPerSecond));
            if (m_kills < due)
            {
                killOneAndReplaceIt();
            }
        }
        end();
        check();
    }

  private:
    std::unique_ptr<ChildProcess> begin(std::size_t process)
    {
        if (process >= kPublishers)
        {
            return std::make_unique<ChildProcess>([this, seed = m_random()](Peer&)
                                                  { return subscribeUntilStopped(m_one, *m_board, seed); },
                                                  kWatchdogSeconds);
        }
        const std::size_t life = m_board->m_lifeCount++;
        return std::make_unique<ChildProcess>(
            [this, life](Peer&) { return publishUntilStopped(m_one, *m_board, life); }, kWatchdogSeconds);
    }

    void killOneAndReplaceIt()
    {
        const std::size_t victim = m_random.below(kProcesses);
        const ExitStatus status = m_children[victim]->kill(SIGKILL);
        EXPECT_TRUE(status.killedBy(SIGKILL)) << ::testing::PrintToString(status);
        ++m_kills;
        m_children[victim] = begin(victim);
    }

    /// Publishers leave first; what they have published is read by whoever lives.
    void end()
    {
        m_board->m_publishersStop = true;
        for (std::size_t i = 0; i < kProcesses; ++i)
        {
            m_board->m_subscribersStop = i >= kPublishers;
            await(
                [&]
                {
                    m_ledger.takeAll(m_watcher, 1000);
                    return m_children[i]->hasEnded();
                });
            EXPECT_TRUE(m_children[i]->wait().succeeded()) << "process " << i;
        }
    }

    void check()
    {
        const auto report = recover(m_one.m_domain.number());
        ASSERT_TRUE(report) << report.error().message();
        EXPECT_EQ(report->pending, 0U);
        m_ledger.takeAll(m_watcher);
        m_ledger.expectGapsAreCounted(m_watcher.missed());
        std::uint64_t sent = 0;
        for (std::size_t life = 0; life < m_board->m_lifeCount; ++life)
        {
            const Board::Life& one = m_board->m_lives[life];
            if (one.m_publisher != 0)
            {
                const std::uint64_t last = m_ledger.last(one.m_publisher);
                EXPECT_GE(last, one.m_sent) << "life " << life;
                EXPECT_LE(last, one.m_sent + 1) << "life " << life;
                sent += last;
            }
        }
        EXPECT_EQ(m_ledger.received() + m_watcher.missed(), sent);
        EXPECT_EQ(usedChunks(m_one.inspect()), 0U);
        EXPECT_EQ(m_one.inspect().processes.size(), 1U);
        const std::uint32_t chunks = expectAllChunksFree(m_one.m_domain.number());
        std::printf("%llu kills, %llu messages sent, watcher: %llu received, %llu missed; %u chunks\n",
                    static_cast<unsigned long long>(m_kills), static_cast<unsigned long long>(sent),
                    static_cast<unsigned long long>(m_ledger.received()),
                    static_cast<unsigned long long>(m_watcher.missed()), chunks);
    }

    Random m_random;
    OneNode m_one;
    SharedBoard<Board> m_board;
    Subscriber<Number> m_watcher; ///< was there before everybody
    DeliveryLedger m_ledger;
    std::array<std::unique_ptr<ChildProcess>, kProcesses> m_children;
    std::uint64_t m_kills{0};
};

} // namespace

TEST(FaultList, Entry06_RandomKillsOfFourPublishersAndEightSubscribersLoseAndLeakNothing)
{
    Chaos().run(std::chrono::seconds(numberFrom("ZEROCP_TEST_SECONDS", 5)));
}

} // namespace ZeroCP::test
