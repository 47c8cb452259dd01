#include "zerocp/discovery/pool_set.hpp"

#include <algorithm>
#include <fstream>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "discovery/discovery_support.hpp"
#include "support/child_process.hpp"
#include "support/small_tmpfs.hpp"

namespace ZeroCP
{

using test::ChildProcess;
using test::configOf;
using test::contains;
using test::endpoint;
using test::Peer;
using test::TestDirectory;
using test::TestDomain;
using test::typeNamed;

namespace
{

constexpr std::uint32_t kTopic = 0;

PoolSetPlan configuredPlan(std::uint64_t bytes = 64, std::uint32_t count = 10)
{
    PoolSetPlan plan;
    plan.m_baseName = "set";
    plan.m_classes.addMemPoolEntry(bytes, count);
    plan.m_commitLimit = 1U << 30;
    plan.m_portCapacity = 64;
    plan.m_portsPerTopic = 40;
    return plan;
}

PoolSetPlan automaticPlan()
{
    PoolSetPlan plan = configuredPlan();
    plan.m_classes = {};
    plan.m_automatic = true;
    plan.m_classBytes = 1U << 30;
    return plan;
}

PortRequest port(PortKind kind, std::uint32_t depth = 4, std::uint32_t limit = 2)
{
    return {.m_kind = kind,
            .m_topic = kTopic,
            .m_processSlot = 0,
            .m_endpointSlot = 0,
            .m_endpointId = 1,
            .m_depth = depth,
            .m_limit = limit,
            .m_portLimit = 40,
            .m_chunkBytes = kind == PortKind::Publisher ? 64U : 0U};
}

std::uint32_t usedPairs(const PoolView& view)
{
    std::uint32_t used = 0;
    for (std::uint32_t i = 0; i < view.header().m_pairHighWater; ++i)
    {
        used += view.pair(i).m_state.load() == PairRecord::Used ? 1U : 0U;
    }
    return used;
}

struct Made
{
    explicit Made(const PoolSetPlan& plan = configuredPlan()) : m_set(PoolSet::create(m_directory.path(), plan).value())
    {
    }

    [[nodiscard]] std::uint32_t join(const PortRequest& request) const
    {
        const auto holder = m_set->addPort(request);
        EXPECT_TRUE(holder) << holder.error().message();
        EXPECT_TRUE(m_set->connect(holder->m_port));
        return holder->m_port;
    }

    TestDirectory m_directory;
    std::shared_ptr<PoolSet> m_set;
};

} // namespace

TEST(PoolSet, MakesAManagementAndADataFile)
{
    const Made made;

    EXPECT_TRUE(SharedMemory::exists(made.m_directory.path(), "set.mgmt"));
    EXPECT_TRUE(SharedMemory::exists(made.m_directory.path(), "set.data"));
}

TEST(PoolSet, RemovesBothFiles)
{
    const Made made;

    PoolSet::removeFiles(made.m_directory.path(), "set");

    EXPECT_TRUE(std::filesystem::is_empty(made.m_directory.path()));
}

TEST(PoolSet, ReplacesFilesThatACreatorLeft)
{
    const TestDirectory directory;
    std::ofstream(directory.path() / "set.data") << "left";
    std::ofstream(directory.path() / "set.mgmt") << "left";

    const auto set = PoolSet::create(directory.path(), configuredPlan());

    EXPECT_TRUE(set) << set.error().message();
}

TEST(PoolSet, IsAttachedWithTheSameClasses)
{
    const Made made;

    const auto attached = PoolSet::attach(made.m_directory.path(), "set", {});

    ASSERT_TRUE(attached) << attached.error().message();
    EXPECT_TRUE((*attached)->hasClasses(configuredPlan().m_classes));
    EXPECT_FALSE((*attached)->hasClasses(configuredPlan(64, 11).m_classes));
    EXPECT_FALSE((*attached)->hasClasses(configuredPlan(128, 10).m_classes));
    EXPECT_EQ((*attached)->describeClasses(), "64 x 10");
    EXPECT_EQ((*attached)->largestChunk(), 64U);
}

TEST(PoolSet, IsNotAttachedToAFileOfAnotherLayout)
{
    const Made made;
    std::fstream file(made.m_directory.path() / "set.mgmt", std::ios::binary | std::ios::in | std::ios::out);
    file.seekp(offsetof(SegmentHeader, m_layoutHash));
    file.write("xyz", 3);
    file.close();

    const auto attached = PoolSet::attach(made.m_directory.path(), "set", {});

    ASSERT_FALSE(attached);
    EXPECT_EQ(attached.error().code(), ErrorCode::VersionMismatch);
}

TEST(PoolSet, IsSeenAtDifferentAddressesByWhoAttachesTwice)
{
    const Made made;
    const auto attached = PoolSet::attach(made.m_directory.path(), "set", {}).value();
    const PoolView here = made.m_set->view(true).value();
    const PoolView there = attached->view(false).value();
    std::uint32_t chunk = 0;
    const HolderId me{1, 0, kTopic};

    const std::uint32_t count = holders::pop(here, here.classAt(0), me, 1, std::span(&chunk, 1));
    here.writable(here.classAt(0), chunk)->m_sequence = 42;

    ASSERT_EQ(count, 1U);
    EXPECT_NE(here.managementBase(), there.managementBase());
    EXPECT_EQ(there.readable(there.classAt(0), chunk)->m_sequence, 42U);
    EXPECT_TRUE(holders::heldOnlyBy(there, chunk, 0));
    EXPECT_EQ(there.classAt(0).m_pool->getFreeChunks(), 9U);
}

TEST(PoolSet, MapsTheDataReadOnlyForASubscriber)
{
    const Made made;

    EXPECT_FALSE(made.m_set->view(false)->canWrite());
    EXPECT_TRUE(made.m_set->view(true)->canWrite());
}

TEST(PoolSet, ConnectsANewcomerWithItsCounterpartsOnly)
{
    const Made made;
    static_cast<void>(made.join(port(PortKind::Publisher)));
    static_cast<void>(made.join(port(PortKind::Publisher)));
    PortRequest elsewhere = port(PortKind::Subscriber);
    elsewhere.m_topic = 1;
    static_cast<void>(made.join(elsewhere));
    const std::uint32_t before = usedPairs(made.m_set->control());

    static_cast<void>(made.join(port(PortKind::Subscriber)));

    EXPECT_EQ(before, 0U);
    EXPECT_EQ(usedPairs(made.m_set->control()), 2U);
}

TEST(PoolSet, MovesItsEpochWithEveryNewcomer)
{
    const Made made;
    const std::uint64_t before = made.m_set->control().header().m_epoch.load();

    static_cast<void>(made.join(port(PortKind::Subscriber)));

    EXPECT_GT(made.m_set->control().header().m_epoch.load(), before);
}

TEST(PoolSet, MakesQueuesOfTheSubscribersDepth)
{
    const Made made;
    static_cast<void>(made.join(port(PortKind::Publisher)));
    static_cast<void>(made.join(port(PortKind::Subscriber, 100, 7)));
    const PairRecord& pair = made.m_set->control().pair(0);

    EXPECT_EQ(pair.m_depth.load(), 100U);
    EXPECT_EQ(pair.m_slotCount.load(), 128U);
    EXPECT_EQ(pair.m_returnCount.load(), 128U);
    EXPECT_TRUE(made.m_set->control().pairView(pair));
}

TEST(PoolSet, PlacesTheBlocksOfPairsSideBySide)
{
    const Made made;
    static_cast<void>(made.join(port(PortKind::Publisher)));
    for (std::uint32_t i = 0; i < 10; ++i)
    {
        static_cast<void>(made.join(port(PortKind::Subscriber, 1 + 7 * i)));
    }
    const PoolView& view = made.m_set->control();
    std::set<std::pair<std::uint64_t, std::uint64_t>> blocks;
    for (std::uint32_t i = 0; i < 10; ++i)
    {
        blocks.emplace(view.pair(i).m_blockOffset, view.pair(i).m_blockOffset + view.pair(i).m_blockBytes);
    }

    ASSERT_EQ(blocks.size(), 10U);
    for (auto it = std::next(blocks.begin()); it != blocks.end(); ++it)
    {
        EXPECT_GE(it->first, std::prev(it)->second);
    }
}

TEST(PoolSet, UsesTheBlockOfAPairAgainThatBothHaveLeft)
{
    const Made made;
    static_cast<void>(made.join(port(PortKind::Publisher)));
    static_cast<void>(made.join(port(PortKind::Subscriber, 50)));
    static_cast<void>(made.join(port(PortKind::Subscriber, 50)));
    const PoolView& view = made.m_set->control();
    const std::uint64_t place = view.pair(0).m_blockOffset;
    const std::uint64_t incarnation = view.pair(0).m_incarnation;
    view.pair(0).m_state = PairRecord::Used | PairRecord::PublisherGone | PairRecord::SubscriberGone;
    view.port(2).m_state = static_cast<std::uint32_t>(PortState::Off);

    static_cast<void>(made.join(port(PortKind::Subscriber, 50)));

    EXPECT_EQ(view.header().m_pairHighWater.load(), 2U);
    EXPECT_EQ(view.pair(0).m_blockOffset.load(), place);
    EXPECT_GT(view.pair(0).m_incarnation.load(), incarnation);
}

TEST(PoolSet, LeavesThePairAloneWhoseSubscriberStillReads)
{
    const Made made;
    static_cast<void>(made.join(port(PortKind::Publisher)));
    static_cast<void>(made.join(port(PortKind::Subscriber)));
    const PoolView& view = made.m_set->control();
    view.pair(0).m_state = PairRecord::Used | PairRecord::PublisherGone;

    static_cast<void>(made.join(port(PortKind::Subscriber)));

    EXPECT_EQ(view.pair(0).m_subscriberPort.load(), 2U);
    EXPECT_EQ(view.header().m_pairHighWater.load(), 2U);
}

TEST(PoolSet, CommitsWhatPublishersMayNeedAndNoMore)
{
    const Made made(automaticPlan());
    const std::uint32_t publisher = made.join(port(PortKind::Publisher, 4, 3));
    const PoolView& view = made.m_set->control();
    const std::uint32_t alone = view.classAt(0).m_pool->getTotalChunks();
    static_cast<void>(made.join(port(PortKind::Subscriber, 20, 5)));
    const std::uint32_t budget = publisherBudget(view, publisher, 64);

    EXPECT_EQ(alone, 3 + stashSize(64));
    EXPECT_EQ(budget, 3 + 20 + (5 + 2) + stashSize(64));
    EXPECT_EQ(view.classAt(0).m_pool->getTotalChunks(), budget);
    EXPECT_EQ(view.classAt(0).m_pool->getFreeChunks(), budget);
}

TEST(PoolSet, AddsABudgetForEveryPublisher)
{
    const Made made(automaticPlan());
    static_cast<void>(made.join(port(PortKind::Publisher, 4, 3)));
    static_cast<void>(made.join(port(PortKind::Publisher, 4, 5)));

    EXPECT_EQ(made.m_set->control().classAt(0).m_pool->getTotalChunks(), 3 + 5 + 2 * stashSize(64));
}

TEST(PoolSet, NeedsTheDeepestQueueOnlyOnce)
{
    const Made made(automaticPlan());
    const std::uint32_t publisher = made.join(port(PortKind::Publisher, 4, 1));
    static_cast<void>(made.join(port(PortKind::Subscriber, 20, 1)));
    static_cast<void>(made.join(port(PortKind::Subscriber, 30, 1)));

    EXPECT_EQ(publisherBudget(made.m_set->control(), publisher, 64), 1 + 30 + 2 * (1 + 2) + stashSize(64));
}

TEST(PoolSet, LeavesThePublisherThatHasItsWholeBudgetWithAllOfIt)
{
    const Made made(automaticPlan());
    const std::uint32_t publisher = made.join(port(PortKind::Publisher, 4, 30));
    const PoolView& view = made.m_set->control();
    const std::uint32_t before = publisherShare(view, publisher, 0);

    EXPECT_TRUE(made.m_set->raiseShare(publisher, 0));

    EXPECT_EQ(view.port(publisher).m_shares[0].load(), 0U);
    EXPECT_EQ(publisherShare(view, publisher, 0), before);
}

TEST(PoolSet, LetsPublishersReckonWithASubscriberOnlyWhenItsChunksAreThere)
{
    const Made made(automaticPlan());
    const std::uint32_t publisher = made.join(port(PortKind::Publisher, 4, 1));
    const std::uint32_t subscriber = made.join(port(PortKind::Subscriber, 20, 1));
    const PoolView& view = made.m_set->control();

    view.port(subscriber).m_joining = 1; // as it is before its chunks are committed

    EXPECT_EQ(publisherBudget(view, publisher, 64, BudgetOf::Use), 1 + stashSize(64));
    EXPECT_EQ(publisherBudget(view, publisher, 64, BudgetOf::Commitment), 1 + 20 + (1 + 2) + stashSize(64));
}

TEST(PoolSet, RefusesAPortBeyondItsCapacity)
{
    PoolSetPlan plan = configuredPlan();
    plan.m_portCapacity = 2;
    const Made made(plan);
    static_cast<void>(made.join(port(PortKind::Subscriber)));
    static_cast<void>(made.join(port(PortKind::Subscriber)));

    const auto third = made.m_set->addPort(port(PortKind::Subscriber));

    ASSERT_FALSE(third);
    EXPECT_EQ(third.error().code(), ErrorCode::LimitReached);
    EXPECT_PRED2(contains, third.error().message(), "limits.endpoints");
}

TEST(PoolSet, StashesFewerLargeChunksThanSmallOnes)
{
    EXPECT_EQ(stashSize(64), 8U);
    EXPECT_EQ(stashSize(8192), 8U);
    EXPECT_EQ(stashSize(32768), 2U);
    EXPECT_EQ(stashSize(65536), 1U);
    EXPECT_EQ(stashSize(1ULL << 30), 1U);
}

TEST(PoolSet, SaysWhatWasNeededAndFreeOnAFullFileSystemAndLeavesNothing)
{
    if (!test::mayMount())
    {
        GTEST_SKIP() << "needs root: a tmpfs of its own";
    }
    const TestDirectory directory;
    ChildProcess child(
        [&](Peer& parent)
        {
            const std::string failed = test::mountSmallTmpfs(directory.path(), "1m");
            const auto set = PoolSet::create(directory.path(), configuredPlan(65536, 100));
            parent.tell(failed + (set ? "created" : set.error().message()));
            return !set && set.error().code() == ErrorCode::NoSpace && std::filesystem::is_empty(directory.path());
        });
    const std::string message = child.hear();

    EXPECT_TRUE(child.wait().succeeded()) << message;
    EXPECT_PRED2(contains, message, "free");
    EXPECT_PRED2(contains, message, "65"); // 6.5 MB in whatever unit
}

TEST(PoolSet, LeavesNothingOfATopicForWhichThereIsNoSpace)
{
    if (!test::mayMount())
    {
        GTEST_SKIP() << "needs root: a tmpfs of its own";
    }
    const TestDirectory directory;
    ChildProcess child(
        [&](Peer& parent)
        {
            const std::string failed = test::mountSmallTmpfs(directory.path(), "1m");
            const TestDomain domain(directory.path());
            const auto membership = test::joined(domain);
            const auto large = endpoint(membership, PortKind::Publisher, "large", typeNamed("Large", 300'000));
            parent.tell(failed + (large ? "created" : large.error().message()));
            const bool refused = !large && large.error().code() == ErrorCode::NoSpace && domain.files().size() == 2;
            const auto small = endpoint(membership, PortKind::Publisher, "small", typeNamed("Small", 8));
            return refused && small;
        });
    const std::string message = child.hear();

    EXPECT_TRUE(child.wait().succeeded()) << message;
    EXPECT_PRED2(contains, message, "'large'");
}

TEST(PoolSet, LeavesNothingOfADomainForWhichThereIsNoSpace)
{
    if (!test::mayMount())
    {
        GTEST_SKIP() << "needs root: a tmpfs of its own";
    }
    const TestDirectory directory;
    ChildProcess child(
        [&](Peer& parent)
        {
            const std::string failed = test::mountSmallTmpfs(directory.path(), "4k");
            Config config;
            config.domain = 7;
            const auto membership = Domain::join(config, directory.path());
            parent.tell(failed + (membership ? "joined" : membership.error().message()));
            return !membership && membership.error().code() == ErrorCode::NoSpace &&
                   std::filesystem::is_empty(directory.path());
        });
    const std::string message = child.hear();

    EXPECT_TRUE(child.wait().succeeded()) << message;
}

} // namespace ZeroCP
