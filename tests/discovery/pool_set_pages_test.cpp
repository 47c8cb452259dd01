#include "zerocp/discovery/pool_set.hpp"

#include <algorithm>
#include <fstream>
#include <memory>
#include <string>

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "discovery/discovery_support.hpp"
#include "support/child_process.hpp"
#include "support/few_rights.hpp"
#include "support/mapping_of.hpp"
#include "support/sanitized.hpp"
#include "support/small_tmpfs.hpp"

namespace ZeroCP
{

using test::ChildProcess;
using test::configOf;
using test::contains;
using test::endpoint;
using test::MappingOf;
using test::Peer;
using test::TestDirectory;
using test::TestDomain;
using test::typeNamed;

namespace
{

constexpr std::uint64_t kChunkBytes = 65536;
constexpr std::uint32_t kChunks = 24;
constexpr std::uint64_t kHugePageBytes = 2U << 20;

PoolSetPlan planWith(const MemoryConfig& memory)
{
    PoolSetPlan plan;
    plan.m_baseName = "set";
    plan.m_classes.addMemPoolEntry(kChunkBytes, kChunks);
    plan.m_commitLimit = 1U << 30;
    plan.m_portCapacity = 64;
    plan.m_portsPerTopic = 40;
    plan.m_memory = memory;
    return plan;
}

MemoryConfig prefaulted()
{
    return {.prefault = true, .lock = false, .hugePages = false, .numaNode = {}};
}

MemoryConfig lockedPages()
{
    return {.prefault = false, .lock = true, .hugePages = false, .numaNode = {}};
}

MemoryConfig hugePages()
{
    return {.prefault = true, .lock = false, .hugePages = true, .numaNode = {}};
}

MemoryConfig onNode(std::uint32_t node)
{
    return {.prefault = false, .lock = false, .hugePages = false, .numaNode = node};
}

std::uint64_t committedBytes(const std::filesystem::path& file)
{
    struct stat status = {};
    EXPECT_EQ(::stat(file.c_str(), &status), 0);
    return static_cast<std::uint64_t>(status.st_blocks) * 512;
}

/// A set that another process has made, as this one's endpoint of `kind` has it.
struct Attached
{
    Attached(const MemoryConfig& memory, PortKind kind)
    {
        ChildProcess creator([&](Peer&) { return PoolSet::create(m_directory.path(), planWith(memory)).has_value(); });
        EXPECT_TRUE(creator.wait().succeeded());
        m_set = PoolSet::attach(m_directory.path(), "set", {}).value();
        const auto held = m_set->holdPages(kind);
        EXPECT_TRUE(held) << held.error().message();
    }

    [[nodiscard]] std::filesystem::path file(const std::string& name) const { return m_directory.path() / name; }

    TestDirectory m_directory;
    std::shared_ptr<PoolSet> m_set;
};

Config configWith(const TestDomain& domain, const MemoryConfig& memory)
{
    Config config = configOf(domain);
    config.pools = {{"fast", {{64, 16}}, {}, memory, "robot.yaml:7"}};
    config.topics = {{"t", "fast", {}, ""}};
    return config;
}

} // namespace

TEST(PoolSetPages, AreNotMappedByAnAttacherOfASetThatDoesNotAskForIt)
{
    const Attached attached({}, PortKind::Subscriber);

    EXPECT_LT(MappingOf("set.data").m_residentBytes, 128U << 10); // its header, and what the kernel maps around it
}

TEST(PoolSetPages, OfAPrefaultedSetAreMappedForASubscriberOfAnotherProcess)
{
    const Attached attached(prefaulted(), PortKind::Subscriber);

    const MappingOf data("set.data");
    EXPECT_GT(data.m_bytes, kChunkBytes * kChunks);
    EXPECT_EQ(data.m_residentBytes, data.m_bytes);
    EXPECT_EQ(data.m_lockedBytes, 0U);
}

TEST(PoolSetPages, OfAPrefaultedSetAreMappedForAPublisherOfAnotherProcess)
{
    const Attached attached(prefaulted(), PortKind::Publisher);

    const MappingOf data("set.data"); // one mapping for reading, one for writing
    EXPECT_EQ(data.m_bytes, 2 * committedBytes(attached.file("set.data")));
    EXPECT_GE(data.m_residentBytes, data.m_bytes / 2);
}

TEST(PoolSetPages, OfAPrefaultedSetAreMappedUpToTheQueuesOfEndpointsToCome)
{
    const Attached attached(prefaulted(), PortKind::Subscriber);

    // All that is committed: records of chunks, ports and pairs, and room for queues, but not the four GiB they may take.
    const std::uint64_t committed = committedBytes(attached.file("set.mgmt"));
    EXPECT_EQ(MappingOf("set.mgmt").m_residentBytes, committed);
    EXPECT_GT(committed, 1U << 20);
    EXPECT_LT(committed, 2U << 20);
}

TEST(PoolSetPages, OfALockedSetAreLockedInEveryProcess)
{
    if (test::kSanitized)
    {
        GTEST_SKIP() << "a sanitizer makes mlock() do nothing";
    }
    const Attached attached(lockedPages(), PortKind::Subscriber);

    const MappingOf data("set.data");
    EXPECT_EQ(data.m_lockedBytes, data.m_bytes);
    EXPECT_EQ(data.m_residentBytes, data.m_bytes);
    EXPECT_EQ(MappingOf("set.mgmt").m_lockedBytes, committedBytes(attached.file("set.mgmt")));
}

TEST(PoolSetPages, ARecordThatIsCommittedLaterIsLockedToo)
{
    if (test::kSanitized)
    {
        GTEST_SKIP() << "a sanitizer makes mlock() do nothing";
    }
    const Attached attached(lockedPages(), PortKind::Subscriber);
    const PortRequest wide{.m_kind = PortKind::Subscriber, .m_depth = 65536, .m_limit = 2, .m_portLimit = 40};
    const PortRequest writer{.m_kind = PortKind::Publisher, .m_depth = 1, .m_limit = 2, .m_portLimit = 40};
    ASSERT_TRUE(attached.m_set->addPort(wide));

    const auto publisher = attached.m_set->addPort(writer);
    ASSERT_TRUE(publisher && attached.m_set->connect(publisher->m_port));

    const std::uint64_t committed = committedBytes(attached.file("set.mgmt"));
    EXPECT_GT(committed, 2U << 20); // a queue beyond the room in advance
    EXPECT_EQ(MappingOf("set.mgmt").m_lockedBytes, committed);
}

TEST(PoolSetPages, AProcessThatOnlyAttachesLocksNothing)
{
    const TestDirectory directory;
    const auto made = PoolSet::create(directory.path(), planWith(lockedPages()));
    ASSERT_TRUE(made) << made.error().message();

    ChildProcess recoverer(
        [&](Peer&)
        {
            EXPECT_TRUE(test::limitLockedMemory(0));
            return PoolSet::attach(directory.path(), "set", {}).has_value();
        });

    EXPECT_TRUE(recoverer.wait().succeeded());
}

TEST(PoolSetPages, ASetThatMayNotBeLockedIsNotMade)
{
    if (test::kSanitized)
    {
        GTEST_SKIP() << "a sanitizer makes mlock() do nothing";
    }
    const TestDirectory directory;
    ChildProcess child(
        [&](Peer& parent)
        {
            EXPECT_TRUE(test::limitLockedMemory(kChunkBytes));
            const auto set = PoolSet::create(directory.path(), planWith(lockedPages()));
            parent.tell(set ? "made" : set.error().message());
            return std::filesystem::is_empty(directory.path());
        });
    const std::string message = child.hear();

    EXPECT_TRUE(child.wait().succeeded());
    EXPECT_PRED2(contains, message, "/set.mgmt: mlock of ");
    EXPECT_PRED2(contains, message, "RLIMIT_MEMLOCK is 65536 bytes");
}

TEST(PoolSetPages, WhoMayNotLockASetGetsNoEndpointInIt)
{
    if (test::kSanitized)
    {
        GTEST_SKIP() << "a sanitizer makes mlock() do nothing";
    }
    const TestDomain domain;
    const auto owner = Domain::join(configWith(domain, lockedPages()), domain.root()).value();
    const auto publisher = endpoint(owner, PortKind::Publisher);
    ASSERT_TRUE(publisher) << publisher.error().message();

    ChildProcess child(
        [&](Peer& parent)
        {
            EXPECT_TRUE(test::limitLockedMemory(65536));
            const auto membership = Domain::join(configOf(domain), domain.root()).value();
            const auto refused = endpoint(membership, PortKind::Subscriber);
            parent.tell(refused ? "joined" : refused.error().message());
            return !refused && membership->graph().value().endpoints.size() == 1;
        });
    const std::string message = child.hear();

    EXPECT_TRUE(child.wait().succeeded());
    EXPECT_PRED2(contains, message, "topic 't': ");
    EXPECT_PRED2(contains, message, ".fast.mgmt: mlock of ");
}

TEST(PoolSetPages, HugePagesThatAreNotOfferedAreAWarningAndSmallOnes)
{
    if (!test::mayMount())
    {
        GTEST_SKIP() << "needs root: a tmpfs of its own";
    }
    const TestDirectory directory;
    ChildProcess child(
        [&](Peer&)
        {
            EXPECT_EQ(test::mountSmallTmpfs(directory.path(), "32m,huge=never"), "");
            ::testing::internal::CaptureStderr();
            const auto set = PoolSet::create(directory.path(), planWith(hugePages()));
            EXPECT_TRUE(set);
            EXPECT_TRUE((*set)->holdPages(PortKind::Publisher));
            EXPECT_TRUE((*set)->holdPages(PortKind::Subscriber));
            const std::string said = ::testing::internal::GetCapturedStderr();

            EXPECT_PRED2(contains, said, "set: its chunks get small pages, no huge ones: ");
            EXPECT_EQ(std::count(said.begin(), said.end(), '\n'), 1);
            const MappingOf data("set.data");
            EXPECT_EQ(data.m_residentBytes, data.m_bytes);
            EXPECT_EQ(data.m_beginnings % kHugePageBytes, 0U);
            return data.m_hugeBytes == 0;
        });

    EXPECT_TRUE(child.wait().succeeded());
}

TEST(PoolSetPages, HugePagesThatAreOfferedAreUsedByPublishersAndSubscribers)
{
    if (!test::mayMount())
    {
        GTEST_SKIP() << "needs root: a tmpfs of its own";
    }
    const TestDirectory directory;
    ChildProcess child(
        [&](Peer& parent)
        {
            EXPECT_EQ(test::mountSmallTmpfs(directory.path(), "32m,huge=advise"), "");
            PoolSetPlan plan = planWith(hugePages());
            plan.m_classes.addMemPoolEntry(kHugePageBytes, 2);
            ::testing::internal::CaptureStderr();
            EXPECT_TRUE(PoolSet::create(directory.path(), plan));
            const std::string said = ::testing::internal::GetCapturedStderr();
            parent.tell(said.substr(0, said.find('\n')));
            const auto set = PoolSet::attach(directory.path(), "set", {}).value();
            EXPECT_TRUE(set->holdPages(PortKind::Publisher));
            EXPECT_TRUE(set->holdPages(PortKind::Subscriber));
            parent.tell(std::to_string(MappingOf("set.data").m_hugeBytes));
            return true;
        });
    const std::string said = child.hear();
    const std::string hugeBytes = child.hear();

    EXPECT_TRUE(child.wait().succeeded());
    if (!said.empty())
    {
        GTEST_SKIP() << said;
    }
    EXPECT_NE(hugeBytes, "0"); // how many there are depends on how fragmented memory is
}

TEST(PoolSetPages, HugePagesWithoutEnoughSpaceAreNoSpaceWithAllOfItFree)
{
    if (!test::mayMount())
    {
        GTEST_SKIP() << "needs root: a tmpfs of its own";
    }
    const TestDirectory directory;
    ChildProcess child(
        [&](Peer& parent)
        {
            EXPECT_EQ(test::mountSmallTmpfs(directory.path(), "1m,huge=advise"), "");
            const auto set = PoolSet::create(directory.path(), planWith(hugePages()));
            parent.tell(set ? "made" : set.error().message());
            return !set && set.error().code() == ErrorCode::NoSpace && std::filesystem::is_empty(directory.path());
        });
    const std::string message = child.hear();

    EXPECT_TRUE(child.wait().succeeded()) << message;
    const std::size_t at = message.find(" bytes free");
    ASSERT_NE(at, std::string::npos) << message;
    const std::size_t begin = message.rfind(' ', at - 1) + 1;
    EXPECT_GT(std::stoull(message.substr(begin, at - begin)), 900'000U) << message;
}

TEST(PoolSetPages, NoRoomForTheQueuesOfEndpointsToComeIsNoSpace)
{
    if (!test::mayMount())
    {
        GTEST_SKIP() << "needs root: a tmpfs of its own";
    }
    const TestDirectory directory;
    ChildProcess child(
        [&](Peer& parent)
        {
            EXPECT_EQ(test::mountSmallTmpfs(directory.path(), "1m"), "");
            PoolSetPlan plan = planWith(prefaulted());
            plan.m_classes = {};
            plan.m_classes.addMemPoolEntry(64, 1);
            const auto set = PoolSet::create(directory.path(), plan);
            parent.tell(set ? "made" : set.error().message());
            return !set && set.error().code() == ErrorCode::NoSpace && std::filesystem::is_empty(directory.path());
        });
    const std::string message = child.hear();

    EXPECT_TRUE(child.wait().succeeded()) << message;
}

TEST(PoolSetPages, ANodeThatDoesNotExistIsAnErrorThatNamesTheConfigurationAndLeavesNothing)
{
    const TestDomain domain;
    const auto membership = Domain::join(configWith(domain, onNode(1023)), domain.root()).value();
    const std::size_t files = domain.files().size();

    const auto refused = endpoint(membership, PortKind::Publisher);

    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), ErrorCode::ConfigInvalid);
    EXPECT_PRED2(contains, refused.error().message(), "robot.yaml:7: pool 'fast': ");
    EXPECT_PRED2(contains, refused.error().message(), "node 1023 does not exist; nodes: 0");
    EXPECT_EQ(domain.files().size(), files);
}

TEST(PoolSetPages, ANodeThatExistsIsUsed)
{
    const TestDirectory directory;

    const auto set = PoolSet::create(directory.path(), planWith(onNode(0)));

    ASSERT_TRUE(set) << set.error().message();
    std::string policies;
    std::getline(std::ifstream("/proc/self/numa_maps"), policies, '\0');
    const std::size_t at = policies.find("set.data");
    ASSERT_NE(at, std::string::npos);
    const std::size_t begin = policies.rfind('\n', at) + 1;
    EXPECT_PRED2(contains, policies.substr(begin, at - begin), " bind:0 ");
}

TEST(PoolSetPages, APolicyThatNoBuildWritesIsCorrupt)
{
    const TestDirectory directory;
    ASSERT_TRUE(PoolSet::create(directory.path(), planWith({})));
    SharedMemory memory = SharedMemory::open(directory.path(), "set.mgmt", AccessMode::READ_WRITE).value();
    auto& header = *reinterpret_cast<PoolSetHeader*>(memory.base() + sizeof(SegmentHeader));

    header.m_pagePolicy = 8;
    const auto unknown = PoolSet::attach(directory.path(), "set", {});
    header.m_pagePolicy = 1;
    header.m_automatic = 1;
    const auto automatic = PoolSet::attach(directory.path(), "set", {});

    ASSERT_FALSE(unknown || automatic);
    EXPECT_EQ(unknown.error().code(), ErrorCode::Corrupt);
    EXPECT_PRED2(contains, unknown.error().message(), "page policy 8");
    EXPECT_EQ(automatic.error().code(), ErrorCode::Corrupt);
}

} // namespace ZeroCP
