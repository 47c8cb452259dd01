// Real processes at full speed, some of them killed at random moments, recovered by whoever comes first. After every
// round each survivor must have received or counted every message of each publisher, none may have changed while it was
// held, and every chunk must be free again. Runs for ZEROCP_STRESS_SECONDS (default 15), ZEROCP_TEST_SEED repeats it.
#include <algorithm>
#include <array>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include <unistd.h>

#include <gtest/gtest.h>

#include "support/child_process.hpp"
#include "support/message_pattern.hpp"
#include "support/pool_audit.hpp"
#include "support/shared_board.hpp"
#include "support/test_domain.hpp"
#include "zerocp/zerocp.hpp"

namespace ZeroCP::test
{
namespace
{

using Bytes = Slice<std::byte>;

constexpr std::uint32_t kPublishers = 3;
constexpr std::uint32_t kSubscribers = 3;
constexpr std::uint32_t kMayflies = 2; ///< come and go all the time, until they are killed
constexpr std::uint32_t kWorkers = kPublishers + kSubscribers;
constexpr std::uint32_t kDepth = 6;
constexpr std::size_t kMostBytes = 16384;
constexpr unsigned kWatchdogSeconds = 30;
const char* const kTopic = "stress";

struct Board
{
    std::atomic<int> m_ready;
    std::atomic<bool> m_go;
    std::atomic<bool> m_stop;
    std::atomic<bool> m_drain;
    std::array<std::atomic<std::uint64_t>, kPublishers> m_id;
    std::array<std::atomic<std::uint64_t>, kPublishers> m_sent;
    std::array<std::atomic<bool>, kPublishers> m_done;
    std::array<std::atomic<bool>, kWorkers> m_killed;
    std::atomic<std::uint64_t> m_received;
    std::atomic<std::uint64_t> m_missed;
};

/// Everything that a subscriber's life must add up to.
class Ledger
{
  public:
    explicit Ledger(std::uint64_t missedBefore) : m_missedBefore(missedBefore) {}

    void add(const Sample<Bytes>& sample)
    {
        ++m_received;
        const auto head = readPattern(sample.get());
        if (!head)
        {
            ADD_FAILURE() << "damaged: sequence " << sample.info().sequence << " of publisher "
                          << sample.info().publisherId << ", " << sample.get().size() << " bytes";
            return;
        }
        EXPECT_EQ(head->m_sequence, sample.info().sequence);
        Line& line = m_lines[sample.info().publisherId];
        EXPECT_GT(sample.info().sequence, line.m_last)
            << "out of order or twice, publisher " << sample.info().publisherId << ", worker " << line.m_worker
            << " and then " << head->m_publisher;
        line.m_worker = head->m_publisher;
        line.m_last = sample.info().sequence;
        ++line.m_received;
    }

    /// All publishers came after us, so each owes us everything from its first message; the newest is never lost.
    void check(const Board& board, std::uint64_t missed) const
    {
        std::uint64_t lost = 0;
        for (const auto& [id, line] : m_lines)
        {
            lost += line.m_last - line.m_received;
        }
        EXPECT_EQ(missed - m_missedBefore, lost);
        for (std::uint32_t p = 0; p < kPublishers; ++p)
        {
            const auto line = m_lines.find(board.m_id[p]);
            const std::uint64_t last = line == m_lines.end() ? 0 : line->second.m_last;
            if (!board.m_killed[p])
            {
                EXPECT_EQ(last, board.m_sent[p]) << "publisher " << p;
            }
            else
            {
                // The last publish() may have been cut off, before or after it took effect.
                EXPECT_GE(last, board.m_sent[p]) << "publisher " << p;
                EXPECT_LE(last, board.m_sent[p] + 1) << "publisher " << p;
            }
        }
    }

    [[nodiscard]] std::uint64_t received() const { return m_received; }

  private:
    struct Line
    {
        std::uint64_t m_last{0};
        std::uint64_t m_received{0};
        std::uint32_t m_worker{0};
    };

    std::map<std::uint64_t, Line> m_lines;
    std::uint64_t m_missedBefore;
    std::uint64_t m_received{0};
};

/// Drops samples on a thread of its own, or where it is if `foreign` is false.
class Dropper
{
  public:
    explicit Dropper(bool foreign)
    {
        if (foreign)
        {
            m_thread.emplace([this] { run(); });
        }
    }
    Dropper(const Dropper&) = delete;
    Dropper& operator=(const Dropper&) = delete;
    ~Dropper()
    {
        {
            const std::lock_guard guard(m_mutex);
            m_end = true;
        }
        m_changed.notify_all();
        if (m_thread)
        {
            m_thread->join();
        }
    }

    void drop(Sample<Bytes> sample)
    {
        if (m_thread)
        {
            const std::lock_guard guard(m_mutex);
            m_samples.push_back(std::move(sample));
            m_changed.notify_all();
        }
    }

  private:
    void run()
    {
        std::unique_lock lock(m_mutex);
        for (;;)
        {
            m_changed.wait(lock, [this] { return m_end || !m_samples.empty(); });
            std::vector<Sample<Bytes>> samples = std::move(m_samples);
            m_samples.clear();
            if (samples.empty())
            {
                return;
            }
            lock.unlock();
            samples.clear();
            lock.lock();
        }
    }

    std::mutex m_mutex;
    std::condition_variable m_changed;
    bool m_end{false};
    std::vector<Sample<Bytes>> m_samples;
    std::optional<std::thread> m_thread;
};

struct Round
{
    const TestDomain& m_domain;
    Board& m_board;
    bool m_pooled;
    std::uint64_t m_seed;

    [[nodiscard]] NodeOptions options() const
    {
        NodeOptions options{.domain = m_domain.number(), .configFile = {}, .root = {}, .config = Config{}};
        if (m_pooled)
        {
            PoolConfig pool;
            pool.name = "pool";
            pool.chunks = {{256, 96}, {2048, 96}, {kMostBytes, 96}}; // less than all could ask for
            options.config->pools.push_back(pool);
            TopicConfig topic;
            topic.name = topicName();
            topic.pool = pool.name;
            options.config->topics.push_back(topic);
        }
        return options;
    }
    [[nodiscard]] std::string topicName() const { return kTopic + std::string(m_pooled ? "/pool" : "/automatic"); }
};

bool publishUntilStopped(const Round& round, std::uint32_t me)
{
    Board& board = round.m_board;
    Random random(round.m_seed * 100 + me);
    Node node = Node::create("publisher", round.options()).value();
    auto publisher = node.createPublisher<Bytes>(round.topicName()).value();
    board.m_id[me] = publisher.id();
    board.m_ready.fetch_add(1);
    await([&] { return board.m_go.load(); });
    std::vector<Loan<Bytes>> spare;
    for (std::uint64_t i = 1; !board.m_stop;)
    {
        auto loan = publisher.loan(std::max(kLeastPattern, random.below(1 + (std::size_t{64} << random.below(9)))));
        if (!loan)
        {
            // NoSpace: a new size class waits for a control call in which somebody is stopped.
            EXPECT_TRUE(loan.error() == LoanError::PoolExhausted || loan.error() == LoanError::TooManyLoans ||
                        loan.error() == LoanError::NoSpace)
                << toString(loan.error());
            spare.clear();
            ::sched_yield();
            continue;
        }
        if (random.below(16) == 0)
        {
            spare.push_back(std::move(*loan));
            continue;
        }
        writePattern(**loan, me, i);
        const auto sequence = publisher.publish(std::move(*loan));
        EXPECT_EQ(sequence.value_or(0), i);
        board.m_sent[me] = i++;
        if (::testing::Test::HasFailure())
        {
            return false;
        }
    }
    board.m_done[me] = true;
    return true;
}

bool receiveUntilStopped(const Round& round, std::uint32_t me)
{
    Board& board = round.m_board;
    Random random(round.m_seed * 100 + 50 + me);
    Node node = Node::create("subscriber", round.options()).value();
    auto subscriber = node.createSubscriber<Bytes>(round.topicName(), QoS{}.keepLast(kDepth)).value();
    board.m_ready.fetch_add(1);
    await([&] { return board.m_go.load(); });
    Ledger ledger(0);
    Dropper dropper(me == 0);
    std::vector<Sample<Bytes>> held;
    for (bool last = false;;)
    {
        const bool drain = board.m_drain;
        auto sample =
            random.below(4) == 0 && !drain ? subscriber.wait(std::chrono::milliseconds{1}) : subscriber.take();
        if (sample)
        {
            ledger.add(*sample);
            held.push_back(std::move(*sample));
            last = false;
        }
        else if (drain && sample.error() == TakeError::NoData)
        {
            if (last)
            {
                break;
            }
            last = true;
        }
        if (!held.empty() && (held.size() == 4 || drain || random.below(4) == 0))
        {
            const auto victim = held.begin() + static_cast<std::ptrdiff_t>(random.below(held.size()));
            EXPECT_TRUE(readPattern(victim->get())) << "overwritten while held";
            dropper.drop(std::move(*victim));
            held.erase(victim);
        }
        if (::testing::Test::HasFailure())
        {
            return false;
        }
    }
    held.clear();
    board.m_received += ledger.received();
    board.m_missed += subscriber.missed();
    ledger.check(board, subscriber.missed());
    return true;
}

/// Killed some time, wherever it is: joining, matching, publishing, leaving.
bool comeAndGo(const Round& round, std::uint32_t me)
{
    Random random(round.m_seed * 100 + 80 + me);
    for (;;)
    {
        auto node = Node::create("mayfly", round.options());
        EXPECT_TRUE(node) << node.error().message();
        auto publisher = node->createPublisher<Bytes>(round.topicName());
        EXPECT_TRUE(publisher) << publisher.error().message();
        auto subscriber = node->createSubscriber<Bytes>(round.topicName());
        EXPECT_TRUE(subscriber) << subscriber.error().message();
        if (::testing::Test::HasFailure())
        {
            return false;
        }
        std::vector<Sample<Bytes>> held;
        std::uint64_t sent = 0;
        for (std::uint64_t i = random.below(20); i > 0; --i)
        {
            if (auto loan = publisher->loan(kLeastPattern + random.below(100)))
            {
                writePattern(**loan, 100 + me, sent + 1);
                sent += publisher->publish(std::move(*loan)) ? 1U : 0U;
            }
            if (auto sample = subscriber->take())
            {
                EXPECT_TRUE(readPattern(sample->get()));
                held.push_back(std::move(*sample));
            }
        }
    }
}

class Stress
{
  public:
    explicit Stress(bool pooled) : m_pooled(pooled), m_random(testSeed())
    {
        ::setenv("ZEROCP_LOG", "error", 0); // thousands of deaths are no news here
        const Round first{m_domain, *m_board, m_pooled, 0};
        m_node = Node::create("keeper", first.options()).value();
        m_keeper = m_node.createSubscriber<Bytes>(first.topicName(), QoS{}.keepLast(kDepth)).value();
    }

    void run(std::chrono::seconds duration)
    {
        const auto end = std::chrono::steady_clock::now() + duration;
        while (std::chrono::steady_clock::now() < end && !::testing::Test::HasFailure())
        {
            SCOPED_TRACE("round " + std::to_string(m_rounds));
            runRound();
            ++m_rounds;
        }
        std::printf("%s pools: %u rounds, %u kills, %llu samples received, %llu missed, %u chunks\n",
                    m_pooled ? "configured" : "automatic", m_rounds, m_kills,
                    static_cast<unsigned long long>(m_received), static_cast<unsigned long long>(m_missed), m_chunks);
    }

  private:
    using Children = std::vector<std::unique_ptr<ChildProcess>>;

    void runRound()
    {
        ::new (&*m_board) Board{};
        const Round round{m_domain, *m_board, m_pooled, m_random()};
        m_ledger.emplace(m_keeper.missed());

        Children workers;
        for (std::uint32_t w = 0; w < kWorkers; ++w)
        {
            // Publishers last: all their messages are owed to everybody.
            const std::uint32_t who = (w + kPublishers) % kWorkers;
            workers.push_back(startWorker(round, who));
            if (who == kWorkers - 1)
            {
                await([&] { return m_board->m_ready == kSubscribers || workers.front()->hasEnded(); });
            }
        }
        // By number: publishers first.
        std::rotate(workers.begin(), workers.begin() + kSubscribers, workers.end());
        await([&] { return m_board->m_ready == kWorkers || anyEnded(workers); });
        ASSERT_EQ(m_board->m_ready, static_cast<int>(kWorkers));
        Children mayflies;
        for (std::uint32_t m = 0; m < kMayflies; ++m)
        {
            mayflies.push_back(
                std::make_unique<ChildProcess>([&round, m](Peer&) { return comeAndGo(round, m); }, kWatchdogSeconds));
        }
        m_board->m_go = true;

        doMischief(workers, mayflies);
        settle(workers);

        for (std::uint32_t w = 0; w < kWorkers; ++w)
        {
            if (!m_board->m_killed[w])
            {
                EXPECT_TRUE(workers[w]->wait().succeeded()) << "worker " << w;
            }
        }
        checkKeeper();
        checkDomain();
        m_received += m_board->m_received;
        m_missed += m_board->m_missed;
    }

    std::unique_ptr<ChildProcess> startWorker(const Round& round, std::uint32_t who)
    {
        return std::make_unique<ChildProcess>(
            [&round, who](Peer&) {
                return who < kPublishers ? publishUntilStopped(round, who)
                                         : receiveUntilStopped(round, who - kPublishers);
            },
            kWatchdogSeconds);
    }

    /// Now and then the keeper takes something meanwhile: it is slow, but not asleep.
    void rest(std::uint64_t mostMicroseconds)
    {
        ::usleep(static_cast<useconds_t>(m_random.below(mostMicroseconds)));
        for (std::uint64_t i = m_random.below(4); i > 0; --i)
        {
            if (auto sample = m_keeper.take())
            {
                m_ledger->add(*sample);
            }
        }
    }

    void kill(ChildProcess& victim)
    {
        const ExitStatus status = victim.kill(SIGKILL);
        EXPECT_TRUE(status.killedBy(SIGKILL)) << ::testing::PrintToString(status);
        ++m_kills;
    }

    void doMischief(Children& workers, Children& mayflies)
    {
        rest(4000);
        std::optional<std::uint32_t> stopped;
        if (m_random.below(4) == 0)
        {
            stopped = static_cast<std::uint32_t>(m_random.below(kWorkers));
            workers[*stopped]->signal(SIGSTOP); // stopped is not dead
        }
        for (std::uint64_t victims = 1 + m_random.below(3); victims > 0; --victims)
        {
            const std::uint64_t victim = m_random.below(kWorkers);
            if (!m_board->m_killed[victim] && stopped != victim)
            {
                m_board->m_killed[victim] = true;
                kill(*workers[victim]);
                rest(1000);
            }
        }
        if (m_random.below(3) == 0)
        {
            ChildProcess recoverer([this](Peer&) { return recover(m_domain.number()).has_value(); }, kWatchdogSeconds);
            rest(1500);
            recoverer.kill(SIGKILL); // unless it is through
        }
        for (const auto& mayfly : mayflies)
        {
            rest(2000);
            kill(*mayfly);
        }
        if (m_random.below(2) == 0)
        {
            // One that was stopped inside a control call is not waited for in vain.
            const auto report = recover(m_domain.number());
            EXPECT_TRUE(report || (stopped && report.error().code() == ErrorCode::Timeout));
        }
        rest(1000);
        if (stopped)
        {
            workers[*stopped]->signal(SIGCONT);
        }
    }

    /// Publishers end, the dead are recovered, then subscribers drain their queues and see who was killed.
    void settle(const Children& workers)
    {
        m_board->m_stop = true;
        for (std::uint32_t p = 0; p < kPublishers; ++p)
        {
            await([&] { return m_board->m_killed[p] || m_board->m_done[p] || workers[p]->hasEnded(); });
        }
        EXPECT_TRUE(recover(m_domain.number()));
        m_board->m_drain = true;
    }

    void checkKeeper()
    {
        while (auto sample = m_keeper.take())
        {
            m_ledger->add(*sample);
        }
        m_ledger->check(*m_board, m_keeper.missed());
    }

    void checkDomain()
    {
        const auto report = recover(m_domain.number());
        ASSERT_TRUE(report) << report.error().message();
        EXPECT_EQ(report->pending, 0U);
        const auto snapshot = inspect(m_domain.number());
        ASSERT_TRUE(snapshot) << snapshot.error().message();
        EXPECT_EQ(snapshot->processes.size(), 1U);
        ASSERT_EQ(snapshot->topics.size(), 1U);
        EXPECT_EQ(snapshot->topics[0].publishers, 0U);
        EXPECT_EQ(snapshot->topics[0].subscribers, 1U);
        EXPECT_TRUE(snapshot->holders.empty());
        m_chunks = expectAllChunksFree(m_domain.number());
    }

    static bool anyEnded(const Children& children)
    {
        return std::any_of(children.begin(), children.end(), [](const auto& child) { return child->hasEnded(); });
    }

    const bool m_pooled;
    Random m_random;
    TestDomain m_domain;
    SharedBoard<Board> m_board;
    Node m_node;
    Subscriber<Bytes> m_keeper;
    std::optional<Ledger> m_ledger; ///< the keeper's, of this round
    std::uint32_t m_rounds{0};
    std::uint32_t m_kills{0};
    std::uint32_t m_chunks{0};
    std::uint64_t m_received{0};
    std::uint64_t m_missed{0};
};

std::chrono::seconds duration()
{
    return std::chrono::seconds{numberFrom("ZEROCP_STRESS_SECONDS", 15)};
}

TEST(Stress, KillsLoseNothingWithAConfiguredPoolSet)
{
    Stress(true).run(duration());
}

TEST(Stress, KillsLoseNothingWithAutomaticPools)
{
    Stress(false).run(duration());
}

} // namespace
} // namespace ZeroCP::test
