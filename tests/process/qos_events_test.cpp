// What subscribers count of publishers in other processes that are stopped, killed or leave. The numbers follow from the
// publish times of the messages.
#include <chrono>
#include <csignal>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "pubsub/pubsub_support.hpp"
#include "support/child_process.hpp"
#include "support/shared_board.hpp"
#include "zerocp/core/monotonic_clock.hpp"

namespace ZeroCP::test
{
namespace
{

using namespace std::chrono_literals;

constexpr std::uint64_t kPeriodNs = 2'000'000;
constexpr std::uint64_t kLeaseNs = 5'000'000;
constexpr auto kPeriod = std::chrono::nanoseconds(kPeriodNs);
constexpr auto kLease = std::chrono::nanoseconds(kLeaseNs);

struct Board
{
    std::atomic<bool> m_stop;
    std::atomic<std::uint64_t> m_sent;
};

/// A child that publishes every millisecond until the board says stop; then it leaves, when told.
auto talker(const OneNode& one, const Board& board, std::atomic<std::uint64_t>& sent, QoS qos)
{
    return [&one, &board, &sent, qos](Peer& parent)
    {
        Node node = nodeIn(one.m_domain, {}, "talker");
        auto publisher = node.createPublisher<Number>("t", qos).value();
        parent.tell("ready");
        parent.pause();
        for (std::uint64_t i = 1; !board.m_stop; ++i)
        {
            EXPECT_TRUE(publisher.publishCopy({i}));
            sent = i;
            std::this_thread::sleep_for(1ms);
        }
        parent.tell("done");
        parent.pause();
        return true;
    };
}

/// A child that makes a publisher, publishes `count` messages and waits; it leaves if it is told.
auto publisherOf(const OneNode& one, std::uint64_t count, QoS qos)
{
    return [&one, count, qos](Peer& parent)
    {
        Node node = nodeIn(one.m_domain, {}, "publisher");
        auto publisher = node.createPublisher<Number>("t", qos).value();
        for (std::uint64_t i = 1; i <= count; ++i)
        {
            EXPECT_TRUE(publisher.publishCopy({i}));
        }
        parent.tell("ready");
        parent.pause();
        return true;
    };
}

void stop(const ChildProcess& child)
{
    child.signal(SIGSTOP);
    await(
        [&child]
        {
            std::ifstream status("/proc/" + std::to_string(child.pid()) + "/stat");
            const std::string text(std::istreambuf_iterator<char>(status), {});
            return text.find(") T ") != std::string::npos;
        });
}

/// The messages that wait, by when they were published.
std::vector<std::uint64_t> timesOf(Subscriber<Number>& subscriber)
{
    std::vector<std::uint64_t> times;
    while (const auto sample = subscriber.take())
    {
        times.push_back(sample->info().publishTimeNs);
    }
    return times;
}

std::uint64_t periodsBetween(const std::vector<std::uint64_t>& times)
{
    std::uint64_t periods = 0;
    for (std::size_t i = 1; i < times.size(); ++i)
    {
        periods += (times[i] - times[i - 1]) / kPeriodNs;
    }
    return periods;
}

std::uint64_t lossesBetween(const std::vector<std::uint64_t>& times)
{
    std::uint64_t losses = 0;
    for (std::size_t i = 1; i < times.size(); ++i)
    {
        losses += times[i] - times[i - 1] >= kLeaseNs ? 1U : 0U;
    }
    return losses;
}

const QoS kPromises = QoS{}.deadline(kPeriod).liveliness(Liveliness::ManualByTopic, kLease);

} // namespace

TEST(QosEvents, AreExactAcrossAStoppedPublisher)
{
    OneNode one;
    const SharedBoard<Board> board;
    auto subscriber = one.subscriber(QoS{}.keepLast(10'000).deadline(kPeriod));
    ChildProcess child(talker(one, *board, board->m_sent, kPromises));
    ASSERT_EQ(child.hear(), "ready");
    child.tell("go");
    for (int round = 0; round < 3; ++round)
    {
        const std::uint64_t before = board->m_sent;
        await([&] { return board->m_sent > before + 10; });
        stop(child);
        std::this_thread::sleep_for(30ms);
        const EventCount missed = subscriber.deadlineMissed();
        EXPECT_GE(missed.count, 10U * static_cast<std::uint64_t>(round + 1));
        EXPECT_EQ(subscriber.livelinessChanged().notAlive, 1U);
        child.signal(SIGCONT);
    }
    board->m_stop = true;
    ASSERT_EQ(child.hear(), "done");
    EXPECT_TRUE(child.finish().succeeded());
    const EventCount missed = subscriber.deadlineMissed(); // the books are closed
    const LivelinessStatus status = subscriber.livelinessChanged();
    const std::vector<std::uint64_t> times = timesOf(subscriber);

    // The gap after the last message ended when the publisher left: its whole periods end at lastNs.
    ASSERT_FALSE(times.empty());
    const std::uint64_t between = periodsBetween(times);
    ASSERT_GE(missed.count, between);
    if (missed.count > between)
    {
        EXPECT_EQ(static_cast<std::uint64_t>(missed.lastNs), times.back() + (missed.count - between) * kPeriodNs);
    }
    EXPECT_EQ(times.size(), board->m_sent);
    EXPECT_GE(status.lost, 3U); // the last one perhaps after the last message: it may leave without another
    EXPECT_GE(status.lost, lossesBetween(times));
    EXPECT_LE(status.lost, lossesBetween(times) + 2); // before the first and after the last message
    EXPECT_EQ(status.alive, 0U);
    EXPECT_EQ(status.notAlive, 0U);
}

TEST(QosEvents, AreExactForASubscriberThatWasStopped)
{
    OneNode one;
    const SharedBoard<Board> board;
    auto witness = one.subscriber(QoS{}.keepLast(10'000));
    ChildProcess child(talker(one, *board, board->m_sent, kPromises));
    ASSERT_EQ(child.hear(), "ready");
    ChildProcess slow(
        [&](Peer& parent)
        {
            Node node = nodeIn(one.m_domain, {}, "slow");
            auto subscriber = node.createSubscriber<Number>("t", QoS{}.keepLast(1).deadline(kPeriod)).value();
            parent.tell("ready");
            parent.pause();
            const EventCount missed = subscriber.deadlineMissed();
            const LivelinessStatus status = subscriber.livelinessChanged();
            std::uint64_t received = 0;
            while (subscriber.take())
            {
                ++received;
            }
            parent.tell(std::to_string(missed.count) + " " + std::to_string(missed.lastNs));
            parent.tell(std::to_string(status.lost));
            parent.tell(std::to_string(received + subscriber.messageLost().count));
            parent.pause();
            return true;
        });
    ASSERT_EQ(slow.hear(), "ready");
    stop(slow);
    child.tell("go");
    await([&] { return board->m_sent > 20; });
    stop(child);
    std::this_thread::sleep_for(20ms);
    child.signal(SIGCONT);
    await([&] { return board->m_sent > 40; });
    board->m_stop = true;
    ASSERT_EQ(child.hear(), "done");
    EXPECT_TRUE(child.finish().succeeded()); // and the subscriber has seen nothing of all this
    const std::vector<std::uint64_t> times = timesOf(witness);

    slow.signal(SIGCONT);
    slow.tell("look");
    const std::string missed = slow.hear();
    const std::uint64_t lost = std::stoull(slow.hear());
    const std::uint64_t all = std::stoull(slow.hear());

    const std::uint64_t count = std::stoull(missed);
    const std::uint64_t lastNs = std::stoull(missed.substr(missed.find(' ')));
    const std::uint64_t between = periodsBetween(times);
    ASSERT_GE(count, between);
    if (count > between)
    {
        EXPECT_EQ(lastNs, times.back() + (count - between) * kPeriodNs);
    }
    EXPECT_GE(between, 9U);
    EXPECT_GE(lost, lossesBetween(times));
    EXPECT_LE(lost, lossesBetween(times) + 2);
    EXPECT_EQ(all, board->m_sent);
    EXPECT_EQ(times.size(), board->m_sent);
    EXPECT_TRUE(slow.finish().succeeded());
}

TEST(QosEvents, AKilledPublisherIsNotAliveOnceAndForAll)
{
    for (const QoS& qos : {QoS{}, QoS{}.liveliness(Liveliness::ManualByTopic, 1h)})
    {
        OneNode one;
        auto subscriber = one.subscriber();
        ChildProcess child(publisherOf(one, 3, qos));
        ASSERT_EQ(child.hear(), "ready");
        EXPECT_EQ(subscriber.livelinessChanged().alive, 1U);
        child.kill(SIGKILL);

        LivelinessStatus status;
        await([&] { return (status = subscriber.livelinessChanged()).alive == 0; });

        EXPECT_EQ(status.notAlive, 1U);
        EXPECT_EQ(status.notAliveChange, 1);
        EXPECT_EQ(status.aliveChange, -1);
        EXPECT_EQ(status.lost, 1U);
        EXPECT_EQ(timesOf(subscriber).size(), 3U);
        EXPECT_EQ(subscriber.publisherCount(), 0U); // its pair is given up
        ASSERT_TRUE(recover(one.m_domain.number(), one.m_domain.root()));
        status = subscriber.livelinessChanged();
        EXPECT_EQ(status.notAlive, 1U);
        EXPECT_EQ(status.notAliveChange, 0);
        EXPECT_EQ(status.lost, 1U);
    }
}

TEST(QosEvents, AKilledPublisherCountsOnceAlsoIfAnotherProcessRecoversIt)
{
    OneNode one;
    auto early = one.subscriber(QoS{}.deadline(kPeriod));
    ChildProcess child(publisherOf(one, 1, QoS{}.deadline(kPeriod)));
    ASSERT_EQ(child.hear(), "ready");
    child.kill(SIGKILL);
    std::this_thread::sleep_for(kPeriod);
    ChildProcess other(
        [&](Peer& parent)
        {
            const auto report = recover(one.m_domain.number(), one.m_domain.root());
            EXPECT_EQ(report ? report->processes : 0, 1U);
            parent.pause();
            return true;
        });
    EXPECT_TRUE(other.finish().succeeded());

    const EventCount missed = early.deadlineMissed();
    const LivelinessStatus status = early.livelinessChanged();

    EXPECT_EQ(status.notAlive, 1U);
    EXPECT_EQ(status.notAliveChange, 1);
    EXPECT_EQ(status.alive, 0U);
    EXPECT_EQ(early.livelinessChanged().notAliveChange, 0);
    EXPECT_GE(missed.count, 1U);
    std::this_thread::sleep_for(2 * kPeriod);
    EXPECT_EQ(early.deadlineMissed().count, missed.count); // found dead: the count has ended
    const std::vector<std::uint64_t> times = timesOf(early);
    ASSERT_EQ(times.size(), 1U);
    EXPECT_EQ(static_cast<std::uint64_t>(missed.lastNs), times.back() + missed.count * kPeriodNs);
}

TEST(QosEvents, APublisherThatHadLostItsLeaseAndDiesIsLostOnce)
{
    OneNode one;
    auto subscriber = one.subscriber();
    ChildProcess child(publisherOf(one, 0, QoS{}.liveliness(Liveliness::ManualByTopic, kLease)));
    ASSERT_EQ(child.hear(), "ready");
    std::this_thread::sleep_for(kLease);
    EXPECT_EQ(subscriber.livelinessChanged().notAlive, 1U);
    child.kill(SIGKILL);
    ASSERT_TRUE(recover(one.m_domain.number(), one.m_domain.root()));

    const LivelinessStatus status = subscriber.livelinessChanged();

    EXPECT_EQ(status.notAlive, 1U);
    EXPECT_EQ(status.notAliveChange, 0);
    EXPECT_EQ(status.lost, 1U);
}

TEST(QosEvents, APublisherThatLeavesIsNeitherAliveNorNotAlive)
{
    OneNode one;
    auto subscriber = one.subscriber();
    ChildProcess leaves(publisherOf(one, 1, QoS{}));
    ChildProcess dies(publisherOf(one, 1, QoS{}));
    ASSERT_EQ(leaves.hear(), "ready");
    ASSERT_EQ(dies.hear(), "ready");
    EXPECT_EQ(subscriber.livelinessChanged().alive, 2U);

    EXPECT_TRUE(leaves.finish().succeeded());
    const LivelinessStatus left = subscriber.livelinessChanged();
    dies.kill(SIGKILL);
    ASSERT_TRUE(recover(one.m_domain.number(), one.m_domain.root()));
    const LivelinessStatus died = subscriber.livelinessChanged();

    EXPECT_EQ(left.alive, 1U);
    EXPECT_EQ(left.aliveChange, -1);
    EXPECT_EQ(left.notAlive, 0U);
    EXPECT_EQ(left.lost, 0U);
    EXPECT_EQ(died.alive, 0U);
    EXPECT_EQ(died.notAlive, 1U);
    EXPECT_EQ(died.lost, 1U);
}

TEST(QosEvents, AStoppedPublisherOfAutomaticLivelinessIsAlive)
{
    OneNode one;
    auto subscriber = one.subscriber();
    ChildProcess child(publisherOf(one, 1, QoS{}));
    ASSERT_EQ(child.hear(), "ready");
    stop(child);
    std::this_thread::sleep_for(20ms);

    const LivelinessStatus status = subscriber.livelinessChanged();

    EXPECT_EQ(status.alive, 1U);
    EXPECT_EQ(status.notAlive, 0U);
    child.signal(SIGCONT);
    EXPECT_TRUE(child.finish().succeeded());
}

} // namespace ZeroCP::test
