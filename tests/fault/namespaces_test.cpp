// Entries 38 and 40 of the fault list: a process id that is given to another process, two pid namespaces that share one
// tmpfs, and segments of an earlier boot. Namespaces and chosen ids need root (CAP_SYS_ADMIN).
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <functional>
#include <string>
#include <thread>

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "fault/fault_support.hpp"
#include "zerocp/core/mempool_allocator.hpp"
#include "zerocp/core/segment_header.hpp"

namespace ZeroCP::test
{
namespace
{

using namespace std::chrono_literals;

/// Runs `body` in a child that is the first process of a pid namespace of its own: its id there is 1. The process in
/// between is outside; it is killed by its alarm or with its parent, and the namespace with it.
class NamespacedChild
{
  public:
    explicit NamespacedChild(const std::function<bool(Peer&)>& body)
        : m_outer(
              [&](Peer& parent)
              {
                  if (::unshare(CLONE_NEWPID) != 0)
                  {
                      ADD_FAILURE() << "unshare: " << std::strerror(errno);
                      return false;
                  }
                  ChildProcess inner(body);
                  for (std::string line = inner.hear(); !line.empty(); line = inner.hear())
                  {
                      parent.tell(line);
                      if (parent.hear() == "kill")
                      {
                          const bool killed = inner.kill(SIGKILL).killedBy(SIGKILL);
                          parent.tell("killed");
                          return killed;
                      }
                      inner.tell("go on");
                  }
                  return inner.wait().succeeded();
              })
    {
    }

    /// What the body says; it then pauses until goOn() or kill().
    [[nodiscard]] std::string hear() { return m_outer.hear(); }
    void goOn() { m_outer.tell("go on"); }
    void kill()
    {
        m_outer.tell("kill");
        EXPECT_EQ(m_outer.hear(), "killed");
    }
    ExitStatus wait() { return m_outer.wait(); }
    ExitStatus finish() { return m_outer.finish(); }

  private:
    ChildProcess m_outer;
};

bool mayMakePidNamespaces()
{
    ChildProcess tries([](Peer&) { return ::unshare(CLONE_NEWPID) == 0; });
    return tries.wait().succeeded();
}

/// In a pid namespace of one's own: the next process that is forked gets this id.
bool setNextPid(pid_t next)
{
    std::ofstream file("/proc/sys/kernel/ns_last_pid");
    file << next - 1 << std::flush;
    return file.good();
}

/// Publishes, holds a sample and loans, says so, and waits to be killed.
bool holdThings(const TestDomain& domain, Peer& parent)
{
    Node node = nodeIn(domain, {}, "victim");
    auto publisher = node.createPublisher<Number>("t").value();
    auto subscriber = node.createSubscriber<Number>("t").value();
    const auto loan = publisher.loan().value();
    EXPECT_TRUE(publisher.publishCopy({1}));
    const auto sample = subscriber.take().value();
    parent.tell(::testing::Test::HasFailure() ? "wrong" : "holding");
    parent.pause();
    return true;
}

/// In a pid namespace of its own: a process dies, `successor` runs under its id, and the dead one is recovered all the
/// same; `living` members of the domain stay.
bool reuseAPid(const OneNode& one, std::size_t living, const std::function<bool(Peer&)>& successor)
{
    pid_t id = 0;
    {
        ChildProcess victim([&](Peer& parent) { return holdThings(one.m_domain, parent); });
        EXPECT_EQ(victim.hear(), "holding");
        id = victim.pid();
        victim.kill(SIGKILL);
    }
    if (!setNextPid(id))
    {
        ADD_FAILURE() << "ns_last_pid: " << std::strerror(errno);
        return false;
    }
    ChildProcess other(successor);
    EXPECT_EQ(other.hear(), "running");
    EXPECT_EQ(other.pid(), id) << "the id was not given again";
    EXPECT_EQ(::kill(id, 0), 0);

    const auto before = inspect(one.m_domain.number()).value();
    const auto report = recover(one.m_domain.number());
    EXPECT_TRUE(report) << report.error().message();
    const auto after = inspect(one.m_domain.number()).value();
    std::size_t dead = 0;
    for (const ProcessSnapshot& process : before.processes)
    {
        dead += process.alive ? 0U : 1U;
    }
    // Who joined in between has recovered it already.
    EXPECT_EQ(dead, report->processes);
    EXPECT_EQ(after.processes.size(), living) << "the dead one is still there";
    for (const ProcessSnapshot& process : after.processes)
    {
        EXPECT_TRUE(process.alive) << process.pid;
    }
    return other.finish().succeeded();
}

} // namespace

TEST(FaultList, Entry38_ADeadProcessIsNotBelievedAliveBecauseAnotherHasItsPid)
{
    if (!mayMakePidNamespaces() || ::access("/proc/sys/kernel/ns_last_pid", W_OK) != 0)
    {
        GTEST_SKIP() << "choosing a pid needs CAP_SYS_ADMIN and a writable ns_last_pid";
    }
    OneNode one;
    Witness witness(one);
    NamespacedChild world(
        [&](Peer&)
        {
            return reuseAPid(one, 1,
                             [](Peer& parent)
                             {
                                 parent.tell("running"); // and has nothing to do with the domain
                                 parent.pause();
                                 return true;
                             });
        });

    EXPECT_TRUE(world.wait().succeeded());
    witness.goOn();
    witness.expectNothingLostAndAllFree();
}

TEST(FaultList, Entry38_AProcessWithTheFormerPidOfADeadOneIsNotTakenForIt)
{
    if (!mayMakePidNamespaces() || ::access("/proc/sys/kernel/ns_last_pid", W_OK) != 0)
    {
        GTEST_SKIP() << "choosing a pid needs CAP_SYS_ADMIN and a writable ns_last_pid";
    }
    OneNode one;
    Witness witness(one);
    NamespacedChild world(
        [&](Peer&)
        {
            return reuseAPid(one, 2,
                             [&](Peer& parent)
                             {
                                 Node node = nodeIn(one.m_domain, {}, "successor");
                                 auto publisher = node.createPublisher<Number>("t").value();
                                 auto subscriber = node.createSubscriber<Number>("t").value();
                                 EXPECT_TRUE(publisher.publishCopy({1}));
                                 const auto sample = subscriber.take().value();
                                 parent.tell("running");
                                 parent.pause();
                                 EXPECT_EQ(sample->value, 1U) << "it was recovered although it lives";
                                 EXPECT_EQ(publisher.publishCopy({2}), 2U);
                                 EXPECT_TRUE(subscriber.take());
                                 return true;
                             });
        });

    EXPECT_TRUE(world.wait().succeeded());
    witness.goOn();
    witness.expectNothingLostAndAllFree();
}

namespace
{

struct Board
{
    std::atomic<std::uint64_t> m_publisher;
    std::atomic<std::uint64_t> m_sent;
    std::atomic<std::int64_t> m_noticedNs;
    std::atomic<std::int64_t> m_killedNs;
};

std::int64_t nowNs()
{
    return std::chrono::steady_clock::now().time_since_epoch().count();
}

bool publishFromOneWorld(const TestDomain& domain, Board& board, Peer& parent)
{
    EXPECT_EQ(::getpid(), 1);
    Node node = nodeIn(domain, {}, "first_world");
    auto publisher = node.createPublisher<Number>("t").value();
    board.m_publisher = publisher.id();
    EXPECT_TRUE(publisher.waitForSubscribers(1, 30s));
    for (std::uint64_t i = 1; i <= 1000; ++i)
    {
        EXPECT_EQ(publisher.publishCopy({i}), i);
        board.m_sent = i;
        if (i % 20 == 0)
        {
            std::this_thread::sleep_for(100us);
        }
    }
    const auto loan = publisher.loan().value();
    parent.tell("published");
    parent.pause();
    return false; // it is killed
}

bool listenInAnotherWorld(const TestDomain& domain, Board& board, Peer& parent)
{
    EXPECT_EQ(::getpid(), 1);
    Node node = nodeIn(domain, {}, "second_world");
    auto subscriber = node.createSubscriber<Number>("t", QoS{}.keepLast(64)).value();
    DeliveryLedger ledger;
    while (ledger.received() == 0 || ledger.last(board.m_publisher) < 1000)
    {
        if (const auto sample = subscriber.wait(50ms))
        {
            ledger.add(*sample);
        }
    }
    ledger.expectGapsAreCounted(subscriber.missed());
    EXPECT_EQ(subscriber.livelinessChanged().alive, 1U);
    parent.tell("received");
    parent.pause();
    while (subscriber.livelinessChanged().alive != 0) // until the watchdog
    {
        EXPECT_EQ(subscriber.wait(10ms).error(), TakeError::Timeout);
    }
    board.m_noticedNs = nowNs();
    EXPECT_EQ(subscriber.livelinessChanged().lost, 1U);
    EXPECT_EQ(usedChunks(inspect(domain.number(), domain.root()).value()), 0U) << "the dead one's loan";
    return true;
}

} // namespace

// Both processes have id 1, and neither can see the other.
TEST(FaultList, Entry40_TrafficFlowsBetweenTwoPidNamespacesAndADeathIsSeen)
{
    if (!mayMakePidNamespaces())
    {
        GTEST_SKIP() << "a pid namespace needs CAP_SYS_ADMIN";
    }
    const TestDirectory directory;
    const TestDomain domain(directory.path());
    const SharedBoard<Board> board;
    NamespacedChild listener([&](Peer& parent) { return listenInAnotherWorld(domain, *board, parent); });
    NamespacedChild publisher([&](Peer& parent) { return publishFromOneWorld(domain, *board, parent); });
    ASSERT_EQ(publisher.hear(), "published");
    ASSERT_EQ(listener.hear(), "received");

    listener.goOn();
    board->m_killedNs = nowNs();
    publisher.kill();

    EXPECT_TRUE(publisher.wait().succeeded());
    EXPECT_TRUE(listener.wait().succeeded());
    EXPECT_LT(board->m_noticedNs - board->m_killedNs, 10'000'000'000) << "it hung: one second is promised";
    std::printf("noticed after %.2f ms\n", static_cast<double>(board->m_noticedNs - board->m_killedNs) / 1e6);
    EXPECT_TRUE(domain.files().empty());
}

// Each has a FIFO of its own, made in one world and written to from the other.
TEST(FaultList, Entry40_AFileDescriptorIsWokenFromAnotherPidNamespace)
{
    if (!mayMakePidNamespaces())
    {
        GTEST_SKIP() << "a pid namespace needs CAP_SYS_ADMIN";
    }
    const TestDirectory directory;
    const TestDomain domain(directory.path());
    const auto play = [&](const char* out, const char* in, Peer& parent)
    {
        EXPECT_EQ(::getpid(), 1);
        Node node = nodeIn(domain);
        auto publisher = node.createPublisher<Number>(out).value();
        auto subscriber = node.createSubscriber<Number>(in).value();
        pollfd wakes{subscriber.fd().value(), POLLIN, 0};
        parent.tell("ready");
        parent.pause();
        std::uint64_t got = 0;
        for (std::uint64_t i = 1; i <= 100 && publisher.publishCopy({i}); ++i)
        {
            auto sample = subscriber.take();
            for (; !sample && sample.error() == TakeError::NoData; sample = subscriber.take())
            {
                ::poll(&wakes, 1, -1);
            }
            got += sample ? (*sample)->value : 0;
        }
        EXPECT_EQ(got, 100U * 101U / 2);
        EXPECT_EQ(subscriber.missed(), 0U);
        return true;
    };
    NamespacedChild first([&](Peer& parent) { return play("there", "back", parent); });
    NamespacedChild second([&](Peer& parent) { return play("back", "there", parent); });
    ASSERT_EQ(first.hear(), "ready");
    ASSERT_EQ(second.hear(), "ready");

    first.goOn();
    second.goOn();

    EXPECT_TRUE(first.wait().succeeded());
    EXPECT_TRUE(second.wait().succeeded());
    EXPECT_TRUE(domain.files().empty());
}

// A third world recovers what one of two had that are gone; the other one's is left alone.
TEST(FaultList, Entry40_RecoverFromAnotherPidNamespaceFreesTheDeadOnesAndNotTheLivingOnes)
{
    if (!mayMakePidNamespaces())
    {
        GTEST_SKIP() << "a pid namespace needs CAP_SYS_ADMIN";
    }
    OneNode one;
    NamespacedChild living([&](Peer& parent) { return holdThings(one.m_domain, parent); });
    ASSERT_EQ(living.hear(), "holding");
    NamespacedChild dying([&](Peer& parent) { return holdThings(one.m_domain, parent); });
    ASSERT_EQ(dying.hear(), "holding");
    dying.kill();
    NamespacedChild recoverer(
        [&](Peer&)
        {
            const auto report = recover(one.m_domain.number(), one.m_domain.root());
            EXPECT_TRUE(report) << report.error().message();
            EXPECT_EQ(report->processes, 1U);
            EXPECT_EQ(report->endpoints, 2U);
            return true;
        });

    EXPECT_TRUE(recoverer.wait().succeeded());
    EXPECT_TRUE(dying.wait().succeeded());
    EXPECT_EQ(usedChunks(one.inspect()), 3U)
        << "the living one's loan, its sample, and what it has not read of the dead one";
    EXPECT_EQ(one.inspect().processes.size(), 2U);
    EXPECT_TRUE(living.finish().succeeded());
    EXPECT_TRUE(one.inspect().poolSets.empty());
}

namespace
{

/// A boot of this machine that is over.
void makeOfAnEarlierBoot(const std::filesystem::path& file)
{
    std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
    stream.seekp(offsetof(SegmentHeader, m_bootId));
    std::array<char, 16> earlier{};
    earlier.fill(0x5A);
    stream.write(earlier.data(), earlier.size());
    ASSERT_TRUE(stream.good());
}

ino_t inodeOf(const std::filesystem::path& file)
{
    struct stat status
    {
    };
    EXPECT_EQ(::stat(file.c_str(), &status), 0) << file;
    return status.st_ino;
}

} // namespace

// Where /dev/shm is kept over a boot, say by a container's volume.
TEST(FaultList, Entry40_ADomainOfAnEarlierBootIsReplaced)
{
    const TestDirectory directory;
    const TestDomain domain(directory.path());
    ChildProcess earlier([&](Peer& parent) { return holdThings(domain, parent); });
    ASSERT_EQ(earlier.hear(), "holding");
    earlier.kill(SIGKILL);
    const int keepsTheInode = ::open(domain.file("discovery").c_str(), O_RDONLY | O_CLOEXEC);
    const ino_t before = inodeOf(domain.file("discovery"));
    for (const std::string& name : domain.files())
    {
        if (!name.ends_with(".lock"))
        {
            ASSERT_NO_FATAL_FAILURE(makeOfAnEarlierBoot(domain.root() / name));
        }
    }
    {
        Node node = nodeIn(domain);
        auto publisher = node.createPublisher<Number>("t").value();
        auto subscriber = node.createSubscriber<Number>("t").value();

        EXPECT_NE(inodeOf(domain.file("discovery")), before);
        EXPECT_TRUE(publisher.publishCopy({1}));
        EXPECT_TRUE(subscriber.take());
        EXPECT_EQ(inspect(domain.number(), domain.root())->processes.size(), 1U);
    }
    ::close(keepsTheInode);
    EXPECT_TRUE(domain.files().empty());
}

TEST(FaultList, Entry40_ASeedSegmentOfAnEarlierBootIsReplaced)
{
    const TestDirectory directory;
    MemPoolConfig config;
    config.addMemPoolEntry(128, 100);
    const auto open = [&](MemPoolAllocator& allocator)
    {
        void* const base =
            allocator.createSharedMemory("seed", AccessMode::READ_WRITE, OpenMode::OPEN_OR_CREATE, Perms(0600));
        EXPECT_NE(base, nullptr) << allocator.lastError();
        EXPECT_TRUE(allocator.layoutMemory(base, static_cast<const MemPoolManager*>(base)->getTotalMemorySize()));
    };
    ino_t before = 0;
    {
        MemPoolAllocator allocator(config, directory.path());
        open(allocator);
        before = inodeOf(directory.path() / "seed");
    }
    const int keepsTheInode = ::open((directory.path() / "seed").c_str(), O_RDONLY | O_CLOEXEC);
    {
        MemPoolAllocator allocator(config, directory.path());
        open(allocator);
        EXPECT_EQ(inodeOf(directory.path() / "seed"), before) << "of this boot: used again";
    }
    ASSERT_NO_FATAL_FAILURE(makeOfAnEarlierBoot(directory.path() / "seed"));
    {
        MemPoolAllocator allocator(config, directory.path());
        open(allocator);
        EXPECT_NE(inodeOf(directory.path() / "seed"), before);
    }
    ::close(keepsTheInode);
}

} // namespace ZeroCP::test
