// What is left of processes that were killed, and what is not. Real processes, real SIGKILL.
#include "zerocp/discovery/recovery.hpp"

#include <array>
#include <cstdint>
#include <iostream>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "pubsub/pubsub_support.hpp"
#include "support/child_process.hpp"
#include "support/pool_audit.hpp"
#include "zerocp/core/monotonic_clock.hpp"
#include "zerocp/core/notifier.hpp"
#include "zerocp/discovery/domain.hpp"
#include "zerocp/discovery/pool_set.hpp"

namespace ZeroCP
{

using test::ChildProcess;
using test::nodeIn;
using test::Number;
using test::OneNode;
using test::Peer;
using test::TestDomain;
using test::usedChunks;

namespace
{

RecoveryReport recovered(const OneNode& one)
{
    return recover(one.m_domain.number(), one.m_domain.root()).value();
}

/// A child publishes `messages` numbers from 1 and then keeps `loans` loans.
auto publisherWith(const OneNode& one, std::uint64_t messages, int loans)
{
    return [&one, messages, loans](Peer& parent)
    {
        Node node = nodeIn(one.m_domain, {}, "victim");
        auto publisher = node.createPublisher<Number>("t").value();
        for (std::uint64_t i = 1; i <= messages; ++i)
        {
            static_cast<void>(publisher.publishCopy({i}).value());
        }
        std::vector<Loan<Number>> out;
        for (int i = 0; i < loans; ++i)
        {
            out.push_back(publisher.loan().value());
        }
        parent.tell("ready");
        parent.pause();
        return true;
    };
}

/// A child subscribes, says so, and when told holds `samples` samples.
auto subscriberWith(const OneNode& one, int samples)
{
    return [&one, samples](Peer& parent)
    {
        Node node = nodeIn(one.m_domain, {}, "victim");
        auto subscriber = node.createSubscriber<Number>("t").value();
        parent.tell("subscribed");
        parent.pause();
        std::vector<Sample<Number>> held;
        for (int i = 0; i < samples; ++i)
        {
            held.push_back(subscriber.take().value());
        }
        parent.tell("holding");
        parent.pause();
        return true;
    };
}

} // namespace

TEST(Recovery, FreesTheLoansOfAKilledPublisher)
{
    OneNode one;
    auto keeper = one.subscriber();
    ChildProcess victim(publisherWith(one, 0, 3));
    ASSERT_EQ(victim.hear(), "ready");
    const std::uint32_t before = usedChunks(one.inspect());
    victim.kill(SIGKILL);

    const RecoveryReport report = recovered(one);

    EXPECT_EQ(before, 3U);
    EXPECT_EQ(report.processes, 1U);
    EXPECT_EQ(report.endpoints, 1U);
    EXPECT_EQ(report.pending, 0U);
    EXPECT_GT(test::expectAllChunksFree(one.m_domain.number()), 0U);
}

TEST(Recovery, LeavesWhatAKilledPublisherPublishedReadable)
{
    OneNode one;
    auto subscriber = one.subscriber();
    ChildProcess victim(publisherWith(one, 5, 2));
    ASSERT_EQ(victim.hear(), "ready");
    const auto held = subscriber.take();
    victim.kill(SIGKILL);
    static_cast<void>(recovered(one));

    ASSERT_TRUE(held);
    EXPECT_EQ((*held)->value, 1U);
    for (std::uint64_t i = 2; i <= 5; ++i)
    {
        const auto sample = subscriber.take();
        ASSERT_TRUE(sample) << i;
        EXPECT_EQ((*sample)->value, i);
    }
    EXPECT_FALSE(subscriber.take());
    EXPECT_EQ(subscriber.missed(), 0U);
}

TEST(Recovery, FreesTheMessagesOfAKilledPublisherAsTheyAreRead)
{
    OneNode one;
    auto subscriber = one.subscriber();
    ChildProcess victim(publisherWith(one, 5, 2));
    ASSERT_EQ(victim.hear(), "ready");
    victim.kill(SIGKILL);
    static_cast<void>(recovered(one));
    const std::uint32_t unread = usedChunks(one.inspect());

    while (subscriber.take())
    {
    }

    EXPECT_EQ(unread, 5U);
    EXPECT_GT(test::expectAllChunksFree(one.m_domain.number()), 0U);
}

TEST(Recovery, FreesWhatWasGivenBackToAPublisherThatWasKilledBeforeItLooked)
{
    OneNode one;
    auto subscriber = one.subscriber();
    ChildProcess victim(publisherWith(one, 3, 0));
    ASSERT_EQ(victim.hear(), "ready");
    while (subscriber.take())
    {
    }
    victim.kill(SIGKILL);

    static_cast<void>(recovered(one));

    EXPECT_GT(test::expectAllChunksFree(one.m_domain.number()), 0U) << "the subscriber does nothing meanwhile";
}

// It may have died between its last slot and the system call.
TEST(Recovery, WakesTheReadersOfAPublisherThatIsGone)
{
    OneNode one;
    auto subscriber = one.subscriber();
    auto publisher = std::make_optional(one.publisher());
    const auto memory = SharedMemory::open(one.m_domain.root(), test::poolSetsOf(one.m_domain.number()).at(0) + ".mgmt",
                                           AccessMode::READ_WRITE)
                            .value();
    const PoolView view = PoolView::of("set", {memory.base(), memory.bytes()}, {}, {}).value();
    PortRecord& reader = view.port(1);
    ASSERT_EQ(reader.m_kind.load(), static_cast<std::uint32_t>(PortKind::Subscriber));
    reader.m_sleep = static_cast<std::uint32_t>(notifier::Sleep::Asleep);

    publisher.reset();

    EXPECT_EQ(reader.m_sleep.load(), static_cast<std::uint32_t>(notifier::Sleep::Woken));
}

TEST(Recovery, CountsWhatAKilledPublisherEvicted)
{
    OneNode one;
    auto subscriber = one.subscriber(QoS{}.keepLast(4));
    ChildProcess victim(publisherWith(one, 100, 0));
    ASSERT_EQ(victim.hear(), "ready");
    victim.kill(SIGKILL);
    std::uint64_t received = 0;
    for (auto sample = subscriber.take(); sample; sample = subscriber.take())
    {
        EXPECT_EQ((*sample)->value, 97 + received);
        ++received;
    }

    EXPECT_EQ(received, 4U);
    EXPECT_EQ(subscriber.missed(), 96U);
}

TEST(Recovery, FreesWhatAKilledSubscriberHeldAndHadNotRead)
{
    OneNode one;
    auto publisher = one.publisher();
    ChildProcess victim(subscriberWith(one, 2));
    ASSERT_EQ(victim.hear(), "subscribed");
    for (std::uint64_t i = 0; i < 6; ++i)
    {
        ASSERT_TRUE(publisher.publishCopy({i}));
    }
    victim.tell("take");
    ASSERT_EQ(victim.hear(), "holding");
    const std::uint32_t before = usedChunks(one.inspect());
    victim.kill(SIGKILL);

    const RecoveryReport report = recovered(one);

    EXPECT_EQ(before, 6U);
    EXPECT_EQ(report.endpoints, 1U);
    EXPECT_EQ(usedChunks(one.inspect()), 0U);
}

TEST(Recovery, GivesAPublisherTheChunksOfAKilledSubscriberWhenItRunsShort)
{
    Config config = test::pooled(64, 6);
    OneNode one(config);
    auto publisher = one.publisher();
    ChildProcess victim(
        [&](Peer& parent)
        {
            Node node = nodeIn(one.m_domain, config, "victim");
            auto subscriber = node.createSubscriber<Number>("t").value();
            parent.tell("subscribed");
            parent.pause();
            return true;
        });
    ASSERT_EQ(victim.hear(), "subscribed");
    for (std::uint64_t i = 0; i < 6; ++i)
    {
        ASSERT_TRUE(publisher.publishCopy({i}));
    }
    ASSERT_FALSE(publisher.loan());
    victim.kill(SIGKILL);

    // recover() is not called; at most once in 10 ms the publisher itself looks for the dead.
    bool loaned = false;
    for (const auto start = std::chrono::steady_clock::now();
         !loaned && std::chrono::steady_clock::now() - start < std::chrono::seconds(20);)
    {
        loaned = publisher.loan().has_value();
    }
    EXPECT_TRUE(loaned);
}

TEST(Recovery, LeavesTheSamplesOfSurvivorsAlone)
{
    OneNode one;
    auto publisher = one.publisher();
    auto subscriber = one.subscriber();
    ChildProcess victim(subscriberWith(one, 2));
    ASSERT_EQ(victim.hear(), "subscribed");
    for (std::uint64_t i = 1; i <= 4; ++i)
    {
        ASSERT_TRUE(publisher.publishCopy({i}));
    }
    const auto held = subscriber.take();
    victim.tell("take");
    ASSERT_EQ(victim.hear(), "holding");
    victim.kill(SIGKILL);
    static_cast<void>(recovered(one));
    for (std::uint64_t i = 5; i <= 11; ++i)
    {
        ASSERT_TRUE(publisher.publishCopy({i}));
    }

    ASSERT_TRUE(held);
    EXPECT_EQ((*held)->value, 1U);
    for (std::uint64_t i = 2; i <= 11; ++i)
    {
        const auto sample = subscriber.take();
        ASSERT_TRUE(sample) << i;
        EXPECT_EQ((*sample)->value, i);
    }
}

TEST(Recovery, FreesTheHolderBitsOfKilledProcessesForOthers)
{
    Config config;
    config.limits.portsPerTopic = 3;
    OneNode one(config);
    auto publisher = one.publisher();
    auto subscriber = one.subscriber();
    for (int i = 0; i < 20; ++i)
    {
        ChildProcess victim(subscriberWith(one, 0));
        ASSERT_EQ(victim.hear(), "subscribed") << "round " << i;
        ASSERT_TRUE(publisher.publishCopy({1}));
        ASSERT_TRUE(subscriber.take());
        victim.kill(SIGKILL);
    }
    static_cast<void>(recovered(one));

    EXPECT_EQ(usedChunks(one.inspect()), 0U);
    EXPECT_EQ(publisher.subscriberCount(), 1U);
}

TEST(Recovery, RemovesTheNodesAndTopicsOfAKilledProcess)
{
    OneNode one;
    ChildProcess victim(publisherWith(one, 1, 1));
    ASSERT_EQ(victim.hear(), "ready");
    victim.kill(SIGKILL);
    static_cast<void>(recovered(one));

    const DomainSnapshot snapshot = one.inspect();

    EXPECT_EQ(snapshot.processes.size(), 1U);
    EXPECT_TRUE(snapshot.topics.empty());
    EXPECT_TRUE(snapshot.poolSets.empty());
    EXPECT_EQ(one.m_domain.files().size(), 2U);
}

// Whoever recovers opens the pool sets in which the dead one had ports, and no others: there may be a thousand.
TEST(Recovery, IsNotHinderedByADamagedPoolSetOfOthers)
{
    OneNode one;
    ChildProcess bystander(
        [&one](Peer& parent)
        {
            Node node = nodeIn(one.m_domain, {}, "bystander");
            const auto publisher = node.createPublisher<Number>("others");
            parent.tell("ready");
            parent.pause();
            return publisher.has_value();
        });
    ASSERT_EQ(bystander.hear(), "ready");
    const std::string set = test::poolSetsOf(one.m_domain.number()).at(0);
    auto memory = SharedMemory::open(one.m_domain.root(), set + ".mgmt", AccessMode::READ_WRITE).value();
    auto& header = *reinterpret_cast<SegmentHeader*>(memory.base());
    ChildProcess victim(publisherWith(one, 0, 3));
    ASSERT_EQ(victim.hear(), "ready");
    header.m_magic ^= 1U;
    victim.kill(SIGKILL);

    const RecoveryReport report = recovered(one);

    header.m_magic ^= 1U;
    EXPECT_EQ(report.processes, 1U);
    EXPECT_EQ(report.endpoints, 1U);
    EXPECT_TRUE(bystander.finish().succeeded());
}

// A publisher that is stopped in the middle of a call may be about to write into a pair: the port that left stays
// Dying until the publisher is out of it, and what it held is free all the same.
TEST(Recovery, LeavesAPortDyingWhileAPublisherIsStoppedInACallAndRetiresItLater)
{
    OneNode one;
    auto publisher = one.publisher();
    auto subscriber = std::make_optional(one.subscriber());
    ASSERT_TRUE(publisher.publishCopy({1}));
    auto memory = SharedMemory::open(one.m_domain.root(), test::poolSetsOf(one.m_domain.number()).at(0) + ".mgmt",
                                     AccessMode::READ_WRITE)
                      .value();
    const PoolView view = PoolView::of("set", {memory.base(), memory.bytes()}, {}, {}).value();
    PortRecord& stopped = view.port(1);
    ASSERT_EQ(stopped.m_kind.load(), static_cast<std::uint32_t>(PortKind::Publisher));
    stopped.m_busy += 1; // as if it stood in publish()
    subscriber.reset();
    const RecoveryReport during = recovered(one);
    const std::uint32_t usedDuring = usedChunks(one.inspect());
    stopped.m_busy += 1;

    const RecoveryReport after = recovered(one);

    EXPECT_EQ(during.pending, 1U);
    EXPECT_EQ(usedDuring, 0U);
    EXPECT_EQ(after.pending, 0U);
    EXPECT_EQ(view.port(2).m_state.load(), static_cast<std::uint32_t>(PortState::Off));
}

// Which sets are to be looked at stands in the discovery segment; recover() does not rely on it.
TEST(Recovery, OnRequestLooksAtEverySetWhateverIsSaidOfIt)
{
    OneNode one;
    auto publisher = one.publisher();
    auto subscriber = std::make_optional(one.subscriber());
    auto memory = SharedMemory::open(one.m_domain.root(), test::poolSetsOf(one.m_domain.number()).at(0) + ".mgmt",
                                     AccessMode::READ_WRITE)
                      .value();
    const PoolView view = PoolView::of("set", {memory.base(), memory.bytes()}, {}, {}).value();
    auto tables = SharedMemory::open(one.m_domain.root(), Domain::fileName(one.m_domain.number(), "discovery"),
                                     AccessMode::READ_WRITE)
                      .value();
    const auto& header = *reinterpret_cast<DiscoveryHeader*>(tables.base() + sizeof(SegmentHeader));
    auto& set = *reinterpret_cast<PoolSetRecord*>(tables.base() + header.m_poolSets.m_offset);
    view.port(1).m_busy += 1; // as if the publisher stood in publish()
    subscriber.reset();
    view.port(1).m_busy += 1;
    ASSERT_EQ(view.port(2).m_state.load(), static_cast<std::uint32_t>(PortState::Dying));
    EXPECT_NE(set.m_unsettled.load(), 0U);
    set.m_unsettled = 0;

    const RecoveryReport report = recovered(one);

    EXPECT_EQ(report.pending, 0U);
    EXPECT_EQ(view.port(2).m_state.load(), static_cast<std::uint32_t>(PortState::Off));
}

// The next control call of anybody, wherever: it looks and waits a little. Who takes or publishes does not.
TEST(Recovery, RetriesAPortThatWasLeftDyingInControlCallsAndNotOnTheDataPath)
{
    OneNode one;
    auto publisher = one.publisher();
    auto subscriber = std::make_optional(one.subscriber());
    auto memory = SharedMemory::open(one.m_domain.root(), test::poolSetsOf(one.m_domain.number()).at(0) + ".mgmt",
                                     AccessMode::READ_WRITE)
                      .value();
    auto elsewhere = one.subscriber<Number>({}, "elsewhere");
    const PoolView view = PoolView::of("set", {memory.base(), memory.bytes()}, {}, {}).value();
    ASSERT_EQ(view.port(1).m_kind.load(), static_cast<std::uint32_t>(PortKind::Publisher));
    view.port(1).m_busy += 1; // as if it stood in publish()
    subscriber.reset();
    ASSERT_EQ(view.port(2).m_state.load(), static_cast<std::uint32_t>(PortState::Dying));

    const std::uint64_t epoch = view.header().m_epoch;
    for (int i = 0; i < 5; ++i)
    {
        EXPECT_FALSE(elsewhere.wait(std::chrono::milliseconds(12))); // looks for the dead
    }
    EXPECT_EQ(view.header().m_epoch, epoch) << "the data path looked at ports that hold nothing";

    view.port(1).m_busy += 1;
    const auto other = one.publisher<Number>({}, "other");
    EXPECT_EQ(view.port(2).m_state.load(), static_cast<std::uint32_t>(PortState::Off));
}

// Ports that stay Dying are looked at in every control call. Waiting for the publisher anew for each would take minutes
// here; the alarm ends that.
TEST(Recovery, WaitsForAStoppedPublisherOnceHoweverManyPortsAreDying)
{
    constexpr std::uint32_t kGone = 120;
    ::alarm(45);
    OneNode one;
    auto publisher = one.publisher();
    {
        auto memory = SharedMemory::open(one.m_domain.root(), test::poolSetsOf(one.m_domain.number()).at(0) + ".mgmt",
                                         AccessMode::READ_WRITE);
        const PoolView view = PoolView::of("set", {memory->base(), memory->bytes()}, {}, {}).value();
        PortRecord& stopped = view.port(1);
        ASSERT_EQ(stopped.m_kind.load(), static_cast<std::uint32_t>(PortKind::Publisher));
        stopped.m_busy += 1; // as if it stood in publish()
        for (std::uint32_t i = 0; i < kGone; ++i)
        {
            static_cast<void>(one.subscriber());
        }
        EXPECT_EQ(recovered(one).pending, kGone);
        stopped.m_busy += 1;
    }
    EXPECT_EQ(recovered(one).pending, 0U);
    ::alarm(0);
}

TEST(Recovery, RepairsWhatTwoHundredKillsAtRandomMomentsLeave)
{
    constexpr int kKills = 200;
    const char* given = std::getenv("ZEROCP_TEST_SEED");
    const std::uint64_t seed = given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device{}();
    std::cout << "ZEROCP_TEST_SEED=" << seed << std::endl;
    std::mt19937_64 random(seed);
    OneNode one;
    auto subscriber = one.subscriber(QoS{}.keepLast(5));
    std::uint64_t sent = 0;
    std::uint64_t received = 0;
    {
        auto publisher = one.publisher();
        const std::uint64_t mine = publisher.id();
        const auto takeAll = [&]
        {
            for (auto sample = subscriber.take(); sample; sample = subscriber.take())
            {
                received += sample->info().publisherId == mine ? 1U : 0U;
                ASSERT_EQ((*sample)->value, sample->info().publisherId << 32 | sample->info().sequence);
            }
        };
        for (int kill = 0; kill < kKills; ++kill)
        {
            const bool publishes = kill % 3 != 1;
            const bool subscribes = kill % 3 != 0;
            ChildProcess victim(
                [&](Peer& parent) -> bool
                {
                    Node node = nodeIn(one.m_domain, {}, "victim");
                    parent.tell("started");
                    std::mt19937_64 lengths(seed + static_cast<std::uint64_t>(kill));
                    for (;;)
                    {
                        std::optional<Publisher<Number>> out;
                        std::optional<Subscriber<Number>> in;
                        if (publishes)
                        {
                            out = node.createPublisher<Number>("t").value();
                        }
                        if (subscribes)
                        {
                            in = node.createSubscriber<Number>("t", QoS{}.keepLast(3)).value();
                        }
                        std::vector<Sample<Number>> held(3);
                        for (std::uint64_t i = 1, n = lengths() % 2000; i < n; ++i)
                        {
                            if (out)
                            {
                                static_cast<void>(out->publishCopy({out->id() << 32 | i}));
                            }
                            if (auto sample = in ? in->take() : tl::unexpected(TakeError::NoData))
                            {
                                held[i % 3] = std::move(*sample);
                            }
                        }
                    }
                });
            ASSERT_EQ(victim.hear(), "started");
            for (std::uint64_t i = 0, n = random() % 3000; i < n; ++i)
            {
                ASSERT_TRUE(publisher.publishCopy({mine << 32 | ++sent})) << "kill " << kill;
                if (i % 4 == 0)
                {
                    takeAll();
                }
            }
            victim.kill(SIGKILL);
            const RecoveryReport report = recovered(one);
            takeAll();
            ASSERT_FALSE(::testing::Test::HasFatalFailure()) << "kill " << kill;
            ASSERT_EQ(report.pending, 0U) << "kill " << kill;
            ASSERT_EQ(usedChunks(one.inspect()), 0U) << "kill " << kill;
            ASSERT_EQ(one.inspect().topics.size(), 1U) << "kill " << kill;
            ASSERT_EQ(one.m_domain.files().size(), 4U) << "kill " << kill;
        }
        EXPECT_EQ(one.inspect().processes.size(), 1U);
    }

    EXPECT_LE(received, sent);
    EXPECT_GT(test::expectAllChunksFree(one.m_domain.number()), 0U);
}

// The recoverer dies between two of its stores, which are made here by hand in its order.
TEST(Recovery, TellsADeathOnceThoughTheRecovererDiesToo)
{
    for (int stores = 0; stores <= 5; ++stores)
    {
        OneNode one;
        auto subscriber = one.subscriber();
        ChildProcess victim(publisherWith(one, 1, 0));
        ASSERT_EQ(victim.hear(), "ready");
        EXPECT_EQ(subscriber.livelinessChanged().alive, 1U);
        const auto set =
            PoolSet::attach(one.m_domain.root(), test::poolSetsOf(one.m_domain.number()).at(0), {}).value();
        PortRecord& port = set->control().port(2);
        PairRecord& pair = set->control().pair(0);
        PairHead& head = *set->control().pairView(pair)->m_head;
        ASSERT_EQ(port.m_kind, static_cast<std::uint32_t>(PortKind::Publisher));
        victim.kill(SIGKILL);
        const std::uint64_t endNs = monotonicNs();
        port.m_died = stores >= 1 ? 1 : 0;
        port.m_state = static_cast<std::uint32_t>(stores >= 2 ? PortState::Dying : PortState::Active);
        head.m_endNs = stores >= 3 ? endNs : 0;
        head.m_leasesLost = stores >= 4 ? 1 : 0;
        head.m_leaseLostNs = stores >= 4 ? endNs : 0;
        pair.m_state |= stores >= 5 ? PairRecord::PublisherGone | PairRecord::PublisherDied : 0U;

        static_cast<void>(recovered(one));

        const LivelinessStatus status = subscriber.livelinessChanged();
        EXPECT_EQ(status.alive, 0U) << stores;
        EXPECT_EQ(status.notAlive, 1U) << stores;
        EXPECT_EQ(status.lost, 1U) << stores;
        if (stores >= 3)
        {
            EXPECT_EQ(status.lastNs, static_cast<std::int64_t>(endNs)) << stores;
        }
        EXPECT_TRUE(subscriber.take());
        EXPECT_EQ(subscriber.publisherCount(), 0U);
        static_cast<void>(recovered(one));
        EXPECT_EQ(subscriber.livelinessChanged().notAlive, 1U) << stores;
        EXPECT_EQ(subscriber.livelinessChanged().lost, 1U) << stores;
    }
}

TEST(Recovery, APublisherThatIsKilledWhileItLeavesHasLeft)
{
    OneNode one;
    auto subscriber = one.subscriber();
    ChildProcess victim(publisherWith(one, 0, 0));
    ASSERT_EQ(victim.hear(), "ready");
    const auto set = PoolSet::attach(one.m_domain.root(), test::poolSetsOf(one.m_domain.number()).at(0), {}).value();
    victim.kill(SIGKILL);
    set->control().port(2).m_state = static_cast<std::uint32_t>(PortState::Dying); // its own, after m_died = 0

    static_cast<void>(recovered(one));

    const LivelinessStatus status = subscriber.livelinessChanged();
    EXPECT_EQ(status.alive, 0U);
    EXPECT_EQ(status.notAlive, 0U);
    EXPECT_EQ(status.lost, 0U);
}

} // namespace ZeroCP
