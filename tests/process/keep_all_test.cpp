// keepAll and reliable, 3 publishers x 5 subscribers in 8 processes: nothing is lost, nothing comes twice, the order of
// every publisher is kept, also while subscribers are stopped. Sizes are log-uniform from 1 B to 1 MiB.
//
//     ZEROCP_TEST_MESSAGES=1000000 build/release/tests/zerocp_process_tests --gtest_filter='KeepAll*'
#include <algorithm>
#include <array>
#include <bit>
#include <chrono>
#include <cmath>
#include <csignal>
#include <cstring>
#include <memory>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "support/child_process.hpp"
#include "support/message_pattern.hpp"
#include "support/shared_board.hpp"
#include "support/test_domain.hpp"
#include "zerocp/zerocp.hpp"

namespace ZeroCP::test
{
namespace
{

using namespace std::chrono_literals;

constexpr std::size_t kPublishers = 3;
constexpr std::size_t kSubscribers = 5;
constexpr std::chrono::milliseconds kPublishTimeout{20};
constexpr unsigned kWatchdogSeconds = 900;         // for a million; ctest's own is shorter
constexpr std::uint64_t kBeforeTheFirstStop = 100; ///< messages of each publisher
constexpr std::uint32_t kQueueCapacity = 256;
const char* const kTopic = "keep/all";

using Bytes = Slice<std::byte>;

/// Of all publishers together.
std::uint64_t messagesInAll()
{
    return numberFrom("ZEROCP_TEST_MESSAGES", kSanitized ? 3000 : 100'000);
}

struct Board
{
    std::atomic<int> m_ready;
    std::atomic<int> m_publishersDone;
    std::atomic<bool> m_oneIsStopped;
    std::array<std::atomic<std::uint64_t>, kPublishers> m_id;
    std::array<std::atomic<std::uint64_t>, kPublishers> m_begun; ///< messages, not tries
    std::array<std::atomic<std::uint64_t>, kPublishers> m_ended;
    std::atomic<std::uint64_t> m_refused; ///< publish() calls that answered Timeout
    std::atomic<std::uint64_t> m_received;
    std::atomic<std::uint64_t> m_bytes;
};

struct Setup
{
    const TestDomain& m_domain;
    Board& m_board;
    bool m_together; ///< all have matched before the first message
    bool m_stops;    ///< subscribers are stopped on the way
    std::uint64_t m_seed;
    std::uint64_t m_messages; ///< of each publisher

    [[nodiscard]] NodeOptions options() const
    {
        Config config;
        config.queue.publishTimeout = kPublishTimeout;
        config.queue.keepAllCapacity = m_stops ? kQueueCapacity : config.queue.keepAllCapacity;
        return {.domain = m_domain.number(), .configFile = {}, .root = {}, .config = config};
    }
};

/// Size and contents follow from who sends and which message it is, so one byte is enough to be checked.
std::size_t sizeOf(const Setup& setup, std::size_t publisher, std::uint64_t sequence)
{
    constexpr double kOctaves = 20;
    Random random(patternSeed(static_cast<std::uint32_t>(publisher), sequence) ^ setup.m_seed);
    const double exponent = kOctaves * static_cast<double>(random.below(1U << 30)) / static_cast<double>(1U << 30);
    return static_cast<std::size_t>(std::exp2(exponent));
}

/// Calls `use(place, word)` for every eight bytes of a message, the last with fewer.
template <typename Use>
void forEachWord(std::size_t bytes, std::size_t publisher, std::uint64_t sequence, const Use& use)
{
    std::uint64_t word = patternSeed(static_cast<std::uint32_t>(publisher), sequence) * 0x9E3779B97F4A7C15ULL;
    for (std::size_t at = 0; at < bytes; at += 8)
    {
        word = std::rotl(word, 23) + 0x9E3779B97F4A7C15ULL;
        use(at, std::min<std::size_t>(8, bytes - at), word);
    }
}

bool isIntact(std::span<const std::byte> message, std::size_t publisher, std::uint64_t sequence)
{
    std::uint64_t wrong = 0;
    forEachWord(message.size(), publisher, sequence,
                [&](std::size_t at, std::size_t count, std::uint64_t word)
                {
                    std::uint64_t found = word;
                    std::memcpy(&found, message.data() + at, count);
                    wrong |= found ^ word;
                });
    return wrong == 0;
}

/// Publishes until it is taken: what answered Timeout has reached nobody.
bool publishOnce(Publisher<Bytes>& publisher, Loan<Bytes> loan, std::uint64_t expected, Board& board)
{
    for (;;)
    {
        const auto sequence = publisher.publish(std::move(loan));
        if (sequence)
        {
            EXPECT_EQ(*sequence, expected);
            return *sequence == expected;
        }
        if (sequence.error() != PublishError::Timeout)
        {
            ADD_FAILURE() << "message " << expected << ": " << toString(sequence.error());
            return false;
        }
        board.m_refused.fetch_add(1);
    }
}

bool publishAll(const Setup& setup, std::size_t me)
{
    Board& board = setup.m_board;
    auto node = Node::create("publisher", setup.options());
    auto publisher = node->createPublisher<Bytes>(kTopic, QoS{}.keepAll());
    if (!publisher)
    {
        ADD_FAILURE() << publisher.error().message();
        return false;
    }
    board.m_id[me] = publisher->id();
    if (setup.m_together)
    {
        meet(board.m_ready, kPublishers + kSubscribers);
    }
    for (std::uint64_t i = 1; i <= setup.m_messages; ++i)
    {
        if (setup.m_stops && i == kBeforeTheFirstStop)
        {
            await([&] { return board.m_oneIsStopped.load(); }); // what is left fits into no queue
        }
        const std::size_t bytes = sizeOf(setup, me, i);
        auto loan = publisher->loan(bytes);
        if (!loan)
        {
            ADD_FAILURE() << "publisher " << me << ", message " << i << ", " << bytes
                          << " bytes: " << toString(loan.error()) << publisher->whyExhausted();
            return false;
        }
        forEachWord(bytes, me, i,
                    [target = loan->get().data()](std::size_t at, std::size_t count, std::uint64_t word)
                    { std::memcpy(target + at, &word, count); });
        board.m_begun[me] = i;
        if (!publishOnce(*publisher, std::move(*loan), i, board))
        {
            return false;
        }
        board.m_ended[me] = i;
    }
    return true; // and leaves: what it published stays readable
}

/// What one subscriber got from one publisher.
struct Pair
{
    std::uint64_t m_endedAtJoin{0}; ///< messages up to here cannot have been for us
    std::uint64_t m_begunAtJoin{0}; ///< messages after this one must be
    std::uint64_t m_last{0};
    bool m_any{false};
};

class Receiver
{
  public:
    explicit Receiver(const Setup& setup) : m_setup(setup) {}

    bool run()
    {
        auto node = Node::create("subscriber", m_setup.options());
        note([](Pair& pair, std::uint64_t, std::uint64_t ended) { pair.m_endedAtJoin = ended; });
        auto subscriber = node->createSubscriber<Bytes>(kTopic, QoS{}.keepAll());
        if (!subscriber)
        {
            ADD_FAILURE() << subscriber.error().message();
            return false;
        }
        note([](Pair& pair, std::uint64_t begun, std::uint64_t) { pair.m_begunAtJoin = begun; });
        if (m_setup.m_together)
        {
            meet(m_setup.m_board.m_ready, kPublishers + kSubscribers);
        }
        while (receiveSome(*subscriber))
        {
        }
        EXPECT_EQ(subscriber->missed(), 0U);
        checkEnd();
        return !::testing::Test::HasFailure();
    }

  private:
    template <typename Use>
    void note(const Use& use)
    {
        for (std::size_t p = 0; p < kPublishers; ++p)
        {
            use(m_pairs[p], m_setup.m_board.m_begun[p].load(), m_setup.m_board.m_ended[p].load());
        }
    }

    /// False when all publishers are done and nothing is left.
    bool receiveSome(Subscriber<Bytes>& subscriber)
    {
        const bool done = m_setup.m_board.m_publishersDone.load() == static_cast<int>(kPublishers);
        const auto sample = subscriber.wait(50ms);
        if (!sample)
        {
            EXPECT_EQ(sample.error(), TakeError::Timeout);
            return !done && sample.error() == TakeError::Timeout;
        }
        receive(*sample);
        return !::testing::Test::HasFailure();
    }

    void receive(const Sample<Bytes>& sample)
    {
        const Board& board = m_setup.m_board;
        const auto from = std::find(board.m_id.begin(), board.m_id.end(), sample.info().publisherId);
        ASSERT_NE(from, board.m_id.end());
        const auto publisher = static_cast<std::size_t>(from - board.m_id.begin());
        Pair& pair = m_pairs[publisher];
        const std::uint64_t sequence = sample.info().sequence;
        if (pair.m_any)
        {
            ASSERT_EQ(sequence, pair.m_last + 1) << "publisher " << publisher;
        }
        else
        {
            EXPECT_GT(sequence, pair.m_endedAtJoin) << "publisher " << publisher;
            EXPECT_LE(sequence, pair.m_begunAtJoin + 1) << "publisher " << publisher;
        }
        pair.m_any = true;
        pair.m_last = sequence;
        ASSERT_EQ(sample.get().size(), sizeOf(m_setup, publisher, sequence));
        ASSERT_TRUE(isIntact(*sample, publisher, sequence)) << "publisher " << publisher << ", message " << sequence;
        m_setup.m_board.m_received.fetch_add(1, std::memory_order_relaxed);
        m_setup.m_board.m_bytes.fetch_add(sample.get().size(), std::memory_order_relaxed);
    }

    void checkEnd() const
    {
        for (std::size_t p = 0; p < kPublishers; ++p)
        {
            const bool owed = m_pairs[p].m_begunAtJoin < m_setup.m_messages;
            if (owed || m_pairs[p].m_any)
            {
                EXPECT_EQ(m_pairs[p].m_last, m_setup.m_messages) << "publisher " << p;
            }
        }
    }

    const Setup& m_setup;
    std::array<Pair, kPublishers> m_pairs{};
};

/// Stops one subscriber after the other, each long enough that publishers have to wait.
void stopSubscribers(const std::vector<ChildProcess*>& subscribers, Board& board, Random& random)
{
    await([&] { return board.m_begun[0].load() > 0; }); // all have met: who is stopped before is waited for by nobody
    while (board.m_publishersDone.load() < static_cast<int>(kPublishers) && !::testing::Test::HasFailure())
    {
        ChildProcess& victim = *subscribers[random.below(subscribers.size())];
        const std::uint64_t refused = board.m_refused.load();
        victim.signal(SIGSTOP);
        board.m_oneIsStopped.store(true);
        await([&] { return board.m_refused.load() > refused + 1 || board.m_publishersDone.load() > 0; });
        victim.signal(SIGCONT);
        const std::uint64_t received = board.m_received.load();
        await([&] { return board.m_received.load() > received + 5000 || board.m_publishersDone.load() > 0; });
        if (board.m_publishersDone.load() > 0)
        {
            return;
        }
    }
}

void run(bool together, bool stops)
{
    TestDomain domain;
    SharedBoard<Board> board;
    const Setup setup{domain, *board, together, stops, testSeed(), messagesInAll() / kPublishers};
    std::array<std::size_t, kPublishers + kSubscribers> order{};
    std::iota(order.begin(), order.end(), 0U);
    Random random(setup.m_seed);
    for (std::size_t i = order.size(); i > 1; --i)
    {
        std::swap(order[i - 1], order[random.below(i)]);
    }
    std::vector<std::unique_ptr<ChildProcess>> children;
    std::vector<ChildProcess*> subscribers;
    for (const std::size_t who : order)
    {
        const bool publishes = who < kPublishers;
        children.push_back(std::make_unique<ChildProcess>(
            [&setup, who, publishes](Peer&)
            {
                const bool well = publishes ? publishAll(setup, who) : Receiver(setup).run();
                setup.m_board.m_publishersDone.fetch_add(publishes ? 1 : 0);
                return well;
            },
            kWatchdogSeconds));
        if (!publishes)
        {
            subscribers.push_back(children.back().get());
        }
    }
    if (stops)
    {
        stopSubscribers(subscribers, *board, random);
    }
    for (const auto& child : children)
    {
        EXPECT_TRUE(child->wait().succeeded());
    }
    if (together)
    {
        EXPECT_EQ(board->m_received.load(), kPublishers * kSubscribers * setup.m_messages);
    }
    if (stops)
    {
        EXPECT_GT(board->m_refused.load(), 0U);
    }
    std::printf("published %llu, received %llu, %llu MiB, %llu publish calls refused\n",
                static_cast<unsigned long long>(kPublishers * setup.m_messages),
                static_cast<unsigned long long>(board->m_received),
                static_cast<unsigned long long>(board->m_bytes >> 20),
                static_cast<unsigned long long>(board->m_refused));
}

TEST(KeepAll, LosesNothingBetweenEightProcesses)
{
    run(true, false);
}

TEST(KeepAll, LosesNothingSinceMatchingInAnyOrderOfStart)
{
    run(false, false);
}

TEST(KeepAll, LosesNothingWhileSubscribersAreStopped)
{
    run(true, true);
}

} // namespace
} // namespace ZeroCP::test
