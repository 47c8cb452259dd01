// Somebody sets the date: whoever times anything with the wall clock gets nonsense; what the library counts must not
// change.
#include <chrono>
#include <cstdint>
#include <thread>

#include <gtest/gtest.h>

#include "pubsub/pubsub_support.hpp"
#include "support/jumping_wall_clock.hpp"

namespace ZeroCP
{

using namespace std::chrono_literals;
using test::Number;
using test::OneNode;
using test::wallClockLooks;

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
    const std::uint64_t before = wallClockLooks();

    ASSERT_TRUE(publisher.publishCopy({0}));
    publisher.assertLiveliness();
    while (subscriber.wait(5ms))
    {
    }
    static_cast<void>(subscriber.deadlineMissed());
    static_cast<void>(subscriber.livelinessChanged());
    static_cast<void>(subscriber.newEvents());
    static_cast<void>(subscriber.nextEventNs());

    EXPECT_EQ(wallClockLooks(), before);
}

} // namespace ZeroCP
