#include "zerocp/discovery/domain.hpp"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <unistd.h>

#include <gtest/gtest.h>

#include "discovery/discovery_support.hpp"
#include "support/child_process.hpp"
#include "zerocp/discovery/domain_lock.hpp"

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

namespace
{

/// A child that joins, says so, and leaves or is killed when the test says.
auto member(const TestDomain& domain)
{
    return [&domain](Peer& parent)
    {
        const auto membership = joined(domain);
        parent.tell("joined");
        parent.pause();
        return true;
    };
}

std::vector<char> contentOf(const std::filesystem::path& file)
{
    std::ifstream stream(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(stream), {}};
}

void overwrite(const std::filesystem::path& file, std::streamoff place, const std::vector<char>& bytes)
{
    std::fstream stream(file, std::ios::binary | std::ios::in | std::ios::out);
    stream.seekp(place);
    stream.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

} // namespace

TEST(Domain, HasALockFileAndADiscoverySegmentWhileSomebodyIsInIt)
{
    const TestDomain domain;
    const auto membership = joined(domain);

    EXPECT_TRUE(std::filesystem::exists(domain.file("lock")));
    EXPECT_TRUE(std::filesystem::exists(domain.file("discovery")));
}

TEST(Domain, LeavesNoFileWhenItsOnlyProcessLeaves)
{
    const TestDomain domain;
    {
        const auto membership = joined(domain);
    }

    EXPECT_TRUE(domain.files().empty());
}

TEST(Domain, IsJoinedOnceByAProcess)
{
    const TestDomain domain;
    const auto first = joined(domain);

    const auto second = joined(domain);

    EXPECT_EQ(first, second);
}

TEST(Domain, IsJoinedOnceByThreadsThatCompete)
{
    const TestDomain domain;
    for (int round = 0; round < 100; ++round)
    {
        std::vector<std::shared_ptr<Domain>> memberships(4);
        std::vector<std::thread> threads;
        for (auto& membership : memberships)
        {
            threads.emplace_back([&] { membership = joined(domain); });
        }
        for (std::thread& thread : threads)
        {
            thread.join();
        }
        ASSERT_TRUE(
            std::all_of(memberships.begin(), memberships.end(), [&](const auto& m) { return m == memberships[0]; }));
        memberships.clear();
        ASSERT_TRUE(domain.files().empty());
    }
}

TEST(Domain, StaysWhileAnotherProcessIsInIt)
{
    const TestDomain domain;
    auto mine = joined(domain);
    ChildProcess child(member(domain));
    ASSERT_EQ(child.hear(), "joined");

    mine.reset();
    const bool stayed = std::filesystem::exists(domain.file("discovery"));
    const bool succeeded = child.finish().succeeded();

    EXPECT_TRUE(stayed);
    EXPECT_TRUE(succeeded);
    EXPECT_TRUE(domain.files().empty()) << "the last one removes them";
}

TEST(Domain, IsLeftAndJoinedByManyProcessesAtOnceWithoutAFileLeft)
{
    const TestDomain domain;
    const auto work = [&domain](Peer&)
    {
        for (int i = 0; i < 300; ++i)
        {
            const auto membership = Domain::join(configOf(domain), domain.root());
            if (!membership)
            {
                std::fprintf(stderr, "%s\n", membership.error().message().c_str());
                return false;
            }
        }
        return true;
    };
    ChildProcess first(work);
    ChildProcess second(work);
    ChildProcess third(work);

    EXPECT_TRUE(first.wait().succeeded());
    EXPECT_TRUE(second.wait().succeeded());
    EXPECT_TRUE(third.wait().succeeded());
    EXPECT_TRUE(domain.files().empty());
}

TEST(Domain, ReplacesWhatCrashedProcessesLeft)
{
    const TestDomain domain;
    ChildProcess child(
        [&](Peer& parent)
        {
            const auto membership = joined(domain);
            const auto publisher = endpoint(membership, PortKind::Publisher, "old");
            parent.tell(publisher ? "joined" : publisher.error().message());
            parent.pause();
            return true;
        });
    ASSERT_EQ(child.hear(), "joined");
    child.kill(SIGKILL);
    const std::size_t left = domain.files().size();

    const auto membership = joined(domain);

    EXPECT_EQ(left, 4U);
    EXPECT_EQ(domain.files().size(), 2U) << "lock file and a fresh discovery segment";
}

TEST(Domain, ReplacesAHalfWrittenFileThatNobodyHas)
{
    const TestDomain domain;
    std::ofstream(domain.file("discovery")) << "nonsense";
    std::ofstream(domain.file("auto.7.data")) << "nonsense";

    const auto membership = Domain::join(configOf(domain), domain.root());

    ASSERT_TRUE(membership) << membership.error().message();
    EXPECT_FALSE(std::filesystem::exists(domain.file("auto.7.data")));
}

TEST(Domain, RecoversAProcessThatDiedBeforeItWasJoined)
{
    const TestDomain domain;
    ChildProcess keeper(member(domain));
    ASSERT_EQ(keeper.hear(), "joined");
    ChildProcess victim(member(domain));
    ASSERT_EQ(victim.hear(), "joined");
    victim.kill(SIGKILL);

    const auto membership = joined(domain);

    EXPECT_EQ(membership->recoveredAtJoin({}).processes, 1U);
    EXPECT_TRUE(keeper.finish().succeeded());
}

TEST(Domain, RefusesOneProcessMoreThanItsLimitAndNamesTheKey)
{
    const TestDomain domain;
    Config config = configOf(domain);
    config.limits.processes = 1;
    const auto mine = Domain::join(config, domain.root()).value();

    ChildProcess child(
        [&](Peer& parent)
        {
            const auto second = Domain::join(config, domain.root());
            parent.tell(second ? "joined" : second.error().message());
            return !second && second.error().code() == ErrorCode::LimitReached;
        });

    const std::string refusal = child.hear();
    EXPECT_PRED2(contains, refusal, "limits.processes");
    EXPECT_PRED2(contains, refusal, "most are of 'zerocp_") << "the process that has the only slot";
    EXPECT_TRUE(child.wait().succeeded());
}

TEST(Domain, GivesTheSlotOfADeadProcessToOneThatJoins)
{
    const TestDomain domain;
    Config config = configOf(domain);
    config.limits.processes = 2;
    ChildProcess keeper(
        [&](Peer& parent)
        {
            const auto membership = Domain::join(config, domain.root());
            parent.tell("joined");
            parent.pause();
            return true;
        });
    ASSERT_EQ(keeper.hear(), "joined");
    ChildProcess victim(member(domain));
    ASSERT_EQ(victim.hear(), "joined");
    victim.kill(SIGKILL);

    const auto membership = Domain::join(config, domain.root());

    EXPECT_TRUE(membership) << membership.error().message();
    EXPECT_TRUE(keeper.finish().succeeded());
}

TEST(Domain, KeepsTheLimitsOfTheProcessThatMadeIt)
{
    const TestDomain domain;
    Config config = configOf(domain);
    config.limits.processes = 1;
    const auto mine = Domain::join(config, domain.root()).value();

    ChildProcess child([&](Peer&) { return !Domain::join(configOf(domain), domain.root()); });

    EXPECT_TRUE(child.wait().succeeded());
}

TEST(Domain, AnswersVersionMismatchToAnotherLayoutAndChangesNoByte)
{
    const TestDomain domain;
    ChildProcess keeper(member(domain));
    ASSERT_EQ(keeper.hear(), "joined");
    overwrite(domain.file("discovery"), offsetof(SegmentHeader, m_layoutHash), {1, 2, 3, 4});
    const auto before = contentOf(domain.file("discovery"));

    const auto membership = Domain::join(configOf(domain), domain.root());

    ASSERT_FALSE(membership);
    EXPECT_EQ(membership.error().code(), ErrorCode::VersionMismatch) << membership.error().message();
    EXPECT_EQ(contentOf(domain.file("discovery")), before);
    keeper.kill(SIGKILL);
    EXPECT_TRUE(joined(domain)) << "it is replaced once nobody has it";
}

TEST(Domain, AnswersCorruptToADiscoverySegmentThatIsNoneAndChangesNoByte)
{
    const TestDomain domain;
    ChildProcess keeper(member(domain));
    ASSERT_EQ(keeper.hear(), "joined");
    overwrite(domain.file("discovery"), 0, std::vector<char>(64, '\0'));
    const auto before = contentOf(domain.file("discovery"));

    const auto membership = Domain::join(configOf(domain), domain.root());

    ASSERT_FALSE(membership);
    EXPECT_EQ(membership.error().code(), ErrorCode::Corrupt) << membership.error().message();
    EXPECT_EQ(contentOf(domain.file("discovery")), before);
    keeper.kill(SIGKILL);
    EXPECT_TRUE(joined(domain));
}

TEST(Domain, AnswersCorruptToTablesThatDoNotFit)
{
    const TestDomain domain;
    ChildProcess keeper(member(domain));
    ASSERT_EQ(keeper.hear(), "joined");
    const auto place = static_cast<std::streamoff>(sizeof(SegmentHeader) + offsetof(DiscoveryHeader, m_topics) +
                                                   offsetof(Table, m_capacity));
    overwrite(domain.file("discovery"), place, std::vector<char>(4, '\x7F'));

    const auto membership = Domain::join(configOf(domain), domain.root());

    ASSERT_FALSE(membership);
    EXPECT_EQ(membership.error().code(), ErrorCode::Corrupt) << membership.error().message();
    keeper.kill(SIGKILL);
    EXPECT_TRUE(joined(domain));
}

TEST(Domain, KnowsNothingOfOtherDomains)
{
    const TestDomain mine;
    const TestDomain other;
    const auto here = joined(mine);
    const auto there = joined(other);
    const auto publisher = endpoint(here, PortKind::Publisher, "t", test::typeNamed("A"));

    const auto subscriber = endpoint(there, PortKind::Subscriber, "t", test::typeNamed("B"));

    EXPECT_TRUE(subscriber) << subscriber.error().message();
}

TEST(Domain, RemovesNoFileOfADomainWhoseNumberBeginsLikeItsOwn)
{
    const TestDirectory directory;
    Config config;
    config.domain = 3;
    std::ofstream(directory.path() / "zerocp.30.data") << "of domain 30";
    {
        const auto membership = Domain::join(config, directory.path());
        ASSERT_TRUE(membership);
    }

    EXPECT_TRUE(std::filesystem::exists(directory.path() / "zerocp.30.data"));
    EXPECT_FALSE(std::filesystem::exists(directory.path() / "zerocp.3.lock"));
}

TEST(Domain, LiesInTheRootThatWasAskedFor)
{
    const TestDirectory directory;
    const TestDomain domain(directory.path());
    const auto membership = joined(domain);

    EXPECT_EQ(domain.files().size(), 2U);
    EXPECT_TRUE(test::filesOf(domain.number()).empty());
}

TEST(Domain, SaysWhatIsWrongWithARootThatDoesNotExist)
{
    const TestDomain domain;
    Config config;
    config.domain = domain.number();

    const auto membership = Domain::join(config, "/dev/shm/no/such/directory");

    ASSERT_FALSE(membership);
    EXPECT_EQ(membership.error().code(), ErrorCode::SystemError);
    EXPECT_PRED2(contains, membership.error().message(), "/dev/shm/no/such/directory");
}

TEST(Domain, AnswersForkedInAForkedChild)
{
    const TestDomain domain;
    const auto membership = joined(domain);

    ChildProcess child(
        [&](Peer&)
        {
            const auto node = membership->addNode("n");
            const auto publisher = endpoint(membership, PortKind::Publisher);
            return membership->isForked() && !node && node.error().code() == ErrorCode::Forked && !publisher &&
                   publisher.error().code() == ErrorCode::Forked;
        });

    EXPECT_TRUE(child.wait().succeeded());
}

TEST(Domain, IsNeitherLeftNorRemovedWhenAForkedChildExits)
{
    const TestDomain domain;
    auto membership = joined(domain);

    ChildProcess child(
        [&](Peer&)
        {
            membership.reset(); // runs the destructor, as exit() would
            return true;
        });
    ASSERT_TRUE(child.wait().succeeded());

    EXPECT_EQ(domain.files().size(), 2U);
    const auto lock = DomainLock::open(domain.file("lock"), {}).value();
    EXPECT_TRUE(lock.isAlive(0));
}

TEST(Domain, NoticesTheDeathOfAProcessWhoseForkedChildLives)
{
    const TestDomain domain;
    const auto mine = joined(domain);
    ChildProcess parentOfOne(
        [&](Peer& parent)
        {
            const auto membership = Domain::join(configOf(domain), domain.root());
            if (::fork() == 0)
            {
                ::alarm(ChildProcess::kWatchdogSeconds);
                parent.tell("forked");
                parent.pause(); // until the test is over
                ::_exit(0);
            }
            ::pause();
            return true;
        });
    ASSERT_EQ(parentOfOne.hear(), "forked");
    parentOfOne.signal(SIGKILL);
    siginfo_t info{};
    ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(parentOfOne.pid()), &info, WEXITED | WNOWAIT), 0);

    const auto report = mine->recoverDead();

    ASSERT_TRUE(report);
    EXPECT_EQ(report->processes, 1U);
}

TEST(Domain, TellsWhatItRecoveredWhenItJoinedOnce)
{
    const TestDomain domain;
    ChildProcess keeper(member(domain));
    ASSERT_EQ(keeper.hear(), "joined");
    ChildProcess victim(member(domain));
    ASSERT_EQ(victim.hear(), "joined");
    victim.kill(SIGKILL);
    const auto membership = joined(domain);

    const std::uint32_t first = membership->recoveredAtJoin({}).processes;

    EXPECT_EQ(first, 1U);
    EXPECT_EQ(membership->recoveredAtJoin({}).processes, 0U);
    EXPECT_TRUE(keeper.finish().succeeded());
}

TEST(Domain, MovesItsGraphVersionWithEveryEndpoint)
{
    const TestDomain domain;
    const auto membership = joined(domain);
    const std::uint64_t before = membership->graphVersion();
    std::uint64_t during = 0;
    {
        const auto publisher = endpoint(membership, PortKind::Publisher);
        during = membership->graphVersion();
    }

    EXPECT_GT(during, before);
    EXPECT_GT(membership->graphVersion(), during);
}

} // namespace ZeroCP
