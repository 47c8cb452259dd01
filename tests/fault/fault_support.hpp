/// What the fault list's tests share: a pair of endpoints that lives through whatever happens to others and knows
/// exactly what it must have seen.
#pragma once

#include <cstdint>
#include <string>

#include <gtest/gtest.h>

#include "pubsub/pubsub_support.hpp"
#include "support/child_process.hpp"
#include "support/delivery_ledger.hpp"
#include "support/pool_audit.hpp"
#include "support/sanitized.hpp"
#include "support/shared_board.hpp"
#include "support/tracee.hpp"

namespace ZeroCP::test
{

/// A publisher and a subscriber of topic "t" that were there before everybody else.
class Witness
{
  public:
    explicit Witness(OneNode& one, const QoS& qos = QoS{}.keepLast(8))
        : m_one(one), m_subscriber(one.subscriber(qos)), m_publisher(one.publisher())
    {
    }

    void publish(std::uint64_t messages = 1)
    {
        for (; messages > 0; --messages)
        {
            const auto sequence = m_publisher.publishCopy({m_sent + 1});
            ASSERT_TRUE(sequence) << toString(sequence.error()) << ": " << m_publisher.whyExhausted();
            ASSERT_EQ(*sequence, ++m_sent);
        }
    }
    /// What is there, but no more than `most`: others may publish faster than we take.
    void takeAll(std::uint64_t most = ~0ULL) { m_ledger.takeAll(m_subscriber, most); }
    void goOn(std::uint64_t messages = 3)
    {
        publish(messages);
        takeAll(messages + 1000);
    }

    /// Takes the rest, leaves with the publisher, and expects that received + missed == sent, and that all chunks are free
    /// once nobody is left who could have one.
    void expectNothingLostAndAllFree()
    {
        const auto report = recover(m_one.m_domain.number(), m_one.m_domain.root());
        ASSERT_TRUE(report) << report.error().message();
        EXPECT_EQ(report->pending, 0U);
        takeAll();
        m_ledger.expectGapsAreCounted(m_subscriber.missed());
        m_ledger.expectComplete(m_publisher.id(), m_sent);
        m_publisher = {};
        EXPECT_EQ(usedChunks(m_one.inspect()), 0U);
        EXPECT_EQ(m_one.inspect().processes.size(), 1U);
        EXPECT_GT(expectAllChunksFree(m_one.m_domain.number(), m_one.m_domain.root()), 0U);
    }

    [[nodiscard]] Publisher<Number>& publisher() { return m_publisher; }
    [[nodiscard]] Subscriber<Number>& subscriber() { return m_subscriber; }
    [[nodiscard]] const DeliveryLedger& ledger() const { return m_ledger; }

  private:
    OneNode& m_one;
    Subscriber<Number> m_subscriber;
    Publisher<Number> m_publisher;
    DeliveryLedger m_ledger;
    std::uint64_t m_sent{0};
};

} // namespace ZeroCP::test
