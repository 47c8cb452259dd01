// Publishers and subscribers over bytes, whose type is told by TypeInfo.
#include <cstddef>
#include <cstdint>
#include <cstring>

#include <gtest/gtest.h>

#include "pubsub/pubsub_support.hpp"
#include "zerocp/pubsub/node.hpp"

namespace ZeroCP
{

using test::Number;
using test::OneNode;

namespace
{

TypeInfo typeOfTopic(const Node& node)
{
    return node.topics().value().at(0).type;
}

} // namespace

TEST(Untyped, SubscriberReadsATypedPublishersBytes)
{
    OneNode one;
    auto publisher = one.publisher();
    auto subscriber = one.m_node.createSubscriber("t", typeOfTopic(one.m_node)).value();
    ASSERT_TRUE(publisher.publishCopy({42}));

    const auto sample = subscriber.take();

    ASSERT_TRUE(sample);
    ASSERT_EQ(sample->get().size(), sizeof(Number));
    Number number{};
    std::memcpy(&number, sample->get().data(), sizeof number);
    EXPECT_EQ(number.value, 42U);
}

TEST(Untyped, PublisherReachesATypedSubscriber)
{
    OneNode one;
    auto subscriber = one.subscriber();
    auto publisher = one.m_node.createPublisher("t", typeOfTopic(one.m_node)).value();
    auto loan = publisher.loan(sizeof(Number)).value();
    const Number number{7};
    std::memcpy(loan.get().data(), &number, sizeof number);
    ASSERT_TRUE(publisher.publish(std::move(loan)));

    EXPECT_EQ(subscriber.take().value()->value, 7U);
}

TEST(Untyped, SlicesPassInBothDirections)
{
    OneNode one;
    auto typed = one.subscriber<Slice<std::uint32_t>>();
    auto publisher = one.m_node.createPublisher("t", typeOfTopic(one.m_node)).value();
    auto untyped = one.m_node.createSubscriber("t", typeOfTopic(one.m_node)).value();

    ASSERT_TRUE(publisher.loan(12));
    ASSERT_TRUE(publisher.publish(publisher.loan(12).value()));

    EXPECT_EQ(typed.take().value().get().size(), 3U);
    EXPECT_EQ(untyped.take().value().get().size(), 12U);
}

TEST(Untyped, LoansOfAnotherSizeThanTheTypesAreWrongSize)
{
    OneNode one;
    auto publisher = one.m_node.createPublisher("t", TypeInfo{.name = "T", .size = 24, .alignment = 8}).value();
    auto slices =
        one.m_node.createPublisher("s", TypeInfo{.name = "T", .size = 24, .alignment = 8, .isSlice = true}).value();

    EXPECT_EQ(publisher.loan(23).error(), LoanError::WrongSize);
    EXPECT_EQ(publisher.loan(48).error(), LoanError::WrongSize);
    EXPECT_EQ(publisher.loan(0).error(), LoanError::WrongSize);
    EXPECT_TRUE(publisher.loan(24));
    EXPECT_EQ(slices.loan(23).error(), LoanError::WrongSize);
    EXPECT_TRUE(slices.loan(0));
    EXPECT_TRUE(slices.loan(48));
}

TEST(Untyped, AnotherTypeThanTheTopicsIsAMismatch)
{
    OneNode one;
    auto publisher = one.publisher();
    TypeInfo type = typeOfTopic(one.m_node);
    type.size = 16;

    const auto subscriber = one.m_node.createSubscriber("t", type);

    ASSERT_FALSE(subscriber);
    EXPECT_EQ(subscriber.error().code(), ErrorCode::TypeMismatch);
}

TEST(Untyped, ATypeWithoutNameSizeOrAlignmentIsRefused)
{
    OneNode one;
    Node& node = one.m_node;

    EXPECT_EQ(node.createPublisher("t", TypeInfo{.name = "", .size = 8}).error().code(), ErrorCode::InvalidName);
    EXPECT_EQ(node.createPublisher("t", TypeInfo{.name = "T", .size = 0}).error().code(), ErrorCode::ConfigInvalid);
    EXPECT_EQ(node.createSubscriber("t", TypeInfo{.name = "T", .size = 8, .alignment = 0}).error().code(),
              ErrorCode::ConfigInvalid);
    EXPECT_EQ(node.createSubscriber("t", TypeInfo{.name = "T", .size = 8, .alignment = 3}).error().code(),
              ErrorCode::ConfigInvalid);
    EXPECT_EQ(node.createSubscriber("t", TypeInfo{.name = "T", .size = 8, .alignment = 128}).error().code(),
              ErrorCode::ConfigInvalid);
    EXPECT_TRUE(one.inspect().topics.empty());
}

} // namespace ZeroCP
