// An executor with four threads and sixteen topics whose publishers are other processes. Topics share four exclusive
// groups; one topic of the first group is saturated. Nothing is lost, nothing comes twice, groups never overlap, and
// nobody waits much longer than the others.
//
//     ZEROCP_TEST_CALLBACKS=1000000 build/release/tests/zerocp_process_tests --gtest_filter='ExecutorOfManyTopics*'
#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <sched.h>
#include <unistd.h>

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

constexpr std::size_t kTopics = 16;
constexpr std::size_t kGroups = 4;
constexpr std::size_t kPublishers = 4; ///< processes
constexpr std::uint32_t kThreads = 4;
constexpr std::size_t kBusy = 0;        ///< this topic is never empty
constexpr std::uint64_t kWindow = 1000; ///< messages of the busy topic that may wait to be handled
constexpr unsigned kWatchdogSeconds = 900;

std::uint64_t callbacksInAll()
{
    return numberFrom("ZEROCP_TEST_CALLBACKS", kSanitized ? 5000 : 100'000);
}

struct Message
{
    std::uint64_t m_number;
    std::uint64_t m_readySince; ///< callbacks that had been run when it was about to be published
};

/// Which callback of all was the next when publish() of a topic's newest message had returned. The executor's wait is no
/// shorter than from then on, and no longer than from before publish(), where the publisher may have lost its core.
struct Ready
{
    std::atomic<std::uint64_t> m_number; ///< of the message; stored last
    std::atomic<std::uint64_t> m_since;
};

struct Board
{
    std::atomic<int> m_ready;
    std::atomic<std::uint64_t> m_callbacks;                    ///< run so far, of all topics
    std::array<std::atomic<std::uint64_t>, kTopics> m_handled; ///< the newest message
    std::array<Ready, kTopics> m_readies;
    std::atomic<bool> m_quietAreDone;
    std::atomic<std::uint64_t> m_busyPublished;
};

Node nodeOf(const TestDomain& domain, const std::string& name)
{
    Config config;
    config.queue.publishTimeout = std::chrono::seconds(60);
    return Node::create(name, {.domain = domain.number(), .configFile = {}, .root = {}, .config = config}).value();
}

std::string topicOf(std::size_t topic)
{
    return "many/topic" + std::to_string(topic);
}

bool publish(Board& board, std::size_t topic, Publisher<Message>& publisher, std::uint64_t number)
{
    const auto sent = publisher.publishCopy({number, board.m_callbacks});
    EXPECT_TRUE(sent) << toString(sent.error());
    board.m_readies[topic].m_since = board.m_callbacks.load();
    board.m_readies[topic].m_number = number;
    return sent.has_value();
}

/// As fast as it goes, until the others have finished.
bool saturate(const TestDomain& domain, Board& board)
{
    Node node = nodeOf(domain, "busy");
    auto publisher = node.createPublisher<Message>(topicOf(kBusy), QoS{}.keepAll()).value();
    meet(board.m_ready, kPublishers + 1);
    std::uint64_t number = 0;
    bool good = true;
    while (good && !board.m_quietAreDone)
    {
        await([&] { return number < board.m_handled[kBusy] + kWindow || board.m_quietAreDone; });
        good = publish(board, kBusy, publisher, ++number);
    }
    board.m_busyPublished = number;
    await([&] { return board.m_handled[kBusy] == number; });
    return good;
}

/// Some of the other topics: the next message of each when the last one has been handled.
bool publishInTurn(const TestDomain& domain, Board& board, std::size_t me, std::uint64_t messages)
{
    Node node = nodeOf(domain, "publisher" + std::to_string(me));
    std::vector<std::size_t> topics;
    std::vector<Publisher<Message>> publishers;
    for (std::size_t topic = me; topic < kTopics; topic += kPublishers - 1)
    {
        topics.push_back(topic);
        publishers.push_back(node.createPublisher<Message>(topicOf(topic), QoS{}.keepAll()).value());
    }
    meet(board.m_ready, kPublishers + 1);
    std::vector<std::uint64_t> sent(topics.size(), 0);
    bool good = true;
    for (std::uint64_t left = messages * topics.size(); left > 0 && good;)
    {
        const std::uint64_t before = left;
        for (std::size_t i = 0; i < topics.size(); ++i)
        {
            if (sent[i] < messages && board.m_handled[topics[i]] == sent[i])
            {
                good = publish(board, topics[i], publishers[i], ++sent[i]) && good;
                --left;
            }
        }
        if (left == before)
        {
            ::sched_yield();
        }
    }
    for (std::size_t i = 0; i < topics.size(); ++i)
    {
        await([&] { return board.m_handled[topics[i]] == messages; });
    }
    return good;
}

/// What one topic's callbacks saw; its group orders them.
struct Topic
{
    std::uint64_t m_last{0};
    std::uint64_t m_wrong{0};           ///< messages that were not the next one
    std::vector<std::uint64_t> m_waits; ///< callbacks run between readiness and handling, at most
    std::vector<std::uint64_t> m_least; ///< and for certain
};

/// Callbacks that ran for certain between a message's readiness and callback `now`, its own.
std::uint64_t waited(const Ready& ready, std::uint64_t number, std::uint64_t now)
{
    const bool wasSaid = ready.m_number == number; // else its publisher is not back from publish() yet
    const std::uint64_t since = ready.m_since;
    return wasSaid && since < now ? now - since : 0;
}

struct Group
{
    CallbackGroup m_group{CallbackGroupType::MutuallyExclusive};
    std::atomic<int> m_inside{0};
    std::atomic<std::uint64_t> m_overlaps{0};
};

struct Figures
{
    std::uint64_t m_median;
    std::uint64_t m_last; ///< 99.9 %
    std::uint64_t m_longest;
};

Figures figuresOf(std::vector<std::uint64_t> waits)
{
    std::sort(waits.begin(), waits.end());
    return {waits[waits.size() / 2], waits[waits.size() - 1 - waits.size() / 1000], waits.back()};
}

TEST(ExecutorOfManyTopics, HandlesEveryMessageOnceWithGroupsThatNeverOverlap)
{
    const std::uint64_t perTopic = std::max<std::uint64_t>(1, callbacksInAll() / 2 / (kTopics - 1));
    const TestDomain domain;
    const SharedBoard<Board> board;
    std::vector<std::unique_ptr<ChildProcess>> children;
    children.push_back(
        std::make_unique<ChildProcess>([&](Peer&) { return saturate(domain, *board); }, kWatchdogSeconds));
    for (std::size_t p = 1; p < kPublishers; ++p)
    {
        children.push_back(std::make_unique<ChildProcess>(
            [&, p](Peer&) { return publishInTurn(domain, *board, p, perTopic); }, kWatchdogSeconds));
    }
    ::alarm(kWatchdogSeconds);

    Node node = nodeOf(domain, "executor");
    Executor executor({.threads = kThreads});
    ASSERT_TRUE(executor.add(node));
    std::array<Group, kGroups> groups;
    std::array<Topic, kTopics> topics;
    std::vector<CallbackSubscriber<Message>> subscribers;
    std::atomic<std::size_t> quietLeft{kTopics - 1};
    for (std::size_t t = 0; t < kTopics; ++t)
    {
        topics[t].m_waits.reserve(callbacksInAll());
        topics[t].m_least.reserve(callbacksInAll());
        const auto handle = [&, t](const Sample<Message>& sample)
        {
            Group& group = groups[t % kGroups];
            group.m_overlaps += group.m_inside.fetch_add(1) == 0 ? 0U : 1U;
            const std::uint64_t now = board->m_callbacks.fetch_add(1);
            Topic& mine = topics[t];
            mine.m_wrong += sample->m_number == mine.m_last + 1 ? 0U : 1U;
            mine.m_last = sample->m_number;
            if (t != kBusy)
            {
                mine.m_waits.push_back(now - sample->m_readySince);
                mine.m_least.push_back(waited(board->m_readies[t], sample->m_number, now));
                if (mine.m_last == perTopic && --quietLeft == 0)
                {
                    board->m_quietAreDone = true;
                }
            }
            group.m_inside.fetch_sub(1);
            board->m_handled[t] = mine.m_last;
            if (board->m_quietAreDone && board->m_busyPublished == board->m_handled[kBusy])
            {
                executor.stop();
            }
        };
        subscribers.push_back(
            node.createSubscriber<Message>(topicOf(t), QoS{}.keepAll(), handle, groups[t % kGroups].m_group).value());
    }
    // The busy one's figure may come after its last message was handled.
    const auto timer =
        node.createTimer(std::chrono::milliseconds(5),
                         [&]
                         {
                             if (board->m_busyPublished != 0 && board->m_busyPublished == board->m_handled[kBusy])
                             {
                                 executor.stop();
                             }
                         })
            .value();
    meet(board->m_ready, kPublishers + 1);

    ASSERT_TRUE(executor.spin());
    for (const auto& child : children)
    {
        EXPECT_TRUE(child->wait().succeeded());
    }
    ::alarm(0);

    std::vector<std::uint64_t> all;
    std::vector<std::uint64_t> least;
    std::uint64_t handled = 0;
    for (std::size_t t = 0; t < kTopics; ++t)
    {
        EXPECT_EQ(topics[t].m_wrong, 0U) << topicOf(t);
        EXPECT_EQ(topics[t].m_last, t == kBusy ? board->m_busyPublished.load() : perTopic) << topicOf(t);
        EXPECT_EQ(subscribers[t].missed(), 0U) << topicOf(t);
        handled += topics[t].m_last;
        all.insert(all.end(), topics[t].m_waits.begin(), topics[t].m_waits.end());
        least.insert(least.end(), topics[t].m_least.begin(), topics[t].m_least.end());
    }
    for (const Group& group : groups)
    {
        EXPECT_EQ(group.m_overlaps, 0U);
        EXPECT_EQ(group.m_inside, 0);
    }
    EXPECT_EQ(handled, board->m_callbacks);
    const Figures together = figuresOf(all);
    const Figures atLeast = figuresOf(least);
    std::printf(
        "%llu callbacks, %llu of the busy topic; callbacks between readiness and handling: median %llu to %llu, "
        "99.9 %% %llu to %llu, longest %llu to %llu\n",
        static_cast<unsigned long long>(handled), static_cast<unsigned long long>(board->m_busyPublished),
        static_cast<unsigned long long>(atLeast.m_median), static_cast<unsigned long long>(together.m_median),
        static_cast<unsigned long long>(atLeast.m_last), static_cast<unsigned long long>(together.m_last),
        static_cast<unsigned long long>(atLeast.m_longest), static_cast<unsigned long long>(together.m_longest));
    for (std::size_t t = 1; t < kTopics; ++t)
    {
        const Figures own = figuresOf(topics[t].m_waits);
        std::printf("  %s, group %zu: median %llu, 99.9 %% %llu, longest %llu\n", topicOf(t).c_str(), t % kGroups,
                    static_cast<unsigned long long>(own.m_median), static_cast<unsigned long long>(own.m_last),
                    static_cast<unsigned long long>(own.m_longest));
        EXPECT_LE(own.m_median, 10 * std::max<std::uint64_t>(1, together.m_median)) << topicOf(t);
    }
}

/// Where a publisher dies that was to wake an executor: with its message published, and the port's word as it was, or
/// turned to Woken, but without having signalled the executor's row.
class PublisherThatDies : public ::testing::TestWithParam<notifier::Sleep>
{
};

NodeOptions sleepingAtOnce(const TestDomain& domain)
{
    Config config;
    config.wait.spin = std::chrono::nanoseconds(0);
    return {.domain = domain.number(), .configFile = {}, .root = {}, .config = config};
}

bool publishAndDie(Peer& parent, const TestDomain& domain, notifier::Sleep left)
{
    Node node = nodeOf(domain, "publisher");
    auto publisher = node.createPublisher<Message>("t").value();
    Config config;
    config.domain = domain.number();
    const WaiterRecord& executor = Domain::join(config, domain.root()).value()->waiter(0);
    const MappedSet set("/dev/shm", poolSetsOf(domain.number()).at(0), AccessMode::READ_WRITE);
    std::atomic<std::uint32_t>* word = nullptr;
    for (std::uint32_t port = 1; port < set.view().header().m_portHighWater; ++port)
    {
        if (set.view().port(port).m_waiter != 0)
        {
            word = &set.view().port(port).m_sleep;
        }
    }
    parent.tell(word != nullptr ? "ready" : "not attached");
    await([&] { return word != nullptr && executor.m_asleep == 1; });
    word->store(static_cast<std::uint32_t>(notifier::Sleep::Woken)); // so that publish() itself wakes nobody
    static_cast<void>(publisher.publishCopy({7, 0}));
    word->store(static_cast<std::uint32_t>(left));
    ::kill(::getpid(), SIGKILL);
    return false;
}

TEST_P(PublisherThatDies, BeforeItCouldWakeTheExecutorIsHeardAfterASlice)
{
    const TestDomain domain;
    Node node = Node::create("executor", sleepingAtOnce(domain)).value();
    Executor executor;
    ASSERT_TRUE(executor.add(node));
    std::uint64_t received = 0;
    const auto subscriber = node.createSubscriber<Message>("t", {},
                                                           [&](const Sample<Message>& sample)
                                                           {
                                                               received = sample->m_number;
                                                               executor.stop();
                                                           })
                                .value();
    ASSERT_TRUE(executor.spinSome()); // it is attached now
    ChildProcess child([&](Peer& parent) { return publishAndDie(parent, domain, GetParam()); });
    ASSERT_EQ(child.hear(), "ready");

    ASSERT_TRUE(executor.spin());

    EXPECT_EQ(received, 7U);
    EXPECT_TRUE(child.wait().killedBy(SIGKILL));
}

INSTANTIATE_TEST_SUITE_P(Word, PublisherThatDies, ::testing::Values(notifier::Sleep::Asleep, notifier::Sleep::Woken),
                         [](const auto& test) { return test.param == notifier::Sleep::Asleep ? "Asleep" : "Woken"; });

} // namespace
} // namespace ZeroCP::test
