// Node::topics(), nodes(), endpoints() and waiting for a change.
#include "zerocp/discovery/graph.hpp"

#include <chrono>
#include <csignal>
#include <thread>

#include <unistd.h>

#include <gtest/gtest.h>

#include "pubsub/pubsub_support.hpp"
#include "support/child_process.hpp"

namespace ZeroCP
{

using namespace std::chrono_literals;
using test::ChildProcess;
using test::nodeIn;
using test::Number;
using test::OneNode;
using test::Peer;
using test::TestDomain;

TEST(Graph, NamesTopicsWithTypeAndEndpoints)
{
    OneNode one;
    auto publisher = one.publisher<Number>({}, "/b");
    auto first = one.subscriber<Slice<int>>({}, "a");
    auto second = one.subscriber<Slice<int>>({}, "a");

    const auto topics = one.m_node.topics().value();

    ASSERT_EQ(topics.size(), 2U);
    EXPECT_EQ(topics[0].name, publisher.topic());
    EXPECT_EQ(topics[0].type, typeInfoOf<Number>());
    EXPECT_EQ(topics[0].publishers, 1U);
    EXPECT_EQ(topics[0].subscribers, 0U);
    EXPECT_EQ(topics[1].type, typeInfoOf<Slice<int>>());
    EXPECT_EQ(topics[1].subscribers, 2U);
}

TEST(Graph, NamesEndpointsOfATopicWithNodeAndQoS)
{
    OneNode one;
    auto publisher = one.publisher(QoS{}.keepLast(3).transientLocal().maxLoans(2));
    auto other = one.publisher({}, "other");
    auto subscriber = one.subscriber(QoS{}.keepAll().maxHeld(9));

    const auto endpoints = one.m_node.endpoints("/t").value();

    ASSERT_EQ(endpoints.size(), 2U);
    EXPECT_EQ(endpoints[0].id, publisher.id());
    EXPECT_EQ(endpoints[0].kind, EndpointKind::Publisher);
    EXPECT_EQ(endpoints[0].node, "node");
    EXPECT_EQ(endpoints[0].pid, static_cast<std::uint32_t>(::getpid()));
    EXPECT_EQ(endpoints[0].qos, QoS{}.keepLast(3).transientLocal().maxLoans(2));
    EXPECT_EQ(endpoints[1].kind, EndpointKind::Subscriber);
    EXPECT_EQ(endpoints[1].qos, QoS{}.keepAll().maxHeld(9));
}

TEST(Graph, NamesNodesOfEveryProcess)
{
    TestDomain domain;
    ChildProcess child(
        [&](Peer& parent)
        {
            const auto node = nodeIn(domain, {}, "child");
            parent.tell("ready");
            parent.pause();
            return true;
        });
    ASSERT_EQ(child.hear(), "ready");
    const auto node = nodeIn(domain, {}, "parent");

    const auto both = node.nodes().value();
    child.kill(SIGKILL);
    const auto alone = node.nodes().value();

    EXPECT_EQ(both.size(), 2U);
    ASSERT_EQ(alone.size(), 1U);
    EXPECT_EQ(alone[0].name, "parent");
    EXPECT_EQ(alone[0].pid, static_cast<std::uint32_t>(::getpid()));
}

TEST(Graph, VersionMovesWithEveryNodeAndEndpoint)
{
    OneNode one;
    std::uint64_t seen = one.m_node.graphVersion();
    const auto moved = [&]
    {
        const std::uint64_t before = seen;
        seen = one.m_node.graphVersion();
        return seen != before;
    };

    auto publisher = one.publisher();
    EXPECT_TRUE(moved());
    publisher = {};
    EXPECT_TRUE(moved());
    {
        const auto node = nodeIn(one.m_domain, {}, "second");
        EXPECT_TRUE(moved());
    }
    EXPECT_TRUE(moved());
    EXPECT_FALSE(moved());
}

TEST(Graph, WaitsForAChange)
{
    OneNode one;
    const std::uint64_t seen = one.m_node.graphVersion();
    EXPECT_FALSE(one.m_node.waitForGraphChange(seen, 1ms));
    std::thread creator([&] { auto publisher = one.publisher(); });

    EXPECT_TRUE(one.m_node.waitForGraphChange(seen, -1ns));

    creator.join();
}

TEST(Graph, ADeathIsAChange)
{
    TestDomain domain;
    ChildProcess child(
        [&](Peer& parent)
        {
            auto node = nodeIn(domain, {}, "child");
            auto publisher = node.createPublisher<Number>("t");
            parent.tell("ready");
            parent.pause();
            return true;
        });
    ASSERT_EQ(child.hear(), "ready");
    const auto node = nodeIn(domain);
    const std::uint64_t seen = node.graphVersion();

    child.kill(SIGKILL);

    EXPECT_TRUE(node.waitForGraphChange(seen, -1ns));
    EXPECT_TRUE(node.topics().value().empty());
}

TEST(Graph, AMovedFromNodeIsClosed)
{
    const Node node;

    EXPECT_EQ(node.topics().error().code(), ErrorCode::Closed);
    EXPECT_EQ(node.graphVersion(), 0U);
    EXPECT_FALSE(node.waitForGraphChange(0, 0ns));
}

TEST(Graph, AnInvalidTopicNameIsAnError)
{
    OneNode one;

    EXPECT_EQ(one.m_node.endpoints("not a name").error().code(), ErrorCode::InvalidName);
}

} // namespace ZeroCP
