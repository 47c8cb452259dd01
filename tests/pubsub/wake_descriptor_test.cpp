// Subscriber::fd() and WaitSet::fd() in one process; other processes are in tests/process/descriptor_test.cpp.
#include "zerocp/pubsub/wake_descriptor.hpp"

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "pubsub/pubsub_support.hpp"
#include "support/child_process.hpp"
#include "support/footprint.hpp"
#include "support/sanitized.hpp"

namespace ZeroCP
{

using namespace std::chrono_literals;
using test::ChildProcess;
using test::Number;
using test::OneNode;
using test::Peer;

namespace
{

constexpr std::chrono::nanoseconds kNotAtAll{0};

/// Waits up to `milliseconds`; for ever if negative, until the watchdog ends the test.
bool isReadable(int descriptor, int milliseconds = 0)
{
    pollfd one{descriptor, POLLIN, 0};
    return ::poll(&one, 1, milliseconds) == 1 && (one.revents & POLLIN) != 0;
}

/// Takes until nothing is left; what came.
std::vector<std::uint64_t> takeAll(Subscriber<Number>& subscriber)
{
    std::vector<std::uint64_t> values;
    auto sample = subscriber.take();
    for (; sample; sample = subscriber.take())
    {
        values.push_back((*sample)->value);
    }
    EXPECT_EQ(sample.error(), TakeError::NoData);
    return values;
}

using Values = std::vector<std::uint64_t>;

/// Not readable. A slice may just have ended: then it is not after another look.
template <typename Look>
bool isQuiet(int descriptor, const Look& look)
{
    constexpr int kTries = 3;
    for (int i = 0; i < kTries && isReadable(descriptor); ++i)
    {
        look();
    }
    return !isReadable(descriptor);
}
bool isQuiet(int descriptor, Subscriber<Number>& subscriber)
{
    return isQuiet(descriptor, [&] { EXPECT_EQ(takeAll(subscriber), Values{}); });
}

std::size_t openDescriptors()
{
    std::size_t count = 0;
    for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd"))
    {
        ++count;
    }
    return count;
}

/// Leaves room for so many descriptors more while it exists.
class FewDescriptors
{
  public:
    explicit FewDescriptors(int more)
    {
        ::getrlimit(RLIMIT_NOFILE, &m_before);
        const int next = ::dup(STDIN_FILENO);
        ::close(next);
        const rlimit few{static_cast<rlim_t>(next + more), m_before.rlim_max};
        ::setrlimit(RLIMIT_NOFILE, &few);
    }
    FewDescriptors(const FewDescriptors&) = delete;
    FewDescriptors& operator=(const FewDescriptors&) = delete;
    ~FewDescriptors() { ::setrlimit(RLIMIT_NOFILE, &m_before); }

  private:
    rlimit m_before{};
};

/// A subscriber with a descriptor that has been drained once, and a publisher.
struct Scene : OneNode
{
    explicit Scene(const QoS& qos = {})
        : m_subscriber(subscriber(qos)), m_publisher(publisher(qos)), m_fd(m_subscriber.fd().value())
    {
        EXPECT_EQ(takeAll(m_subscriber), Values{});
    }
    void publish(std::uint64_t value) { EXPECT_TRUE(m_publisher.publishCopy({value})); }
    bool isQuiet() { return ZeroCP::isQuiet(m_fd, m_subscriber); }

    Subscriber<Number> m_subscriber;
    Publisher<Number> m_publisher;
    int m_fd;
};

TEST(SubscriberFd, IsReadableAtFirstAndNotOnceNothingWasFound)
{
    OneNode one;
    auto subscriber = one.subscriber();

    const int fd = subscriber.fd().value();

    EXPECT_TRUE(isReadable(fd));
    EXPECT_EQ(takeAll(subscriber), Values{});
    EXPECT_TRUE(isQuiet(fd, subscriber));
}

TEST(SubscriberFd, IsTheSameEachTime)
{
    OneNode one;
    auto subscriber = one.subscriber();
    const int fd = subscriber.fd().value();

    auto moved = std::move(subscriber);

    EXPECT_EQ(moved.fd().value(), fd);
}

TEST(SubscriberFd, BecomesReadableWithAMessage)
{
    Scene scene;

    scene.publish(1);

    EXPECT_TRUE(isReadable(scene.m_fd));
    EXPECT_EQ(takeAll(scene.m_subscriber), Values{1});
    EXPECT_TRUE(scene.isQuiet());
}

TEST(SubscriberFd, IsReadableForWhatWasThereBeforeIt)
{
    OneNode one;
    auto subscriber = one.subscriber();
    auto publisher = one.publisher();
    ASSERT_TRUE(publisher.publishCopy({1}));

    EXPECT_TRUE(isReadable(subscriber.fd().value()));
}

TEST(SubscriberFd, StaysReadableUntilTakeFindsNothing)
{
    Scene scene;
    scene.publish(1);
    scene.publish(2);

    EXPECT_EQ((*scene.m_subscriber.take())->value, 1U);
    EXPECT_TRUE(isReadable(scene.m_fd));
    EXPECT_EQ((*scene.m_subscriber.take())->value, 2U);
    EXPECT_TRUE(isReadable(scene.m_fd));
    EXPECT_FALSE(scene.m_subscriber.take());
    EXPECT_TRUE(scene.isQuiet());
}

TEST(SubscriberFd, IsRungOnceForManyMessages)
{
    Scene scene(QoS{}.keepLast(100));
    Config config;
    config.domain = scene.m_domain.number();
    const auto domain = Domain::join(config, scene.m_domain.root()).value();
    const auto rung = [&] { return domain->waiter(0).m_rung.load(); };
    const std::uint32_t before = rung();

    for (std::uint64_t i = 1; i <= 100; ++i)
    {
        scene.publish(i);
    }

    EXPECT_EQ(rung(), before + 1);
    EXPECT_EQ(takeAll(scene.m_subscriber).size(), 100U);
    scene.publish(1);
    EXPECT_EQ(rung(), before + 2);
}

TEST(SubscriberFd, WorksInAnEdgeTriggeredLoopThatTakesUntilNothingIsLeft)
{
    Scene scene;
    const int loop = ::epoll_create1(EPOLL_CLOEXEC);
    epoll_event wanted{};
    wanted.events = EPOLLIN | EPOLLET;
    ASSERT_EQ(::epoll_ctl(loop, EPOLL_CTL_ADD, scene.m_fd, &wanted), 0);
    const auto edges = [&]
    {
        epoll_event event{};
        return ::epoll_wait(loop, &event, 1, 0);
    };
    static_cast<void>(edges());

    for (std::uint64_t i = 1; i <= 100; ++i)
    {
        scene.publish(i);
        ASSERT_EQ(edges(), 1) << i;
        ASSERT_EQ(takeAll(scene.m_subscriber), Values{i});
    }
    ::close(loop);
}

TEST(SubscriberFd, OfTwoPublishersIsReadableForEither)
{
    Scene scene;
    auto second = scene.publisher();
    takeAll(scene.m_subscriber);

    ASSERT_TRUE(second.publishCopy({2}));

    EXPECT_TRUE(isReadable(scene.m_fd));
    EXPECT_EQ(takeAll(scene.m_subscriber), Values{2});
    scene.publish(1);
    EXPECT_TRUE(isReadable(scene.m_fd));
}

TEST(SubscriberFd, StaysReadableAfterAWaitThatSleptForTheFirstOfTwo)
{
    Scene scene;
    std::jthread later(
        [&]
        {
            std::this_thread::sleep_for(5ms); // so that it sleeps; if it does not, the test passes all the same
            scene.publish(1);
            scene.publish(2);
        });

    EXPECT_EQ((*scene.m_subscriber.wait(30s))->value, 1U);
    later.join();

    EXPECT_TRUE(isReadable(scene.m_fd));
    EXPECT_EQ(takeAll(scene.m_subscriber), Values{2});
    EXPECT_TRUE(scene.isQuiet());
}

TEST(SubscriberFd, IsArmedAfterAWaitThatFoundNothing)
{
    Scene scene;

    for (const std::chrono::nanoseconds timeout : {kNotAtAll, std::chrono::nanoseconds(1ms)})
    {
        EXPECT_EQ(scene.m_subscriber.wait(timeout).error(), TakeError::Timeout);
        EXPECT_TRUE(scene.isQuiet());
        scene.publish(1);
        EXPECT_TRUE(isReadable(scene.m_fd));
        takeAll(scene.m_subscriber);
    }
}

TEST(SubscriberFd, IsArmedAfterTakeLatestFoundNothing)
{
    Scene scene;
    scene.publish(1);
    scene.publish(2);

    EXPECT_EQ((*scene.m_subscriber.takeLatest())->value, 2U);
    EXPECT_FALSE(scene.m_subscriber.takeLatest());

    EXPECT_TRUE(scene.isQuiet());
    scene.publish(3);
    EXPECT_TRUE(isReadable(scene.m_fd));
}

TEST(SubscriberFd, BecomesReadableWhenItsDeadlinePasses)
{
    Scene scene(QoS{}.deadline(20ms));
    scene.publish(1);
    ASSERT_EQ(takeAll(scene.m_subscriber), Values{1});

    ASSERT_TRUE(isReadable(scene.m_fd, -1));

    EXPECT_EQ(takeAll(scene.m_subscriber), Values{});
    EXPECT_NE(scene.m_subscriber.newEvents() & bitOf(QosEvent::DeadlineMissed), 0U);
    EXPECT_GE(scene.m_subscriber.deadlineMissed().count, 1U);
}

TEST(SubscriberFd, BecomesReadableWhenAPublisherComesOrLeaves)
{
    Scene scene;

    std::optional<Publisher<Number>> second(scene.publisher());

    EXPECT_TRUE(isReadable(scene.m_fd));
    EXPECT_EQ(takeAll(scene.m_subscriber), Values{});
    EXPECT_TRUE(scene.isQuiet());
    second.reset();
    EXPECT_TRUE(isReadable(scene.m_fd));
}

TEST(SubscriberFd, TellsOfMessagesBehindManyThatHaveExpired)
{
    Scene scene(QoS{}.lifespan(1ms).keepLast(4));
    scene.publish(1);
    std::this_thread::sleep_for(2ms); // what is to be shown is about time that has passed
    EXPECT_EQ(takeAll(scene.m_subscriber), Values{});
    EXPECT_EQ(scene.m_subscriber.expired().count, 1U);
    EXPECT_TRUE(scene.isQuiet());

    scene.publish(2);

    EXPECT_TRUE(isReadable(scene.m_fd));
}

TEST(SubscriberFd, IsReadableAgainAtTheLatestAfterASlice)
{
    Scene scene;

    EXPECT_TRUE(isReadable(scene.m_fd, -1)) << "somebody may have died before he could write";

    EXPECT_EQ(takeAll(scene.m_subscriber), Values{});
    EXPECT_TRUE(scene.isQuiet());
}

TEST(SubscriberFd, IsQuietAgainSoonAfterAByteThatNobodyHasCounted)
{
    OneNode one;
    auto subscriber = one.subscriber();
    const int fd = subscriber.fd().value();
    takeAll(subscriber);
    const std::string fifo = one.m_domain.file("wake.0.1");
    const int writer = ::open(fifo.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    ASSERT_EQ(::write(writer, "", 1), 1); // as one who dies before he can count it
    ::close(writer);

    int rounds = 0;
    for (; isReadable(fd) && rounds < 1000; ++rounds)
    {
        takeAll(subscriber);
    }

    EXPECT_GE(rounds, 1);
    EXPECT_LE(rounds, 64);
}

TEST(SubscriberFd, GoesWithItsSubscriberAlthoughASampleStays)
{
    OneNode one;
    auto publisher = one.publisher();
    const std::size_t before = one.m_domain.files().size();
    std::optional<Subscriber<Number>> subscriber(one.subscriber());
    const std::size_t descriptors = openDescriptors();
    ASSERT_TRUE(publisher.publishCopy({7}));
    ASSERT_TRUE(subscriber->fd());
    EXPECT_EQ(one.m_domain.files().size(), before + 1);
    EXPECT_EQ(openDescriptors(), descriptors + 3);
    auto sample = subscriber->take().value();

    subscriber.reset();

    EXPECT_EQ(one.m_domain.files().size(), before);
    EXPECT_EQ(openDescriptors(), descriptors);
    EXPECT_EQ(sample->value, 7U);
    EXPECT_TRUE(publisher.publishCopy({8}));
}

TEST(SubscriberFd, ThatWasMadeAThousandTimesLeavesNothing)
{
    OneNode one;
    auto publisher = one.publisher();
    const auto once = [&]
    {
        auto subscriber = one.subscriber();
        const int fd = subscriber.fd().value();
        takeAll(subscriber);
        ASSERT_TRUE(publisher.publishCopy({1}));
        ASSERT_TRUE(isReadable(fd));
        auto set = WaitSet::create(one.m_node).value();
        ASSERT_TRUE(set.fd());
    };
    for (int i = 0; i < 20; ++i)
    {
        once();
    }
    const test::Footprint before = test::footprint(one.m_domain);

    for (int i = 0; i < 1000; ++i)
    {
        once();
    }

    test::expectFlat(before, test::footprint(one.m_domain));
}

TEST(SubscriberFd, IsRefusedWhileAttachedToAWaitSet)
{
    OneNode one;
    auto subscriber = one.subscriber();
    auto set = WaitSet::create(one.m_node).value();
    ASSERT_TRUE(set.attach(subscriber, 1));

    const auto fd = subscriber.fd();

    ASSERT_FALSE(fd);
    EXPECT_EQ(fd.error().code(), ErrorCode::ConfigInvalid);
    EXPECT_NE(fd.error().message().find("use WaitSet::fd(), or detach it there first"), std::string::npos);
    set.detach(1);
    EXPECT_TRUE(subscriber.fd());
}

TEST(SubscriberFd, KeepsItsSubscriberOutOfWaitSets)
{
    OneNode one;
    auto subscriber = one.subscriber();
    auto set = WaitSet::create(one.m_node).value();
    ASSERT_TRUE(subscriber.fd());

    for (const auto& attached : {set.attach(subscriber, 1), set.attachEvents(subscriber, 1)})
    {
        ASSERT_FALSE(attached);
        EXPECT_EQ(attached.error().code(), ErrorCode::ConfigInvalid);
        EXPECT_NE(attached.error().message().find("has a file descriptor of its own"), std::string::npos);
    }
}

TEST(SubscriberFd, OfAnEmptyHandleIsClosed)
{
    Subscriber<Number> subscriber;
    WaitSet set;

    EXPECT_EQ(subscriber.fd().error().code(), ErrorCode::Closed);
    EXPECT_EQ(set.fd().error().code(), ErrorCode::Closed);
}

TEST(SubscriberFd, InAForkedChildIsRefusedAndThatOfTheParentGoesOn)
{
    OneNode one;
    auto publisher = one.publisher();
    auto subscriber = std::make_unique<Subscriber<Number>>(one.subscriber());
    auto without = one.subscriber();
    auto set = std::make_unique<WaitSet>(WaitSet::create(one.m_node).value());
    const int fd = subscriber->fd().value();
    const int setFd = set->fd().value();
    takeAll(*subscriber);
    static_cast<void>(set->wait(kNotAtAll));

    ChildProcess child(
        [&](Peer&)
        {
            EXPECT_EQ(subscriber->fd().error().code(), ErrorCode::Forked);
            EXPECT_EQ(without.fd().error().code(), ErrorCode::Forked);
            EXPECT_EQ(set->fd().error().code(), ErrorCode::Forked);
            EXPECT_EQ(subscriber->take().error(), TakeError::Forked);
            EXPECT_TRUE(set->wait(kNotAtAll).empty());
            subscriber.reset();
            set.reset();
            return true;
        });

    EXPECT_TRUE(child.wait().succeeded());
    EXPECT_TRUE(isQuiet(fd, *subscriber));
    EXPECT_TRUE(isQuiet(setFd, [&] { EXPECT_TRUE(set->wait(kNotAtAll).empty()); }));
    ASSERT_TRUE(publisher.publishCopy({1}));
    EXPECT_TRUE(isReadable(fd));
    EXPECT_EQ(takeAll(*subscriber), Values{1});
}

class WithoutEnoughDescriptors : public ::testing::TestWithParam<int>
{
};

TEST_P(WithoutEnoughDescriptors, SaysSoAndLeavesNothing)
{
    if (test::kSanitized)
    {
        GTEST_SKIP() << "the sanitizer needs descriptors of its own to look at objects";
    }
    OneNode one;
    auto subscriber = one.subscriber();
    const std::size_t files = one.m_domain.files().size();
    const std::size_t descriptors = openDescriptors();
    {
        const FewDescriptors few(GetParam());

        const auto fd = subscriber.fd();

        ASSERT_FALSE(fd);
        EXPECT_EQ(fd.error().code(), ErrorCode::SystemError) << fd.error().message();
    }
    EXPECT_EQ(one.m_domain.files().size(), files);
    EXPECT_EQ(openDescriptors(), descriptors);
    EXPECT_TRUE(subscriber.fd());
}

INSTANTIATE_TEST_SUITE_P(Fd, WithoutEnoughDescriptors, ::testing::Values(0, 1, 2));

/// Two subscribers, a timer and a user event, and what is ready of them.
struct SetScene : OneNode
{
    SetScene()
        : m_a(subscriber({}, "a")),
          m_b(subscriber({}, "b")),
          m_set(WaitSet::create(m_node).value()),
          m_fd(m_set.fd().value())
    {
        EXPECT_TRUE(m_set.attach(m_a, 1));
        EXPECT_TRUE(m_set.attach(m_b, 2));
        EXPECT_TRUE(m_set.attach(m_event, 3));
        EXPECT_TRUE(isReadable(m_fd));
        EXPECT_EQ(ready(), Values{});
    }

    Values ready()
    {
        const auto ids = m_set.wait(kNotAtAll);
        return {ids.begin(), ids.end()};
    }

    bool isQuiet()
    {
        return ZeroCP::isQuiet(m_fd, [this] { EXPECT_EQ(ready(), Values{}); });
    }

    UserEvent m_event;
    Subscriber<Number> m_a;
    Subscriber<Number> m_b;
    WaitSet m_set;
    int m_fd;
};

TEST(WaitSetFd, IsReadableForEachOfItsMembers)
{
    SetScene scene;
    EXPECT_TRUE(scene.isQuiet());
    auto a = scene.publisher({}, "a");
    auto b = scene.publisher({}, "b");
    EXPECT_EQ(scene.ready(), Values{}); // of publishers that come, too
    EXPECT_TRUE(scene.isQuiet());

    ASSERT_TRUE(b.publishCopy({1}));
    EXPECT_TRUE(isReadable(scene.m_fd));
    EXPECT_EQ(scene.ready(), Values{2});
    EXPECT_TRUE(isReadable(scene.m_fd)) << "until wait() answers nothing";
    takeAll(scene.m_b);
    EXPECT_EQ(scene.ready(), Values{});
    EXPECT_TRUE(scene.isQuiet());

    ASSERT_TRUE(a.publishCopy({1}));
    scene.m_event.trigger();
    EXPECT_TRUE(isReadable(scene.m_fd));
    EXPECT_EQ(scene.ready(), (Values{1, 3}));
    takeAll(scene.m_a);
    EXPECT_EQ(scene.ready(), Values{});
    EXPECT_TRUE(scene.isQuiet());

    scene.m_event.trigger();
    EXPECT_TRUE(isReadable(scene.m_fd));
    EXPECT_EQ(scene.ready(), Values{3});
}

TEST(WaitSetFd, IsReadableWhenItsTimerComes)
{
    SetScene scene;
    const auto timer = scene.m_node.createTimer(5ms).value();
    ASSERT_TRUE(scene.m_set.attach(timer, 4));

    for (int i = 0; i < 3; ++i)
    {
        while (scene.ready() != Values{4})
        {
            ASSERT_TRUE(isReadable(scene.m_fd, -1));
        }
    }
}

TEST(WaitSetFd, ComesEarlierForATimerThatIsReset)
{
    SetScene scene;
    auto timer = scene.m_node.createTimer(1ms).value();
    timer.cancel();
    ASSERT_TRUE(scene.m_set.attach(timer, 4));
    EXPECT_EQ(scene.ready(), Values{});
    EXPECT_TRUE(scene.isQuiet());

    timer.reset();

    EXPECT_TRUE(isReadable(scene.m_fd));
    while (scene.ready() != Values{4})
    {
        ASSERT_TRUE(isReadable(scene.m_fd, -1));
    }
}

TEST(WaitSetFd, IsReadableForAMemberThatCameLater)
{
    SetScene scene;
    auto c = scene.subscriber({}, "c");
    ASSERT_TRUE(scene.publisher({}, "c").publishCopy({1}));

    ASSERT_TRUE(scene.m_set.attach(c, 5));

    EXPECT_TRUE(isReadable(scene.m_fd));
    EXPECT_EQ(scene.ready(), Values{5});
}

TEST(WaitSetFd, IsReadableWhenTheGraphChanges)
{
    SetScene scene;
    ASSERT_TRUE(scene.m_set.attachGraph(6));
    EXPECT_EQ(scene.ready(), Values{});
    EXPECT_TRUE(scene.isQuiet());

    const auto newcomer = scene.publisher({}, "elsewhere");

    EXPECT_TRUE(isReadable(scene.m_fd));
    EXPECT_EQ(scene.ready(), Values{6});
}

TEST(WaitSetFd, IsNotDisturbedByMembersThatLeave)
{
    SetScene scene;
    auto a = scene.publisher({}, "a");
    auto b = scene.publisher({}, "b");
    std::optional<Subscriber<Number>> c(scene.subscriber({}, "c"));
    ASSERT_TRUE(scene.m_set.attach(*c, 5));
    EXPECT_EQ(scene.ready(), Values{});
    c.reset();
    scene.m_set.detach(1);
    EXPECT_EQ(scene.ready(), Values{});

    ASSERT_TRUE(a.publishCopy({1}));
    EXPECT_TRUE(scene.isQuiet());
    ASSERT_TRUE(b.publishCopy({1}));

    EXPECT_TRUE(isReadable(scene.m_fd));
    EXPECT_EQ(takeAll(scene.m_a), Values{1});
}

TEST(WaitSetFd, IsReadableAfterAWaitThatFoundSomething)
{
    SetScene scene;
    std::jthread later([&] { scene.m_event.trigger(); });

    EXPECT_EQ(scene.m_set.wait(30s).size(), 1U);

    EXPECT_TRUE(isReadable(scene.m_fd));
    later.join();
    EXPECT_EQ(scene.ready(), Values{});
    EXPECT_TRUE(scene.isQuiet());
}

TEST(WaitSetFd, IsArmedAfterAWaitThatFoundNothing)
{
    SetScene scene;
    auto a = scene.publisher({}, "a");

    EXPECT_TRUE(scene.m_set.wait(1ms).empty());
    EXPECT_TRUE(scene.isQuiet());
    ASSERT_TRUE(a.publishCopy({1}));

    EXPECT_TRUE(isReadable(scene.m_fd));
}

TEST(WaitSetFd, IsReadableAfterAMemberSleptByItself)
{
    SetScene scene;
    auto a = scene.publisher({}, "a");
    EXPECT_EQ(scene.ready(), Values{});

    EXPECT_EQ(scene.m_a.wait(1ms).error(), TakeError::Timeout);

    EXPECT_TRUE(isReadable(scene.m_fd)) << "the member is not marked any more";
    EXPECT_EQ(scene.ready(), Values{});
    ASSERT_TRUE(a.publishCopy({1}));
    EXPECT_TRUE(isReadable(scene.m_fd));
}

TEST(WaitSetFd, GoesWithItsWaitSet)
{
    OneNode one;
    const std::size_t files = one.m_domain.files().size();
    const std::size_t descriptors = openDescriptors();
    UserEvent event;
    {
        auto set = WaitSet::create(one.m_node).value();
        ASSERT_TRUE(set.attach(event, 1));
        ASSERT_TRUE(set.fd());
        EXPECT_EQ(one.m_domain.files().size(), files + 1);
    }

    event.trigger();

    EXPECT_EQ(one.m_domain.files().size(), files);
    EXPECT_EQ(openDescriptors(), descriptors);
}

} // namespace

} // namespace ZeroCP
