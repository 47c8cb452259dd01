// What is counted of deadlines, lifespans, leases and losses. The tests sleep to make things late, and then work out from
// the publish times of the messages how late they were: however slow the machine is, the numbers must agree.
#include "zerocp/pubsub/qos_events.hpp"

#include <algorithm>
#include <chrono>
#include <limits>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "pubsub/pubsub_support.hpp"
#include "support/counting_new.hpp"
#include "support/pool_audit.hpp"
#include "support/shared_board.hpp"
#include "zerocp/core/monotonic_clock.hpp"
#include "zerocp/core/notifier.hpp"

namespace ZeroCP
{

using namespace std::chrono_literals;
using test::await;
using test::Number;
using test::OneNode;
using test::usedChunks;

namespace
{

constexpr std::chrono::nanoseconds kPeriod = 2ms;
constexpr std::chrono::nanoseconds kLease = 5ms;
constexpr std::chrono::nanoseconds kAges = 1h;
constexpr std::uint64_t kPeriodNs = 2'000'000;
constexpr std::uint64_t kLeaseNs = 5'000'000;
constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();

const QoS kManual = QoS{}.liveliness(Liveliness::ManualByTopic, kLease);

using Times = std::vector<std::uint64_t>;

/// Publishes once after each of the pauses.
void publishAfter(Publisher<Number>& publisher, const std::vector<std::chrono::nanoseconds>& pauses)
{
    for (const std::chrono::nanoseconds pause : pauses)
    {
        std::this_thread::sleep_for(pause);
        ASSERT_TRUE(publisher.publishCopy({0}));
    }
}

/// When the messages that wait were published.
Times timesOf(Subscriber<Number>& subscriber)
{
    Times times;
    while (const auto sample = subscriber.take())
    {
        times.push_back(sample->info().publishTimeNs);
    }
    return times;
}

/// Periods between the messages that ended without one.
std::uint64_t missedBetween(const Times& times)
{
    std::uint64_t missed = 0;
    for (std::size_t i = 1; i < times.size(); ++i)
    {
        missed += (times[i] - times[i - 1]) / kPeriodNs;
    }
    return missed;
}

/// What `ask` answers, and how many periods since `sinceNs` were over before and after it: the clock goes on.
template <typename Ask>
struct Bracketed
{
    explicit Bracketed(std::uint64_t sinceNs, Ask ask)
        : m_least((monotonicNs() - sinceNs) / kPeriodNs), m_answer(ask()), m_most((monotonicNs() - sinceNs) / kPeriodNs)
    {
    }

    std::uint64_t m_least;
    EventCount m_answer;
    std::uint64_t m_most;
};

/// Repeats `action` until it was quick enough to say something.
template <typename Action>
void within(std::uint64_t limitNs, Action&& action)
{
    for (std::uint64_t start = 0, end = limitNs; end - start >= limitNs;)
    {
        start = monotonicNs();
        action();
        end = monotonicNs();
    }
}

} // namespace

// ---- deadline

TEST(Deadline, CountsEveryPeriodThatEndedWithoutAMessage)
{
    OneNode one;
    auto publisher = one.publisher(QoS{}.deadline(kPeriod));
    auto subscriber = one.subscriber(QoS{}.keepLast(100).deadline(kPeriod));
    publishAfter(publisher, {0ms, 5ms, 0ms, 3ms, 11ms, 0ms, 0ms, 1ms, 7ms});
    const Times times = timesOf(subscriber);

    const Bracketed asked(times.back(), [&] { return subscriber.deadlineMissed(); });

    ASSERT_EQ(times.size(), 9U);
    EXPECT_GE(missedBetween(times), 2U + 1U + 5U + 3U);
    EXPECT_GE(asked.m_answer.count, missedBetween(times) + asked.m_least);
    EXPECT_LE(asked.m_answer.count, missedBetween(times) + asked.m_most);
}

TEST(Deadline, IsTheSameWhetherOrNotSomebodyLooked)
{
    OneNode one;
    auto publisher = one.publisher(QoS{}.deadline(kPeriod));
    auto often = one.subscriber(QoS{}.keepLast(100).deadline(kPeriod));
    auto once = one.subscriber(QoS{}.keepLast(100).deadline(kPeriod));
    std::uint64_t changes = 0;
    for (int i = 0; i < 20; ++i)
    {
        publishAfter(publisher, {i % 3 * 1ms});
        changes += often.deadlineMissed().change;
    }
    {
        static_cast<void>(Publisher<Number>(std::move(publisher)));
    } // leaves: the count ends

    changes += often.deadlineMissed().change;
    const EventCount all = once.deadlineMissed();

    EXPECT_GT(all.count, 0U);
    EXPECT_EQ(often.deadlineMissed().count, all.count);
    EXPECT_EQ(changes, all.count);
    EXPECT_EQ(all.change, all.count);
}

TEST(Deadline, BeginsWithTheFirstMessage)
{
    OneNode one;
    auto publisher = one.publisher(QoS{}.deadline(kPeriod));
    ASSERT_TRUE(publisher.publishCopy({0})); // to nobody
    auto subscriber = one.subscriber(QoS{}.deadline(kPeriod));
    std::this_thread::sleep_for(3 * kPeriod);

    EXPECT_EQ(subscriber.deadlineMissed().count, 0U);
    EXPECT_GE(publisher.deadlineMissed().count, 3U); // its own promise has begun
}

TEST(Deadline, CountsMessagesThatWereLost)
{
    OneNode one;
    auto publisher = one.publisher(QoS{}.deadline(kPeriod));
    auto slow = one.subscriber(QoS{}.keepLast(1).deadline(kPeriod));
    auto witness = one.subscriber(QoS{}.keepLast(100));
    publishAfter(publisher, std::vector<std::chrono::nanoseconds>(20, 3ms));
    const Times times = timesOf(witness);
    static_cast<void>(slow.take());

    const Bracketed asked(times.back(), [&] { return slow.deadlineMissed(); });

    EXPECT_EQ(slow.missed(), 19U);
    EXPECT_GE(asked.m_answer.count, missedBetween(times) + asked.m_least);
    EXPECT_LE(asked.m_answer.count, missedBetween(times) + asked.m_most);
}

TEST(Deadline, SaysWhenTheLastOneWasMissedAndWhenTheNextWillBe)
{
    OneNode one;
    auto publisher = one.publisher(QoS{}.deadline(kPeriod));
    auto subscriber = one.subscriber(QoS{}.keepLast(100).deadline(kPeriod));
    EXPECT_EQ(subscriber.deadlineMissed().lastNs, 0);
    publishAfter(publisher, {0ms, 7ms});
    const Times times = timesOf(subscriber);
    std::this_thread::sleep_for(kPeriod);

    const std::uint64_t missed = missedBetween(times);
    const EventCount all = subscriber.deadlineMissed();

    EXPECT_EQ(static_cast<std::uint64_t>(all.lastNs), times.back() + (all.count - missed) * kPeriodNs);
    EXPECT_GT(all.count, missed);
}

TEST(Deadline, KeepsTheTimeOfTheLastOneAfterTheNextMessage)
{
    OneNode one;
    auto publisher = one.publisher(QoS{}.deadline(kPeriod));
    auto subscriber = one.subscriber(QoS{}.keepLast(100).deadline(kPeriod));
    publishAfter(publisher, {0ms, 7ms});
    {
        static_cast<void>(Publisher<Number>(std::move(publisher)));
    } // the count ends, in all likelihood before the next period does

    const EventCount all = subscriber.deadlineMissed();
    const Times times = timesOf(subscriber);

    const std::uint64_t between = missedBetween(times);
    const std::uint64_t running = all.count - between;
    EXPECT_EQ(static_cast<std::uint64_t>(all.lastNs),
              running == 0 ? times.front() + between * kPeriodNs : times.back() + running * kPeriodNs);
}

TEST(Deadline, IsSummedOverPublishersAndEndsForThoseThatLeave)
{
    OneNode one;
    const QoS qos = QoS{}.keepLast(100).deadline(kPeriod);
    auto subscriber = one.subscriber(qos);
    auto stays = one.publisher(qos);
    auto leaves = one.publisher(qos);
    publishAfter(leaves, {0ms, 5ms});
    {
        static_cast<void>(Publisher<Number>(std::move(leaves)));
    }
    const std::uint64_t left = subscriber.deadlineMissed().count;
    const Times before = timesOf(subscriber); // and its pair is given up
    std::this_thread::sleep_for(3 * kPeriod);
    EXPECT_GE(left, 2U);
    EXPECT_GE(left, missedBetween(before));
    EXPECT_EQ(subscriber.deadlineMissed().count, left);

    publishAfter(stays, {0ms, 5ms});
    {
        static_cast<void>(Publisher<Number>(std::move(stays)));
    }

    const std::uint64_t both = subscriber.deadlineMissed().count;
    EXPECT_GE(both, left + missedBetween(timesOf(subscriber)));
    std::this_thread::sleep_for(kPeriod);
    EXPECT_EQ(subscriber.deadlineMissed().count, both);
    EXPECT_EQ(subscriber.deadlineMissed().change, 0U);
}

TEST(Deadline, APublisherCountsItsOwnByTheSameTimes)
{
    OneNode one;
    auto publisher = one.publisher(QoS{}.deadline(kPeriod));
    auto witness = one.subscriber(QoS{}.keepLast(100)); // asks for nothing
    publishAfter(publisher, {0ms, 5ms, 0ms, 3ms});
    const Times times = timesOf(witness);

    const Bracketed asked(times.back(), [&] { return publisher.deadlineMissed(); });

    EXPECT_GE(asked.m_answer.count, missedBetween(times) + asked.m_least);
    EXPECT_LE(asked.m_answer.count, missedBetween(times) + asked.m_most);
    EXPECT_EQ(witness.deadlineMissed().count, 0U);
}

TEST(Deadline, EverySubscriberHasItsOwnPeriod)
{
    OneNode one;
    auto publisher = one.publisher(QoS{}.deadline(kPeriod));
    auto relaxed = one.subscriber(QoS{}.deadline(kAges));
    auto strict = one.subscriber(QoS{}.deadline(kPeriod));
    publishAfter(publisher, {0ms, 5ms});

    EXPECT_EQ(relaxed.deadlineMissed().count, 0U);
    EXPECT_GE(strict.deadlineMissed().count, 2U);
}

TEST(Deadline, KeepAllAndTransientLocalPublishersKeepBooksToo)
{
    for (const QoS& qos : {QoS{}.keepAll().deadline(kPeriod), QoS{}.keepLast(10).transientLocal().deadline(kPeriod),
                           QoS{}.keepAll().bestEffort().deadline(kPeriod)})
    {
        OneNode one;
        auto publisher = one.publisher(qos);
        auto subscriber = one.subscriber(qos);
        publishAfter(publisher, {0ms, 5ms, 3ms});
        const Times times = timesOf(subscriber);

        const Bracketed asked(times.back(), [&] { return subscriber.deadlineMissed(); });

        EXPECT_GE(asked.m_answer.count, missedBetween(times) + asked.m_least) << toString(qos);
        EXPECT_LE(asked.m_answer.count, missedBetween(times) + asked.m_most) << toString(qos);
    }
}

TEST(Deadline, ALongerOfferThanWhatIsAskedForIsIncompatible)
{
    OneNode one;
    auto publisher = one.publisher(QoS{}.deadline(200ms));

    const auto refused = one.m_node.createSubscriber<Number>("t", QoS{}.deadline(100ms));

    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), ErrorCode::IncompatibleQoS);
    EXPECT_EQ(refused.error().message(),
              "topic 't': the publisher has deadline(200ms) but the subscriber asks for deadline(100ms)");
}

// ---- lifespan

TEST(Lifespan, AMessageThatIsTooOldIsDroppedAndCounted)
{
    OneNode one;
    auto publisher = one.publisher();
    auto subscriber = one.subscriber(QoS{}.lifespan(1ms));
    publishAfter(publisher, {0ms, 0ms, 0ms});
    std::this_thread::sleep_for(2ms);

    EXPECT_EQ(subscriber.expired().count, 0U); // nobody has looked
    EXPECT_EQ(subscriber.take().error(), TakeError::NoData);

    EXPECT_EQ(subscriber.expired().count, 3U);
    EXPECT_EQ(subscriber.missed(), 0U);
    EXPECT_EQ(usedChunks(one.inspect()), 0U);
}

TEST(Lifespan, AMessageThatIsYoungEnoughIsTaken)
{
    OneNode one;
    auto publisher = one.publisher(QoS{}.lifespan(kAges));
    auto subscriber = one.subscriber(QoS{}.lifespan(2 * kAges));
    publishAfter(publisher, {0ms, 2ms, 0ms});

    EXPECT_EQ(timesOf(subscriber).size(), 3U);
    EXPECT_EQ(subscriber.expired().count, 0U);
}

TEST(Lifespan, TheShorterOfBothSidesCounts)
{
    const std::vector<std::pair<QoS, QoS>> sides{{QoS{}.lifespan(1ms), QoS{}},
                                                 {QoS{}.lifespan(1ms), QoS{}.lifespan(kAges)},
                                                 {QoS{}.lifespan(kAges), QoS{}.lifespan(1ms)}};
    for (const auto& [offered, wanted] : sides)
    {
        OneNode one;
        auto publisher = one.publisher(offered);
        auto subscriber = one.subscriber(wanted);
        ASSERT_TRUE(publisher.publishCopy({1}));
        std::this_thread::sleep_for(2ms);

        EXPECT_FALSE(subscriber.take());
        EXPECT_EQ(subscriber.expired().count, 1U);
    }
}

TEST(Lifespan, OfOnePublisherDoesNotConcernTheOther)
{
    OneNode one;
    auto stale = one.publisher(QoS{}.lifespan(1ms));
    auto lasting = one.publisher();
    auto subscriber = one.subscriber();
    for (std::uint64_t i = 0; i < 5; ++i)
    {
        ASSERT_TRUE(stale.publishCopy({1}));
        ASSERT_TRUE(lasting.publishCopy({2}));
    }
    std::this_thread::sleep_for(2ms);

    int taken = 0;
    while (const auto sample = subscriber.take())
    {
        EXPECT_EQ((*sample)->value, 2U);
        ++taken;
    }

    EXPECT_EQ(taken, 5);
    EXPECT_EQ(subscriber.expired().count, 5U);
}

TEST(Lifespan, ReceivedMissedAndExpiredAreAllThatWasSent)
{
    OneNode one;
    auto publisher = one.publisher();
    auto subscriber = one.subscriber(QoS{}.keepLast(4).lifespan(3ms));
    constexpr std::uint64_t kSent = 300;
    std::uint64_t received = 0;
    for (std::uint64_t i = 0; i < kSent; ++i)
    {
        ASSERT_TRUE(publisher.publishCopy({i}));
        if (i % 40 == 39)
        {
            std::this_thread::sleep_for(4ms);
        }
        received += i % 7 == 0 ? timesOf(subscriber).size() : 0;
    }

    received += timesOf(subscriber).size();

    EXPECT_EQ(received + subscriber.missed() + subscriber.expired().count, kSent);
    EXPECT_GT(subscriber.expired().count, 0U);
    EXPECT_GT(subscriber.missed(), 0U);
}

TEST(Lifespan, HoldsForHistoriesToo)
{
    OneNode one;
    auto publisher = one.publisher(QoS{}.keepLast(8).transientLocal().lifespan(1ms));
    publishAfter(publisher, {0ms, 0ms, 0ms});
    std::this_thread::sleep_for(2ms);
    auto late = one.subscriber(QoS{}.keepLast(8).transientLocal());

    EXPECT_FALSE(late.take());

    EXPECT_EQ(late.expired().count, 3U);
    EXPECT_EQ(late.missed(), 0U);
}

TEST(Lifespan, HoldsForAPublisherThatIsGone)
{
    OneNode one;
    auto subscriber = one.subscriber();
    {
        auto publisher = one.publisher(QoS{}.lifespan(1ms));
        publishAfter(publisher, {0ms, 0ms});
    }
    std::this_thread::sleep_for(2ms);

    EXPECT_FALSE(subscriber.take());

    EXPECT_EQ(subscriber.expired().count, 2U);
    EXPECT_EQ(subscriber.publisherCount(), 0U);
}

TEST(Lifespan, HoldsForTakeLatestAndWait)
{
    OneNode one;
    auto publisher = one.publisher(QoS{}.lifespan(1ms));
    auto subscriber = one.subscriber();
    publishAfter(publisher, {0ms, 0ms});
    std::this_thread::sleep_for(2ms);
    EXPECT_EQ(subscriber.takeLatest().error(), TakeError::NoData);
    publishAfter(publisher, {0ms});
    std::this_thread::sleep_for(2ms);

    EXPECT_EQ(subscriber.wait(1ms).error(), TakeError::Timeout);

    EXPECT_EQ(subscriber.expired().count, 3U);
}

// ---- liveliness

TEST(Liveliness, APublisherIsAliveWhileItExists)
{
    OneNode one;
    auto subscriber = one.subscriber();
    EXPECT_EQ(subscriber.livelinessChanged().alive, 0U);
    auto publisher = one.publisher();

    const LivelinessStatus come = subscriber.livelinessChanged();
    {
        static_cast<void>(Publisher<Number>(std::move(publisher)));
    }
    const LivelinessStatus gone = subscriber.livelinessChanged();

    EXPECT_EQ(come.alive, 1U);
    EXPECT_EQ(come.aliveChange, 1);
    EXPECT_EQ(gone.alive, 0U);
    EXPECT_EQ(gone.aliveChange, -1);
    EXPECT_EQ(gone.notAlive, 0U);
    EXPECT_EQ(gone.notAliveChange, 0);
    EXPECT_EQ(gone.lost, 0U);
}

TEST(Liveliness, ALeaseThatRunsOutMakesAPublisherNotAlive)
{
    OneNode one;
    auto publisher = one.publisher(kManual);
    auto subscriber = one.subscriber();
    within(kLeaseNs,
           [&]
           {
               publisher.assertLiveliness();
               static_cast<void>(subscriber.livelinessChanged());
           });
    const LivelinessStatus before = subscriber.livelinessChanged();
    std::this_thread::sleep_for(kLease);

    const LivelinessStatus after = subscriber.livelinessChanged();

    EXPECT_EQ(after.alive, 0U);
    EXPECT_EQ(after.notAlive, 1U);
    EXPECT_EQ(after.aliveChange, static_cast<std::int64_t>(after.alive) - static_cast<std::int64_t>(before.alive));
    EXPECT_EQ(after.notAliveChange,
              static_cast<std::int64_t>(after.notAlive) - static_cast<std::int64_t>(before.notAlive));
    EXPECT_EQ(after.lost - before.lost, before.alive);
}

TEST(Liveliness, AssertingOrPublishingMakesItAliveAgain)
{
    OneNode one;
    auto publisher = one.publisher(kManual);
    auto subscriber = one.subscriber(kManual);
    for (const bool publishes : {false, true})
    {
        std::this_thread::sleep_for(kLease);
        ASSERT_EQ(subscriber.livelinessChanged().notAlive, 1U);
        LivelinessStatus status;

        within(kLeaseNs,
               [&]
               {
                   if (publishes)
                   {
                       ASSERT_TRUE(publisher.publishCopy({1}));
                   }
                   else
                   {
                       publisher.assertLiveliness();
                   }
                   status = subscriber.livelinessChanged();
               });

        EXPECT_EQ(status.alive, 1U) << publishes;
        EXPECT_EQ(status.notAlive, 0U) << publishes;
    }
}

TEST(Liveliness, EveryLostLeaseIsCountedThoughNobodyLooked)
{
    OneNode one;
    auto publisher = one.publisher(kManual);
    auto subscriber = one.subscriber(QoS{}.keepLast(100));
    std::this_thread::sleep_for(kLease); // the first lease begins with the publisher: it is lost now
    publishAfter(publisher, {0ms, 1ms, 6ms, 6ms, 0ms, 20ms});
    {
        static_cast<void>(Publisher<Number>(std::move(publisher)));
    }
    const Times times = timesOf(subscriber);
    std::uint64_t between = 1;
    for (std::size_t i = 1; i < times.size(); ++i)
    {
        between += times[i] - times[i - 1] >= kLeaseNs ? 1U : 0U;
    }

    const LivelinessStatus status = subscriber.livelinessChanged();

    EXPECT_GE(between, 4U);
    EXPECT_GE(status.lost, between);
    EXPECT_LE(status.lost, between + 1); // if it took that long to leave
    EXPECT_EQ(status.alive, 0U);
    EXPECT_EQ(status.notAlive, 0U); // it left
    EXPECT_NE(status.lastNs, 0);
}

TEST(Liveliness, APublisherCountsItsOwnLostLeases)
{
    OneNode one;
    auto publisher = one.publisher(kManual);
    std::this_thread::sleep_for(kLease);
    EXPECT_EQ(publisher.livelinessLost().count, 1U);
    EXPECT_EQ(publisher.livelinessLost().change, 0U);
    std::this_thread::sleep_for(kLease);
    EXPECT_EQ(publisher.livelinessLost().count, 1U); // once, however long

    publisher.assertLiveliness();
    std::this_thread::sleep_for(kLease);

    const EventCount lost = publisher.livelinessLost();
    EXPECT_EQ(lost.count, 2U);
    EXPECT_EQ(lost.change, 1U);
}

TEST(Liveliness, ANewcomerCountsOnlyWhatIsLostFromThenOn)
{
    OneNode one;
    auto publisher = one.publisher(kManual);
    std::this_thread::sleep_for(kLease);
    publisher.assertLiveliness();
    std::this_thread::sleep_for(kLease);
    auto late = one.subscriber();
    const LivelinessStatus before = late.livelinessChanged();
    publisher.assertLiveliness();
    std::this_thread::sleep_for(kLease);

    const LivelinessStatus after = late.livelinessChanged();

    EXPECT_EQ(before.notAlive, 1U);
    EXPECT_EQ(before.lost, 0U);
    EXPECT_EQ(before.lastNs, 0);
    EXPECT_EQ(after.lost, 1U);
    EXPECT_EQ(publisher.livelinessLost().count, 3U);
}

TEST(Liveliness, APublisherWithALostLeaseThatLeavesIsNoLongerNotAlive)
{
    OneNode one;
    auto subscriber = one.subscriber();
    auto publisher = one.publisher(kManual);
    std::this_thread::sleep_for(kLease);
    EXPECT_EQ(subscriber.livelinessChanged().notAlive, 1U);

    {
        static_cast<void>(Publisher<Number>(std::move(publisher)));
    }

    const LivelinessStatus status = subscriber.livelinessChanged();
    EXPECT_EQ(status.notAlive, 0U);
    EXPECT_EQ(status.notAliveChange, -1);
    EXPECT_EQ(status.lost, 1U);
}

TEST(Liveliness, AssertingALostLeaseWakesASubscriberThatSleeps)
{
    Config config;
    config.wait.spin = 0ns;
    OneNode one(config);
    auto publisher = one.publisher(kManual);
    auto subscriber = one.subscriber(kManual);
    const test::MappedSet set(one.m_domain.root(), test::poolSetsOf(one.m_domain.number()).at(0));
    const PortRecord& sleeper = set.view().port(2);
    ASSERT_EQ(sleeper.m_kind, static_cast<std::uint32_t>(PortKind::Subscriber));
    std::jthread reader([&] { static_cast<void>(subscriber.wait(20s)); });
    const auto isAsleep = [&] { return sleeper.m_sleep == static_cast<std::uint32_t>(notifier::Sleep::Asleep); };
    bool woken = false;

    for (int i = 0; i < 20 && !woken; ++i) // its own slice may end at the wrong moment
    {
        std::this_thread::sleep_for(kLease);
        await(isAsleep);
        publisher.assertLiveliness();
        woken = !isAsleep();
    }

    EXPECT_TRUE(woken);
    ASSERT_TRUE(publisher.publishCopy({1}));
}

TEST(Liveliness, AnAutomaticPublisherHasNoLeaseToLose)
{
    OneNode one;
    const QoS leased = QoS{}.liveliness(Liveliness::Automatic, kLease);
    auto publisher = one.publisher(leased);
    auto subscriber = one.subscriber(leased);
    std::this_thread::sleep_for(2 * kLease);

    publisher.assertLiveliness();

    EXPECT_EQ(publisher.livelinessLost().count, 0U);
    EXPECT_EQ(subscriber.livelinessChanged().alive, 1U);
    EXPECT_EQ(subscriber.nextEventNs(), kNever);
}

// ---- messages lost, bits, moments

TEST(MessageLost, IsWhatMissedSaysWithItsChange)
{
    OneNode one;
    auto publisher = one.publisher();
    auto subscriber = one.subscriber(QoS{}.keepLast(2));
    publishAfter(publisher, {0ms, 0ms, 0ms, 0ms, 0ms});
    const auto before = static_cast<std::int64_t>(monotonicNs());
    static_cast<void>(subscriber.take());

    const EventCount first = subscriber.messageLost();
    const EventCount second = subscriber.messageLost();

    EXPECT_EQ(first.count, 3U);
    EXPECT_EQ(first.change, 3U);
    EXPECT_GE(first.lastNs, before);
    EXPECT_EQ(second.count, 3U);
    EXPECT_EQ(second.change, 0U);
}

TEST(MessageLost, CountsWhatABestEffortQueueDropped)
{
    Config config;
    config.queue.keepAllCapacity = 2;
    OneNode one(config);
    auto publisher = one.publisher();
    auto subscriber = one.subscriber(QoS{}.keepAll().bestEffort());
    publishAfter(publisher, {0ms, 0ms, 0ms});

    EXPECT_EQ(subscriber.newEvents() & bitOf(QosEvent::MessageLost), bitOf(QosEvent::MessageLost));
    EXPECT_EQ(subscriber.messageLost().count, 1U);
    EXPECT_NE(subscriber.messageLost().lastNs, 0);
}

TEST(NewEvents, HaveABitUntilTheirStatusIsRead)
{
    OneNode one;
    const QoS offered = QoS{}.deadline(kPeriod).lifespan(1ms).liveliness(Liveliness::ManualByTopic, kLease);
    auto publisher = one.publisher(offered);
    auto subscriber = one.subscriber(QoS{}.keepLast(2).deadline(kPeriod));
    publishAfter(publisher, {0ms, 0ms, 0ms});
    std::this_thread::sleep_for(2 * kLease);
    EXPECT_FALSE(subscriber.take());

    EXPECT_EQ(subscriber.newEvents(), bitOf(QosEvent::DeadlineMissed) | bitOf(QosEvent::LivelinessChanged) |
                                          bitOf(QosEvent::MessageLost) | bitOf(QosEvent::Expired));
    EXPECT_EQ(publisher.newEvents(), bitOf(QosEvent::DeadlineMissed) | bitOf(QosEvent::LivelinessLost));
    EXPECT_EQ(subscriber.messageLost().count, 1U);
    EXPECT_EQ(subscriber.expired().count, 2U);
    EXPECT_EQ(subscriber.livelinessChanged().notAlive, 1U);
    EXPECT_GE(publisher.livelinessLost().count, 1U);
    EXPECT_EQ(subscriber.newEvents() & ~bitOf(QosEvent::DeadlineMissed), 0U);
    EXPECT_EQ(publisher.newEvents() & ~bitOf(QosEvent::DeadlineMissed), 0U);
    {
        static_cast<void>(Publisher<Number>(std::move(publisher)));
    }
    static_cast<void>(subscriber.deadlineMissed());
    static_cast<void>(subscriber.livelinessChanged());
    EXPECT_EQ(subscriber.newEvents(), 0U);
}

TEST(NewEvents, AreNoneWhereNothingWasPromised)
{
    OneNode one;
    auto publisher = one.publisher();
    auto subscriber = one.subscriber();
    EXPECT_EQ(subscriber.newEvents(), bitOf(QosEvent::LivelinessChanged)); // somebody is there
    static_cast<void>(subscriber.livelinessChanged());
    publishAfter(publisher, {0ms, 2ms});
    timesOf(subscriber);

    EXPECT_EQ(subscriber.newEvents(), 0U);
    EXPECT_EQ(publisher.newEvents(), 0U);
    EXPECT_EQ(subscriber.nextEventNs(), kNever);
    EXPECT_EQ(publisher.nextEventNs(), kNever);
}

TEST(NewEvents, NextMomentIsTheNextDeadlineOrLeaseToRunOut)
{
    OneNode one;
    auto publisher = one.publisher(QoS{}.deadline(kPeriod).liveliness(Liveliness::ManualByTopic, kAges));
    auto subscriber = one.subscriber(QoS{}.keepLast(100).deadline(kPeriod));
    const auto inAges = static_cast<std::int64_t>(monotonicNs()) + std::chrono::nanoseconds(kAges).count();
    EXPECT_GE(subscriber.nextEventNs(), inAges - std::chrono::nanoseconds(1min).count()); // a lease
    EXPECT_LE(subscriber.nextEventNs(), inAges);
    EXPECT_EQ(subscriber.nextEventNs(), publisher.nextEventNs());
    publishAfter(publisher, {0ms});
    const Times times = timesOf(subscriber);

    const std::uint64_t before = monotonicNs();
    const auto next = static_cast<std::uint64_t>(subscriber.nextEventNs());

    EXPECT_GT(next, before);
    EXPECT_EQ((next - times.back()) % kPeriodNs, 0U); // a deadline
    EXPECT_LE(next, monotonicNs() + kPeriodNs);
    std::this_thread::sleep_for(kPeriod);
    EXPECT_NE(subscriber.newEvents() & bitOf(QosEvent::DeadlineMissed), 0U);
    {
        static_cast<void>(Publisher<Number>(std::move(publisher)));
    }
    EXPECT_EQ(subscriber.nextEventNs(), kNever);
}

TEST(NewEvents, AskingAllocatesNothing)
{
    OneNode one;
    auto publisher = one.publisher(QoS{}.deadline(kPeriod).liveliness(Liveliness::ManualByTopic, kLease));
    auto subscriber = one.subscriber(QoS{}.deadline(kPeriod).lifespan(1ms));
    publishAfter(publisher, {0ms, 3ms});
    timesOf(subscriber);
    const std::uint64_t before = test::allocationsOfThisThread();

    static_cast<void>(subscriber.newEvents());
    static_cast<void>(subscriber.nextEventNs());
    static_cast<void>(publisher.newEvents());
    static_cast<void>(publisher.nextEventNs());
    static_cast<void>(subscriber.deadlineMissed());
    static_cast<void>(publisher.deadlineMissed());
    publisher.assertLiveliness();

    EXPECT_EQ(test::allocationsOfThisThread(), before);
}

TEST(QosEvents, AnEmptyHandleHasNone)
{
    Publisher<Number> publisher;
    Subscriber<Number> subscriber;

    publisher.assertLiveliness();

    EXPECT_EQ(publisher.deadlineMissed().count + publisher.livelinessLost().count, 0U);
    EXPECT_EQ(subscriber.deadlineMissed().count + subscriber.messageLost().count + subscriber.expired().count, 0U);
    EXPECT_EQ(subscriber.livelinessChanged().alive, 0U);
    EXPECT_EQ(publisher.newEvents() + subscriber.newEvents(), 0U);
    EXPECT_EQ(publisher.nextEventNs(), kNever);
    EXPECT_EQ(subscriber.nextEventNs(), kNever);
}

TEST(QosEvents, UntypedHandlesHaveThemToo)
{
    OneNode one;
    const TypeInfo type = typeInfoOf<Number>();
    auto publisher = one.m_node.createPublisher("t", type, QoS{}.deadline(kPeriod)).value();
    auto subscriber = one.m_node.createSubscriber("t", type, QoS{}.deadline(kPeriod)).value();
    ASSERT_TRUE(publisher.publish(publisher.loan(sizeof(Number)).value()));
    std::this_thread::sleep_for(kPeriod);

    EXPECT_GE(subscriber.deadlineMissed().count, 1U);
    EXPECT_GE(publisher.deadlineMissed().count, 1U);
}

TEST(QosEvents, TheConfigurationOfATopicAppliesWhereNothingIsSaid)
{
    Config config;
    TopicConfig topic;
    topic.name = "t";
    topic.qos = QoS{}.deadline(100ms).lifespan(2s).liveliness(Liveliness::ManualByTopic, 500ms);
    config.topics = {topic};
    OneNode one(config);
    auto configured = one.publisher();
    const auto inCode = one.m_node.createPublisher<Number>("t", QoS{}.deadline(50ms));
    ASSERT_TRUE(inCode);

    const auto endpoints = one.m_node.endpoints("t");

    ASSERT_TRUE(endpoints);
    const auto qosOf = [&](std::uint64_t id) {
        return std::find_if(endpoints->begin(), endpoints->end(), [id](const auto& info) { return info.id == id; })
            ->qos;
    };
    EXPECT_EQ(qosOf(configured.id()), QoS(*topic.qos).maxLoans(4));
    EXPECT_EQ(qosOf(inCode->id()), QoS{}.deadline(50ms).maxLoans(4)); // one policy said: none is taken from there
}

TEST(QosEvents, HaveNames)
{
    EXPECT_EQ(toString(QosEvent::DeadlineMissed), "DeadlineMissed");
    EXPECT_EQ(toString(QosEvent::LivelinessLost), "LivelinessLost");
    EXPECT_EQ(toString(QosEvent::LivelinessChanged), "LivelinessChanged");
    EXPECT_EQ(toString(QosEvent::MessageLost), "MessageLost");
    EXPECT_EQ(toString(QosEvent::Expired), "Expired");
}

} // namespace ZeroCP
