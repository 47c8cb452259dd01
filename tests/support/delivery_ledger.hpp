/// What one subscriber received of each publisher, and whether it adds up: nothing twice, nothing out of order, and what
/// is not there was counted as missed. For a subscriber that existed before its publishers; messages carry their
/// sequence as value.
#pragma once

#include <cstdint>
#include <map>

#include <gtest/gtest.h>

#include "zerocp/zerocp.hpp"

namespace ZeroCP::test
{

class DeliveryLedger
{
  public:
    template <typename Message>
    void add(const Sample<Message>& sample)
    {
        const MessageInfo info = sample.info();
        Line& line = m_lines[info.publisherId];
        EXPECT_EQ(sample->value, info.sequence) << "overwritten";
        EXPECT_GT(info.sequence, line.m_last) << "out of order or twice";
        m_lost += info.sequence - line.m_last - 1;
        line.m_last = info.sequence;
        ++line.m_received;
        ++m_received;
    }

    /// Takes all that there is, at most `most`. How many it got.
    template <typename Message>
    std::uint64_t takeAll(Subscriber<Message>& from, std::uint64_t most = ~std::uint64_t{0})
    {
        std::uint64_t taken = 0;
        while (taken < most)
        {
            const auto sample = from.take();
            if (!sample)
            {
                EXPECT_EQ(sample.error(), TakeError::NoData) << toString(sample.error());
                break;
            }
            add(*sample);
            ++taken;
        }
        return taken;
    }

    /// Each message that was not received was counted, and none besides.
    void expectGapsAreCounted(std::uint64_t missed) const { EXPECT_EQ(m_lost, missed); }

    /// All of a publisher came or was skipped before something that came. The queue is empty and the publisher is through.
    void expectComplete(std::uint64_t publisher, std::uint64_t sent) const { EXPECT_EQ(last(publisher), sent); }

    /// The last one that came of a publisher; 0 if none did.
    [[nodiscard]] std::uint64_t last(std::uint64_t publisher) const
    {
        const auto line = m_lines.find(publisher);
        return line == m_lines.end() ? 0 : line->second.m_last;
    }
    [[nodiscard]] std::uint64_t received(std::uint64_t publisher) const
    {
        const auto line = m_lines.find(publisher);
        return line == m_lines.end() ? 0 : line->second.m_received;
    }
    [[nodiscard]] std::uint64_t received() const { return m_received; }

  private:
    struct Line
    {
        std::uint64_t m_last{0};
        std::uint64_t m_received{0};
    };

    std::map<std::uint64_t, Line> m_lines; ///< by publisher
    std::uint64_t m_received{0};
    std::uint64_t m_lost{0};
};

} // namespace ZeroCP::test
