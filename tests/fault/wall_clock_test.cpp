// Entry 36 of the fault list: the wall clock is moved by ten days, to and fro, in every process. No death is seen that is
// none, and whoever waits waits as long as it was told.
#include <chrono>
#include <csignal>
#include <cstdint>
#include <thread>

#include <gtest/gtest.h>

#include "fault/fault_support.hpp"
#include "support/jumping_wall_clock.hpp"

namespace ZeroCP::test
{
namespace
{

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

/// Publishes with pauses, and shows that it is alive by that alone.
bool publishSlowly(const OneNode& one, const QoS& qos, Peer& parent)
{
    Node node = nodeIn(one.m_domain, {}, "slow");
    auto publisher = node.createPublisher<Number>("t", qos).value();
    parent.tell("ready");
    parent.pause();
    for (std::uint64_t i = 1; i <= 20; ++i)
    {
        EXPECT_TRUE(publisher.publishCopy({i}));
        std::this_thread::sleep_for(10ms);
    }
    EXPECT_EQ(publisher.livelinessLost().count, 0U);
    parent.tell("published");
    parent.pause();
    return true;
}

} // namespace

TEST(FaultList, Entry36_WhenTheWallClockJumpsNobodyIsTakenForDead)
{
    OneNode one;
    const QoS qos = QoS{}.keepLast(100).deadline(1h).lifespan(1h).liveliness(Liveliness::ManualByTopic, 1h);
    ChildProcess child([&](Peer& parent) { return publishSlowly(one, qos, parent); });
    ASSERT_EQ(child.hear(), "ready");
    auto subscriber = one.subscriber(qos);
    child.tell("go");
    DeliveryLedger ledger;
    while (ledger.received() < 20)
    {
        if (const auto sample = subscriber.wait(100ms))
        {
            ledger.add(*sample);
        }
        const auto report = recover(one.m_domain.number());
        ASSERT_TRUE(report) << report.error().message();
        ASSERT_EQ(report->processes, 0U);
    }
    ASSERT_EQ(child.hear(), "published");

    const LivelinessStatus status = subscriber.livelinessChanged();
    EXPECT_EQ(status.alive, 1U);
    EXPECT_EQ(status.lost, 0U);
    EXPECT_EQ(subscriber.missed(), 0U);
    EXPECT_EQ(subscriber.expired().count, 0U);
    EXPECT_EQ(subscriber.deadlineMissed().count, 0U);
    EXPECT_EQ(one.inspect().processes.size(), 2U);

    child.kill(SIGKILL); // and a death is one
    while (subscriber.livelinessChanged().lost == 0)
    {
    }
    EXPECT_EQ(recover(one.m_domain.number())->pending, 0U);
}

TEST(FaultList, Entry36_WhenTheWallClockJumpsWaitsLastAsLongAsTheyWereTold)
{
    constexpr auto kWait = 100ms;
    OneNode one;
    auto publisher = one.publisher();
    auto subscriber = one.subscriber();
    auto waitSet = WaitSet::create(one.m_node).value();
    ASSERT_TRUE(waitSet.attach(subscriber, 1));
    auto client = one.m_node.createClient<Number, Number>("nobody").value();
    const auto lasts = [kWait](const auto& wait)
    {
        const auto start = Clock::now();
        wait();
        EXPECT_GE(Clock::now() - start, kWait); // one that lasts ten days is the watchdog's
    };

    lasts([&] { EXPECT_EQ(subscriber.wait(kWait).error(), TakeError::Timeout); });
    lasts([&] { EXPECT_TRUE(waitSet.wait(kWait).empty()); });
    lasts([&] { EXPECT_FALSE(publisher.waitForSubscribers(2, kWait)); });
    lasts([&] { EXPECT_FALSE(client.waitForService(kWait)); });
    lasts([&] { EXPECT_FALSE(one.m_node.waitForGraphChange(one.m_node.graphVersion(), kWait)); });
}

TEST(FaultList, Entry36_WhenTheWallClockJumpsKeepAllAndTimersKeepTheirTimes)
{
    Config config;
    config.queue.publishTimeout = 100ms;
    config.queue.keepAllCapacity = 4;
    OneNode one(config);
    auto publisher = one.publisher(QoS{}.keepAll());
    auto subscriber = one.subscriber(QoS{}.keepAll());
    auto sent = publisher.publishCopy({1});
    auto before = Clock::now();
    for (std::uint64_t i = 2; sent; ++i)
    {
        before = Clock::now();
        sent = publisher.publishCopy({i});
    }
    EXPECT_EQ(sent.error(), PublishError::Timeout);
    EXPECT_GE(Clock::now() - before, 100ms);

    int fired = 0;
    const auto start = Clock::now();
    auto timer = one.m_node.createTimer(20ms, [&fired] { ++fired; }).value();
    Executor executor;
    ASSERT_TRUE(executor.add(one.m_node));
    while (fired < 5)
    {
        ASSERT_TRUE(executor.spinSome());
    }
    EXPECT_GE(Clock::now() - start, 100ms);
    EXPECT_LE(static_cast<std::uint64_t>(fired) + timer.missed(),
              static_cast<std::uint64_t>((Clock::now() - start) / 20ms));
}

TEST(FaultList, Entry36_TheWallClockOfTheseTestsDoesJump)
{
    const std::uint64_t looks = wallClockLooks();
    const auto first = std::chrono::system_clock::now();
    const auto second = std::chrono::system_clock::now();

    EXPECT_GT(std::chrono::abs(second - first), 15 * 24h);
    EXPECT_EQ(wallClockLooks(), looks + 2);
}

} // namespace ZeroCP::test
