// How a process may end or be refused, and what is left of it: nothing.
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "support/child_process.hpp"
#include "support/footprint.hpp"
#include "support/message_pattern.hpp"
#include "support/pool_audit.hpp"
#include "support/sanitized.hpp"
#include "support/test_domain.hpp"
#include "zerocp/zerocp.hpp"

namespace ZeroCP::test
{
namespace
{

using Bytes = Slice<std::byte>;

const char* const kTopic = "the/end";

struct Message
{
    std::uint64_t m_number;
    std::uint64_t m_filler[7];
};

struct Image
{
    std::uint8_t m_pixels[1 << 20];
};

Config pooled()
{
    Config config;
    PoolConfig pool;
    pool.name = "shared";
    pool.chunks = {{64, 300}, {4096, 100}};
    config.pools.push_back(pool);
    TopicConfig topic;
    topic.name = kTopic;
    topic.pool = pool.name;
    config.topics.push_back(topic);
    return config;
}

NodeOptions in(const TestDomain& domain, std::optional<Config> config = {})
{
    return {.domain = domain.number(), .configFile = {}, .root = domain.root(), .config = std::move(config)};
}

// ---- processes that end with everything out

/// Publishes, keeps loans and samples, says so, and ends by `ending`.
void holdAndEnd(const TestDomain& domain, Peer& parent, const std::function<void(Peer&)>& ending)
{
    const rlimit noCore{0, 0};
    ::setrlimit(RLIMIT_CORE, &noCore);
    Node node = Node::create("victim", in(domain, pooled())).value();
    auto publisher = node.createPublisher<Bytes>(kTopic, QoS{}.maxLoans(16)).value();
    auto subscriber = node.createSubscriber<Bytes>(kTopic, QoS{}.maxHeld(16)).value();
    std::vector<Loan<Bytes>> loans;
    std::vector<Sample<Bytes>> samples;
    for (std::uint64_t i = 1; i <= 40; ++i)
    {
        auto loan = publisher.loan(i % 2 == 0 ? 64 : 4096).value();
        writePattern(*loan, 0, i);
        EXPECT_EQ(publisher.publish(std::move(loan)), i);
        if (i % 4 == 0)
        {
            samples.push_back(subscriber.take().value());
        }
    }
    for (std::size_t i = 0; i < 16; ++i)
    {
        loans.push_back(publisher.loan(i % 2 == 0 ? 64 : 4096).value());
    }
    parent.tell("holding");
    ending(parent);
}

struct Ending
{
    const char* m_name;
    std::function<void(Peer&)> m_how; ///< in the child
    bool m_killed;                    ///< by the parent instead
};

class ExitTest : public ::testing::TestWithParam<Ending>
{
  protected:
    /// Until it has ended.
    void runVictim()
    {
        ChildProcess victim(
            [this](Peer& parent)
            {
                holdAndEnd(m_domain, parent, GetParam().m_how);
                return true;
            });
        ASSERT_EQ(victim.hear(), "holding");
        const ExitStatus status = GetParam().m_killed ? victim.kill(SIGKILL) : victim.wait();
        EXPECT_FALSE(status.killedBy(SIGALRM));
    }

    TestDomain m_domain;
};

TEST_P(ExitTest, NextProcessToJoinFreesEverythingWhileOthersLive)
{
    // The survivor reads what the dead one has published.
    ChildProcess survivor(
        [this](Peer& parent)
        {
            Node node = Node::create("survivor", in(m_domain, pooled())).value();
            auto subscriber = node.createSubscriber<Bytes>(kTopic, QoS{}.keepLast(8)).value();
            parent.tell("ready");
            parent.pause();
            std::uint64_t expected = 33; // of 40, the newest 8
            while (auto sample = subscriber.take())
            {
                const auto head = readPattern(**sample);
                EXPECT_TRUE(head);
                EXPECT_EQ(sample->info().sequence, expected++);
            }
            EXPECT_EQ(expected, 41U);
            EXPECT_EQ(subscriber.missed(), 32U);
            parent.tell("drained");
            parent.pause();
            return true;
        });
    ASSERT_EQ(survivor.hear(), "ready");
    ASSERT_NO_FATAL_FAILURE(runVictim());

    const Node next = Node::create("next", in(m_domain, pooled())).value();
    survivor.tell("take");
    ASSERT_EQ(survivor.hear(), "drained");

    const auto snapshot = inspect(m_domain.number());
    ASSERT_TRUE(snapshot);
    EXPECT_EQ(snapshot->processes.size(), 2U);
    EXPECT_TRUE(snapshot->holders.empty());
    EXPECT_EQ(expectAllChunksFree(m_domain.number()), 400U);
    EXPECT_TRUE(survivor.finish().succeeded());
}

TEST_P(ExitTest, NextProcessToJoinStartsAfreshWhenNobodyIsLeft)
{
    ASSERT_NO_FATAL_FAILURE(runVictim());
    EXPECT_FALSE(m_domain.files().empty());

    Node next = Node::create("next", in(m_domain, pooled())).value();
    auto publisher = next.createPublisher<Bytes>(kTopic).value();

    EXPECT_TRUE(publisher.loan(4096));
    publisher = {};
    EXPECT_EQ(expectAllChunksFree(m_domain.number()), 400U);
}

TEST_P(ExitTest, RecoverRemovesADomainThatNobodyHas)
{
    ASSERT_NO_FATAL_FAILURE(runVictim());

    EXPECT_TRUE(recover(m_domain.number()));

    EXPECT_TRUE(m_domain.files().empty());
}

INSTANTIATE_TEST_SUITE_P(By, ExitTest,
                         ::testing::Values(Ending{"Exit", [](Peer&) { std::exit(0); }, false},
                                           Ending{"QuickExit", [](Peer&) { ::_exit(0); }, false},
                                           Ending{"Abort",
                                                  [](Peer&)
                                                  {
                                                      std::signal(SIGABRT, SIG_DFL);
                                                      std::abort();
                                                  },
                                                  false},
                                           Ending{"SegmentationFault",
                                                  [](Peer&)
                                                  {
                                                      std::signal(SIGSEGV, SIG_DFL);
                                                      ::raise(SIGSEGV);
                                                  },
                                                  false},
                                           Ending{"Kill", [](Peer& parent) { parent.pause(); }, true}),
                         [](const auto& test) { return std::string(test.param.m_name); });

// ---- a full file system

/// Runs `body` in a mount namespace of its own with an empty tmpfs of `size` on its root directory.
template <typename Body>
void onSmallFileSystem(const std::string& size, Body&& body)
{
    if (::geteuid() != 0)
    {
        GTEST_SKIP() << "mounting needs root";
    }
    const TestDirectory directory;
    ChildProcess child(
        [&](Peer& parent)
        {
            if (::unshare(CLONE_NEWNS) != 0 || ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
                ::mount("tmpfs", directory.path().c_str(), "tmpfs", 0, ("size=" + size).c_str()) != 0)
            {
                parent.tell("forbidden");
                return true;
            }
            parent.tell("mounted");
            body(directory.path());
            return true;
        });
    const std::string answer = child.hear();
    const ExitStatus status = child.wait();
    if (answer == "forbidden")
    {
        GTEST_SKIP() << "this machine does not let root mount (a container without CAP_SYS_ADMIN)";
    }
    EXPECT_TRUE(status.succeeded()) << ::testing::PrintToString(status);
}

void expectNoSpaceWithNumbers(const Error& error)
{
    EXPECT_EQ(error.code(), ErrorCode::NoSpace) << error.message();
    EXPECT_NE(error.message().find("need"), std::string::npos) << error.message();
    EXPECT_NE(error.message().find("free"), std::string::npos) << error.message();
}

TEST(FullFileSystem, JoiningADomainAnswersNoSpace)
{
    onSmallFileSystem("64k",
                      [](const std::filesystem::path& root)
                      {
                          const TestDomain domain(root);
                          auto node = Node::create("small", in(domain));
                          if (!node) // there may just be room for the tables
                          {
                              expectNoSpaceWithNumbers(node.error());
                              return;
                          }
                          const auto publisher = node->createPublisher<Image>("image");
                          EXPECT_FALSE(publisher);
                          expectNoSpaceWithNumbers(publisher.error());
                      });
}

TEST(FullFileSystem, CreatePublisherAnswersNoSpaceAndLeavesTheDomainUsable)
{
    onSmallFileSystem("1m",
                      [](const std::filesystem::path& root)
                      {
                          const TestDomain domain(root);
                          Node node = Node::create("small", in(domain)).value();
                          const auto files = domain.files().size();
                          for (int i = 0; i < 20; ++i)
                          {
                              const auto publisher = node.createPublisher<Image>("image");
                              ASSERT_FALSE(publisher);
                              expectNoSpaceWithNumbers(publisher.error());
                              ASSERT_EQ(domain.files().size(), files) << "a file was left";
                          }

                          auto publisher = node.createPublisher<Message>("small");
                          ASSERT_TRUE(publisher) << publisher.error().message();
                          auto subscriber = node.createSubscriber<Message>("small");
                          ASSERT_TRUE(subscriber) << subscriber.error().message();
                          EXPECT_TRUE(publisher->publishCopy(Message{1, {}}));
                          EXPECT_TRUE(subscriber->take());
                      });
}

TEST(FullFileSystem, LoanOfALargeSliceAnswersNoSpaceAndSmallOnesGoOn)
{
    onSmallFileSystem("1m",
                      [](const std::filesystem::path& root)
                      {
                          const TestDomain domain(root);
                          Node node = Node::create("small", in(domain)).value();
                          auto publisher = node.createPublisher<Bytes>("bytes").value();
                          auto subscriber = node.createSubscriber<Bytes>("bytes").value();
                          for (int i = 0; i < 20; ++i)
                          {
                              const auto large = publisher.loan(1 << 20);
                              ASSERT_FALSE(large);
                              ASSERT_EQ(large.error(), LoanError::NoSpace);
                              auto little = publisher.loan(100);
                              ASSERT_TRUE(little) << toString(little.error());
                              writePattern(**little, 0, 1);
                              ASSERT_TRUE(publisher.publish(std::move(*little)));
                              const auto sample = subscriber.take();
                              ASSERT_TRUE(sample);
                              ASSERT_TRUE(readPattern(**sample));
                          }
                          const auto late = node.createSubscriber<Bytes>("bytes");
                          EXPECT_TRUE(late) << late.error().message();
                      });
}

TEST(FullFileSystem, ASubscriberForWhomNoRoomIsLeftDisturbsNobody)
{
    onSmallFileSystem("1m",
                      [](const std::filesystem::path& root)
                      {
                          const TestDomain domain(root);
                          Node node = Node::create("small", in(domain)).value();
                          auto publisher = node.createPublisher<Message>("small").value();
                          auto subscriber = node.createSubscriber<Message>("small").value();
                          std::vector<Subscriber<Message>> more;
                          auto next = node.createSubscriber<Message>("small", QoS{}.keepLast(1000));
                          while (next)
                          {
                              more.push_back(std::move(*next));
                              next = node.createSubscriber<Message>("small", QoS{}.keepLast(1000));
                          }
                          expectNoSpaceWithNumbers(next.error());
                          for (std::uint64_t i = 1; i <= 1000; ++i)
                          {
                              ASSERT_TRUE(publisher.publishCopy(Message{i, {}}));
                              const auto sample = subscriber.take();
                              ASSERT_TRUE(sample);
                              ASSERT_EQ((*sample)->m_number, i);
                          }
                          more.clear();
                          EXPECT_EQ(publisher.subscriberCount(), 1U);
                      });
}

// ---- another user

TEST(OtherUser, GetsPermissionDeniedAndCreatesNothing)
{
    if (::geteuid() != 0)
    {
        GTEST_SKIP() << "becoming another user needs root";
    }
    TestDomain domain;
    Node owner = Node::create("owner", in(domain)).value();
    auto publisher = owner.createPublisher<Message>(kTopic).value();
    const auto files = domain.files();

    ChildProcess stranger(
        [&](Peer&)
        {
            if (::setgid(65534) != 0 || ::setuid(65534) != 0)
            {
                return false;
            }
            const auto node = Node::create("stranger", in(domain));
            EXPECT_FALSE(node);
            EXPECT_EQ(node.error().code(), ErrorCode::PermissionDenied) << node.error().message();
            const auto seen = inspect(domain.number());
            EXPECT_FALSE(seen);
            EXPECT_EQ(seen.error().code(), ErrorCode::PermissionDenied) << seen.error().message();
            const auto recovered = recover(domain.number());
            EXPECT_FALSE(recovered);
            EXPECT_EQ(recovered.error().code(), ErrorCode::PermissionDenied) << recovered.error().message();
            return true;
        });

    EXPECT_TRUE(stranger.wait().succeeded());
    EXPECT_EQ(domain.files().size(), files.size());
    EXPECT_TRUE(publisher.publishCopy(Message{}));
}

TEST(OtherUser, WhoMayNotWriteTheRootGetsPermissionDenied)
{
    if (::geteuid() != 0)
    {
        GTEST_SKIP() << "becoming another user needs root";
    }
    const TestDirectory directory; // 0700
    const TestDomain domain(directory.path());
    ChildProcess stranger(
        [&](Peer&)
        {
            if (::setgid(65534) != 0 || ::setuid(65534) != 0)
            {
                return false;
            }
            const auto node = Node::create("stranger", in(domain));
            EXPECT_FALSE(node);
            EXPECT_EQ(node.error().code(), ErrorCode::PermissionDenied) << node.error().message();
            return true;
        });

    EXPECT_TRUE(stranger.wait().succeeded());
    EXPECT_TRUE(domain.files().empty());
}

// ---- what a process has after thousands of cycles

constexpr int kCycles = kSanitized ? 200 : 2000;
constexpr int kFirstCycles = 50;

template <typename Cycle>
void expectFlatOver(const TestDomain& domain, Cycle&& cycle)
{
    for (int i = 0; i < kFirstCycles; ++i)
    {
        ASSERT_NO_FATAL_FAILURE(cycle());
    }
    const Footprint before = footprint(domain);
    for (int i = 0; i < kCycles; ++i)
    {
        ASSERT_NO_FATAL_FAILURE(cycle());
    }
    expectFlat(before, footprint(domain));
}

void liveAndDie(const TestDomain& domain)
{
    auto node = Node::create("mayfly", in(domain));
    ASSERT_TRUE(node) << node.error().message();
    auto publisher = node->createPublisher<Message>(kTopic);
    ASSERT_TRUE(publisher) << publisher.error().message();
    auto subscriber = node->createSubscriber<Message>(kTopic);
    ASSERT_TRUE(subscriber) << subscriber.error().message();
    for (std::uint64_t i = 1; i <= 3; ++i)
    {
        ASSERT_TRUE(publisher->publishCopy(Message{i, {}}));
    }
    ASSERT_TRUE(subscriber->take());
}

TEST(Cycles, LeaveNothingBehindInAProcessAlone)
{
    TestDomain domain;

    expectFlatOver(domain, [&] { liveAndDie(domain); });

    EXPECT_TRUE(domain.files().empty());
}

TEST(Cycles, LeaveNothingBehindInATopicThatOthersUse)
{
    TestDomain domain;
    ChildProcess other(
        [&](Peer& parent)
        {
            Node node = Node::create("other", in(domain)).value();
            auto publisher = node.createPublisher<Message>(kTopic).value();
            auto subscriber = node.createSubscriber<Message>(kTopic).value();
            parent.tell("ready");
            for (int i = 0; i < kFirstCycles + kCycles; ++i)
            {
                parent.pause();
                int taken = 0;
                while (subscriber.take())
                {
                    ++taken;
                }
                EXPECT_EQ(taken, 3) << "cycle " << i;
                EXPECT_EQ(subscriber.publisherCount(), 1U);
                EXPECT_EQ(publisher.subscriberCount(), 1U);
                if (::testing::Test::HasFailure() || !parent.tell("drained"))
                {
                    return false;
                }
            }
            parent.pause();
            return subscriber.missed() == 0;
        });
    ASSERT_EQ(other.hear(), "ready");

    expectFlatOver(domain,
                   [&]
                   {
                       ASSERT_NO_FATAL_FAILURE(liveAndDie(domain));
                       other.tell("drain");
                       ASSERT_EQ(other.hear(), "drained");
                   });

    EXPECT_TRUE(other.finish().succeeded());
}

// What publishers leave unread stays readable, and is not taken out of the share of those that come later.
TEST(Cycles, PublishersThatAreGoneLeaveRoomForOthers)
{
    TestDomain domain;
    Node node = Node::create("reader", in(domain)).value();
    auto idle = node.createSubscriber<Message>(kTopic).value();
    constexpr std::uint64_t kGone = 50;

    for (std::uint64_t i = 0; i < kGone; ++i)
    {
        auto publisher = node.createPublisher<Message>(kTopic);
        ASSERT_TRUE(publisher) << publisher.error().message();
        for (std::uint64_t m = 1; m <= 10; ++m)
        {
            auto loan = publisher->loan();
            ASSERT_TRUE(loan) << "publisher " << i << ", message " << m << ": " << toString(loan.error());
            (*loan)->m_number = i * 10 + m;
            ASSERT_TRUE(publisher->publish(std::move(*loan)));
        }
    }

    std::uint64_t sum = 0;
    while (auto sample = idle.take())
    {
        sum += (*sample)->m_number;
    }
    EXPECT_EQ(sum, kGone * 10 * (kGone * 10 + 1) / 2);
    EXPECT_EQ(idle.missed(), 0U);
    EXPECT_GT(expectAllChunksFree(domain.number()), 0U);
}

} // namespace
} // namespace ZeroCP::test
