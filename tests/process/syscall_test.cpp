// Once everything is set up and nobody sleeps, publish and take make no system call and allocate nothing. The kernel
// itself watches: after the warm-up a seccomp filter kills the process at its first system call.
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "support/child_process.hpp"
#include "support/sanitized.hpp"
#include "support/shared_board.hpp"
#include "support/test_domain.hpp"
#include "zerocp/zerocp.hpp"

namespace
{
std::atomic<std::uint64_t> g_allocations{0};
} // namespace

#if !ZEROCP_TEST_SANITIZED && defined(__GLIBC__)

// Every way to glibc's heap, operator new included, passes here.
extern "C"
{
    void* __libc_malloc(std::size_t bytes);                          // NOLINT
    void* __libc_calloc(std::size_t count, std::size_t bytes);       // NOLINT
    void* __libc_realloc(void* memory, std::size_t bytes);           // NOLINT
    void* __libc_memalign(std::size_t alignment, std::size_t bytes); // NOLINT

    void* malloc(std::size_t bytes)
    {
        g_allocations.fetch_add(1, std::memory_order_relaxed);
        return __libc_malloc(bytes);
    }
    void* calloc(std::size_t count, std::size_t bytes)
    {
        g_allocations.fetch_add(1, std::memory_order_relaxed);
        return __libc_calloc(count, bytes);
    }
    void* realloc(void* memory, std::size_t bytes)
    {
        g_allocations.fetch_add(1, std::memory_order_relaxed);
        return __libc_realloc(memory, bytes);
    }
    void* aligned_alloc(std::size_t alignment, std::size_t bytes)
    {
        g_allocations.fetch_add(1, std::memory_order_relaxed);
        return __libc_memalign(alignment, bytes);
    }
}

#endif

namespace ZeroCP::test
{
namespace
{

constexpr std::uint64_t kMessages = 100'000;
constexpr std::uint64_t kWarmUp = 1'000;
const char* const kTopic = "no/system/calls";

struct Message
{
    std::array<std::uint64_t, 8> m_words;
};

NodeOptions in(const TestDomain& domain)
{
    return {.domain = domain.number(), .configFile = {}, .root = {}, .config = {}};
}

/// From here on every system call of this thread but write and exit_group kills the process with SIGSYS.
bool forbidSystemCalls()
{
    std::array<sock_filter, 5> program{{
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 2, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_write, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    }};
    sock_fprog filter{static_cast<unsigned short>(program.size()), program.data()};
    return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

/// Runs `once` in a child: kWarmUp times freely, then kMessages times without system calls or allocations.
template <typename Once>
bool holdsItsPeace(Once&& once)
{
    for (std::uint64_t i = 0; i < kWarmUp; ++i)
    {
        if (!once())
        {
            return false;
        }
    }
    if (!forbidSystemCalls())
    {
        return false;
    }
    const std::uint64_t before = g_allocations;
    std::uint64_t done = 0;
    while (done < kMessages && once())
    {
        ++done;
    }
    const std::uint64_t allocations = g_allocations - before;
    if (done != kMessages || allocations != 0)
    {
        const std::string text = "child: " + std::to_string(done) + " of " + std::to_string(kMessages) + " done, " +
                                 std::to_string(allocations) + " allocations\n";
        static_cast<void>(!::write(2, text.data(), text.size()));
    }
    ::_exit(done == kMessages && allocations == 0 ? 0 : 1); // destructors would make system calls
}

class SystemCalls : public ::testing::Test
{
  protected:
    void SetUp() override
    {
        if (kSanitized)
        {
            GTEST_SKIP() << "a sanitizer makes system calls and allocations of its own";
        }
    }

    /// The child's files stay, since it ends without destructors: the next to join removes them.
    void TearDown() override { static_cast<void>(recover(m_domain.number())); }

    [[nodiscard]] Node node() const { return Node::create("quiet", in(m_domain)).value(); }

    TestDomain m_domain;
};

TEST_F(SystemCalls, AreSeenByTheFilter)
{
    ChildProcess child([](Peer&) { return forbidSystemCalls() && ::getppid() > 0; });

    EXPECT_TRUE(child.wait().killedBy(SIGSYS));
}

TEST_F(SystemCalls, AllocationsAreCounted)
{
    const std::uint64_t before = g_allocations;

    const auto number = std::make_unique<std::vector<int>>(100);

    EXPECT_GE(g_allocations - before, number->size() / 50);
}

TEST_F(SystemCalls, AreNotMadeByPublishAndTake)
{
    ChildProcess child(
        [this](Peer&)
        {
            Node own = node();
            auto publisher = own.createPublisher<Message>(kTopic).value();
            auto subscriber = own.createSubscriber<Message>(kTopic).value();
            return holdsItsPeace(
                [&]
                {
                    auto loan = publisher.loan();
                    return loan && publisher.publish(std::move(*loan)) && subscriber.take() && !subscriber.take();
                });
        });

    EXPECT_TRUE(child.wait().succeeded());
}

TEST_F(SystemCalls, AreNotMadeForADescriptorWhileThereAlwaysIsAMessage)
{
    ChildProcess child(
        [this](Peer&)
        {
            Node own = node();
            auto publisher = own.createPublisher<Message>(kTopic).value();
            auto subscriber = own.createSubscriber<Message>(kTopic).value();
            EXPECT_TRUE(subscriber.fd());
            return holdsItsPeace([&] { return publisher.publishCopy(Message{}) && subscriber.take(); });
        });

    EXPECT_TRUE(child.wait().succeeded());
}

TEST_F(SystemCalls, AreRarelyMadeByWhoTakesAgainAndAgainWithAnArmedDescriptor)
{
    ChildProcess child(
        [this](Peer&)
        {
            Node own = node();
            auto subscriber = own.createSubscriber<Message>(kTopic).value();
            EXPECT_TRUE(subscriber.fd());
            EXPECT_FALSE(subscriber.take());
            EXPECT_TRUE(forbidSystemCalls());
            for (int i = 0; i < 63; ++i)
            {
                static_cast<void>(subscriber.take());
            }
            ::_exit(::testing::Test::HasFailure() ? 1 : 0);
            return false;
        });

    EXPECT_TRUE(child.wait().succeeded());
}

TEST_F(SystemCalls, AreNotMadeWhenQueuesOverflow)
{
    ChildProcess child(
        [this](Peer&)
        {
            Node own = node();
            auto publisher = own.createPublisher<Message>(kTopic).value();
            std::vector<Subscriber<Message>> subscribers;
            for (int i = 0; i < 8; ++i)
            {
                subscribers.push_back(own.createSubscriber<Message>(kTopic, QoS{}.keepLast(4)).value());
            }
            std::uint64_t turn = 0;
            return holdsItsPeace(
                [&]
                {
                    // One of them takes now and then, and takeLatest() drops what it skips.
                    Subscriber<Message>& one = subscribers[turn++ % subscribers.size()];
                    const bool took = turn % 3 != 0 || (turn % 2 != 0 ? one.take() : one.takeLatest());
                    return took && publisher.publishCopy(Message{});
                });
        });

    EXPECT_TRUE(child.wait().succeeded());
}

TEST_F(SystemCalls, AreNotMadeForSlicesWhoseSizeClassesExist)
{
    ChildProcess child(
        [this](Peer&)
        {
            Node own = node();
            auto publisher = own.createPublisher<Slice<std::byte>>(kTopic).value();
            auto subscriber = own.createSubscriber<Slice<std::byte>>(kTopic).value();
            std::size_t turn = 0;
            return holdsItsPeace(
                [&]
                {
                    auto loan = publisher.loan(std::size_t{1} << turn++ % 17);
                    return loan && publisher.publish(std::move(*loan)) && subscriber.take();
                });
        });

    EXPECT_TRUE(child.wait().succeeded());
}

TEST_F(SystemCalls, AreNotMadeBetweenTwoProcessesThatPoll)
{
    constexpr std::uint32_t kWindow = 256; // neither can give its core away while it waits for the other
    struct Board
    {
        std::atomic<std::uint64_t> m_published;
        std::atomic<std::uint64_t> m_taken;
    };
    SharedBoard<Board> board;
    ChildProcess publishing(
        [&](Peer& parent)
        {
            Node own = node();
            auto publisher = own.createPublisher<Message>(kTopic).value();
            parent.tell("ready");
            parent.pause();
            return holdsItsPeace(
                [&]
                {
                    while (board->m_published >= board->m_taken + kWindow)
                    {
                    }
                    return publisher.publishCopy(Message{}) && board->m_published.fetch_add(1) < kMessages + kWarmUp;
                });
        });
    ASSERT_EQ(publishing.hear(), "ready");
    ChildProcess taking(
        [&](Peer& parent)
        {
            Node own = node();
            auto subscriber = own.createSubscriber<Message>(kTopic, QoS{}.keepLast(kWindow)).value();
            parent.tell("ready");
            return holdsItsPeace(
                [&]
                {
                    // A publisher that has ended still owes nothing: all that it published can be taken.
                    auto sample = subscriber.take();
                    while (!sample && sample.error() == TakeError::NoData)
                    {
                        sample = subscriber.take();
                    }
                    return sample && board->m_taken.fetch_add(1) + 1 == sample->info().sequence;
                });
        });
    ASSERT_EQ(taking.hear(), "ready");

    publishing.tell("go");

    EXPECT_TRUE(taking.wait().succeeded());
    EXPECT_TRUE(publishing.wait().succeeded());
}

} // namespace
} // namespace ZeroCP::test
