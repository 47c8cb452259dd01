// Endpoints, topics and pool sets of a Domain.
#include <cerrno>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include <unistd.h>

#include <gtest/gtest.h>

#include "discovery/discovery_support.hpp"
#include "support/child_process.hpp"
#include "zerocp/config/yaml_loader.hpp"

namespace ZeroCP
{

using test::ChildProcess;
using test::configOf;
using test::contains;
using test::endpoint;
using test::joined;
using test::Peer;
using test::TestDirectory;
using test::TestDomain;
using test::TestEndpoint;
using test::typeNamed;

namespace
{

/// A domain whose only process has this configuration, given as YAML.
struct Configured
{
    explicit Configured(const std::string& yaml)
    {
        std::ofstream(file()) << yaml;
        auto config = loadConfig(file());
        EXPECT_TRUE(config) << config.error().message();
        config->domain = m_domain.number();
        m_membership = Domain::join(*config, m_domain.root()).value();
    }

    [[nodiscard]] std::filesystem::path file() const { return m_directory.path() / "zerocp.yaml"; }

    TestDirectory m_directory;
    TestDomain m_domain;
    std::shared_ptr<Domain> m_membership;
};

std::string thisProcess()
{
    return "process " + std::to_string(::getpid()) + " '" + program_invocation_short_name + "'";
}

std::shared_ptr<Domain> limited(const TestDomain& domain, const std::function<void(Limits&)>& change)
{
    Config config = configOf(domain);
    change(config.limits);
    return Domain::join(config, domain.root()).value();
}

} // namespace

TEST(Registry, RefusesAnotherTypeOnATopicAndNamesBoth)
{
    const TestDomain domain;
    const auto membership = joined(domain);
    const auto publisher = endpoint(membership, PortKind::Publisher, "t", typeNamed("First", 8));

    const auto subscriber = endpoint(membership, PortKind::Subscriber, "t", typeNamed("Second", 16));

    ASSERT_FALSE(subscriber);
    EXPECT_EQ(subscriber.error().code(), ErrorCode::TypeMismatch);
    EXPECT_PRED2(contains, subscriber.error().message(), "'t'");
    EXPECT_PRED2(contains, subscriber.error().message(), "First (8 bytes, alignment 8)");
    EXPECT_PRED2(contains, subscriber.error().message(), "Second (16 bytes, alignment 8)");
}

TEST(Registry, RefusesATypeOfTheSameNameWithAnotherSizeAlignmentOrShape)
{
    const TestDomain domain;
    const auto membership = joined(domain);
    const auto publisher = endpoint(membership, PortKind::Publisher, "t", typeNamed("T", 8, 8));
    TypeInfo slice = typeNamed("T", 8, 8);
    slice.isSlice = true;

    EXPECT_FALSE(endpoint(membership, PortKind::Subscriber, "t", typeNamed("T", 16, 8)));
    EXPECT_FALSE(endpoint(membership, PortKind::Subscriber, "t", typeNamed("T", 8, 4)));
    EXPECT_FALSE(endpoint(membership, PortKind::Subscriber, "t", slice));
    EXPECT_TRUE(endpoint(membership, PortKind::Subscriber, "t", typeNamed("T", 8, 8)));
}

TEST(Registry, ComparesDescriptionsOnlyWhereBothSidesHaveOne)
{
    const TestDomain domain;
    const auto membership = joined(domain);
    TypeInfo described = typeNamed("T");
    described.descriptionHash = 1;
    TypeInfo otherwise = described;
    otherwise.descriptionHash = 2;
    const auto publisher = endpoint(membership, PortKind::Publisher, "t", described);

    EXPECT_TRUE(endpoint(membership, PortKind::Subscriber, "t", typeNamed("T")));
    EXPECT_FALSE(endpoint(membership, PortKind::Subscriber, "t", otherwise));
}

TEST(Registry, RefusesAReliableSubscriberOfABestEffortPublisherAndNamesBoth)
{
    const TestDomain domain;
    const auto membership = joined(domain);
    const auto publisher = endpoint(membership, PortKind::Publisher, "t", typeNamed("T"), QoS{}.bestEffort());

    const auto subscriber = endpoint(membership, PortKind::Subscriber, "t", typeNamed("T"), QoS{}.reliable());

    ASSERT_FALSE(subscriber);
    EXPECT_EQ(subscriber.error().code(), ErrorCode::IncompatibleQoS);
    EXPECT_PRED2(contains, subscriber.error().message(), "best_effort");
    EXPECT_PRED2(contains, subscriber.error().message(), "reliable");
}

TEST(Registry, RefusesABestEffortPublisherOfAReliableSubscriber)
{
    const TestDomain domain;
    const auto membership = joined(domain);
    const auto subscriber = endpoint(membership, PortKind::Subscriber, "t", typeNamed("T"), QoS{}.reliable());

    const auto publisher = endpoint(membership, PortKind::Publisher, "t", typeNamed("T"), QoS{}.bestEffort());

    ASSERT_FALSE(publisher);
    EXPECT_EQ(publisher.error().code(), ErrorCode::IncompatibleQoS);
}

TEST(Registry, MatchesABestEffortSubscriberWithAReliablePublisher)
{
    const TestDomain domain;
    const auto membership = joined(domain);
    const auto publisher = endpoint(membership, PortKind::Publisher, "t", typeNamed("T"), QoS{}.reliable());

    EXPECT_TRUE(endpoint(membership, PortKind::Subscriber, "t", typeNamed("T"), QoS{}.bestEffort()));
}

TEST(Registry, TakesTheQoSOfATopicFromTheConfigurationIfNoneWasAskedFor)
{
    const Configured configured("topics:\n  t:\n    qos: {reliability: best_effort}\n");
    const auto publisher = endpoint(configured.m_membership, PortKind::Publisher);

    const auto asked = endpoint(configured.m_membership, PortKind::Subscriber, "t", typeNamed("T"), QoS{}.keepLast(3));
    const auto unasked = endpoint(configured.m_membership, PortKind::Subscriber);

    EXPECT_TRUE(publisher && unasked);
    EXPECT_FALSE(asked) << "reliable, as it was asked for";
}

TEST(Registry, RefusesOneTopicMoreThanItsLimitAndNamesTheKey)
{
    const TestDomain domain;
    const auto membership = limited(domain, [](Limits& limits) { limits.topics = 2; });
    const auto first = endpoint(membership, PortKind::Publisher, "one");
    const auto second = endpoint(membership, PortKind::Publisher, "two");

    const auto third = endpoint(membership, PortKind::Publisher, "three");

    ASSERT_FALSE(third);
    EXPECT_EQ(third.error().code(), ErrorCode::LimitReached);
    EXPECT_PRED2(contains, third.error().message(), "limits.topics");
    EXPECT_PRED2(contains, third.error().message(), "most are of " + thisProcess() + " (2)");
}

TEST(Registry, MakesNoFilesForATopicThatItRefuses)
{
    const TestDomain domain;
    const auto membership = limited(domain, [](Limits& limits) { limits.topics = 1; });
    const auto first = endpoint(membership, PortKind::Publisher, "one");
    const std::size_t before = domain.files().size();

    const auto second = endpoint(membership, PortKind::Publisher, "two");

    EXPECT_FALSE(second);
    EXPECT_EQ(domain.files().size(), before);
}

TEST(Registry, TakesATopicAgainAfterAnotherWasLeft)
{
    const TestDomain domain;
    const auto membership = limited(domain, [](Limits& limits) { limits.topics = 1; });
    for (int i = 0; i < 50; ++i)
    {
        const auto publisher = endpoint(membership, PortKind::Publisher, "topic" + std::to_string(i));
        ASSERT_TRUE(publisher) << publisher.error().message();
    }
}

TEST(Registry, RefusesOneEndpointMoreThanItsLimitAndNamesTheKey)
{
    const TestDomain domain;
    const auto membership = limited(domain, [](Limits& limits) { limits.endpoints = 2; });
    const auto first = endpoint(membership, PortKind::Publisher);
    const auto second = endpoint(membership, PortKind::Subscriber);

    const auto third = endpoint(membership, PortKind::Subscriber);
    const auto elsewhere = endpoint(membership, PortKind::Subscriber, "other");

    ASSERT_FALSE(third);
    EXPECT_EQ(third.error().code(), ErrorCode::LimitReached);
    EXPECT_PRED2(contains, third.error().message(), "limits.endpoints");
    EXPECT_PRED2(contains, third.error().message(), "most are of " + thisProcess() + " (2)");
    EXPECT_FALSE(elsewhere);
    EXPECT_EQ(domain.files().size(), 4U) << "nothing of the topic that was refused";
}

TEST(Registry, RefusesOnePortMoreThanItsLimitPerTopicAndNamesTheKey)
{
    const TestDomain domain;
    const auto membership = limited(domain, [](Limits& limits) { limits.portsPerTopic = 2; });
    const auto first = endpoint(membership, PortKind::Publisher);
    const auto second = endpoint(membership, PortKind::Subscriber);

    const auto third = endpoint(membership, PortKind::Subscriber);
    const auto elsewhere = endpoint(membership, PortKind::Subscriber, "other");

    ASSERT_FALSE(third);
    EXPECT_EQ(third.error().code(), ErrorCode::LimitReached);
    EXPECT_PRED2(contains, third.error().message(), "limits.ports_per_topic");
    EXPECT_PRED2(contains, third.error().message(), "most endpoints of the topic are of " + thisProcess() + " (2)");
    EXPECT_TRUE(elsewhere) << "another topic has ports of its own";
}

TEST(Registry, RefusesAnEndpointThatThePoolSetCannotServeAndNamesTheKey)
{
    const TestDomain domain;
    const auto membership = limited(domain, [](Limits& limits) { limits.poolSetBytes = 1U << 20; });

    const auto publisher = endpoint(membership, PortKind::Publisher, "t", typeNamed("Large", 500'000));

    ASSERT_FALSE(publisher);
    EXPECT_EQ(publisher.error().code(), ErrorCode::LimitReached);
    EXPECT_PRED2(contains, publisher.error().message(), "limits.pool_set_bytes");
    EXPECT_EQ(domain.files().size(), 2U);
}

TEST(Registry, LeavesARefusedPortToOthers)
{
    const TestDomain domain;
    const auto membership = limited(domain, [](Limits& limits) { limits.poolSetBytes = 1U << 20; });
    const auto publisher = endpoint(membership, PortKind::Publisher, "t", typeNamed("T", 8000), QoS{});
    const auto greedy = endpoint(membership, PortKind::Subscriber, "t", typeNamed("T", 8000), QoS{}.keepLast(1000));

    const auto modest = endpoint(membership, PortKind::Subscriber, "t", typeNamed("T", 8000), QoS{}.keepLast(5));

    EXPECT_TRUE(publisher);
    EXPECT_FALSE(greedy);
    EXPECT_TRUE(modest) << modest.error().message();
}

TEST(Registry, RefusesATypeThatTheConfiguredPoolIsTooSmallFor)
{
    const Configured configured("pools:\n  small:\n    chunks: [{size: 64, count: 10}]\n"
                                "topics:\n  t:\n    pool: small\n");

    const auto publisher = endpoint(configured.m_membership, PortKind::Publisher, "t", typeNamed("T", 100));

    ASSERT_FALSE(publisher);
    EXPECT_EQ(publisher.error().code(), ErrorCode::ConfigInvalid);
    EXPECT_PRED2(contains, publisher.error().message(), configured.file().native() + ":");
    EXPECT_PRED2(contains, publisher.error().message(), "topics.t.pool");
    EXPECT_PRED2(contains, publisher.error().message(), "64");
    EXPECT_PRED2(contains, publisher.error().message(), "100");
    EXPECT_EQ(configured.m_domain.files().size(), 2U) << "nothing is created";
}

TEST(Registry, RefusesAPoolThatExistsWithOtherChunksAndShowsBoth)
{
    const Configured configured("pools:\n  shared:\n    chunks: [{size: 64, count: 10}, {size: 128, count: 5}]\n"
                                "topics:\n  t:\n    pool: shared\n");
    const auto publisher = endpoint(configured.m_membership, PortKind::Publisher);
    ASSERT_TRUE(publisher) << publisher.error().message();

    ChildProcess child(
        [&](Peer& parent)
        {
            std::ofstream(configured.file()) << "pools:\n  shared:\n    chunks: [{size: 64, count: 11}]\n"
                                                "topics:\n  u:\n    pool: shared\n";
            auto config = loadConfig(configured.file()).value();
            config.domain = configured.m_domain.number();
            const auto membership = Domain::join(config, configured.m_domain.root()).value();
            const auto other = endpoint(membership, PortKind::Publisher, "u");
            parent.tell(other ? "created" : other.error().message());
            return !other && other.error().code() == ErrorCode::ConfigInvalid;
        });
    const std::string message = child.hear();

    EXPECT_TRUE(child.wait().succeeded());
    EXPECT_PRED2(contains, message, "'shared'");
    EXPECT_PRED2(contains, message, "64 x 11");
    EXPECT_PRED2(contains, message, "64 x 10, 128 x 5");
}

TEST(Registry, LetsTopicsShareAConfiguredPoolSet)
{
    const Configured configured("pools:\n  shared:\n    chunks: [{size: 64, count: 10}]\n"
                                "topics:\n  t:\n    pool: shared\n  u:\n    pool: shared\n");
    const auto first = endpoint(configured.m_membership, PortKind::Publisher, "t", typeNamed("A"));
    const auto second = endpoint(configured.m_membership, PortKind::Publisher, "u", typeNamed("B", 16));

    ASSERT_TRUE(first && second);
    EXPECT_EQ(first->m_set, second->m_set);
    EXPECT_EQ(configured.m_domain.files().size(), 4U);
}

TEST(Registry, GivesEveryTopicWithoutConfigurationASetOfItsOwn)
{
    const TestDomain domain;
    const auto membership = joined(domain);
    const auto first = endpoint(membership, PortKind::Publisher, "t");
    const auto second = endpoint(membership, PortKind::Publisher, "u");
    const auto third = endpoint(membership, PortKind::Subscriber, "t");

    EXPECT_NE(first->m_set, second->m_set);
    EXPECT_EQ(first->m_set, third->m_set);
}

TEST(Registry, RemovesTheFilesOfATopicWithItsLastEndpoint)
{
    const TestDomain domain;
    const auto membership = joined(domain);
    {
        auto publisher = std::make_unique<TestEndpoint>(endpoint(membership, PortKind::Publisher));
        const auto subscriber = endpoint(membership, PortKind::Subscriber);
        publisher.reset();
        EXPECT_EQ(domain.files().size(), 4U);
    }

    EXPECT_EQ(domain.files().size(), 2U);
}

TEST(Registry, ForgetsTheTypeOfATopicWithItsLastEndpoint)
{
    const TestDomain domain;
    const auto membership = joined(domain);
    {
        const auto publisher = endpoint(membership, PortKind::Publisher, "t", typeNamed("Old"));
    }

    EXPECT_TRUE(endpoint(membership, PortKind::Publisher, "t", typeNamed("New")));
}

TEST(Registry, ForgetsTheTypeOfATopicThatOnlyAKilledProcessHad)
{
    const TestDomain domain;
    const auto membership = joined(domain);
    ChildProcess child(
        [&](Peer& parent)
        {
            const auto mine = joined(domain);
            const auto publisher = endpoint(mine, PortKind::Publisher, "t", typeNamed("Old"));
            parent.tell(publisher ? "created" : "refused");
            parent.pause();
            return true;
        });
    ASSERT_EQ(child.hear(), "created");
    child.kill(SIGKILL);

    const auto publisher = endpoint(membership, PortKind::Publisher, "t", typeNamed("New"));

    EXPECT_TRUE(publisher) << publisher.error().message();
}

TEST(Registry, RecoversAKilledProcessWhenAnEndpointLeaves)
{
    const TestDomain domain;
    const auto membership = joined(domain);
    auto mine = std::make_unique<TestEndpoint>(endpoint(membership, PortKind::Subscriber, "mine"));
    ChildProcess child(
        [&](Peer& parent)
        {
            const auto theirs = joined(domain);
            const auto publisher = endpoint(theirs, PortKind::Publisher, "theirs");
            parent.tell("created");
            parent.pause();
            return true;
        });
    ASSERT_EQ(child.hear(), "created");
    child.kill(SIGKILL);

    mine.reset();

    EXPECT_EQ(domain.files().size(), 2U) << "neither topic has files any more";
}

TEST(Registry, RetiresWhatLeftWhileSomebodyWasStoppedInAControlCall)
{
    const TestDomain domain;
    const auto membership = joined(domain);
    const auto publisher = endpoint(membership, PortKind::Publisher);
    auto subscriber = std::make_unique<TestEndpoint>(endpoint(membership, PortKind::Subscriber));
    auto somebody = DomainLock::open(domain.root() / Domain::fileName(domain.number(), "lock"), {}).value();
    ASSERT_TRUE(somebody.lockControl());

    subscriber.reset(); // gives up after ten seconds
    somebody.unlockControl();
    ASSERT_TRUE(membership->recoverDead());

    EXPECT_EQ(membership->graph().value().endpoints.size(), 1U);
    const PoolView& view = publisher->m_set->control();
    const auto active = static_cast<std::uint32_t>(PortState::Active);
    std::uint32_t ports = 0;
    for (std::uint32_t i = 1; i < view.header().m_portHighWater.load(); ++i)
    {
        ports += view.port(i).m_state.load() == active ? 1U : 0U;
        EXPECT_NE(view.port(i).m_state.load(), static_cast<std::uint32_t>(PortState::Dying)) << i;
    }
    EXPECT_EQ(ports, 1U);
}

TEST(Registry, RefusesADepthOfZero)
{
    const TestDomain domain;
    const auto membership = joined(domain);

    const auto publisher = endpoint(membership, PortKind::Publisher, "t", typeNamed("T"), QoS{}.keepLast(0));

    ASSERT_FALSE(publisher);
    EXPECT_EQ(publisher.error().code(), ErrorCode::ConfigInvalid);
    EXPECT_EQ(domain.files().size(), 2U);
}

TEST(Registry, GivesEveryEndpointAnIdOfItsOwn)
{
    const TestDomain domain;
    const auto membership = joined(domain);
    std::vector<std::uint64_t> ids;
    for (int i = 0; i < 10; ++i)
    {
        const auto publisher = endpoint(membership, PortKind::Publisher);
        ids.push_back(publisher->m_id);
    }
    std::sort(ids.begin(), ids.end());

    EXPECT_EQ(std::unique(ids.begin(), ids.end()), ids.end());
    EXPECT_GT(ids.front(), 0U);
}

TEST(Registry, GivesEveryPortOfATopicAHolderBitOfItsOwn)
{
    const TestDomain domain;
    const auto membership = joined(domain);
    std::vector<std::unique_ptr<TestEndpoint>> endpoints;
    std::vector<std::uint32_t> bits;
    for (int i = 0; i < 100; ++i)
    {
        endpoints.push_back(std::make_unique<TestEndpoint>(
            endpoint(membership, i % 2 == 0 ? PortKind::Subscriber : PortKind::Publisher)));
        bits.push_back((*endpoints.back())->m_holder.m_holder);
    }
    std::sort(bits.begin(), bits.end());

    EXPECT_EQ(std::unique(bits.begin(), bits.end()), bits.end());
    EXPECT_LT(bits.back(), 128U);
}

} // namespace ZeroCP
