// The warning about a configured pool set that is smaller than what its publishers may need.
#include <string>

#include <gtest/gtest.h>

#include "discovery/discovery_support.hpp"
#include "pubsub/pubsub_support.hpp"

namespace ZeroCP
{

using test::contains;
using test::Number;
using test::OneNode;
using test::pooled;

namespace
{

/// What joining the topic with a publisher and then a subscriber writes to the log, the subscriber's part.
std::string warningOfASubscriber(const Config& config, const QoS& qos)
{
    OneNode one(config);
    const auto publisher = one.publisher(QoS{}.maxLoans(2));
    ::testing::internal::CaptureStderr();
    const auto subscriber = one.subscriber(qos);
    return ::testing::internal::GetCapturedStderr();
}

} // namespace

TEST(PoolShortage, IsToldWithNumbersAndTheWayOut)
{
    // 2 loans, a queue of 10, 3 held and 2 to spare, 8 in the stash
    const std::string text = warningOfASubscriber(pooled(64, 20), QoS{}.keepLast(10).maxHeld(3));

    EXPECT_PRED2(contains, text, "topic 't'");
    EXPECT_PRED2(contains, text, "pool set 'pool' has 20 chunks of 64 bytes");
    EXPECT_PRED2(contains, text, "may need 25 at once, 5 more");
    EXPECT_PRED2(contains, text, "PoolExhausted");
    EXPECT_PRED2(contains, text, "configure 25");
}

TEST(PoolShortage, IsNotToldOfASetThatIsLargeEnough)
{
    EXPECT_EQ(warningOfASubscriber(pooled(64, 25), QoS{}.keepLast(10).maxHeld(3)), "");
}

TEST(PoolShortage, IsNotToldOfClassesThatNobodyDrawsFrom)
{
    Config config = pooled(64, 25);
    config.pools.at(0).chunks.push_back({4096, 1});

    EXPECT_EQ(warningOfASubscriber(config, QoS{}.keepLast(10).maxHeld(3)), "");
}

TEST(PoolShortage, AddsUpThePublishersOfAllTopicsOfTheSet)
{
    Config config = pooled(64, 15);
    config.topics.push_back(config.topics.at(0));
    config.topics.back().name = "other";
    OneNode one(config);
    const auto first = one.publisher(QoS{}.maxLoans(2)); // 10
    ::testing::internal::CaptureStderr();
    const auto second = one.publisher<Number>(QoS{}.maxLoans(2), "other");

    EXPECT_PRED2(contains, ::testing::internal::GetCapturedStderr(), "may need 20 at once, 5 more");
}

} // namespace ZeroCP
