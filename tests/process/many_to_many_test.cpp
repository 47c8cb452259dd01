// 3 publishers x 5 subscribers in 8 processes: for every pair, received + missed is what was published since the pair
// matched, in order and intact.
#include <array>
#include <chrono>
#include <map>
#include <memory>
#include <numeric>
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

constexpr std::size_t kPublishers = 3;
constexpr std::size_t kSubscribers = 5;
constexpr std::uint64_t kMessages = kSanitized ? 500 : 5000;
constexpr std::size_t kMostBytes = 65536;
constexpr std::chrono::milliseconds kPatience{20};
const char* const kTopic = "many/to/many";

/// Who is there before the first message is published?
enum class Start
{
    Everybody,      ///< every pair is owed every message
    AllSubscribers, ///< publishers come when they like: every pair is still owed every message
    Nobody,         ///< who joins late is owed what is published from then on
};

struct Board
{
    std::atomic<int> m_ready;
    std::atomic<int> m_subscribersReady;
    std::atomic<int> m_publishersDone;
    std::array<std::atomic<std::uint64_t>, kPublishers> m_id;
    std::array<std::atomic<std::uint64_t>, kPublishers> m_begun; ///< publish() calls
    std::array<std::atomic<std::uint64_t>, kPublishers> m_ended;
    std::atomic<std::uint64_t> m_received;
    std::atomic<std::uint64_t> m_missed;
};

struct Setup
{
    const TestDomain& m_domain;
    Board& m_board;
    Start m_start;
    std::uint64_t m_seed;
    std::optional<Config> m_config{};

    [[nodiscard]] NodeOptions options() const
    {
        return {.domain = m_domain.number(), .configFile = {}, .root = {}, .config = m_config};
    }
};

bool publishAll(const Setup& setup, std::uint32_t me)
{
    Board& board = setup.m_board;
    Random random(setup.m_seed + me);
    if (setup.m_start == Start::AllSubscribers)
    {
        await([&] { return board.m_subscribersReady.load() == static_cast<int>(kSubscribers); });
    }
    auto node = Node::create("publisher" + std::to_string(me), setup.options());
    if (!node)
    {
        ADD_FAILURE() << node.error().message();
        return false;
    }
    auto publisher = node->createPublisher<Slice<std::byte>>(kTopic, QoS{}.keepLast(8));
    if (!publisher)
    {
        ADD_FAILURE() << publisher.error().message();
        return false;
    }
    board.m_id[me] = publisher->id();
    if (setup.m_start == Start::Everybody)
    {
        meet(board.m_ready, kPublishers + kSubscribers);
    }
    for (std::uint64_t i = 1; i <= kMessages; ++i)
    {
        auto loan = publisher->loan(kLeastPattern + random.below(kMostBytes - kLeastPattern + 1));
        if (!loan)
        {
            ADD_FAILURE() << "publisher " << me << ", message " << i << ": " << toString(loan.error());
            return false;
        }
        writePattern(**loan, me, i);
        board.m_begun[me] = i;
        const auto sequence = publisher->publish(std::move(*loan));
        board.m_ended[me] = i;
        if (!sequence || *sequence != i)
        {
            ADD_FAILURE() << "publisher " << me << ", message " << i << " was published as " << sequence.value_or(0);
            return false;
        }
        if (random.below(1 + me) != 0)
        {
            ::sched_yield(); // publishers of different speeds; the last one lets readers keep up now and then
        }
    }
    board.m_publishersDone.fetch_add(1);
    return true; // and leaves: what it published stays readable
}

/// What one subscriber got from one publisher.
struct Pair
{
    std::uint64_t m_endedAtJoin{0}; ///< messages up to here cannot have been for us
    std::uint64_t m_begunAtJoin{0}; ///< messages after this one must be
    std::uint64_t m_first{0};
    std::uint64_t m_last{0};
    std::uint64_t m_received{0};

    /// Lost between the first and the last that came.
    [[nodiscard]] std::uint64_t gaps() const { return m_received == 0 ? 0 : m_last - m_first + 1 - m_received; }
    [[nodiscard]] std::uint64_t firstOwedAtLeast() const { return m_endedAtJoin + 1; }
    [[nodiscard]] std::uint64_t firstOwedAtMost() const { return m_begunAtJoin + 1; }
};

class Receiver
{
  public:
    Receiver(Board& board, Random random) : m_board(board), m_random(random) {}

    void join(Node& node, Subscriber<Slice<std::byte>>& subscriber)
    {
        for (std::size_t p = 0; p < kPublishers; ++p)
        {
            m_pairs[p].m_endedAtJoin = m_board.m_ended[p];
        }
        auto created = node.createSubscriber<Slice<std::byte>>(kTopic, QoS{}.keepLast(8));
        ASSERT_TRUE(created) << created.error().message();
        subscriber = std::move(*created);
        for (std::size_t p = 0; p < kPublishers; ++p)
        {
            m_pairs[p].m_begunAtJoin = m_board.m_begun[p];
        }
    }

    /// Until all publishers are done and nothing is left.
    void receiveAll(Subscriber<Slice<std::byte>>& subscriber)
    {
        for (;;)
        {
            const bool done = m_board.m_publishersDone.load() == static_cast<int>(kPublishers);
            auto sample = m_random.below(2) == 0 ? subscriber.take() : subscriber.wait(kPatience);
            if (sample)
            {
                receive(*sample);
                keepOrDrop(std::move(*sample));
            }
            else if (sample.error() == TakeError::TooManyHeld)
            {
                m_held.erase(m_held.begin());
            }
            else
            {
                ASSERT_TRUE(sample.error() == TakeError::NoData || sample.error() == TakeError::Timeout)
                    << toString(sample.error());
                if (done)
                {
                    break;
                }
            }
            ASSERT_FALSE(::testing::Test::HasFailure());
        }
        m_held.clear();
    }

    void check(std::uint64_t missed) const
    {
        std::uint64_t received = 0;
        std::uint64_t least = 0; // of `missed`
        std::uint64_t most = 0;
        for (std::size_t p = 0; p < kPublishers; ++p)
        {
            const Pair& pair = m_pairs[p];
            received += pair.m_received;
            if (pair.firstOwedAtMost() > kMessages && pair.m_received == 0)
            {
                continue; // came when all was over, or during the very last publish
            }
            // Whatever else is lost, the newest message stays.
            EXPECT_EQ(pair.m_last, kMessages) << "publisher " << p;
            EXPECT_GE(pair.m_first, pair.firstOwedAtLeast()) << "publisher " << p;
            least += pair.gaps() + (pair.m_first > pair.firstOwedAtMost() ? pair.m_first - pair.firstOwedAtMost() : 0);
            most += pair.gaps() + pair.m_first - pair.firstOwedAtLeast();
        }
        EXPECT_GE(missed, least);
        EXPECT_LE(missed, most);
        m_board.m_received += received;
        m_board.m_missed += missed;
    }

  private:
    using Held = Sample<Slice<std::byte>>;

    void receive(const Held& sample)
    {
        const auto head = readPattern(*sample);
        ASSERT_TRUE(head) << "a message of " << sample.get().size() << " bytes is damaged";
        ASSERT_LT(head->m_publisher, kPublishers);
        Pair& pair = m_pairs[head->m_publisher];
        EXPECT_EQ(sample.info().publisherId, m_board.m_id[head->m_publisher].load());
        EXPECT_EQ(sample.info().sequence, head->m_sequence);
        ASSERT_GT(head->m_sequence, pair.m_last) << "out of order or twice, publisher " << head->m_publisher;
        pair.m_first = pair.m_received == 0 ? head->m_sequence : pair.m_first;
        pair.m_last = head->m_sequence;
        ++pair.m_received;
    }

    /// Some are kept for a while and must not change meanwhile.
    void keepOrDrop(Held sample)
    {
        if (m_random.below(4) == 0)
        {
            m_held.push_back(std::move(sample));
        }
        if (!m_held.empty() && m_random.below(4) == 0)
        {
            const auto victim = m_held.begin() + static_cast<std::ptrdiff_t>(m_random.below(m_held.size()));
            EXPECT_TRUE(readPattern(victim->get())) << "overwritten while held";
            m_held.erase(victim);
        }
    }

    Board& m_board;
    Random m_random;
    std::array<Pair, kPublishers> m_pairs{};
    std::vector<Held> m_held;
};

bool receiveAll(const Setup& setup, std::uint32_t me)
{
    Receiver receiver(setup.m_board, Random(setup.m_seed + 100 + me));
    auto node = Node::create("subscriber" + std::to_string(me), setup.options());
    if (!node)
    {
        ADD_FAILURE() << node.error().message();
        return false;
    }
    Subscriber<Slice<std::byte>> subscriber;
    receiver.join(*node, subscriber);
    setup.m_board.m_subscribersReady.fetch_add(1);
    if (setup.m_start == Start::Everybody)
    {
        meet(setup.m_board.m_ready, kPublishers + kSubscribers);
    }
    if (!::testing::Test::HasFailure())
    {
        receiver.receiveAll(subscriber);
    }
    if (!::testing::Test::HasFailure())
    {
        receiver.check(subscriber.missed());
    }
    return true;
}

void run(Start start, std::optional<Config> config = {})
{
    TestDomain domain;
    SharedBoard<Board> board;
    const Setup setup{domain, *board, start, testSeed(), std::move(config)};
    std::array<std::uint32_t, kPublishers + kSubscribers> order{};
    std::iota(order.begin(), order.end(), 0U);
    Random random(setup.m_seed);
    for (std::size_t i = order.size(); i > 1; --i)
    {
        std::swap(order[i - 1], order[random.below(i)]);
    }

    std::vector<std::unique_ptr<ChildProcess>> children;
    for (const std::uint32_t who : order)
    {
        children.push_back(std::make_unique<ChildProcess>(
            [&setup, who](Peer&)
            {
                return who < kPublishers ? publishAll(setup, who)
                                         : receiveAll(setup, who - static_cast<std::uint32_t>(kPublishers));
            }));
    }
    for (const auto& child : children)
    {
        EXPECT_TRUE(child->wait().succeeded());
    }

    if (start != Start::Nobody)
    {
        EXPECT_EQ(board->m_received + board->m_missed, kPublishers * kSubscribers * kMessages);
    }
    std::printf("received %llu, missed %llu\n", static_cast<unsigned long long>(board->m_received),
                static_cast<unsigned long long>(board->m_missed));
}

/// Enough of every size for all publishers: loans, the newest window, what subscribers hold, stashes.
Config ampleConfig()
{
    Config config;
    PoolConfig pool;
    pool.name = "many";
    pool.chunks = {{1024, 180}, {8192, 180}, {65536, 180}};
    config.pools.push_back(pool);
    TopicConfig topic;
    topic.name = kTopic;
    topic.pool = pool.name;
    config.topics.push_back(topic);
    return config;
}

TEST(ManyToMany, EveryMessageIsReceivedOrCountedWhenAllMatchBeforeTheFirst)
{
    run(Start::Everybody);
}

TEST(ManyToMany, EveryMessageIsReceivedOrCountedWhenPublishersComeLate)
{
    run(Start::AllSubscribers);
}

TEST(ManyToMany, EveryMessageSinceMatchingIsReceivedOrCountedInAnyOrderOfStart)
{
    run(Start::Nobody);
}

TEST(ManyToMany, EveryMessageIsReceivedOrCountedWithAConfiguredPoolSet)
{
    run(Start::Everybody, ampleConfig());
}

TEST(ManyToMany, EveryMessageSinceMatchingIsReceivedOrCountedInAnyOrderWithAConfiguredPoolSet)
{
    run(Start::Nobody, ampleConfig());
}

} // namespace
} // namespace ZeroCP::test
