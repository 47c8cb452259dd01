// Memory that automatic pool sets take and give back as endpoints come and go.
#include <cstdint>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <sys/stat.h>

#include <gtest/gtest.h>

#include "pubsub/pubsub_support.hpp"
#include "support/child_process.hpp"
#include "support/pool_audit.hpp"
#include "support/shared_board.hpp"
#include "zerocp/discovery/pool_set.hpp"

namespace ZeroCP
{

using test::ChildProcess;
using test::nodeIn;
using test::OneNode;
using test::Page;
using test::Peer;
using test::Random;

namespace
{

constexpr std::uint32_t kDepth = 100;
constexpr std::uint32_t kLoans = 4;
constexpr std::uint32_t kHeld = 4;
const std::uint32_t kStash = stashSize(sizeof(Page));
/// What a publisher of pages needs alone, and what a subscriber adds.
const std::uint32_t kAlone = kLoans + kStash;
constexpr std::uint32_t kSubscribers = kDepth + kHeld + 2;

QoS deep()
{
    return QoS{}.keepLast(kDepth);
}

std::uint64_t bytesOnDisk(const OneNode& one)
{
    struct stat status
    {
    };
    EXPECT_EQ(::stat(one.m_domain.file("auto.1.data").c_str(), &status), 0);
    return static_cast<std::uint64_t>(status.st_blocks) * 512;
}

std::uint32_t chunks(const OneNode& one)
{
    return one.inspect().poolSets.at(0).pools.at(0).total;
}

void fill(Publisher<Page>& publisher, std::uint32_t messages)
{
    for (std::uint32_t i = 0; i < messages; ++i)
    {
        auto loan = publisher.loan();
        ASSERT_TRUE(loan) << "message " << i << ": " << toString(loan.error());
        (*loan)->words[0] = i;
        (*loan)->words[511] = i;
        ASSERT_TRUE(publisher.publish(std::move(*loan)));
    }
}

void expectLoans(Publisher<Page>& publisher, std::uint32_t count)
{
    std::vector<Loan<Page>> out;
    for (std::uint32_t i = 0; i < count; ++i)
    {
        auto loan = publisher.loan();
        ASSERT_TRUE(loan) << "loan " << i << ": " << toString(loan.error());
        (*loan)->words[0] = i;
        out.push_back(std::move(*loan));
    }
}

} // namespace

TEST(ClassShrinking, LeavesThePublisherItsOwnNeedWhenTheLastSubscriberLeaves)
{
    OneNode one;
    auto publisher = one.publisher<Page>();
    const std::uint64_t before = bytesOnDisk(one);
    std::optional subscriber(one.subscriber<Page>(deep()));
    const std::uint64_t with = bytesOnDisk(one);
    const std::uint32_t chunksWith = chunks(one);

    subscriber.reset();

    EXPECT_EQ(chunksWith, kAlone + kSubscribers);
    EXPECT_GE(with, before + kSubscribers * sizeof(Page));
    EXPECT_EQ(chunks(one), kAlone);
    EXPECT_LE(bytesOnDisk(one), before + kPageBytes); // the page that the last chunk shares with the first retired one
    expectLoans(publisher, kLoans);
}

TEST(ClassShrinking, CommitsAgainWhatTheNextSubscriberNeeds)
{
    OneNode one;
    auto publisher = one.publisher<Page>();
    std::optional subscriber(one.subscriber<Page>(deep()));
    const std::uint64_t with = bytesOnDisk(one);
    for (int round = 0; round < 3; ++round)
    {
        subscriber.reset();
        EXPECT_LT(bytesOnDisk(one), with / 2);

        subscriber.emplace(one.subscriber<Page>(deep()));

        EXPECT_EQ(bytesOnDisk(one), with);
        EXPECT_EQ(chunks(one), kAlone + kSubscribers);
    }
    fill(publisher, 3 * kDepth);
    expectLoans(publisher, kLoans);
}

TEST(ClassShrinking, KeepsWhatSubscribersHoldOfAPublisherThatLeaves)
{
    OneNode one;
    std::optional publisher(one.publisher<Page>());
    auto subscriber = one.subscriber<Page>(deep());
    fill(*publisher, 10);
    const auto first = subscriber.take();
    ASSERT_TRUE(first);

    publisher.reset();

    EXPECT_EQ(chunks(one), 10U);
    EXPECT_EQ((*first)->words[511], 0U);
    for (std::uint64_t i = 1; i < 10; ++i)
    {
        const auto sample = subscriber.take();
        ASSERT_TRUE(sample);
        EXPECT_EQ((*sample)->words[511], i);
    }
}

TEST(ClassShrinking, DoesNotBotherWithLittleWhileSomebodySubscribes)
{
    OneNode one;
    auto publisher = one.publisher<Page>();
    auto stays = one.subscriber<Page>(deep());
    std::optional leaves(one.subscriber<Page>());
    const std::uint32_t with = chunks(one);

    leaves.reset();

    EXPECT_EQ(chunks(one), with);
}

TEST(ClassShrinking, WaitsForAPublisherThatHasChunksOfASubscriberThatLeft)
{
    OneNode one;
    auto publisher = one.publisher<Page>();
    std::optional subscriber(one.subscriber<Page>(deep()));
    fill(publisher, kDepth);

    subscriber.reset();
    const std::uint32_t atOnce = chunks(one);
    fill(publisher, 1); // it notices, and gives up what it had for the subscriber
    std::optional(one.subscriber<Page>()).reset();

    EXPECT_GE(atOnce, kDepth);
    EXPECT_EQ(chunks(one), kAlone);
}

TEST(ClassShrinking, TakesNothingThatAnotherPublisherHasARightTo)
{
    OneNode one;
    auto hoards = one.publisher<Page>();
    auto works = one.publisher<Page>();
    std::optional subscriber(one.subscriber<Page>(deep()));
    fill(hoards, kDepth); // and calls nothing any more

    subscriber.reset();
    expectLoans(works, kLoans);
    subscriber.emplace(one.subscriber<Page>(QoS{}.keepLast(20)));
    fill(works, 20);
    std::vector<Sample<Page>> held;
    for (std::uint32_t i = 0; i < kHeld; ++i)
    {
        held.push_back(subscriber->take().value());
    }
    fill(works, 20);

    expectLoans(works, kLoans);
}

TEST(ClassShrinking, DoesNotCountWhatItGaveBackAgainstTheLimit)
{
    Config config;
    config.limits.poolSetBytes = 2 * (kAlone + kSubscribers) * sizeof(Page); // each of the two fits, not both
    OneNode one(config);
    auto publisher = one.publisher<Page>();
    for (int round = 0; round < 3; ++round)
    {
        const auto subscriber = one.m_node.createSubscriber<Page>("t", QoS{}.keepLast(190));
        ASSERT_TRUE(subscriber) << subscriber.error().message();
    }
    EXPECT_EQ(chunks(one), kAlone);
}

TEST(ClassShrinking, SurvivesKillsAtAnyMomentWithoutAFailedLoan)
{
    OneNode one;
    auto keeper = one.subscriber<Page>(QoS{}.keepLast(1));
    std::optional publisher(one.publisher<Page>());
    Random random(test::testSeed());
    for (int round = 0; round < 60; ++round)
    {
        ChildProcess child(
            [&one](Peer& parent)
            {
                Node node = nodeIn(one.m_domain, {}, "mayfly");
                parent.tell("ready");
                for (std::uint32_t i = 0;; ++i)
                {
                    const auto subscriber = node.createSubscriber<Page>("t", QoS{}.keepLast(40 + i % 3 * 60));
                    EXPECT_TRUE(subscriber) << subscriber.error().message();
                }
                return true;
            });
        ASSERT_EQ(child.hear(), "ready");
        const auto end = std::chrono::steady_clock::now() + std::chrono::microseconds{random.below(8000)};
        while (std::chrono::steady_clock::now() < end)
        {
            fill(*publisher, 20);
            expectLoans(*publisher, kLoans);
        }
        EXPECT_TRUE(child.kill(SIGKILL).killedBy(SIGKILL));
        ASSERT_FALSE(::testing::Test::HasFailure()) << "round " << round;
    }
    ASSERT_TRUE(recover(one.m_domain.number(), one.m_domain.root()));
    while (keeper.take())
    {
    }
    publisher.reset();

    EXPECT_EQ(test::expectAllChunksFree(one.m_domain.number()), chunks(one));
    EXPECT_LE(chunks(one), kAlone + 1 + kHeld + 2 + 65536 / sizeof(Page));
}

} // namespace ZeroCP
