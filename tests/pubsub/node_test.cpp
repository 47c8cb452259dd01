#include "zerocp/pubsub/node.hpp"

#include <cstdlib>
#include <fstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "pubsub/pubsub_support.hpp"
#include "support/child_process.hpp"

namespace ZeroCP
{

using test::ChildProcess;
using test::nodeIn;
using test::Number;
using test::OneNode;
using test::Peer;
using test::TestDirectory;
using test::TestDomain;

namespace
{

/// Sets an environment variable while it lives.
class Environment
{
  public:
    Environment(const char* name, const std::string& value) : m_name(name) { ::setenv(name, value.c_str(), 1); }
    Environment(const Environment&) = delete;
    Environment& operator=(const Environment&) = delete;
    ~Environment() { ::unsetenv(m_name); }

  private:
    const char* m_name;
};

} // namespace

TEST(Node, KnowsItsNameAndDomain)
{
    const TestDomain domain;
    const Node node = nodeIn(domain, {}, "driver");

    EXPECT_EQ(node.name(), "driver");
    EXPECT_EQ(node.domain(), domain.number());
}

TEST(Node, RefusesANameThatBreaksTheRules)
{
    const TestDomain domain;
    NodeOptions options;
    options.domain = domain.number();

    const auto node = Node::create("two words", options);

    ASSERT_FALSE(node);
    EXPECT_EQ(node.error().code(), ErrorCode::InvalidName);
}

TEST(Node, RefusesATopicNameThatBreaksTheRules)
{
    OneNode one;

    const auto publisher = one.m_node.createPublisher<Number>("a//b");

    ASSERT_FALSE(publisher);
    EXPECT_EQ(publisher.error().code(), ErrorCode::InvalidName);
}

TEST(Node, TreatsATopicWithAndWithoutLeadingSlashAsOne)
{
    OneNode one;
    auto publisher = one.publisher({}, "/robot/pose");
    auto subscriber = one.subscriber({}, "robot/pose");

    EXPECT_EQ(publisher.topic(), subscriber.topic());
    EXPECT_EQ(publisher.subscriberCount(), 1U);
}

TEST(Node, TakesTheDomainFromTheEnvironmentIfTheOptionsNameNone)
{
    const TestDomain domain;
    const Environment environment("ZEROCP_DOMAIN", std::to_string(domain.number()));

    const auto node = Node::create("node");

    ASSERT_TRUE(node) << node.error().message();
    EXPECT_EQ(node->domain(), domain.number());
}

TEST(Node, RefusesADomainInTheEnvironmentThatIsNoNumber)
{
    const Environment environment("ZEROCP_DOMAIN", "seven");

    const auto node = Node::create("node");

    ASSERT_FALSE(node);
    EXPECT_EQ(node.error().code(), ErrorCode::ConfigInvalid);
    EXPECT_NE(node.error().message().find("seven"), std::string::npos) << node.error().message();
}

TEST(Node, RefusesADomainNumberThatIsTooLarge)
{
    NodeOptions options;
    options.domain = 65536;

    const auto node = Node::create("node", options);

    ASSERT_FALSE(node);
    EXPECT_EQ(node.error().code(), ErrorCode::ConfigInvalid);
}

TEST(Node, TakesTheRootFromTheEnvironmentIfTheOptionsNameNone)
{
    const TestDirectory directory;
    const TestDomain domain(directory.path());
    const Environment environment("ZEROCP_ROOT", directory.path().native());
    NodeOptions options;
    options.domain = domain.number();

    const auto node = Node::create("node", options);

    ASSERT_TRUE(node) << node.error().message();
    EXPECT_FALSE(domain.files().empty());
}

TEST(Node, CreatesNothingIfItsConfigurationIsInvalid)
{
    const TestDirectory directory;
    const TestDomain domain;
    const auto file = directory.path() / "bad.yaml";
    std::ofstream(file) << "limits:\n  topics: many\n";
    NodeOptions options;
    options.domain = domain.number();
    options.configFile = file;

    const auto node = Node::create("node", options);

    ASSERT_FALSE(node);
    EXPECT_EQ(node.error().code(), ErrorCode::ConfigInvalid);
    EXPECT_NE(node.error().message().find("bad.yaml:2"), std::string::npos) << node.error().message();
    EXPECT_TRUE(domain.files().empty());
}

TEST(Node, ReadsTheFileThatTheEnvironmentNames)
{
    const TestDirectory directory;
    const TestDomain domain;
    const auto file = directory.path() / "zerocp.yaml";
    std::ofstream(file) << "domain: " << domain.number() << "\n";
    const Environment environment("ZEROCP_CONFIG", file.native());

    const auto node = Node::create("node");

    ASSERT_TRUE(node) << node.error().message();
    EXPECT_EQ(node->domain(), domain.number());
}

TEST(Node, RefusesValuesThatNoFileCouldHave)
{
    const TestDomain domain;
    NodeOptions options;
    options.domain = domain.number();
    options.config = Config{};
    options.config->limits.topics = 0;

    const auto node = Node::create("node", options);

    ASSERT_FALSE(node);
    EXPECT_EQ(node.error().code(), ErrorCode::ConfigInvalid);
}

TEST(Node, LeavesNoFileWhenTheLastNodeGoes)
{
    TestDomain domain;
    {
        const Node first = nodeIn(domain);
        const Node second = nodeIn(domain);
        EXPECT_FALSE(domain.files().empty());
    }

    EXPECT_TRUE(domain.files().empty());
}

TEST(Node, AnswersClosedAfterItWasMovedFrom)
{
    OneNode one;
    const Node taken = std::move(one.m_node);

    const auto publisher = one.m_node.createPublisher<Number>("t"); // NOLINT(bugprone-use-after-move)
    const auto subscriber = one.m_node.createSubscriber<Number>("t");

    ASSERT_FALSE(publisher);
    ASSERT_FALSE(subscriber);
    EXPECT_EQ(publisher.error().code(), ErrorCode::Closed);
    EXPECT_EQ(subscriber.error().code(), ErrorCode::Closed);
    EXPECT_EQ(taken.name(), "node");
}

TEST(Node, MayGoBeforeItsEndpoints)
{
    TestDomain domain;
    auto node = std::make_unique<Node>(nodeIn(domain));
    auto publisher = node->createPublisher<Number>("t").value();
    auto subscriber = node->createSubscriber<Number>("t").value();

    node.reset();

    EXPECT_TRUE(publisher.publishCopy({7}));
    const auto sample = subscriber.take();
    ASSERT_TRUE(sample);
    EXPECT_EQ((*sample)->value, 7U);
}

TEST(Node, AnswersForkedInAForkedChild)
{
    OneNode one;

    ChildProcess child(
        [&](Peer&)
        {
            const auto publisher = one.m_node.createPublisher<Number>("t");
            const auto subscriber = one.m_node.createSubscriber<Number>("t");
            return !publisher && publisher.error().code() == ErrorCode::Forked && !subscriber &&
                   subscriber.error().code() == ErrorCode::Forked;
        });

    EXPECT_TRUE(child.wait().succeeded());
}

TEST(Node, CanBeCreatedInAForkedChildOfAProcessThatHasOne)
{
    OneNode one;
    auto publisher = one.publisher();

    ChildProcess child(
        [&](Peer& parent)
        {
            Node mine = nodeIn(one.m_domain, {}, "child");
            auto subscriber = mine.createSubscriber<Number>("t").value();
            parent.tell("ready");
            const auto sample = subscriber.wait(std::chrono::nanoseconds(-1));
            return sample && (*sample)->value == 3;
        });

    ASSERT_EQ(child.hear(), "ready");
    ASSERT_TRUE(publisher.publishCopy({3}));
    EXPECT_TRUE(child.wait().succeeded());
}

TEST(Node, CreatesEndpointsFromManyThreads)
{
    constexpr int kThreads = 4;
    constexpr int kRounds = 50;
    OneNode one;
    std::atomic<int> delivered{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t)
    {
        threads.emplace_back(
            [&, t]
            {
                // Two threads share a topic, so they make and remove the same set.
                const std::string topic = "topic" + std::to_string(t / 2);
                for (int i = 0; i < kRounds; ++i)
                {
                    auto subscriber = one.m_node.createSubscriber<Number>(topic).value();
                    auto publisher = one.m_node.createPublisher<Number>(topic).value();
                    const auto sent = publisher.publishCopy({1});
                    for (auto taken = subscriber.take(); sent && taken; taken = subscriber.take())
                    {
                        delivered += taken->info().publisherId == publisher.id() ? 1 : 0;
                    }
                }
            });
    }
    for (std::thread& thread : threads)
    {
        thread.join();
    }

    EXPECT_EQ(delivered.load(), kThreads * kRounds);
}

} // namespace ZeroCP
