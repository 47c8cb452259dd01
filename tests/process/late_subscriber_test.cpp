// Matching is synchronous: who has subscribed gets what is published from then on, in any process, without any waiting.
#include <cstdint>

#include <gtest/gtest.h>

#include "support/child_process.hpp"
#include "support/shared_board.hpp"
#include "support/test_domain.hpp"
#include "zerocp/zerocp.hpp"

namespace ZeroCP::test
{
namespace
{

constexpr std::uint64_t kRounds = kSanitized ? 1'000 : 10'000;
const char* const kTopic = "late/subscriber";

NodeOptions in(const TestDomain& domain)
{
    return {.domain = domain.number(), .configFile = {}, .root = {}, .config = {}};
}

TEST(LateSubscriber, GetsTheMessageThatIsPublishedRightAfterItWasCreated)
{
    TestDomain domain;
    ChildProcess publishing(
        [&](Peer& parent)
        {
            auto node = Node::create("publisher", in(domain)).value();
            auto publisher = node.createPublisher<std::uint64_t>(kTopic).value();
            parent.tell("ready");
            for (std::uint64_t i = 1; i <= kRounds; ++i)
            {
                parent.pause();
                if (!publisher.publishCopy(i))
                {
                    return false;
                }
                parent.tell("published");
            }
            return true;
        });
    auto node = Node::create("subscriber", in(domain)).value();
    ASSERT_EQ(publishing.hear(), "ready");

    std::uint64_t received = 0;
    for (std::uint64_t i = 1; i <= kRounds; ++i)
    {
        auto subscriber = node.createSubscriber<std::uint64_t>(kTopic);
        ASSERT_TRUE(subscriber) << "round " << i << ": " << subscriber.error().message();
        publishing.tell("publish");
        ASSERT_EQ(publishing.hear(), "published");
        const auto sample = subscriber->take();
        ASSERT_TRUE(sample) << "round " << i << ": " << toString(sample.error());
        ASSERT_EQ(**sample, i);
        ASSERT_EQ(sample->info().sequence, i);
        ASSERT_EQ(subscriber->missed(), 0U);
        ++received;
    }

    EXPECT_EQ(received, kRounds);
    EXPECT_TRUE(publishing.wait().succeeded());
}

TEST(LateSubscriber, GetsTheFirstMessageOfAPublisherThatComesLater)
{
    TestDomain domain;
    ChildProcess publishing(
        [&](Peer& parent)
        {
            auto node = Node::create("publisher", in(domain)).value();
            for (std::uint64_t i = 1; i <= kRounds / 4; ++i)
            {
                parent.pause();
                auto publisher = node.createPublisher<std::uint64_t>(kTopic).value();
                if (!publisher.publishCopy(i))
                {
                    return false;
                }
                if (i % 2 == 0)
                {
                    publisher = {}; // gone before the message is taken
                }
                parent.tell("published");
            }
            return true;
        });
    auto node = Node::create("subscriber", in(domain)).value();
    auto subscriber = node.createSubscriber<std::uint64_t>(kTopic).value();

    for (std::uint64_t i = 1; i <= kRounds / 4; ++i)
    {
        publishing.tell("publish");
        ASSERT_EQ(publishing.hear(), "published");
        const auto sample = subscriber.take();
        ASSERT_TRUE(sample) << "round " << i << ": " << toString(sample.error());
        ASSERT_EQ(**sample, i);
        ASSERT_EQ(sample->info().sequence, 1U);
    }

    EXPECT_EQ(subscriber.missed(), 0U);
    EXPECT_TRUE(publishing.wait().succeeded());
}

TEST(LateSubscriber, IsOwedEverythingSinceItJoinedWhileThePublisherIsBusy)
{
    struct Board
    {
        std::atomic<std::uint64_t> m_begun;
        std::atomic<std::uint64_t> m_ended;
        std::atomic<bool> m_stop;
    };
    TestDomain domain;
    SharedBoard<Board> board;
    ChildProcess publishing(
        [&](Peer& parent)
        {
            auto node = Node::create("publisher", in(domain)).value();
            auto publisher = node.createPublisher<std::uint64_t>(kTopic).value();
            parent.tell("ready");
            for (std::uint64_t i = 1; !board->m_stop; ++i)
            {
                board->m_begun = i;
                if (publisher.publishCopy(i).value_or(0) != i)
                {
                    return false;
                }
                board->m_ended = i;
            }
            return true;
        });
    auto node = Node::create("subscriber", in(domain)).value();
    ASSERT_EQ(publishing.hear(), "ready");

    for (std::uint64_t round = 0; round < kRounds / 4; ++round)
    {
        const std::uint64_t endedBefore = board->m_ended;
        auto subscriber = node.createSubscriber<std::uint64_t>(kTopic);
        ASSERT_TRUE(subscriber) << "round " << round << ": " << subscriber.error().message();
        const std::uint64_t begunAfter = board->m_begun;

        auto sample = subscriber->wait(std::chrono::seconds{10});

        ASSERT_TRUE(sample) << "round " << round << ": " << toString(sample.error());
        ASSERT_EQ(**sample, sample->info().sequence);
        const std::uint64_t firstOwed = sample->info().sequence - subscriber->missed();
        ASSERT_GT(firstOwed, endedBefore) << "round " << round;
        ASSERT_LE(firstOwed, begunAfter + 1) << "round " << round;
    }

    board->m_stop = true;
    EXPECT_TRUE(publishing.wait().succeeded());
}

} // namespace
} // namespace ZeroCP::test
