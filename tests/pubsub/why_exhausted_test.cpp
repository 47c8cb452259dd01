// What a publisher says when its pool set has no chunk for it.
#include <string>
#include <vector>

#include <unistd.h>

#include <gtest/gtest.h>

#include "pubsub/pubsub_support.hpp"

namespace ZeroCP
{

using test::Number;
using test::OneNode;
using test::pooled;

namespace
{

testing::AssertionResult says(const std::string& text, const std::string& part)
{
    return text.find(part) != std::string::npos ? testing::AssertionSuccess() : testing::AssertionFailure() << text;
}

} // namespace

TEST(WhyExhausted, NamesWhoHoldsTheChunksAndForHowLong)
{
    OneNode one(pooled(64, 4));
    auto publisher = one.publisher();
    auto subscriber = one.subscriber(QoS{}.keepLast(8));
    std::vector<Sample<Number>> held;
    for (std::uint64_t i = 0; i < 4; ++i)
    {
        ASSERT_TRUE(publisher.publishCopy({i}));
        held.push_back(subscriber.take().value());
    }
    ASSERT_FALSE(publisher.loan());

    const std::string why = publisher.whyExhausted();

    EXPECT_TRUE(says(why, "topic 't': pool set 'pool'"));
    EXPECT_TRUE(says(why, "0 of 4 chunks of 64 bytes are free"));
    EXPECT_TRUE(says(why, "topic 't', node 'node', process " + std::to_string(::getpid()) + ": 4 chunks"));
    EXPECT_TRUE(says(why, "the oldest for 0."));
}

TEST(WhyExhausted, NamesPublishersOfOtherTopicsThatShareTheSet)
{
    Config config = pooled(64, 2);
    config.topics.push_back(config.topics.at(0));
    config.topics.back().name = "other";
    OneNode one(config);
    auto other = one.publisher<Number>(QoS{}.maxLoans(2), "other");
    auto publisher = one.publisher();
    const auto first = other.loan();
    const auto second = other.loan();
    ASSERT_TRUE(first && second);
    ASSERT_FALSE(publisher.loan());

    EXPECT_TRUE(says(publisher.whyExhausted(), "topic 'other', node 'node', process "));
    EXPECT_TRUE(says(publisher.whyExhausted(), ": 2 chunks on loan"));
}

TEST(WhyExhausted, SaysNothingOfSetsOfOtherTopics)
{
    OneNode one;
    auto publisher = one.publisher();
    auto other = one.publisher<Number>({}, "other");
    const auto loan = other.loan();

    EXPECT_FALSE(says(publisher.whyExhausted(), "other"));
    EXPECT_TRUE(says(publisher.whyExhausted(), "nobody holds any"));
}

TEST(WhyExhausted, IsEmptyForAnEmptyPublisher)
{
    EXPECT_EQ(Publisher<Number>().whyExhausted(), "");
}

} // namespace ZeroCP
