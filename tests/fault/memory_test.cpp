// Entries 16 and 17 of the fault list: what coming and going, and sending, leave behind when it is done very often.
//
//     ZEROCP_TEST_ATTACHES=1000000 build/release/tests/zerocp_fault_tests --gtest_filter='*Entry16*'
//     ZEROCP_TEST_MESSAGES=100000000 build/release/tests/zerocp_fault_tests --gtest_filter='*Entry17*'
#include <chrono>
#include <cstdint>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "fault/fault_support.hpp"
#include "support/footprint.hpp"

namespace ZeroCP::test
{
namespace
{

constexpr unsigned kWatchdogSeconds = 3000; // for the long runs; ctest ends the short ones much earlier
constexpr std::uint64_t kFirstAttaches = 200;

/// Attaches `count` times by `attach`, and expects the process and the domain to have afterwards what they had after the
/// first ones.
template <typename Attach>
void expectFlatOver(const TestDomain& domain, std::uint64_t count, const Attach& attach)
{
    for (std::uint64_t i = 0; i < kFirstAttaches; ++i)
    {
        ASSERT_NO_FATAL_FAILURE(attach(i));
    }
    const Footprint before = footprint(domain);
    const auto start = std::chrono::steady_clock::now();
    for (std::uint64_t i = 0; i < count; ++i)
    {
        ASSERT_NO_FATAL_FAILURE(attach(i)) << "attach " << i;
    }
    const std::chrono::duration<double, std::micro> duration = std::chrono::steady_clock::now() - start;
    expectFlat(before, footprint(domain));
    std::printf("%llu attaches and detaches, %.1f us each\n", static_cast<unsigned long long>(count),
                duration.count() / static_cast<double>(count));
}

std::uint64_t attaches()
{
    return numberFrom("ZEROCP_TEST_ATTACHES", kSanitized ? 500 : 20'000);
}

} // namespace

// In turn a subscriber, a publisher and a subscriber that asks for the history of a topic in use.
TEST(FaultList, Entry16_AttachingAndDetachingEndpointsLeavesDescriptorsFilesAndMemoryAsTheyWere)
{
    OneNode one;
    auto publisher = one.publisher(QoS{}.keepLast(4).transientLocal());
    auto subscriber = one.subscriber();
    ASSERT_TRUE(publisher.publishCopy({1}));
    std::uint64_t sent = 1;
    std::uint64_t fromGuests = 0;

    expectFlatOver(one.m_domain, attaches(),
                   [&](std::uint64_t i)
                   {
                       if (i % 3 == 0)
                       {
                           auto guest = one.publisher();
                           ASSERT_TRUE(guest.publishCopy({1}));
                           ++fromGuests;
                       }
                       else
                       {
                           auto guest = one.subscriber(i % 3 == 1 ? QoS{} : QoS{}.keepLast(4).transientLocal());
                           ASSERT_TRUE(publisher.publishCopy({++sent}));
                           ASSERT_TRUE(guest.take());
                       }
                       while (subscriber.take())
                       {
                       }
                   });

    EXPECT_EQ(subscriber.missed(), 0U);
    EXPECT_GT(fromGuests, 0U);
    EXPECT_LE(usedChunks(one.inspect()), 4U) << "the history";
}

// A process that joins the domain and leaves it again, beside one that stays.
TEST(FaultList, Entry16_JoiningAndLeavingADomainLeavesDescriptorsFilesAndMemoryAsTheyWere)
{
    TestDomain domain;
    ChildProcess resident(
        [&](Peer& parent)
        {
            Node node = nodeIn(domain, {}, "resident");
            auto publisher = node.createPublisher<Number>("t").value();
            parent.tell("ready");
            parent.pause();
            return true;
        },
        kWatchdogSeconds);
    ASSERT_EQ(resident.hear(), "ready");

    expectFlatOver(domain, attaches() / 4,
                   [&](std::uint64_t)
                   {
                       Node node = nodeIn(domain, {}, "guest");
                       const auto subscriber = node.createSubscriber<Number>("t");
                       ASSERT_TRUE(subscriber) << subscriber.error().message();
                   });

    EXPECT_TRUE(resident.finish().succeeded());
}

// Processes of their own, each killed at once: what the kernel closes for them must be all that they had.
TEST(FaultList, Entry16_ProcessesThatAttachAndAreKilledLeaveFilesAndMemoryAsTheyWere)
{
    OneNode one;
    Witness witness(one);

    expectFlatOver(one.m_domain, attaches() / 20,
                   [&](std::uint64_t)
                   {
                       ChildProcess victim(
                           [&](Peer& parent)
                           {
                               Node node = nodeIn(one.m_domain, {}, "victim");
                               const auto publisher = node.createPublisher<Number>("t").value();
                               const auto subscriber = node.createSubscriber<Number>("t").value();
                               parent.tell("attached");
                               parent.pause();
                               return true;
                           });
                       ASSERT_EQ(victim.hear(), "attached");
                       victim.kill(SIGKILL);
                       ASSERT_TRUE(recover(one.m_domain.number()));
                       witness.goOn();
                   });

    witness.expectNothingLostAndAllFree();
}

namespace
{

/// Publishes until `messages` are sent or, unless the number was asked for, ten seconds are over; how many it sent.
std::uint64_t publishMany(Publisher<Number>& publisher, std::uint64_t messages)
{
    constexpr std::uint64_t kBetweenLooks = 100'000;
    const auto start = std::chrono::steady_clock::now();
    std::uint64_t sent = 0;
    while (sent < messages)
    {
        const auto sequence = publisher.publishCopy({sent + 1});
        if (!sequence)
        {
            ADD_FAILURE() << toString(sequence.error()) << " after " << sent << ": " << publisher.whyExhausted();
            break;
        }
        ++sent;
        if (std::getenv("ZEROCP_TEST_MESSAGES") == nullptr && sent % kBetweenLooks == 0 &&
            std::chrono::steady_clock::now() - start > std::chrono::seconds(10))
        {
            break;
        }
    }
    return sent;
}

} // namespace

// A process sends as fast as it can, another one takes what it gets of it, with samples held and dropped.
TEST(FaultList, Entry17_AfterManyMessagesNoChunkIsInUse)
{
    const std::uint64_t messages = numberFrom("ZEROCP_TEST_MESSAGES", 10'000'000);
    OneNode one;
    const SharedBoard<std::atomic<std::uint64_t>> sent;
    auto subscriber = one.subscriber(QoS{}.keepLast(64));
    ChildProcess sender(
        [&](Peer& parent)
        {
            Node node = nodeIn(one.m_domain, {}, "sender");
            auto publisher = node.createPublisher<Number>("t").value();
            parent.tell(std::to_string(publisher.id()));
            parent.pause();
            *sent = publishMany(publisher, messages);
            parent.tell("sent");
            parent.pause();
            return true;
        },
        kWatchdogSeconds);
    const std::uint64_t publisher = std::stoull(sender.hear());
    sender.tell("go");

    DeliveryLedger ledger;
    std::vector<Sample<Number>> held(3);
    const auto takeOne = [&]
    {
        auto sample = subscriber.take();
        if (sample)
        {
            ledger.add(*sample);
            held[ledger.received() % held.size()] = std::move(*sample);
        }
        return sample.has_value();
    };
    while (*sent == 0 && !sender.hasEnded())
    {
        takeOne();
    }
    while (takeOne())
    {
    }
    ASSERT_EQ(sender.hear(), "sent");
    held.clear();

    std::printf("%llu messages sent, %llu received\n", static_cast<unsigned long long>(*sent),
                static_cast<unsigned long long>(ledger.received()));
    ledger.expectComplete(publisher, *sent);
    ledger.expectGapsAreCounted(subscriber.missed());
    EXPECT_EQ(ledger.received() + subscriber.missed(), *sent);
    EXPECT_EQ(usedChunks(one.inspect()), 0U) << "with the publisher alive";
    EXPECT_TRUE(sender.finish().succeeded());
    EXPECT_GT(expectAllChunksFree(one.m_domain.number()), 0U);
}

} // namespace ZeroCP::test
