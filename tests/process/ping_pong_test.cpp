// Two processes that sleep for every message, for ever if nobody wakes them: no wake-up may be lost. A lost one would be
// repaired after notifier::kSlice, so the test also looks at the counter of such rescues.
#include <chrono>
#include <string>

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

constexpr std::chrono::nanoseconds kForEver{-1};

/// ZEROCP_PING_PONGS overrides it.
std::uint64_t roundTrips()
{
    return numberFrom("ZEROCP_PING_PONGS", kSanitized ? 20'000 : 1'000'000);
}

struct Ball
{
    std::uint64_t m_number;
    std::uint64_t m_bounces;
};

NodeOptions withoutSpinning(const TestDomain& domain)
{
    Config config;
    config.wait.spin = std::chrono::nanoseconds{0};
    return {.domain = domain.number(), .configFile = {}, .root = {}, .config = config};
}

struct Player
{
    Player(const std::string& name, const TestDomain& domain, const char* out, const char* in)
        : m_node(Node::create(name, withoutSpinning(domain)).value()),
          m_out(m_node.createPublisher<Ball>(out).value()),
          m_in(m_node.createSubscriber<Ball>(in).value())
    {
    }

    bool hit(Ball ball) { return m_out.publishCopy(ball).has_value(); }
    Ball receive()
    {
        const Sample<Ball> sample = m_in.wait(kForEver).value();
        return *sample;
    }

    Node m_node;
    Publisher<Ball> m_out;
    Subscriber<Ball> m_in;
};

struct Sleeps
{
    std::uint64_t m_naps{0};
    std::uint64_t m_rescues{0};
};

/// Of all subscribers of the domain.
Sleeps sleepsIn(const TestDomain& domain)
{
    Sleeps sleeps;
    for (const std::string& name : poolSetsOf(domain.number()))
    {
        const MappedSet set("/dev/shm", name);
        for (std::uint32_t p = 1; set && p < set.view().header().m_portHighWater.load(); ++p)
        {
            sleeps.m_naps += set.view().port(p).m_naps.load();
            sleeps.m_rescues += set.view().port(p).m_rescues.load();
        }
    }
    return sleeps;
}

TEST(PingPong, NoWakeUpIsLost)
{
    TestDomain domain;
    const std::uint64_t count = roundTrips();
    ChildProcess answering(
        [&](Peer& parent)
        {
            Player player("pong", domain, "pong", "ping");
            parent.tell("ready");
            for (std::uint64_t i = 1; i <= count; ++i)
            {
                const Ball ball = player.receive();
                EXPECT_EQ(ball.m_number, i);
                if (ball.m_number != i || !player.hit({i, ball.m_bounces + 1}))
                {
                    return false;
                }
            }
            parent.pause();
            return true;
        },
        static_cast<unsigned>(60 + count / 5000));
    ASSERT_EQ(answering.hear(), "ready");
    ChildProcess serving(
        [&](Peer& parent)
        {
            Player player("ping", domain, "ping", "pong");
            std::uint64_t bounces = 0;
            for (std::uint64_t i = 1; i <= count; ++i)
            {
                if (!player.hit({i, bounces}))
                {
                    return false;
                }
                const Ball ball = player.receive();
                EXPECT_EQ(ball.m_number, i);
                if (ball.m_number != i)
                {
                    return false;
                }
                bounces = ball.m_bounces;
            }
            EXPECT_EQ(bounces, count);
            parent.tell("done");
            parent.pause();
            return true;
        },
        static_cast<unsigned>(60 + count / 5000));

    EXPECT_EQ(serving.hear(), "done");
    const Sleeps sleeps = sleepsIn(domain);

    EXPECT_EQ(sleeps.m_rescues, 0U);
    EXPECT_GT(sleeps.m_naps, count / 10); // they did sleep; else nothing was tested
    std::printf("%llu round trips, %llu naps\n", static_cast<unsigned long long>(count),
                static_cast<unsigned long long>(sleeps.m_naps));
    EXPECT_TRUE(serving.finish().succeeded());
    EXPECT_TRUE(answering.finish().succeeded());
}

/// The dangerous moment is short: the reader has looked at its queue and is about to sleep. So the publisher does not
/// sleep here, and publishes at a random moment after the reader has taken the last message.
TEST(PingPong, NoWakeUpIsLostAroundTheMomentOfFallingAsleep)
{
    struct Board
    {
        alignas(64) std::atomic<std::uint64_t> m_taken;
    };
    constexpr std::uint64_t kLongestPause = 1500; // steps of about a nanosecond
    TestDomain domain;
    SharedBoard<Board> board;
    const std::uint64_t count = roundTrips() / 2;
    const std::uint64_t seed = testSeed();
    const auto watchdog = static_cast<unsigned>(60 + count / 5000);
    ChildProcess reading(
        [&](Peer& parent)
        {
            Player player("reader", domain, "unused", "moments");
            parent.tell("ready");
            for (std::uint64_t i = 1; i <= count; ++i)
            {
                const Ball ball = player.receive();
                EXPECT_EQ(ball.m_number, i);
                if (ball.m_number != i)
                {
                    return false;
                }
                board->m_taken.store(i, std::memory_order_release);
            }
            parent.tell("done");
            parent.pause();
            return true;
        },
        watchdog);
    ASSERT_EQ(reading.hear(), "ready");
    ChildProcess publishing(
        [&](Peer&)
        {
            Player player("publisher", domain, "moments", "unused");
            Random random(seed);
            for (std::uint64_t i = 1; i <= count; ++i)
            {
                for (std::uint64_t looks = 0; board->m_taken.load(std::memory_order_acquire) != i - 1;)
                {
                    if (++looks % 4096 == 0)
                    {
                        ::sched_yield(); // the reader may need this core
                    }
                }
                for (std::uint64_t pause = random.below(kLongestPause); pause > 0; --pause)
                {
                    std::atomic_signal_fence(std::memory_order_seq_cst);
                }
                if (!player.hit({i, 0}))
                {
                    return false;
                }
            }
            return true;
        },
        watchdog);

    EXPECT_EQ(reading.hear(), "done");
    const Sleeps sleeps = sleepsIn(domain);

    EXPECT_EQ(sleeps.m_rescues, 0U);
    std::printf("%llu messages, %llu naps\n", static_cast<unsigned long long>(count),
                static_cast<unsigned long long>(sleeps.m_naps));
    EXPECT_TRUE(reading.finish().succeeded());
    EXPECT_TRUE(publishing.wait().succeeded());
}

} // namespace
} // namespace ZeroCP::test
