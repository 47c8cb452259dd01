#include "zerocp/pubsub/inspect.hpp"

#include <algorithm>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <unistd.h>

#include <gtest/gtest.h>

#include "pubsub/pubsub_support.hpp"
#include "support/child_process.hpp"

namespace ZeroCP
{

using test::ChildProcess;
using test::nodeIn;
using test::Number;
using test::OneNode;
using test::Page;
using test::Peer;
using test::pooled;
using test::TestDomain;
using test::totalChunks;
using test::usedChunks;

TEST(Inspect, FindsNothingInADomainThatNobodyHas)
{
    const TestDomain domain;

    const auto snapshot = inspect(domain.number(), domain.root());

    ASSERT_TRUE(snapshot);
    EXPECT_TRUE(snapshot->processes.empty() && snapshot->topics.empty() && snapshot->poolSets.empty());
    EXPECT_TRUE(domain.files().empty());
}

TEST(Inspect, ListsThisProcessOnceWhateverNumberOfNodesItHas)
{
    OneNode one;
    const Node second = nodeIn(one.m_domain, {}, "second");

    const auto processes = one.inspect().processes;

    ASSERT_EQ(processes.size(), 1U);
    EXPECT_EQ(processes[0].pid, static_cast<std::uint32_t>(::getpid()));
    EXPECT_TRUE(processes[0].alive);
    EXPECT_FALSE(processes[0].name.empty());
}

TEST(Inspect, ListsAProcessThatDiedAndWasNotRecoveredAsNotAlive)
{
    OneNode one;
    ChildProcess child(
        [&](Peer& parent)
        {
            const Node node = nodeIn(one.m_domain);
            parent.tell("joined");
            parent.pause();
            return true;
        });
    ASSERT_EQ(child.hear(), "joined");
    const auto pid = static_cast<std::uint32_t>(child.pid());
    child.kill(SIGKILL);

    const auto processes = one.inspect().processes;

    const auto dead = std::find_if(processes.begin(), processes.end(), [pid](const auto& p) { return p.pid == pid; });
    ASSERT_NE(dead, processes.end());
    EXPECT_FALSE(dead->alive);
}

TEST(Inspect, ListsTopicsWithTypePoolSetAndCounts)
{
    OneNode one(pooled(64, 100));
    auto publisher = one.publisher();
    auto first = one.subscriber();
    auto second = one.subscriber();
    auto other = one.subscriber<Page>({}, "other");

    const auto topics = one.inspect().topics;

    ASSERT_EQ(topics.size(), 2U);
    const TopicSnapshot& topic = topics[0].name == other.topic() ? topics[1] : topics[0];
    EXPECT_EQ(topic.name, publisher.topic());
    EXPECT_EQ(topic.typeName, "ZeroCP::test::Number");
    EXPECT_EQ(topic.poolSet, "pool");
    EXPECT_EQ(topic.publishers, 1U);
    EXPECT_EQ(topic.subscribers, 2U);
}

TEST(Inspect, ListsThePoolsOfASetWithSizesAndCounts)
{
    OneNode one(pooled(64, 100));
    auto publisher = one.publisher();
    const auto loan = publisher.loan();

    const auto sets = one.inspect().poolSets;

    ASSERT_TRUE(loan);
    ASSERT_EQ(sets.size(), 1U);
    EXPECT_EQ(sets[0].name, "pool");
    ASSERT_EQ(sets[0].pools.size(), 1U);
    EXPECT_EQ(sets[0].pools[0].chunkSize, 64U);
    EXPECT_EQ(sets[0].pools[0].total, 100U);
    EXPECT_EQ(sets[0].pools[0].free, 99U);
    EXPECT_GE(sets[0].pools[0].highWater, 1U);
}

TEST(Inspect, CountsAStashAsFree)
{
    OneNode one;
    auto publisher = one.publisher();
    auto subscriber = one.subscriber();
    ASSERT_TRUE(publisher.publishCopy({1}));
    ASSERT_TRUE(subscriber.take());

    EXPECT_EQ(usedChunks(one.inspect()), 0U);
    EXPECT_GT(totalChunks(one.inspect()), 0U);
}

TEST(Inspect, CountsAnUnreadMessageOnceWhateverNumberOfSubscribersHasIt)
{
    OneNode one;
    auto publisher = one.publisher();
    auto first = one.subscriber();
    auto second = one.subscriber();
    ASSERT_TRUE(publisher.publishCopy({1}));

    EXPECT_EQ(usedChunks(one.inspect()), 1U);
}

TEST(Inspect, CountsAReturnedMessageThatItsPublisherHasNotCollectedAsFree)
{
    OneNode one;
    auto publisher = one.publisher();
    auto subscriber = one.subscriber();
    for (int i = 0; i < 3; ++i)
    {
        ASSERT_TRUE(publisher.publishCopy({1}));
    }
    while (subscriber.take())
    {
    }

    EXPECT_EQ(usedChunks(one.inspect()), 0U);
}

TEST(Inspect, NamesWhoHoldsChunks)
{
    OneNode one;
    Node reader = nodeIn(one.m_domain, {}, "reader");
    auto publisher = one.publisher();
    auto subscriber = reader.createSubscriber<Number>("t").value();
    ASSERT_TRUE(publisher.publishCopy({1}) && publisher.publishCopy({2}));
    const auto held = subscriber.take();

    const auto holders = one.inspect().holders;

    ASSERT_TRUE(held);
    ASSERT_EQ(holders.size(), 1U);
    EXPECT_EQ(holders[0].topic, subscriber.topic());
    EXPECT_EQ(holders[0].node, "reader");
    EXPECT_EQ(holders[0].pid, static_cast<std::uint32_t>(::getpid()));
    EXPECT_EQ(holders[0].chunks, 2U) << "one held, one unread";
    EXPECT_GT(holders[0].longestHoldNs, 0U);
}

TEST(Inspect, NamesAPublisherThatHasLoansOut)
{
    OneNode one;
    auto publisher = one.publisher();
    const auto first = publisher.loan();
    const auto second = publisher.loan();

    const auto holders = one.inspect().holders;

    ASSERT_TRUE(first && second);
    ASSERT_EQ(holders.size(), 1U);
    EXPECT_EQ(holders[0].node, "node");
    EXPECT_EQ(holders[0].chunks, 2U);
    EXPECT_EQ(holders[0].longestHoldNs, 0U);
}

TEST(Inspect, ChangesNoByteOfTheDomain)
{
    OneNode one;
    auto publisher = one.publisher();
    auto subscriber = one.subscriber();
    ASSERT_TRUE(publisher.publishCopy({1}));
    const auto memory = SharedMemory::open(one.m_domain.root(), one.m_domain.file("discovery").filename().native(),
                                           AccessMode::READ_ONLY);
    const std::vector<std::byte> before(memory->base(), memory->base() + 65536);

    static_cast<void>(one.inspect());

    EXPECT_TRUE(std::equal(before.begin(), before.end(), memory->base()));
    EXPECT_EQ(one.inspect().processes.size(), 1U);
}

TEST(Inspect, ReportsADiscoverySegmentThatIsNone)
{
    const TestDomain domain;
    std::vector<char> zeros(8192);
    {
        std::FILE* file = std::fopen(domain.file("discovery").c_str(), "wb");
        ASSERT_NE(file, nullptr);
        std::fwrite(zeros.data(), 1, zeros.size(), file);
        std::fclose(file);
    }

    const auto snapshot = inspect(domain.number(), domain.root());

    ASSERT_FALSE(snapshot);
    EXPECT_EQ(snapshot.error().code(), ErrorCode::Corrupt);
    std::filesystem::remove(domain.file("discovery"));
}

TEST(Inspect, LooksWhileEndpointsComeAndGo)
{
    OneNode one;
    std::atomic<bool> stop{false};
    std::thread other(
        [&]
        {
            for (int i = 0; i < 300; ++i)
            {
                auto publisher = one.publisher();
                auto subscriber = one.subscriber();
                EXPECT_TRUE(publisher.publishCopy({1}));
            }
            stop = true;
        });
    while (!stop)
    {
        const auto snapshot = inspect(one.m_domain.number(), one.m_domain.root());
        EXPECT_TRUE(snapshot) << snapshot.error().message();
    }
    other.join();

    EXPECT_TRUE(one.inspect().topics.empty());
}

TEST(Recover, DoesNothingInADomainThatNobodyHas)
{
    const TestDomain domain;

    const auto report = recover(domain.number(), domain.root());

    ASSERT_TRUE(report);
    EXPECT_EQ(report->processes, 0U);
    EXPECT_TRUE(domain.files().empty());
}

TEST(Recover, RemovesADomainWhoseProcessesAreAllDead)
{
    const TestDomain domain;
    ChildProcess child(
        [&](Peer& parent)
        {
            Node node = nodeIn(domain);
            auto publisher = node.createPublisher<Number>("t").value();
            parent.tell("joined");
            parent.pause();
            return true;
        });
    ASSERT_EQ(child.hear(), "joined");
    child.kill(SIGKILL);
    ASSERT_FALSE(domain.files().empty());

    ASSERT_TRUE(recover(domain.number(), domain.root()));

    EXPECT_TRUE(domain.files().empty());
}

} // namespace ZeroCP
