// Transient-local subscribers that join while their publisher runs, idles or is stopped: the last messages, then everything
// that is not counted as missed, each once.
//
// ZEROCP_JOINS sets the number of joins; 100000 takes about a minute.
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <optional>
#include <random>

#include <sys/wait.h>

#include <gtest/gtest.h>

#include "support/child_process.hpp"
#include "support/pool_audit.hpp"
#include "support/shared_board.hpp"
#include "support/test_domain.hpp"
#include "zerocp/zerocp.hpp"

namespace ZeroCP::test
{
namespace
{

constexpr std::uint32_t kDepth = 8;
const char* const kTopic = "late/joiner";

std::uint64_t joins()
{
    const char* wanted = std::getenv("ZEROCP_JOINS");
    return wanted != nullptr ? std::strtoull(wanted, nullptr, 10) : kSanitized ? 200 : 3'000;
}

NodeOptions in(const TestDomain& domain)
{
    return {.domain = domain.number(), .configFile = {}, .root = {}, .config = {}};
}

QoS latched()
{
    return QoS{}.keepLast(kDepth).transientLocal();
}

struct Board
{
    std::atomic<std::uint64_t> m_begun; ///< number of the last publish that has begun
    std::atomic<bool> m_stop;
};

/// Publishes 1, 2, 3 ... as fast as it can.
bool publishUntilStopped(Peer& parent, const TestDomain& domain, Board& board)
{
    auto node = Node::create("publisher", in(domain)).value();
    auto publisher = node.createPublisher<std::uint64_t>(kTopic, latched()).value();
    for (std::uint64_t i = 1; !board.m_stop.load(); ++i)
    {
        board.m_begun.store(i);
        if (!publisher.publishCopy(i))
        {
            return false;
        }
        if (i == 2 * kDepth)
        {
            parent.tell("running");
        }
    }
    return true;
}

/// What one subscriber has seen so far.
class Witness
{
  public:
    explicit Witness(Subscriber<std::uint64_t>& subscriber) : m_subscriber(subscriber) {}

    /// Takes up to `count` messages; false if there was a duplicate, a gap that was not counted, or a wrong content.
    [[nodiscard]] bool take(std::uint64_t count)
    {
        for (std::uint64_t i = 0; i < count; ++i)
        {
            const auto sample = m_subscriber.take();
            if (!sample)
            {
                return sample.error() == TakeError::NoData;
            }
            const std::uint64_t sequence = sample->info().sequence;
            const std::uint64_t missed = m_subscriber.missed();
            if (**sample != sequence || (m_last != 0 && sequence != m_last + 1 + (missed - m_missed)))
            {
                ADD_FAILURE() << "message " << **sample << " with sequence " << sequence << " after " << m_last
                              << ", missed " << m_missed << " before and " << missed << " now";
                return false;
            }
            m_first = m_first ? m_first : sequence - missed;
            m_last = sequence;
            m_missed = missed;
            ++m_received;
        }
        return true;
    }
    /// The first message that it was given or told to have missed.
    [[nodiscard]] std::optional<std::uint64_t> first() const { return m_first; }
    [[nodiscard]] std::uint64_t received() const { return m_received; }

  private:
    Subscriber<std::uint64_t>& m_subscriber;
    std::optional<std::uint64_t> m_first;
    std::uint64_t m_last{0}; ///< 0: none
    std::uint64_t m_missed{0};
    std::uint64_t m_received{0};
};

TEST(LateJoiner, OfAPublisherAtFullSpeedMissesNothingThatIsNotCounted)
{
    TestDomain domain;
    SharedBoard<Board> board;
    ChildProcess publishing([&](Peer& parent) { return publishUntilStopped(parent, domain, *board); });
    auto node = Node::create("joiner", in(domain)).value();
    ASSERT_EQ(publishing.hear(), "running");

    std::uint64_t received = 0;
    for (std::uint64_t i = 0; i < joins(); ++i)
    {
        auto subscriber = node.createSubscriber<std::uint64_t>(kTopic, latched());
        ASSERT_TRUE(subscriber) << "join " << i << ": " << subscriber.error().message();
        const std::uint64_t begun = board->m_begun.load();
        Witness witness(*subscriber);
        ASSERT_TRUE(witness.take(3 * kDepth)) << "join " << i;
        while (!witness.first()) // the publisher may have been interrupted in the middle of an eviction
        {
            ASSERT_TRUE(witness.take(1)) << "join " << i;
        }
        ASSERT_LE(*witness.first(), begun + 1 - kDepth) << "join " << i << ": the last " << kDepth << " messages";
        received += witness.received();
    }

    std::cout << joins() << " joins, " << received << " messages\n";
    board->m_stop.store(true);
    EXPECT_TRUE(publishing.wait().succeeded());
    expectAllChunksFree(domain.number());
}

TEST(LateJoiner, OfAnIdlePublisherGetsExactlyTheLastMessages)
{
    TestDomain domain;
    ChildProcess publishing(
        [&](Peer& parent)
        {
            auto node = Node::create("publisher", in(domain)).value();
            auto publisher = node.createPublisher<std::uint64_t>(kTopic, latched()).value();
            for (std::uint64_t i = 1; i <= 3 * kDepth; ++i)
            {
                static_cast<void>(publisher.publishCopy(i));
            }
            parent.tell("idle");
            parent.pause();
            return true;
        });
    auto node = Node::create("joiner", in(domain)).value();
    ASSERT_EQ(publishing.hear(), "idle");

    for (std::uint64_t i = 0; i < joins() / 4; ++i)
    {
        auto subscriber = node.createSubscriber<std::uint64_t>(kTopic, latched()).value();
        Witness witness(subscriber);
        ASSERT_TRUE(witness.take(3 * kDepth));
        ASSERT_EQ(witness.received(), kDepth);
        ASSERT_EQ(witness.first(), 2 * kDepth + 1);
        ASSERT_EQ(subscriber.missed(), 0U);
    }
    EXPECT_TRUE(publishing.finish().succeeded());
    expectAllChunksFree(domain.number());
}

TEST(LateJoiner, OfAStoppedPublisherGetsTheLastMessagesAndLaterTheRest)
{
    TestDomain domain;
    SharedBoard<Board> board;
    ChildProcess publishing([&](Peer& parent) { return publishUntilStopped(parent, domain, *board); });
    auto node = Node::create("joiner", in(domain)).value();
    ASSERT_EQ(publishing.hear(), "running");

    for (std::uint64_t i = 0; i < joins() / 50 + 5; ++i)
    {
        publishing.signal(SIGSTOP);
        int status = 0;
        ASSERT_EQ(::waitpid(publishing.pid(), &status, WUNTRACED), publishing.pid());
        const std::uint64_t begun = board->m_begun.load();
        auto subscriber = node.createSubscriber<std::uint64_t>(kTopic, latched());
        ASSERT_TRUE(subscriber) << subscriber.error().message();
        Witness witness(*subscriber);
        ASSERT_TRUE(witness.take(3 * kDepth));
        ASSERT_TRUE(witness.first()) << "while it is stopped";
        // The message that it may be publishing counts or not.
        ASSERT_GE(*witness.first(), begun - kDepth);
        ASSERT_LE(*witness.first(), begun + 1 - kDepth);
        ASSERT_EQ(subscriber->missed(), 0U);
        publishing.signal(SIGCONT);
        while (board->m_begun.load() < begun + 100)
        {
            ASSERT_TRUE(witness.take(kDepth));
        }
        ASSERT_TRUE(witness.take(3 * kDepth));
    }
    board->m_stop.store(true);
    EXPECT_TRUE(publishing.wait().succeeded());
    expectAllChunksFree(domain.number());
}

TEST(LateJoiner, OfAPublisherThatIsKilledKeepsWhatItHasPinned)
{
    std::mt19937_64 random(29);
    for (std::uint64_t round = 0; round < joins() / 100 + 5; ++round)
    {
        TestDomain domain;
        SharedBoard<Board> board;
        ChildProcess publishing([&](Peer& parent) { return publishUntilStopped(parent, domain, *board); });
        auto node = Node::create("joiner", in(domain)).value();
        auto witnessOfAll = node.createSubscriber<std::uint64_t>(kTopic, latched()).value(); // keeps the topic
        ASSERT_EQ(publishing.hear(), "running");
        auto subscriber = node.createSubscriber<std::uint64_t>(kTopic, latched()).value();
        for (std::uint64_t spins = random() % 2'000; spins > 0; --spins)
        {
            static_cast<void>(board->m_begun.load());
        }
        static_cast<void>(publishing.kill(SIGKILL));
        auto late = node.createSubscriber<std::uint64_t>(kTopic, latched()).value();
        static_cast<void>(recover(domain.number()));

        Witness witness(subscriber);
        ASSERT_TRUE(witness.take(100));
        ASSERT_GE(witness.received() + subscriber.missed(), kDepth) << "round " << round;
        ASSERT_FALSE(late.take()) << "its publisher was dead before it came";
        subscriber = {};
        late = {};
        witnessOfAll = {};
    }
}

} // namespace
} // namespace ZeroCP::test
