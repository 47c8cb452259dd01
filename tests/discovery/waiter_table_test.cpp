// Rows of waiters in the discovery segment: Domain::addWaiter() and what becomes of them.
#include <csignal>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>
#include <set>
#include <thread>

#include <sys/stat.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "discovery/discovery_support.hpp"
#include "support/child_process.hpp"
#include "zerocp/core/notifier.hpp"

namespace ZeroCP
{

using test::ChildProcess;
using test::configOf;
using test::contains;
using test::endpoint;
using test::joined;
using test::Peer;
using test::TestDomain;

namespace
{

std::shared_ptr<Domain> joinedWithLimit(const TestDomain& domain, std::uint32_t endpoints)
{
    Config config = configOf(domain);
    config.limits.endpoints = endpoints;
    return Domain::join(config, domain.root()).value();
}

TEST(WaiterTable, GivesEveryWaiterARowOfItsOwn)
{
    const TestDomain domain;
    const auto membership = joined(domain);
    std::set<std::uint32_t> rows;
    for (int i = 0; i < 200; ++i) // more than fit a page
    {
        const auto row = membership->addWaiter();
        ASSERT_TRUE(row) << row.error().message();
        EXPECT_TRUE(rows.insert(*row).second);
        EXPECT_EQ(membership->waiter(*row).m_asleep.load(), 0U);
    }
}

TEST(WaiterTable, GivesAFreedRowOutAgainWithoutItsFormerUsersWishes)
{
    const TestDomain domain;
    const auto membership = joinedWithLimit(domain, 1);
    const std::uint32_t row = membership->addWaiter().value();
    membership->waiter(row).m_wantsGraph.store(1);
    membership->waiter(row).m_asleep.store(1);
    notifier::wake(membership->waiter(row), membership->waiterTable());
    membership->waiter(row).m_asleep.store(1);
    EXPECT_TRUE(contains(membership->addWaiter().error().message(), "limits.endpoints"));

    membership->removeWaiter(row);

    EXPECT_EQ(membership->addWaiter().value(), row);
    EXPECT_EQ(membership->waiter(row).m_wantsGraph.load(), 0U);
    EXPECT_EQ(membership->waiter(row).m_asleep.load(), 0U);
}

TEST(WaiterTable, GivesTheRowsOfAKilledProcessBackAndKeepsThoseOfOthers)
{
    const TestDomain domain;
    const auto membership = joinedWithLimit(domain, 3);
    const std::uint32_t mine = membership->addWaiter().value();
    ChildProcess child(
        [&](Peer& parent)
        {
            const auto other = joined(domain);
            const bool two = other->addWaiter() && other->addWaiter();
            parent.tell(two ? "two" : "none");
            parent.pause();
            return two;
        });
    ASSERT_EQ(child.hear(), "two");
    const Error refused = membership->addWaiter().error();
    ASSERT_EQ(refused.code(), ErrorCode::LimitReached);
    EXPECT_PRED2(test::contains, refused.message(), "most are of process " + std::to_string(child.pid()));

    ASSERT_TRUE(child.kill(SIGKILL).killedBy(SIGKILL));

    std::set<std::uint32_t> rows{mine};
    rows.insert(membership->addWaiter().value()); // recovers first
    rows.insert(membership->addWaiter().value());
    EXPECT_EQ(rows.size(), 3U);
    EXPECT_EQ(membership->addWaiter().error().code(), ErrorCode::LimitReached);
}

TEST(WaiterTable, InAForkedChildGivesAndTakesNothing)
{
    const TestDomain domain;
    const auto membership = joinedWithLimit(domain, 1);
    const std::uint32_t row = membership->addWaiter().value();
    ChildProcess child(
        [&](Peer&)
        {
            EXPECT_EQ(membership->addWaiter().error().code(), ErrorCode::Forked);
            membership->removeWaiter(row);
            return true;
        });
    ASSERT_TRUE(child.wait().succeeded());

    EXPECT_EQ(membership->addWaiter().error().code(), ErrorCode::LimitReached) << "the row is still the parent's";
}

mode_t modeOf(const std::filesystem::path& file)
{
    struct stat status
    {
    };
    EXPECT_EQ(::stat(file.c_str(), &status), 0) << file;
    return status.st_mode;
}

TEST(WaiterTable, GivesARowAFifoWithTheAccessOfTheDomainThatSomebodyElseMade)
{
    const TestDomain domain;
    ChildProcess maker(
        [&](Peer& parent)
        {
            Config config = configOf(domain);
            config.access.mode = 0660;
            const auto membership = Domain::join(config, domain.root());
            parent.tell(membership ? "made" : membership.error().message());
            parent.pause();
            return true;
        });
    ASSERT_EQ(maker.hear(), "made");
    const auto membership = joined(domain); // whose own configuration says 0600
    const std::uint32_t row = membership->addWaiter().value();

    const int descriptor = membership->openPipe(row).value();

    EXPECT_EQ(modeOf(domain.file("wake.0.1")), static_cast<mode_t>(S_IFIFO | 0660));
    membership->removePipe(row);
    membership->removeWaiter(row);
    ::close(descriptor);
    maker.kill(SIGKILL);
}

TEST(WaiterTable, GivesARowAFifoWithTheAccessOfTheDomain)
{
    const TestDomain domain;
    Config config;
    config.domain = domain.number();
    config.access.mode = 0660;
    const auto membership = Domain::join(config, domain.root()).value();
    const std::uint32_t row = membership->addWaiter().value();

    const int descriptor = membership->openPipe(row).value();

    EXPECT_EQ(modeOf(domain.file("wake.0.1")), static_cast<mode_t>(S_IFIFO | 0660));
    notifier::wake(membership->waiter(row), membership->waiterTable());
    EXPECT_EQ(membership->waiter(row).m_rung, 1U);
    membership->removePipe(row);
    EXPECT_FALSE(std::filesystem::exists(domain.file("wake.0.1")));
    membership->removeWaiter(row);
    ::close(descriptor);
}

TEST(WaiterTable, LeavesOutNumbersThatSomebodyElseHasTaken)
{
    const TestDomain domain;
    const auto membership = joined(domain);
    std::ofstream(domain.file("wake.0.1")) << "not a FIFO";
    const std::uint32_t row = membership->addWaiter().value();

    const int descriptor = membership->openPipe(row).value();

    EXPECT_EQ(membership->waiter(row).m_pipe, 2U);
    EXPECT_EQ(std::filesystem::file_size(domain.file("wake.0.1")), 10U);
    membership->removePipe(row);
    membership->removeWaiter(row);
    ::close(descriptor);
}

TEST(WaiterTable, WakesForTheGraphWhoWantsIt)
{
    const TestDomain domain;
    const auto membership = joined(domain);
    WaiterRecord& wants = membership->waiter(membership->addWaiter().value());
    WaiterRecord& doesNot = membership->waiter(membership->addWaiter().value());
    wants.m_wantsGraph.store(1);
    const std::uint32_t seen = notifier::signalsOf(wants);
    const std::uint32_t other = notifier::signalsOf(doesNot);

    const auto port = endpoint(membership, PortKind::Publisher);
    ASSERT_TRUE(port);

    EXPECT_NE(notifier::signalsOf(wants), seen);
    EXPECT_EQ(notifier::signalsOf(doesNot), other);
}

TEST(WaiterTable, WakesForTheGraphAcrossProcesses)
{
    const TestDomain domain;
    const auto membership = joined(domain);
    WaiterRecord& waiter = membership->waiter(membership->addWaiter().value());
    ChildProcess child(
        [&](Peer& parent)
        {
            const auto other = joined(domain);
            parent.tell("joined");
            parent.pause();
            return static_cast<bool>(endpoint(other, PortKind::Publisher));
        });
    ASSERT_EQ(child.hear(), "joined");
    waiter.m_wantsGraph.store(1);
    const std::uint32_t seen = notifier::signalsOf(waiter);
    child.tell("go on");

    notifier::sleep(waiter, seen, std::chrono::hours(1));

    EXPECT_NE(notifier::signalsOf(waiter), seen);
    EXPECT_TRUE(child.wait().succeeded());
}

TEST(WaiterTable, TellsNobodyWhoseRowWasGivenBack)
{
    const TestDomain domain;
    const auto membership = joined(domain);
    const std::uint32_t row = membership->addWaiter().value();
    membership->waiter(row).m_wantsGraph.store(1);
    membership->removeWaiter(row);
    const std::uint32_t seen = notifier::signalsOf(membership->waiter(row));

    const auto port = endpoint(membership, PortKind::Publisher);
    ASSERT_TRUE(port);

    EXPECT_EQ(notifier::signalsOf(membership->waiter(row)), seen);
}

} // namespace

} // namespace ZeroCP
