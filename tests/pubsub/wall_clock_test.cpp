// Somebody sets the date. In this binary every look at the wall clock finds it ten days further on or back, and whoever
// times anything with it gets nonsense; what the library counts must not change.
#include <atomic>
#include <chrono>
#include <cstdint>
#include <ctime>
#include <thread>

#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "pubsub/pubsub_support.hpp"

namespace
{

std::atomic<std::uint64_t> wallClockLooks{0};

std::time_t jump()
{
    constexpr std::time_t kTenDays = 10 * 24 * 3600;
    return wallClockLooks.fetch_add(1) % 2 == 0 ? kTenDays : -kTenDays;
}

} // namespace

// Instead of the C library's, also for libstdc++'s clocks.
extern "C" int clock_gettime(clockid_t clock, timespec* time) noexcept
{
    const auto result = static_cast<int>(::syscall(SYS_clock_gettime, clock, time));
    if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE || clock == CLOCK_TAI)
    {
        time->tv_sec += jump();
    }
    return result;
}

extern "C" int gettimeofday(timeval* time, void*) noexcept
{
    timespec now{};
    const int result = clock_gettime(CLOCK_REALTIME, &now);
    *time = {now.tv_sec, now.tv_nsec / 1000};
    return result;
}

namespace ZeroCP
{

using namespace std::chrono_literals;
using test::Number;
using test::OneNode;

TEST(WallClock, OfThisBinaryJumps)
{
    const auto first = std::chrono::system_clock::now();
    const auto second = std::chrono::system_clock::now();

    EXPECT_GT(std::chrono::abs(second - first), 24h * 15);
}

TEST(WallClock, ChangesNeitherDeadlinesNorLifespansNorLeases)
{
    OneNode one;
    constexpr std::uint64_t kPeriodNs = 2'000'000;
    const QoS promises = QoS{}.deadline(2ms).lifespan(1h).liveliness(Liveliness::ManualByTopic, 1h);
    auto publisher = one.publisher(promises);
    auto subscriber = one.subscriber(QoS(promises).keepLast(100));
    for (int i = 0; i < 10; ++i)
    {
        ASSERT_TRUE(publisher.publishCopy({0}));
        std::this_thread::sleep_for(i * 1ms);
    }
    const LivelinessStatus alive = subscriber.livelinessChanged();
    const std::uint64_t lost = publisher.livelinessLost().count;
    {
        static_cast<void>(Publisher<Number>(std::move(publisher)));
    }

    std::uint64_t between = 0;
    std::uint64_t received = 0;
    std::uint64_t lastNs = 0;
    while (const auto sample = subscriber.take())
    {
        between += received++ == 0 ? 0 : (sample->info().publishTimeNs - lastNs) / kPeriodNs;
        lastNs = sample->info().publishTimeNs;
    }
    const EventCount missed = subscriber.deadlineMissed();

    EXPECT_EQ(received, 10U);
    EXPECT_EQ(subscriber.expired().count, 0U);
    EXPECT_EQ(lost, 0U);
    EXPECT_EQ(alive.alive, 1U);
    EXPECT_GE(missed.count, between + 4U); // the last pause has 9 ms
    EXPECT_LE(missed.count, between + (static_cast<std::uint64_t>(missed.lastNs) - lastNs) / kPeriodNs);
}

TEST(WallClock, IsNotEvenLookedAt)
{
    OneNode one;
    auto publisher = one.publisher(QoS{}.deadline(2ms).lifespan(1ms).liveliness(Liveliness::ManualByTopic, 3ms));
    auto subscriber = one.subscriber(QoS{}.deadline(2ms));
    ASSERT_TRUE(publisher.publishCopy({0}));
    const std::uint64_t before = wallClockLooks;

    ASSERT_TRUE(publisher.publishCopy({0}));
    publisher.assertLiveliness();
    while (subscriber.wait(5ms))
    {
    }
    static_cast<void>(subscriber.deadlineMissed());
    static_cast<void>(subscriber.livelinessChanged());
    static_cast<void>(subscriber.newEvents());
    static_cast<void>(subscriber.nextEventNs());

    EXPECT_EQ(wallClockLooks, before);
}

} // namespace ZeroCP
