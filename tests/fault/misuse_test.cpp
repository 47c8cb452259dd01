// Entries 18, 19, 21 and 22 of the fault list: what an application may do wrong. What the types rule out is asserted when
// this compiles; the rest is answered, and harms nobody.
#include <chrono>
#include <csignal>
#include <cstdint>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include <unistd.h>

#include <gtest/gtest.h>

#include "fault/fault_support.hpp"

namespace ZeroCP::test
{
namespace
{

using namespace std::chrono_literals;

// A second release or publication of one chunk wants two handles to it.
template <typename Handle>
constexpr bool kIsUnique = !std::is_copy_constructible_v<Handle> && !std::is_copy_assignable_v<Handle> &&
                           std::is_nothrow_move_constructible_v<Handle>;
static_assert(kIsUnique<Loan<Number>> && kIsUnique<Sample<Number>>);
static_assert(kIsUnique<Publisher<Number>> && kIsUnique<Subscriber<Number>>);
static_assert(kIsUnique<Loan<Slice<std::byte>>> && kIsUnique<Sample<Slice<std::byte>>>);
// publish() takes the loan away from whoever has it by name.
static_assert(!std::is_invocable_v<decltype(&Publisher<Number>::publish), Publisher<Number>&, Loan<Number>&>);
static_assert(std::is_invocable_v<decltype(&Publisher<Number>::publish), Publisher<Number>&, Loan<Number>&&>);
// Nobody makes a handle out of an address.
static_assert(!std::is_constructible_v<Sample<Number>, const Number*> &&
              !std::is_constructible_v<Loan<Number>, Number*>);
// A received message is read only, and not of a sample that is gone at the end of the line.
static_assert(std::is_same_v<decltype(*std::declval<const Sample<Number>&>()), const Number&>);
template <typename Handle>
concept CanBeReadUnnamed = requires
{
    *std::declval<Handle&&>();
};
static_assert(!CanBeReadUnnamed<Sample<Number>>);

} // namespace

TEST(FaultList, Entry18_PublishingALoanTwiceIsRefusedAndSendsItOnce)
{
    OneNode one;
    auto publisher = one.publisher();
    auto subscriber = one.subscriber();
    auto loan = publisher.loan().value();
    *loan = {1};
    EXPECT_EQ(publisher.publish(std::move(loan)), 1U);
    EXPECT_FALSE(loan);

    EXPECT_EQ(publisher.publish(std::move(loan)), tl::unexpected(PublishError::NotMyLoan));

    EXPECT_TRUE(subscriber.take());
    EXPECT_EQ(subscriber.take().error(), TakeError::NoData);
    EXPECT_EQ(usedChunks(one.inspect()), 0U);
}

TEST(FaultList, Entry18_AForeignLoanIsRefusedAndStaysWithItsPublisher)
{
    OneNode one(pooled(64, 64));
    auto publisher = one.publisher();
    auto samePool = one.publisher();
    auto other = one.publisher({}, "other/topic");
    auto subscriber = one.subscriber();
    auto loan = publisher.loan().value();
    *loan = {1};

    EXPECT_EQ(samePool.publish(std::move(loan)), tl::unexpected(PublishError::NotMyLoan));
    EXPECT_EQ(other.publish(std::move(loan)), tl::unexpected(PublishError::NotMyLoan));
    EXPECT_EQ(Publisher<Number>().publish(std::move(loan)), tl::unexpected(PublishError::Closed));
    EXPECT_EQ(publisher.publish(Loan<Number>()), tl::unexpected(PublishError::NotMyLoan));
    EXPECT_EQ(subscriber.take().error(), TakeError::NoData);

    ASSERT_TRUE(loan);
    EXPECT_EQ(publisher.publish(std::move(loan)), 1U);
    EXPECT_TRUE(subscriber.take());
}

// Moving, swapping and assigning to oneself are the ways to come near a second release.
TEST(FaultList, Entry18_HandlesThatAreShuffledReleaseEveryChunkOnce)
{
    OneNode one(pooled(64, 64));
    const std::uint64_t seed = testSeed();
    {
        auto publisher = one.publisher(QoS{}.maxLoans(8));
        auto subscriber = one.subscriber(QoS{}.keepLast(8).maxHeld(8));
        Random random(seed);
        std::vector<Loan<Number>> loans(6);
        std::vector<Sample<Number>> samples(6);
        std::uint64_t sent = 0;
        for (int i = 0; i < 20'000; ++i)
        {
            const std::size_t a = random.below(loans.size());
            const std::size_t b = random.below(loans.size());
            loans[a] = std::move(loans[b]);
            samples[b] = std::move(samples[a]);
            loans[a].swap(loans[random.below(loans.size())]);
            samples[a].swap(samples[random.below(samples.size())]);
            if (!loans[a])
            {
                loans[a] = publisher.loan().value();
            }
            *loans[a] = {sent + 1};
            if (random.below(2) == 0)
            {
                ASSERT_EQ(publisher.publish(std::move(loans[a])), ++sent);
                samples[b] = subscriber.take().value();
                ASSERT_EQ(samples[b]->value, sent);
            }
        }
    }
    EXPECT_EQ(expectAllChunksFree(one.m_domain.number()), 64U);
}

TEST(FaultList, Entry19_SamplesAndLoansOutliveSubscriberPublisherAndNode)
{
    TestDomain domain;
    {
        std::optional<Sample<Number>> sample;
        std::optional<Loan<Number>> loan;
        std::optional<Sample<Slice<std::byte>>> slice;
        {
            Node node = nodeIn(domain);
            auto publisher = node.createPublisher<Number>("t").value();
            auto subscriber = node.createSubscriber<Number>("t").value();
            auto bytes = node.createPublisher<Slice<std::byte>>("bytes").value();
            auto byteReader = node.createSubscriber<Slice<std::byte>>("bytes").value();
            ASSERT_TRUE(publisher.publishCopy({5}));
            ASSERT_TRUE(bytes.publishCopy(std::vector<std::byte>(100'000, std::byte{9})));
            sample = subscriber.take().value();
            slice = byteReader.take().value();
            loan = publisher.loan().value();
        }
        **loan = {6}; // still theirs to write
        EXPECT_EQ((*sample)->value, 5U);
        EXPECT_EQ(slice->get().size(), 100'000U);
        EXPECT_EQ(slice->get().back(), std::byte{9});
        EXPECT_EQ(inspect(domain.number())->processes.size(), 1U);
    }
    EXPECT_TRUE(domain.files().empty()) << "the last handle has left the domain";
}

TEST(FaultList, Entry19_SamplesOutliveThePublishersProcessThatWasKilled)
{
    OneNode one;
    auto subscriber = std::make_optional(one.subscriber());
    ChildProcess victim(
        [&](Peer& parent)
        {
            Node node = nodeIn(one.m_domain, {}, "victim");
            auto publisher = node.createPublisher<Number>("t").value();
            EXPECT_TRUE(publisher.publishCopy({5}));
            parent.tell("published");
            parent.pause();
            return true;
        });
    ASSERT_EQ(victim.hear(), "published");
    auto sample = subscriber->take().value();
    victim.kill(SIGKILL);
    ASSERT_TRUE(recover(one.m_domain.number()));
    subscriber.reset();
    ASSERT_TRUE(recover(one.m_domain.number()));

    EXPECT_EQ(sample->value, 5U);
    sample = {};
    EXPECT_TRUE(one.inspect().poolSets.empty());
}

TEST(FaultList, Entry19_MovedFromHandlesAnswerClosedToEveryCall)
{
    OneNode one;
    auto publisher = one.publisher();
    auto subscriber = one.subscriber();
    Node node = nodeIn(one.m_domain);
    const auto keptPublisher = std::move(publisher);
    const auto keptSubscriber = std::move(subscriber);
    const Node keptNode = std::move(node);

    // NOLINTBEGIN(bugprone-use-after-move): that is what is tested
    EXPECT_EQ(publisher.loan().error(), LoanError::Closed);
    EXPECT_EQ(publisher.publishCopy({1}).error(), PublishError::Closed);
    EXPECT_EQ(publisher.publish({}).error(), PublishError::Closed);
    EXPECT_EQ(publisher.subscriberCount(), 0U);
    EXPECT_FALSE(publisher.waitForSubscribers(0, 0s));
    EXPECT_EQ(publisher.whyExhausted(), "");
    EXPECT_EQ(publisher.topic(), "");
    publisher.assertLiveliness();
    EXPECT_EQ(subscriber.take().error(), TakeError::Closed);
    EXPECT_EQ(subscriber.takeLatest().error(), TakeError::Closed);
    EXPECT_EQ(subscriber.wait(1h).error(), TakeError::Closed);
    EXPECT_EQ(subscriber.missed(), 0U);
    EXPECT_EQ(subscriber.publisherCount(), 0U);
    EXPECT_EQ(node.createPublisher<Number>("t").error().code(), ErrorCode::Closed);
    EXPECT_EQ(node.createSubscriber<Number>("t").error().code(), ErrorCode::Closed);
    EXPECT_EQ(node.createTimer(1s).error().code(), ErrorCode::Closed);
    EXPECT_EQ((node.createClient<Number, Number>("s").error().code()), ErrorCode::Closed);
    EXPECT_EQ((node.createService<Number, Number>("s", [](const Number&, Number&) {}).error().code()),
              ErrorCode::Closed);
    EXPECT_EQ(node.graph().error().code(), ErrorCode::Closed);
    EXPECT_EQ(WaitSet::create(node).error().code(), ErrorCode::Closed);
    EXPECT_EQ(Executor().add(node).error().code(), ErrorCode::Closed);
    EXPECT_FALSE(node.waitForGraphChange(0, 1h));
    // NOLINTEND(bugprone-use-after-move)
}

namespace
{

/// All that a process has; each call of it in a forked child is refused.
struct Everything
{
    explicit Everything(OneNode& one)
        : m_publisher(one.publisher(QoS{}.maxLoans(8))),
          m_subscriber(one.subscriber(QoS{}.keepLast(16).maxHeld(8))),
          m_client(one.m_node.createClient<Number, Number>("s").value()),
          m_service(one.m_node.createService<Number, Number>("s", [](const Number&, Number&) {}).value()),
          m_waitSet(WaitSet::create(one.m_node).value()),
          m_loan(m_publisher.loan().value())
    {
        EXPECT_TRUE(m_publisher.publishCopy({1}));
        m_sample = m_subscriber.take().value();
        EXPECT_TRUE(m_publisher.publishCopy({2}));
    }

    Publisher<Number> m_publisher;
    Subscriber<Number> m_subscriber;
    Client<Number, Number> m_client;
    Service<Number, Number> m_service;
    WaitSet m_waitSet;
    Loan<Number> m_loan;
    Sample<Number> m_sample;
};

void expectForked(Node& node, Everything& all)
{
    EXPECT_EQ(all.m_publisher.loan().error(), LoanError::Forked);
    EXPECT_EQ(all.m_publisher.publishCopy({1}).error(), PublishError::Forked);
    EXPECT_EQ(all.m_publisher.publish(std::move(all.m_loan)).error(), PublishError::Forked);
    EXPECT_FALSE(all.m_publisher.waitForSubscribers(64, 1h));
    EXPECT_EQ(all.m_subscriber.take().error(), TakeError::Forked);
    EXPECT_EQ(all.m_subscriber.takeLatest().error(), TakeError::Forked);
    EXPECT_EQ(all.m_subscriber.wait(1h).error(), TakeError::Forked);
    EXPECT_EQ(all.m_client.loan().error(), LoanError::Forked);
    EXPECT_EQ(all.m_client.call({1}, 1h).error(), CallError::Forked);
    EXPECT_FALSE(all.m_client.waitForService(1h));
    EXPECT_EQ(all.m_service.spinFor(1h), 0U);
    EXPECT_TRUE(all.m_waitSet.wait(1h).empty());
    EXPECT_EQ(all.m_waitSet.attach(all.m_subscriber, 1).error().code(), ErrorCode::Forked);
    EXPECT_EQ(node.createPublisher<Number>("t").error().code(), ErrorCode::Forked);
    EXPECT_EQ(node.createSubscriber<Number>("t").error().code(), ErrorCode::Forked);
    EXPECT_EQ((node.createClient<Number, Number>("s").error().code()), ErrorCode::Forked);
    EXPECT_EQ((node.createService<Number, Number>("s", [](const Number&, Number&) {}).error().code()),
              ErrorCode::Forked);
    EXPECT_EQ(node.createTimer(1s).error().code(), ErrorCode::Forked);
    EXPECT_EQ(node.graph().error().code(), ErrorCode::Forked);
    EXPECT_EQ(WaitSet::create(node).error().code(), ErrorCode::Forked);
    EXPECT_EQ(Executor().add(node).error().code(), ErrorCode::Forked);
    EXPECT_FALSE(node.waitForGraphChange(node.graphVersion(), 1h));
}

} // namespace

TEST(FaultList, Entry21_EveryCallInAForkedChildAnswersForkedAndTheParentIsNotHarmed)
{
    OneNode one;
    {
        Everything all(one);
        ChildProcess child(
            [&](Peer&)
            {
                expectForked(one.m_node, all);
                all.m_loan = {};
                all.m_sample = {};
                all.m_publisher = {};
                all.m_subscriber = {};
                all.m_client = {};
                all.m_service = {};
                all.m_waitSet = {};
                one.m_node = {};
                return true;
            });
        EXPECT_TRUE(child.wait().succeeded());

        EXPECT_EQ(all.m_sample->value, 1U);
        *all.m_loan = {3};
        EXPECT_EQ(all.m_publisher.publish(std::move(all.m_loan)), 3U);
        for (std::uint64_t expected = 2; expected <= 3; ++expected)
        {
            const auto sample = all.m_subscriber.take();
            ASSERT_TRUE(sample);
            EXPECT_EQ((*sample)->value, expected);
        }
        EXPECT_EQ(all.m_subscriber.missed(), 0U);
        EXPECT_EQ(all.m_client.serverCount(), 1U);
        EXPECT_EQ(usedChunks(one.inspect()), 1U) << "the sample";
    }
    EXPECT_TRUE(one.inspect().poolSets.empty());
}

// exit() in the child runs destructors of what its parent had in static storage.
TEST(FaultList, Entry21_AForkedChildThatExitsDoesNotLeaveForItsParent)
{
    expectLeaks(); // of what the parent has
    OneNode one;
    ChildProcess parent(
        [&](Peer& peer)
        {
            static Node node = nodeIn(one.m_domain, {}, "parent");
            static auto publisher = node.createPublisher<Number>("t").value();
            static auto subscriber = node.createSubscriber<Number>("t").value();
            const pid_t child = ::fork();
            if (child == 0)
            {
                std::exit(0);
            }
            int status = -1;
            EXPECT_EQ(::waitpid(child, &status, 0), child);
            EXPECT_EQ(status, 0);
            EXPECT_TRUE(publisher.publishCopy({1}));
            EXPECT_TRUE(subscriber.take());
            peer.tell("still here");
            peer.pause();
            return true;
        });
    ASSERT_EQ(parent.hear(), "still here");

    EXPECT_EQ(one.inspect().processes.size(), 2U);
    EXPECT_TRUE(one.inspect().processes[1].alive);
    EXPECT_TRUE(parent.finish().succeeded());
}

TEST(FaultList, Entry21_AForkedChildDoesNotKeepItsDeadParentAlive)
{
    OneNode one;
    Witness witness(one);
    const SharedBoard<std::atomic<pid_t>> grandchild;
    ChildProcess parent(
        [&](Peer& peer)
        {
            Node node = nodeIn(one.m_domain, {}, "parent");
            auto publisher = node.createPublisher<Number>("t").value();
            auto subscriber = node.createSubscriber<Number>("t", QoS{}.maxHeld(4)).value();
            std::vector<Loan<Number>> loans;
            loans.push_back(publisher.loan().value());
            loans.push_back(publisher.loan().value());
            EXPECT_TRUE(publisher.publishCopy({1}));
            const auto sample = subscriber.take().value();
            const pid_t child = ::fork();
            if (child == 0)
            {
                ::alarm(60);
                *grandchild = ::getpid();
                for (;;)
                {
                    ::pause();
                }
            }
            await([&] { return grandchild->load() != 0; });
            peer.tell("holding");
            peer.pause();
            return true;
        });
    ASSERT_EQ(parent.hear(), "holding");
    witness.goOn();

    parent.kill(SIGKILL);
    const auto report = recover(one.m_domain.number());

    EXPECT_EQ(::kill(*grandchild, 0), 0) << "the child of the dead lives";
    ASSERT_TRUE(report) << report.error().message();
    EXPECT_EQ(report->processes, 1U);
    EXPECT_EQ(report->endpoints, 2U);
    witness.expectNothingLostAndAllFree();
    EXPECT_EQ(::kill(*grandchild, SIGKILL), 0);
}

TEST(FaultList, Entry22_OneMoreThanTheHoldLimitIsRefusedAndOneReleaseHelps)
{
    constexpr std::size_t kLimit = 5;
    OneNode one;
    auto publisher = one.publisher(QoS{}.keepLast(1).maxLoans(kLimit));
    auto subscriber = one.subscriber(QoS{}.keepLast(kLimit + 3).maxHeld(kLimit));
    auto other = one.subscriber(QoS{}.keepLast(kLimit + 3).maxHeld(1));
    std::vector<Sample<Number>> held;
    for (std::uint64_t i = 1; i <= kLimit + 1; ++i)
    {
        ASSERT_TRUE(publisher.publishCopy({i}));
    }
    for (std::size_t i = 0; i < kLimit; ++i)
    {
        held.push_back(subscriber.take().value());
    }

    EXPECT_EQ(subscriber.take().error(), TakeError::TooManyHeld);
    EXPECT_EQ(subscriber.takeLatest().error(), TakeError::TooManyHeld);
    EXPECT_EQ(subscriber.wait(1h).error(), TakeError::TooManyHeld) << "and does not wait";
    for (std::uint64_t i = 1; i <= kLimit + 1; ++i)
    {
        const auto sample = other.take();
        ASSERT_TRUE(sample) << "the limit of one is not another's";
        EXPECT_EQ((*sample)->value, i);
    }
    held.pop_back();
    held.push_back(subscriber.take().value());
    EXPECT_EQ(held.back()->value, kLimit + 1) << "it was not lost meanwhile";
    EXPECT_EQ(subscriber.missed(), 0U);

    std::vector<Loan<Number>> loans;
    for (std::size_t i = 0; i < kLimit; ++i)
    {
        loans.push_back(publisher.loan().value());
    }
    EXPECT_EQ(publisher.loan().error(), LoanError::TooManyLoans);
    EXPECT_EQ(publisher.publishCopy({1}).error(), PublishError::NoChunk);
    loans.pop_back();
    EXPECT_TRUE(publisher.publishCopy({kLimit + 2}));
}

// At its limit and dead: what it held is free, and the others' limits are as before.
TEST(FaultList, Entry22_AProcessKilledAtItsHoldLimitGivesEverythingBack)
{
    constexpr std::size_t kLimit = 16;
    OneNode one;
    Witness witness(one);
    for (int round = 0; round < 5; ++round)
    {
        ChildProcess victim(
            [&](Peer& parent)
            {
                Node node = nodeIn(one.m_domain, {}, "victim");
                auto subscriber = node.createSubscriber<Number>("t", QoS{}.keepLast(32).maxHeld(kLimit)).value();
                parent.tell("subscribed");
                parent.pause();
                std::vector<Sample<Number>> held;
                for (auto sample = subscriber.take(); sample; sample = subscriber.take())
                {
                    held.push_back(std::move(*sample));
                }
                EXPECT_EQ(subscriber.take().error(), TakeError::TooManyHeld);
                parent.tell(std::to_string(held.size()));
                parent.pause();
                return true;
            });
        ASSERT_EQ(victim.hear(), "subscribed");
        witness.goOn(40);
        victim.tell("take");
        ASSERT_EQ(victim.hear(), std::to_string(kLimit));
        victim.kill(SIGKILL);
        witness.goOn(100);
    }
    witness.expectNothingLostAndAllFree();
}

} // namespace ZeroCP::test
