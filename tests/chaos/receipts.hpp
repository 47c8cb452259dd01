/// What one subscriber has got, by publisher: intact, in order, each once, and what is missing in between.
#pragma once

#include <cstdint>
#include <map>

#include <gtest/gtest.h>

#include "chaos/scene.hpp"
#include "support/message_pattern.hpp"

namespace ZeroCP::test::chaos
{

class Receipts
{
  public:
    void add(const Sample<Bytes>& sample)
    {
        const std::uint64_t sequence = sample.info().sequence;
        const auto head = readPattern(sample.get());
        if (!head || head->m_sequence != sequence)
        {
            ADD_FAILURE() << "damaged: sequence " << sequence << " of publisher " << sample.info().publisherId << ", "
                          << sample.get().size() << " bytes";
            return;
        }
        Line& line = m_lines[sample.info().publisherId];
        EXPECT_GT(sequence, line.m_last) << "out of order or twice, publisher " << sample.info().publisherId;
        m_gaps += line.m_received == 0 ? 0 : sequence - line.m_last - 1;
        m_lostFromStart += sequence - line.m_last - 1;
        line.m_last = sequence;
        ++line.m_received;
        ++m_received;
    }

    /// Lost between messages that came; what was lost before the first may have been for nobody.
    [[nodiscard]] std::uint64_t gaps() const { return m_gaps; }
    /// Lost by one who was there before all publishers.
    [[nodiscard]] std::uint64_t lostFromStart() const { return m_lostFromStart; }
    [[nodiscard]] std::uint64_t received() const { return m_received; }

  private:
    struct Line
    {
        std::uint64_t m_last{0};
        std::uint64_t m_received{0};
    };

    std::map<std::uint64_t, Line> m_lines;
    std::uint64_t m_gaps{0};
    std::uint64_t m_lostFromStart{0};
    std::uint64_t m_received{0};
};

} // namespace ZeroCP::test::chaos
