// Deaths beside the fault list's entries, of the same kinds: in every call that waits, of many at once, of a process with
// several nodes and threads, of one whose history others read, and of one that recovers others.
#include <array>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <fstream>
#include <functional>
#include <iterator>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "fault/fault_support.hpp"

namespace ZeroCP::test
{
namespace
{

using namespace std::chrono_literals;

constexpr unsigned kWatchdogSeconds = 140;
constexpr auto kForEver = -1ns;
constexpr auto kLong = 1h; ///< never waited for in full by a healthy test

/// Until the process sleeps in the kernel, or has ended.
void awaitAsleep(const ChildProcess& process)
{
    await(
        [&process]
        {
            std::ifstream status("/proc/" + std::to_string(process.pid()) + "/stat");
            const std::string text(std::istreambuf_iterator<char>(status), {});
            return text.find(") S ") != std::string::npos || process.hasEnded();
        });
}

Config keepAllConfig()
{
    Config config;
    config.queue.keepAllCapacity = 4;
    config.queue.publishTimeout = kLong;
    config.wait.spin = 0ns;
    return config;
}

struct Waiting
{
    const char* m_name;
    void (*m_wait)(Node&);
};

// Each is a call that ends only with the process. What was made before it is left as it is.
const Waiting kWaits[] = {
    {"Subscriber::wait",
     [](Node& node)
     {
         auto subscriber = node.createSubscriber<Number>("idle").value();
         static_cast<void>(subscriber.wait(kForEver));
     }},
    {"WaitSet::wait",
     [](Node& node)
     {
         auto subscriber = node.createSubscriber<Number>("idle").value();
         auto waitSet = WaitSet::create(node).value();
         EXPECT_TRUE(waitSet.attach(subscriber, 1));
         EXPECT_TRUE(waitSet.attachGraph(2));
         static_cast<void>(waitSet.wait(kForEver)); // of the graph's change by itself
         for (;;)
         {
             static_cast<void>(waitSet.wait(kForEver));
         }
     }},
    {"Executor::spin",
     [](Node& node)
     {
         auto subscriber = node.createSubscriber<Number>("idle", {}, [](const Sample<Number>&) {}).value();
         auto timer = node.createTimer(1h, [] {}).value();
         Executor executor({.threads = 3});
         EXPECT_TRUE(executor.add(node));
         static_cast<void>(executor.spin());
     }},
    {"Client::call",
     [](Node& node)
     {
         // A service that nobody drives.
         auto service = node.createService<Number, Number>("idle", [](const Number&, Number&) {}).value();
         auto client = node.createClient<Number, Number>("idle").value();
         static_cast<void>(client.call({1}, kForEver));
     }},
    {"Client::waitForService",
     [](Node& node)
     {
         auto client = node.createClient<Number, Number>("idle").value();
         static_cast<void>(client.waitForService(kForEver));
     }},
    {"Service::spinFor",
     [](Node& node)
     {
         auto service = node.createService<Number, Number>("idle", [](const Number&, Number&) {}).value();
         static_cast<void>(service.spinFor(kForEver));
     }},
    {"a callback of a service",
     [](Node& node)
     {
         auto service = node.createService<Number, Number>("idle", [](const Number&, Number&)
                                                           { std::this_thread::sleep_for(kLong); })
                            .value();
         auto client = node.createClient<Number, Number>("idle").value();
         auto answer = client.asyncCall({1}, kLong);
         static_cast<void>(service.spinFor(kForEver));
     }},
    {"Publisher::waitForSubscribers",
     [](Node& node)
     {
         auto publisher = node.createPublisher<Number>("idle").value();
         static_cast<void>(publisher.waitForSubscribers(5, kLong));
     }},
    {"publish with keepAll",
     [](Node& node)
     {
         auto publisher = node.createPublisher<Number>("idle", QoS{}.keepAll()).value();
         auto subscriber = node.createSubscriber<Number>("idle", QoS{}.keepAll()).value();
         for (std::uint64_t i = 1;; ++i)
         {
             static_cast<void>(publisher.publishCopy({i}));
         }
     }},
    {"Node::waitForGraphChange",
     [](Node& node)
     {
         for (;;)
         {
             static_cast<void>(node.waitForGraphChange(node.graphVersion(), kForEver));
         }
     }},
};

} // namespace

TEST(MoreFaults, AProcessKilledInAnyCallThatWaitsLeavesNothing)
{
    OneNode one(keepAllConfig());
    Witness witness(one);
    const std::size_t files = one.m_domain.files().size();
    for (int round = 0; round < 3; ++round)
    {
        for (const Waiting& waiting : kWaits)
        {
            SCOPED_TRACE(waiting.m_name);
            ChildProcess victim(
                [&](Peer& parent)
                {
                    Node node = nodeIn(one.m_domain, keepAllConfig(), "victim");
                    auto onTopic = node.createSubscriber<Number>("t").value(); // which never reads
                    parent.tell("about to wait");
                    waiting.m_wait(node);
                    return false;
                });
            ASSERT_EQ(victim.hear(), "about to wait");
            awaitAsleep(victim);
            witness.goOn(20);

            EXPECT_TRUE(victim.kill(SIGKILL).killedBy(SIGKILL));

            const auto report = recover(one.m_domain.number());
            ASSERT_TRUE(report) << report.error().message();
            ASSERT_EQ(one.inspect().processes.size(), 1U);
            ASSERT_EQ(one.inspect().topics.size(), 1U);
            ASSERT_EQ(one.m_domain.files().size(), files);
            ASSERT_EQ(usedChunks(one.inspect()), 0U);
        }
    }
    witness.expectNothingLostAndAllFree();
}

TEST(MoreFaults, WhatAPublisherSentBeforeItDiedBlockedInAKeepAllPublishIsReadableAndNothingElse)
{
    OneNode one(keepAllConfig());
    const SharedBoard<std::atomic<std::uint64_t>> sent;
    auto subscriber = one.subscriber(QoS{}.keepAll());
    ChildProcess victim(
        [&](Peer& parent)
        {
            Node node = nodeIn(one.m_domain, keepAllConfig(), "victim");
            auto publisher = node.createPublisher<Number>("t", QoS{}.keepAll()).value();
            parent.tell("publishing");
            for (;;)
            {
                EXPECT_TRUE(publisher.publishCopy({*sent + 1}));
                ++*sent;
            }
            return false;
        });
    ASSERT_EQ(victim.hear(), "publishing");
    await([&] { return *sent >= 4 || victim.hasEnded(); });
    awaitAsleep(victim);
    victim.kill(SIGKILL);
    ASSERT_TRUE(recover(one.m_domain.number()));

    DeliveryLedger ledger;
    ledger.takeAll(subscriber);

    EXPECT_EQ(ledger.received(), *sent);
    EXPECT_EQ(subscriber.missed(), 0U);
    EXPECT_EQ(usedChunks(one.inspect()), 0U);
}

// Its time-out is an hour.
TEST(MoreFaults, APublisherThatWaitsForRoomGoesOnWhenTheSubscriberDies)
{
    OneNode one(keepAllConfig());
    auto publisher = one.publisher(QoS{}.keepAll());
    ChildProcess victim(
        [&](Peer& parent)
        {
            Node node = nodeIn(one.m_domain, keepAllConfig(), "victim");
            auto subscriber = node.createSubscriber<Number>("t", QoS{}.keepAll()).value();
            parent.tell("subscribed");
            parent.pause();
            return true;
        });
    ASSERT_EQ(victim.hear(), "subscribed");
    std::atomic<std::uint64_t> sent{0};
    std::thread sender(
        [&]
        {
            while (sent < 8) // four fit
            {
                EXPECT_TRUE(publisher.publishCopy({sent + 1}));
                ++sent;
            }
        });
    await([&] { return sent == 4; });
    victim.kill(SIGKILL);
    sender.join();
    // Whose death it only sees it passes over; what the dead one held waits for the next recovery, which need not be its own.
    ASSERT_TRUE(recover(one.m_domain.number()));

    EXPECT_EQ(sent, 8U);
    EXPECT_EQ(usedChunks(one.inspect()), 0U);
}

namespace
{

/// Publishes and takes on topics "t" and "u" for ever, and holds what it may.
void play(Node& node, std::uint64_t seed)
{
    Random random(seed);
    auto publisher = node.createPublisher<Number>("t").value();
    auto other = node.createPublisher<Slice<std::byte>>("u").value();
    auto subscriber = node.createSubscriber<Number>("t", QoS{}.keepLast(3)).value();
    auto bytes = node.createSubscriber<Slice<std::byte>>("u", QoS{}.keepLast(3)).value();
    std::vector<Sample<Number>> held(2);
    std::vector<Sample<Slice<std::byte>>> heldBytes(2);
    std::uint64_t sent = 0;
    const std::vector<std::byte> message(1000);
    for (;;)
    {
        const auto sequence = publisher.publishCopy({sent + 1});
        if (!sequence)
        {
            std::fprintf(stderr, "play: %s\n", publisher.whyExhausted().c_str());
            ::_exit(5);
        }
        sent = *sequence;
        static_cast<void>(other.publishCopy(message));
        if (auto sample = subscriber.take())
        {
            held[random.below(2)] = std::move(*sample);
        }
        if (auto sample = bytes.take())
        {
            heldBytes[random.below(2)] = std::move(*sample);
        }
    }
}

} // namespace

TEST(MoreFaults, HalfOfTheProcessesKilledAtOnceAgainAndAgain)
{
    constexpr std::size_t kProcesses = 8;
    const int rounds = kSanitized ? 3 : 12;
    OneNode one;
    Random random(testSeed());
    Witness witness(one);
    std::array<std::unique_ptr<ChildProcess>, kProcesses> children;
    for (int round = 0; round < rounds && !::testing::Test::HasFailure(); ++round)
    {
        SCOPED_TRACE("round " + std::to_string(round));
        for (auto& child : children)
        {
            if (child == nullptr)
            {
                child = std::make_unique<ChildProcess>(
                    [&one, seed = random()](Peer& parent)
                    {
                        Node node = nodeIn(one.m_domain, {}, "player");
                        parent.tell("joined");
                        play(node, seed);
                        return false;
                    },
                    kWatchdogSeconds);
                ASSERT_EQ(child->hear(), "joined");
            }
        }
        for (std::uint64_t messages = 200 + random.below(2000); messages > 0;
             messages -= std::min<std::uint64_t>(messages, 20))
        {
            witness.goOn(20);
        }
        const std::size_t first = random.below(kProcesses);
        for (std::size_t i = 0; i < kProcesses / 2; ++i)
        {
            children[(first + i) % kProcesses]->signal(SIGKILL);
        }
        for (std::size_t i = 0; i < kProcesses / 2; ++i)
        {
            auto& victim = children[(first + i) % kProcesses];
            EXPECT_TRUE(victim->wait().killedBy(SIGKILL));
            victim.reset();
        }
        witness.goOn(20);
    }
    for (auto& child : children)
    {
        EXPECT_TRUE(child == nullptr || child->kill(SIGKILL).killedBy(SIGKILL));
    }
    witness.expectNothingLostAndAllFree();
}

TEST(MoreFaults, AProcessWithSeveralNodesAndThreadsIsKilled)
{
    const int kills = kSanitized ? 5 : 30;
    OneNode one;
    Random random(testSeed());
    Witness witness(one);
    for (int kill = 0; kill < kills && !::testing::Test::HasFailure(); ++kill)
    {
        SCOPED_TRACE("kill " + std::to_string(kill));
        ChildProcess victim(
            [&one, seed = random()](Peer& parent)
            {
                std::array<Node, 3> nodes;
                std::vector<std::thread> threads;
                for (std::size_t i = 0; i < nodes.size(); ++i)
                {
                    nodes[i] = nodeIn(one.m_domain, {}, "node_" + std::to_string(i));
                }
                for (std::size_t i = 0; i < 2 * nodes.size(); ++i)
                {
                    threads.emplace_back([&nodes, seed, i] { play(nodes[i % nodes.size()], seed + i); });
                }
                parent.tell("playing");
                parent.pause();
                ::_exit(6); // play() does not end
                return false;
            },
            kWatchdogSeconds);
        ASSERT_EQ(victim.hear(), "playing");
        witness.goOn(10 + random.below(300)); // some while, in which it joins or plays
        EXPECT_TRUE(victim.kill(SIGKILL).killedBy(SIGKILL));
        const auto report = recover(one.m_domain.number());
        ASSERT_TRUE(report) << report.error().message();
        ASSERT_EQ(report->pending, 0U);
        witness.goOn();
        ASSERT_EQ(usedChunks(one.inspect()), 0U);
    }
    witness.expectNothingLostAndAllFree();
}

TEST(MoreFaults, AHistoryIsReadToItsEndByWhoJoinedBeforeItsPublisherDiedAndByNobodyAfterwards)
{
    constexpr std::uint64_t kHistory = 8;
    const QoS qos = QoS{}.keepLast(kHistory).transientLocal();
    OneNode one;
    ChildProcess victim(
        [&](Peer& parent)
        {
            Node node = nodeIn(one.m_domain, {}, "victim");
            auto publisher = node.createPublisher<Number>("t", qos).value();
            for (std::uint64_t i = 1; i <= 3 * kHistory; ++i)
            {
                EXPECT_TRUE(publisher.publishCopy({i}));
            }
            parent.tell("published");
            parent.pause();
            return true;
        });
    ASSERT_EQ(victim.hear(), "published");
    auto before = one.subscriber(qos); // reads nothing yet
    victim.kill(SIGKILL);
    auto notRecovered = one.subscriber(qos); // this call finds the dead one
    ASSERT_TRUE(recover(one.m_domain.number()));
    auto after = one.subscriber(qos);

    for (std::uint64_t i = 2 * kHistory + 1; i <= 3 * kHistory; ++i)
    {
        const auto sample = before.take();
        ASSERT_TRUE(sample) << i;
        EXPECT_EQ((*sample)->value, i);
    }
    EXPECT_FALSE(before.take());
    EXPECT_EQ(before.missed(), 0U);
    EXPECT_FALSE(after.take());
    EXPECT_EQ(after.missed(), 0U);
    while (notRecovered.take())
    {
    }
    EXPECT_EQ(usedChunks(one.inspect()), 0U);
}

// It holds the control lock while it stands: control calls of others wait, messages do not.
TEST(MoreFaults, MessagesFlowWhileARecovererIsStoppedAndAnotherTakesOverWhenItIsKilled)
{
    OneNode one;
    Witness witness(one);
    std::uint64_t stops = 0;
    for (bool through = false; !through && !::testing::Test::HasFailure(); ++stops)
    {
        SCOPED_TRACE("stop " + std::to_string(stops));
        ChildProcess victim(
            [&](Peer& parent)
            {
                Node node = nodeIn(one.m_domain, {}, "victim");
                auto publisher = node.createPublisher<Number>("t").value();
                auto subscriber = node.createSubscriber<Number>("t").value();
                const auto loan = publisher.loan().value();
                EXPECT_TRUE(publisher.publishCopy({1}));
                parent.tell("holding");
                parent.pause();
                return true;
            });
        ASSERT_EQ(victim.hear(), "holding");
        witness.goOn();
        victim.kill(SIGKILL);
        ChildProcess recoverer(
            [&](Peer&)
            {
                Tracee::waitForTracer();
                return recover(one.m_domain.number()).has_value();
            },
            kWatchdogSeconds);
        Tracee tracee(recoverer.pid());
        for (std::uint64_t i = 0; i <= stops && !through; ++i)
        {
            through = !tracee.toSystemCall();
        }

        witness.goOn(30);

        const ExitStatus status = recoverer.kill(SIGKILL);
        EXPECT_TRUE(through ? status.succeeded() : status.killedBy(SIGKILL)) << ::testing::PrintToString(status);
        const auto report = recover(one.m_domain.number());
        ASSERT_TRUE(report) << report.error().message();
        ASSERT_EQ(one.inspect().processes.size(), 1U);
        witness.goOn(30);
        ASSERT_EQ(usedChunks(one.inspect()), 0U);
    }
    std::printf("%llu stops\n", static_cast<unsigned long long>(stops));
    EXPECT_GT(stops, 20U);
    witness.expectNothingLostAndAllFree();
}

TEST(MoreFaults, KillsWithPoolsFromAYamlFileLeaveAllTheirChunksFree)
{
    const int kills = kSanitized ? 5 : 40;
    const TestDirectory directory;
    const TestDomain domain(directory.path());
    const std::filesystem::path file = directory.path() / "zerocp.yaml";
    std::ofstream(file) << "pools:\n"
                           "  shared:\n"
                           "    chunks: [{size: 64, count: 300}, {size: 2048, count: 100}]\n"
                           "topics:\n"
                           "  t: {pool: shared}\n"
                           "  u: {pool: shared, qos: {depth: 3}}\n";
    const NodeOptions options{.domain = domain.number(), .configFile = file, .root = domain.root(), .config = {}};
    Random random(testSeed());
    Node node = Node::create("keeper", options).value();
    auto subscriber = node.createSubscriber<Number>("t").value();
    for (int kill = 0; kill < kills && !::testing::Test::HasFailure(); ++kill)
    {
        ChildProcess victim(
            [&, seed = random()](Peer& parent)
            {
                Node mine = Node::create("victim", options).value();
                parent.tell("joined");
                play(mine, seed);
                return false;
            },
            kWatchdogSeconds);
        ASSERT_EQ(victim.hear(), "joined");
        ::usleep(static_cast<useconds_t>(random.below(3000)));
        EXPECT_TRUE(victim.kill(SIGKILL).killedBy(SIGKILL));
        while (subscriber.take()) // else what the dead have sent fills the pool
        {
        }
    }
    ASSERT_TRUE(recover(domain.number(), domain.root()));
    while (subscriber.take())
    {
    }
    EXPECT_EQ(expectAllChunksFree(domain.number(), domain.root()), 400U);
}

} // namespace ZeroCP::test
