// Subscriber::fd() and WaitSet::fd() for what other processes publish, also when these die in the middle of a wake.
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include <gtest/gtest.h>

#include "pubsub/pubsub_support.hpp"
#include "support/child_process.hpp"
#include "support/sanitized.hpp"
#include "support/shared_board.hpp"

namespace ZeroCP::test
{
namespace
{

using namespace std::chrono_literals;

void sleepOn(int descriptor)
{
    pollfd one{descriptor, POLLIN, 0};
    static_cast<void>(::poll(&one, 1, -1)); // a signal, too, only means another look
}

/// The next message, as an event loop would get it.
std::uint64_t next(Subscriber<Number>& subscriber, int descriptor)
{
    auto sample = subscriber.take();
    for (; !sample && sample.error() == TakeError::NoData; sample = subscriber.take())
    {
        sleepOn(descriptor);
    }
    return sample ? (*sample)->value : 0;
}

/// Of all subscribers of the domain.
std::uint64_t rescuesIn(const TestDomain& domain)
{
    std::uint64_t rescues = 0;
    for (const std::string& name : poolSetsOf(domain.number()))
    {
        const MappedSet set("/dev/shm", name);
        for (std::uint32_t p = 1; set && p < set.view().header().m_portHighWater.load(); ++p)
        {
            rescues += set.view().port(p).m_rescues.load();
        }
    }
    return rescues;
}

std::size_t fifosOf(const TestDomain& domain)
{
    std::size_t fifos = 0;
    for (const std::string& name : domain.files())
    {
        fifos += std::filesystem::is_fifo(domain.root() / name) ? 1U : 0U;
    }
    return fifos;
}

/// Both players sleep for every message. A wake-up that gets lost is repaired after half a second: with many of them the
/// watchdog ends the test.
TEST(DescriptorProcess, PingPongByPollLosesNothing)
{
    const TestDomain domain;
    const std::uint64_t count = kSanitized ? 5'000 : 100'000;
    const auto play = [&](const char* out, const char* in, bool serves, Peer& parent)
    {
        Node node = nodeIn(domain);
        auto publisher = node.createPublisher<Number>(out).value();
        auto subscriber = node.createSubscriber<Number>(in).value();
        const int descriptor = subscriber.fd().value();
        parent.tell("ready");
        parent.pause();
        for (std::uint64_t i = 1; i <= count; ++i)
        {
            if (serves && !publisher.publishCopy({i}))
            {
                return false;
            }
            const std::uint64_t got = next(subscriber, descriptor);
            EXPECT_EQ(got, i);
            if (got != i || (!serves && !publisher.publishCopy({i})))
            {
                return false;
            }
        }
        EXPECT_EQ(subscriber.missed(), 0U);
        parent.tell("done");
        parent.pause();
        return true;
    };
    ChildProcess pong([&](Peer& parent) { return play("pong", "ping", false, parent); });
    ChildProcess ping([&](Peer& parent) { return play("ping", "pong", true, parent); });
    ASSERT_EQ(pong.hear(), "ready");
    ASSERT_EQ(ping.hear(), "ready");

    pong.tell("go");
    ping.tell("go");

    EXPECT_EQ(ping.hear(), "done");
    EXPECT_EQ(pong.hear(), "done");
    std::printf("%llu round trips, %llu rescues\n", static_cast<unsigned long long>(count),
                static_cast<unsigned long long>(rescuesIn(domain)));
    EXPECT_TRUE(ping.finish().succeeded());
    EXPECT_TRUE(pong.finish().succeeded());
}

/// The reader has just found nothing, and the publisher does not wait for it: all interleavings of arming and waking.
TEST(DescriptorProcess, AStreamLosesNothingAroundTheMomentOfArming)
{
    const std::uint64_t count = kSanitized ? 20'000 : 200'000;
    OneNode one;
    auto subscriber = one.subscriber(QoS{}.keepAll());
    const int descriptor = subscriber.fd().value();
    ChildProcess publishing(
        [&](Peer&)
        {
            Node node = nodeIn(one.m_domain);
            auto publisher = node.createPublisher<Number>("t", QoS{}.keepAll()).value();
            Random random(testSeed());
            for (std::uint64_t i = 1; i <= count; ++i)
            {
                for (std::uint64_t pause = random.below(3000); pause > 0; --pause)
                {
                    std::atomic_signal_fence(std::memory_order_seq_cst);
                }
                if (!publisher.publishCopy({i}))
                {
                    return false;
                }
            }
            return true;
        });

    for (std::uint64_t i = 1; i <= count; ++i)
    {
        ASSERT_EQ(next(subscriber, descriptor), i);
    }

    EXPECT_TRUE(publishing.wait().succeeded());
    std::printf("%llu messages, %llu rescues\n", static_cast<unsigned long long>(count),
                static_cast<unsigned long long>(rescuesIn(one.m_domain)));
}

TEST(DescriptorProcess, AWaitSetHearsOfTwoProcessesAndAnEvent)
{
    OneNode one;
    auto a = one.subscriber({}, "a");
    auto b = one.subscriber({}, "b");
    const UserEvent event;
    auto set = WaitSet::create(one.m_node).value();
    ASSERT_TRUE(set.attach(a, 1));
    ASSERT_TRUE(set.attach(b, 2));
    ASSERT_TRUE(set.attach(event, 3));
    const int descriptor = set.fd().value();
    constexpr std::uint64_t kRounds = 1000;
    const auto publishing = [&](const char* topic)
    {
        return [&one, topic](Peer& parent)
        {
            Node node = nodeIn(one.m_domain);
            auto publisher = node.createPublisher<Number>(topic).value();
            for (std::uint64_t i = 1; i <= kRounds; ++i)
            {
                if (!publisher.publishCopy({i}) || parent.hear().empty())
                {
                    return false;
                }
            }
            return true;
        };
    };
    ChildProcess first(publishing("a"));
    ChildProcess second(publishing("b"));

    std::array<std::uint64_t, 2> got{};
    std::uint64_t events = 0;
    while (got[0] < kRounds || got[1] < kRounds)
    {
        const auto ready = set.wait(0ns);
        for (const std::uint64_t id : std::vector<std::uint64_t>(ready.begin(), ready.end()))
        {
            if (id == 3)
            {
                ++events;
                continue;
            }
            const auto sample = (id == 1 ? a : b).take();
            ASSERT_TRUE(sample);
            ASSERT_EQ((*sample)->value, ++got.at(id - 1));
            ASSERT_TRUE((id == 1 ? first : second).tell("next"));
            event.trigger();
        }
        if (ready.empty())
        {
            sleepOn(descriptor);
        }
    }

    EXPECT_GE(events, 1U);
    EXPECT_TRUE(first.wait().succeeded());
    EXPECT_TRUE(second.wait().succeeded());
}

#if !ZEROCP_TEST_SANITIZED

/// From here on opening a file kills this process: a wake dies between its word and its byte.
bool dieAtOpening()
{
    std::array<sock_filter, 4> program{{
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    }};
    sock_fprog filter{static_cast<unsigned short>(program.size()), program.data()};
    return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

TEST(DescriptorProcess, APublisherKilledBetweenWordAndByteIsMadeUpForByTheSlice)
{
    OneNode one;
    auto subscriber = one.subscriber();
    const int descriptor = subscriber.fd().value();
    ChildProcess dying(
        [&](Peer& parent)
        {
            Node node = nodeIn(one.m_domain);
            auto publisher = node.createPublisher<Number>("t").value();
            parent.tell("ready");
            parent.pause();
            return dieAtOpening() && publisher.publishCopy({1}) && false;
        });
    ASSERT_EQ(dying.hear(), "ready");
    while (subscriber.take())
    {
    }
    ASSERT_TRUE(dying.finish().killedBy(SIGSYS));

    sleepOn(descriptor);
    EXPECT_EQ(next(subscriber, descriptor), 1U);
    EXPECT_EQ(subscriber.take().error(), TakeError::NoData);

    EXPECT_EQ(rescuesIn(one.m_domain), 1U);
    EXPECT_EQ(subscriber.livelinessChanged().lost, 1U);
    auto later = one.publisher();
    EXPECT_EQ(subscriber.take().error(), TakeError::NoData);
    ASSERT_TRUE(later.publishCopy({2}));
    EXPECT_EQ(next(subscriber, descriptor), 2U);
    EXPECT_EQ(rescuesIn(one.m_domain), 1U) << "armed for the next one as ever";
}

#endif

TEST(DescriptorProcess, ADeathIsNoticedInAnEventLoopThatOnlyTakes)
{
    OneNode one;
    auto subscriber = one.subscriber();
    const int descriptor = subscriber.fd().value();
    ChildProcess dying(
        [&](Peer& parent)
        {
            Node node = nodeIn(one.m_domain);
            const auto publisher = node.createPublisher<Number>("t").value();
            parent.tell("ready");
            parent.pause();
            return false;
        });
    ASSERT_EQ(dying.hear(), "ready");
    dying.kill(SIGKILL);

    while ((subscriber.newEvents() & bitOf(QosEvent::LivelinessChanged)) == 0 || subscriber.publisherCount() != 0)
    {
        ASSERT_EQ(subscriber.take().error(), TakeError::NoData);
        sleepOn(descriptor);
    }
}

TEST(DescriptorProcess, APublisherWithoutADescriptorLeftLosesNothing)
{
    if (test::kSanitized)
    {
        GTEST_SKIP() << "the sanitizer needs descriptors of its own to look at objects";
    }
    OneNode one;
    auto subscriber = one.subscriber();
    const int descriptor = subscriber.fd().value();
    ChildProcess poor(
        [&](Peer& parent)
        {
            Node node = nodeIn(one.m_domain);
            auto publisher = node.createPublisher<Number>("t").value();
            rlimit limit{};
            ::getrlimit(RLIMIT_NOFILE, &limit);
            limit.rlim_cur = 0;
            EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
            for (std::uint64_t i = 1; i <= 2; ++i)
            {
                parent.pause();
                EXPECT_EQ(publisher.publishCopy({i}), i);
            }
            parent.pause();
            return true;
        });

    for (std::uint64_t i = 1; i <= 2; ++i)
    {
        EXPECT_EQ(subscriber.take().error(), TakeError::NoData);
        poor.tell("publish");
        EXPECT_EQ(next(subscriber, descriptor), i);
    }

    EXPECT_TRUE(poor.finish().succeeded());
}

TEST(DescriptorProcess, AKilledSubscriberLeavesNoFifoAndThoseOfTheLivingStay)
{
    OneNode one;
    auto living = one.subscriber();
    const int descriptor = living.fd().value();
    ChildProcess dying(
        [&](Peer& parent)
        {
            Node node = nodeIn(one.m_domain);
            auto subscriber = node.createSubscriber<Number>("t").value();
            auto set = WaitSet::create(node).value();
            EXPECT_TRUE(subscriber.fd() && set.fd());
            parent.tell("ready");
            parent.pause();
            return false;
        });
    ASSERT_EQ(dying.hear(), "ready");
    ASSERT_EQ(fifosOf(one.m_domain), 3U);

    dying.kill(SIGKILL);
    ASSERT_TRUE(recover(one.m_domain.number()));

    EXPECT_EQ(fifosOf(one.m_domain), 1U);
    auto publisher = one.publisher();
    EXPECT_EQ(living.take().error(), TakeError::NoData);
    ASSERT_TRUE(publisher.publishCopy({1}));
    EXPECT_EQ(next(living, descriptor), 1U);
    auto successor = one.subscriber();
    EXPECT_TRUE(successor.fd()) << "in the row that is free again";
}

} // namespace
} // namespace ZeroCP::test
