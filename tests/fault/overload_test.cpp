// Entries 32, 34 and 35 of the fault list: publishers that stand still in the middle of a call, more endpoints than
// cores with all of them at work, and a real-time process that does not let others run.
//
//     ZEROCP_TEST_SECONDS=60 build/release/tests/zerocp_fault_tests --gtest_filter='*Entry34*'
#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <memory>
#include <thread>
#include <vector>

#include <sched.h>
#include <sys/resource.h>

#include <gtest/gtest.h>

#include "fault/fault_support.hpp"

namespace ZeroCP::test
{
namespace
{

constexpr unsigned kWatchdogSeconds = 140;

/// Publishes for ever, with loans that it drops in between, and is stopped by its tracer all the time.
void publishForEver(const OneNode& one, const Config& config, std::atomic<std::uint64_t>& sent)
{
    Node node = nodeIn(one.m_domain, config, "stopped");
    auto publisher = node.createPublisher<Number>("t").value();
    for (int i = 0; i < 40; ++i) // until every path has been gone: stash, collect, evict
    {
        EXPECT_TRUE(publisher.publishCopy({++sent}));
    }
    Tracee::waitForTracer();
    for (;;)
    {
        static_cast<void>(publisher.publishCopy({sent + 1}));
        ++sent;
    }
}

/// While the publisher stands at one point after the other, others publish, take, join, leave and recover.
void stopAtManyPoints(const Config& config)
{
    constexpr std::uint64_t kMostStride = 9;
    const std::uint64_t stops = kSanitized ? 40 : 400;
    OneNode one(config);
    const SharedBoard<std::atomic<std::uint64_t>> sent;
    Random random(testSeed());
    Witness witness(one);
    ChildProcess victim(
        [&](Peer&)
        {
            publishForEver(one, config, *sent);
            return false;
        },
        kWatchdogSeconds);
    Tracee tracee(victim.pid());
    for (std::uint64_t stop = 0; stop < stops && !::testing::Test::HasFailure(); ++stop)
    {
        SCOPED_TRACE("stop " + std::to_string(stop));
        ASSERT_TRUE(tracee.step(1 + random.below(kMostStride)));
        witness.publish(20); // more than fits a queue: each evicts
        if (random.below(4) == 0)
        {
            auto guest = one.subscriber(QoS{}.keepLast(4));
            witness.publish(2);
            for (auto sample = guest.take(); sample; sample = guest.take())
            {
            }
            ASSERT_EQ(guest.missed(), 0U);
        }
        if (random.below(8) == 0)
        {
            const auto report = recover(one.m_domain.number());
            ASSERT_TRUE(report) << report.error().message();
            ASSERT_EQ(report->processes, 0U) << "stopped is not dead";
        }
        if (random.below(2) == 0)
        {
            witness.takeAll();
        }
    }
    EXPECT_TRUE(victim.kill(SIGKILL).killedBy(SIGKILL));
    witness.expectNothingLostAndAllFree();
}

} // namespace

TEST(FaultList, Entry32_WhileAPublisherIsStoppedInsidePublishOthersGoOn)
{
    stopAtManyPoints({});
}

TEST(FaultList, Entry32_WhileAPublisherIsStoppedInsidePublishOthersOfItsPoolGoOn)
{
    stopAtManyPoints(pooled(64, 128));
}

// The same with SIGSTOP, for longer than any grace period: it lives, and goes on as if nothing had been.
TEST(FaultList, Entry32_APublisherThatWasStoppedForSecondsGoesOnWhereItWas)
{
    OneNode one;
    const SharedBoard<std::atomic<std::uint64_t>> sent;
    const SharedBoard<std::atomic<bool>> enough;
    Witness witness(one);
    ChildProcess stopped(
        [&](Peer& parent)
        {
            Node node = nodeIn(one.m_domain, {}, "stopped");
            auto publisher = node.createPublisher<Number>("t").value();
            parent.tell(std::to_string(publisher.id()));
            for (std::uint64_t i = 1; !*enough && !::testing::Test::HasFailure(); ++i)
            {
                EXPECT_EQ(publisher.publishCopy({i}).value_or(0), i);
                *sent = i;
            }
            return true;
        },
        kWatchdogSeconds);
    const std::uint64_t publisher = std::stoull(stopped.hear());
    await([&] { return *sent > 1000 || stopped.hasEnded(); });
    stopped.signal(SIGSTOP);

    const auto start = std::chrono::steady_clock::now();
    while (std::chrono::steady_clock::now() - start < std::chrono::seconds(2) && !::testing::Test::HasFailure())
    {
        witness.goOn(100);
        const auto report = recover(one.m_domain.number());
        ASSERT_TRUE(report) << report.error().message();
        EXPECT_EQ(report->processes, 0U);
    }
    const std::uint64_t sentBefore = *sent;
    stopped.signal(SIGCONT);
    await([&] { return *sent > sentBefore + 1000 || stopped.hasEnded(); });
    EXPECT_FALSE(stopped.hasEnded());
    *enough = true;

    EXPECT_TRUE(stopped.wait().succeeded());
    witness.takeAll();
    witness.ledger().expectComplete(publisher, *sent);
    witness.expectNothingLostAndAllFree();
}

namespace
{

constexpr std::size_t kPublishers = 16;
constexpr std::size_t kSubscribers = 64;

struct Board
{
    std::atomic<int> m_subscribed;
    std::atomic<int> m_publishing;
    std::atomic<bool> m_go;
    std::atomic<bool> m_stop;
    std::atomic<bool> m_drain;
    std::array<std::atomic<std::uint64_t>, kPublishers> m_id;
    std::array<std::atomic<std::uint64_t>, kPublishers> m_sent;
    std::atomic<std::uint64_t> m_received;
    std::atomic<std::uint64_t> m_missed;
};

bool saturate(const OneNode& one, Board& board, std::size_t me)
{
    Node node = nodeIn(one.m_domain, {}, "publisher");
    auto publisher = node.createPublisher<Number>("t").value();
    board.m_id[me] = publisher.id();
    ++board.m_publishing;
    await([&] { return board.m_go.load(); });
    std::uint64_t sent = 0;
    while (!board.m_stop)
    {
        const auto sequence = publisher.publishCopy({sent + 1});
        if (!sequence)
        {
            ADD_FAILURE() << toString(sequence.error()) << ": " << publisher.whyExhausted();
            return false;
        }
        ++sent;
    }
    board.m_sent[me] = sent;
    return true;
}

bool receive(const OneNode& one, Board& board)
{
    Node node = nodeIn(one.m_domain, {}, "subscriber");
    auto subscriber = node.createSubscriber<Number>("t", QoS{}.keepLast(16)).value();
    ++board.m_subscribed;
    DeliveryLedger ledger;
    while (!board.m_drain)
    {
        if (auto sample = subscriber.wait(std::chrono::milliseconds(5)))
        {
            ledger.add(*sample);
        }
    }
    ledger.takeAll(subscriber);
    std::uint64_t sent = 0;
    for (std::size_t p = 0; p < kPublishers; ++p) // per pair: what did not come was skipped before something that came
    {
        ledger.expectComplete(board.m_id[p], board.m_sent[p]);
        sent += board.m_sent[p];
    }
    ledger.expectGapsAreCounted(subscriber.missed());
    EXPECT_EQ(ledger.received() + subscriber.missed(), sent);
    board.m_received += ledger.received();
    board.m_missed += subscriber.missed();
    return true;
}

} // namespace

TEST(FaultList, Entry34_SixteenPublishersAndSixtyFourSubscribersSaturatedLoseNothingThatIsNotCounted)
{
    const std::chrono::seconds duration(numberFrom("ZEROCP_TEST_SECONDS", 5));
    const unsigned watchdog = 120 + 3 * static_cast<unsigned>(duration.count());
    OneNode one;
    const SharedBoard<Board> board;
    std::vector<std::unique_ptr<ChildProcess>> subscribers;
    std::vector<std::unique_ptr<ChildProcess>> publishers;
    const auto anyEnded = [](const auto& children)
    { return std::any_of(children.begin(), children.end(), [](const auto& child) { return child->hasEnded(); }); };
    for (std::size_t i = 0; i < kSubscribers; ++i)
    {
        subscribers.push_back(std::make_unique<ChildProcess>([&](Peer&) { return receive(one, *board); }, watchdog));
    }
    await([&] { return board->m_subscribed == kSubscribers || anyEnded(subscribers); });
    for (std::size_t i = 0; i < kPublishers; ++i)
    {
        publishers.push_back(
            std::make_unique<ChildProcess>([&, i](Peer&) { return saturate(one, *board, i); }, watchdog));
    }
    await([&] { return board->m_publishing == kPublishers || anyEnded(publishers); });

    board->m_go = true;
    std::this_thread::sleep_for(duration);
    board->m_stop = true;
    for (const auto& publisher : publishers)
    {
        EXPECT_TRUE(publisher->wait().succeeded());
    }
    board->m_drain = true;
    for (const auto& subscriber : subscribers)
    {
        EXPECT_TRUE(subscriber->wait().succeeded());
    }

    std::uint64_t sent = 0;
    for (const auto& count : board->m_sent)
    {
        EXPECT_GT(count, 0U);
        sent += count;
    }
    EXPECT_EQ(board->m_received + board->m_missed, sent * kSubscribers);
    EXPECT_EQ(one.inspect().processes.size(), 1U);
    EXPECT_EQ(usedChunks(one.inspect()), 0U);
    std::printf("%llu sent, %llu received, %llu missed\n", static_cast<unsigned long long>(sent),
                static_cast<unsigned long long>(board->m_received.load()),
                static_cast<unsigned long long>(board->m_missed.load()));
}

namespace
{

/// The last CPU that this process may use, so that all that is pinned meets there.
std::size_t lastCpu()
{
    cpu_set_t allowed;
    ::sched_getaffinity(0, sizeof allowed, &allowed);
    std::size_t last = 0;
    for (std::size_t cpu = 0; cpu < CPU_SETSIZE; ++cpu)
    {
        last = CPU_ISSET(cpu, &allowed) ? cpu : last;
    }
    return last;
}

void pinTo(std::size_t cpu)
{
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    EXPECT_EQ(::sched_setaffinity(0, sizeof one, &one), 0) << std::strerror(errno);
}

bool becomeRealTime(int priority)
{
    sched_param parameters{};
    parameters.sched_priority = priority;
    return ::sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &parameters) == 0;
}

bool mayBecomeRealTime()
{
    ChildProcess tries([](Peer&) { return becomeRealTime(1); });
    return tries.wait().succeeded();
}

void spinFor(std::chrono::milliseconds duration)
{
    for (const auto start = std::chrono::steady_clock::now(); std::chrono::steady_clock::now() - start < duration;)
    {
    }
}

/// Everything that one may do, `rounds` times, with a pause every fifty.
bool doEverything(const OneNode& one, std::uint64_t rounds, const std::atomic<bool>& stop,
                  std::chrono::microseconds pause = {})
{
    constexpr std::uint64_t kBetweenPauses = 50;
    Node node = nodeIn(one.m_domain, {}, "busy");
    auto publisher = node.createPublisher<Number>("t").value();
    auto subscriber = node.createSubscriber<Number>("t").value();
    for (std::uint64_t i = 1; i <= rounds && !stop && !::testing::Test::HasFailure(); ++i)
    {
        EXPECT_TRUE(publisher.publishCopy({i}));
        EXPECT_TRUE(subscriber.take());
        if (i % kBetweenPauses == 0)
        {
            auto guest = node.createSubscriber<Number>("t");
            EXPECT_TRUE(guest) << guest.error().message();
            EXPECT_TRUE(recover(one.m_domain.number()));
            std::this_thread::sleep_for(pause);
        }
    }
    return true;
}

} // namespace

// The spinner comes and goes on the publisher's core, so it stops it anywhere in a call, for as long as it spins.
TEST(FaultList, Entry35_ARealTimeSpinnerOnThePublishersCoreHoldsUpNobodyElse)
{
    if (!mayBecomeRealTime())
    {
        GTEST_SKIP() << "SCHED_FIFO is not permitted here";
    }
    const std::size_t cpu = lastCpu();
    OneNode one;
    const SharedBoard<std::atomic<bool>> stop;
    Witness witness(one);
    ChildProcess victim(
        [&](Peer& parent)
        {
            pinTo(cpu);
            parent.tell("ready");
            return doEverything(one, ~std::uint64_t{0}, *stop);
        },
        kWatchdogSeconds);
    ASSERT_EQ(victim.hear(), "ready");
    ChildProcess spinner(
        [&](Peer&)
        {
            pinTo(cpu);
            EXPECT_TRUE(becomeRealTime(10));
            for (int i = 0; i < 40; ++i)
            {
                spinFor(std::chrono::milliseconds(50));
                std::this_thread::sleep_for(std::chrono::microseconds(500 + 37 * i)); // the others' turn
            }
            return true;
        },
        kWatchdogSeconds);

    while (!spinner.hasEnded() && !::testing::Test::HasFailure())
    {
        witness.goOn(100);
    }
    EXPECT_TRUE(spinner.wait().succeeded());
    *stop = true;
    await(
        [&]
        {
            witness.takeAll();
            return victim.hasEnded();
        });
    EXPECT_TRUE(victim.wait().succeeded());
    witness.expectNothingLostAndAllFree();
}

// A real-time process needs what others below it, preempted on the same core, are in the middle of: locks of control
// calls, an eviction under way, the free list. It sleeps now and then, so that it preempts them elsewhere each time.
TEST(FaultList, Entry35_ARealTimeProcessOnTheSameCoreAsOrdinaryOnesIsNotDeadlocked)
{
    if (!mayBecomeRealTime())
    {
        GTEST_SKIP() << "SCHED_FIFO is not permitted here";
    }
    constexpr std::uint64_t kRounds = kSanitized ? 1000 : 10'000;
    const std::size_t cpu = lastCpu();
    OneNode one;
    const SharedBoard<std::atomic<bool>> stop;
    std::vector<std::unique_ptr<ChildProcess>> ordinary;
    for (int i = 0; i < 3; ++i)
    {
        ordinary.push_back(std::make_unique<ChildProcess>(
            [&](Peer& parent)
            {
                pinTo(cpu);
                parent.tell("ready");
                return doEverything(one, ~std::uint64_t{0}, *stop);
            },
            kWatchdogSeconds));
        ASSERT_EQ(ordinary.back()->hear(), "ready");
    }
    ChildProcess realTime(
        [&](Peer&)
        {
            pinTo(cpu);
            EXPECT_TRUE(becomeRealTime(10));
            const std::atomic<bool> never{false};
            return doEverything(one, kRounds, never, std::chrono::microseconds(700));
        },
        kWatchdogSeconds);

    EXPECT_TRUE(realTime.wait().succeeded());
    *stop = true;
    for (const auto& process : ordinary)
    {
        EXPECT_TRUE(process->wait().succeeded());
    }
    EXPECT_EQ(one.inspect().processes.size(), 1U);
    EXPECT_EQ(usedChunks(one.inspect()), 0U);
}

// Within one process: samples are dropped on a real-time thread while an ordinary one takes, on the same core.
TEST(FaultList, Entry35_ARealTimeThreadThatDropsSamplesOfAnOrdinaryOneIsNotDeadlocked)
{
    if (!mayBecomeRealTime())
    {
        GTEST_SKIP() << "SCHED_FIFO is not permitted here";
    }
    constexpr std::uint64_t kMessages = kSanitized ? 20'000 : 1'000'000;
    OneNode one;
    auto publisher = one.publisher();
    auto subscriber = one.subscriber(QoS{}.keepLast(8).maxHeld(4));
    ChildProcess process(
        [&](Peer&)
        {
            pinTo(lastCpu());
            Node node = nodeIn(one.m_domain, {}, "threads");
            auto mine = node.createPublisher<Number>("mine").value();
            auto reader = node.createSubscriber<Number>("mine", QoS{}.keepLast(8).maxHeld(4)).value();
            std::array<std::atomic<Sample<Number>*>, 2> handed{};
            std::atomic<bool> end{false};
            std::thread dropper(
                [&]
                {
                    EXPECT_TRUE(becomeRealTime(10));
                    while (!end)
                    {
                        for (auto& place : handed)
                        {
                            delete place.exchange(nullptr);
                        }
                        std::this_thread::sleep_for(std::chrono::microseconds(20)); // wakes in the middle of a call
                    }
                });
            for (std::uint64_t i = 1; i <= kMessages; ++i)
            {
                EXPECT_TRUE(mine.publishCopy({i}));
                if (auto sample = reader.take())
                {
                    delete handed[i % handed.size()].exchange(new Sample<Number>(std::move(*sample)));
                }
            }
            end = true;
            dropper.join();
            for (auto& place : handed)
            {
                delete place.exchange(nullptr);
            }
            return true;
        },
        kWatchdogSeconds);

    EXPECT_TRUE(process.wait().succeeded());
    EXPECT_TRUE(publisher.publishCopy({1}));
    EXPECT_TRUE(subscriber.take());
}

} // namespace ZeroCP::test
