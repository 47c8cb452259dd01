#include "zerocp/core/pair_queue.hpp"

#include <array>

#include <gtest/gtest.h>

namespace ZeroCP
{
namespace
{

TEST(Entry, CarriesSequenceAndChunk)
{
    const std::uint64_t value = entry::make(123456789, 77);

    EXPECT_EQ(entry::sequenceOf(value), 123456789U);
    EXPECT_EQ(entry::chunkOf(value), 77U);
    EXPECT_EQ(value & (entry::kParity | entry::kEvicted), 0U);
}

TEST(Entry, DistanceIsSignedAndSurvivesTheWrapOfTheSequence)
{
    EXPECT_EQ(entry::distance(entry::make(10, 0), 12), -2);
    EXPECT_EQ(entry::distance(entry::make(12, 0), 10), 2);
    EXPECT_EQ(entry::distance(entry::make((1ULL << 42) + 3, 0), (1ULL << 42) - 1), 4);
    EXPECT_EQ(entry::distance(entry::make((1ULL << 42) - 1, 0), (1ULL << 42) + 3), -4);
}

TEST(Entry, TheMarkDoesNotChangeTheSequence)
{
    EXPECT_EQ(entry::sequenceOf(entry::kEvicted | entry::make(99, 1)), 99U);
}

TEST(PairHead, WordsOfDifferentWritersLieOnDifferentLines)
{
    const auto line = [](std::size_t offset) { return offset / kCacheLineBytes; };

    EXPECT_NE(line(offsetof(PairHead, m_floor)), line(offsetof(PairHead, m_position)));
    EXPECT_NE(line(offsetof(PairHead, m_position)), line(offsetof(PairHead, m_deadlines)));
    EXPECT_EQ(line(offsetof(PairHead, m_deadlines)), line(offsetof(PairHead, m_lifespanNs)));
    EXPECT_EQ(sizeof(PairHead) % kCacheLineBytes, 0U);
}

TEST(PairShape, HasMoreSlotsThanDepthAndPowersOfTwo)
{
    for (std::uint32_t depth : {1U, 2U, 7U, 8U, 10U, 1000U, 65536U})
    {
        const PairShape shape = PairShape::of(depth, 4);

        EXPECT_GT(shape.m_slotCount, depth);
        EXPECT_TRUE(std::has_single_bit(shape.m_slotCount));
        EXPECT_TRUE(std::has_single_bit(shape.m_returnCount));
        EXPECT_GE(shape.m_returnCount, depth + 4);
        EXPECT_EQ(shape.blockBytes() % kCacheLineBytes, 0U);
    }
}

class ReturnRing : public ::testing::Test
{
  protected:
    ReturnRing()
    {
        m_view.m_returns = m_returns.data();
        m_view.m_returnMask = m_returns.size() - 1;
        m_view.m_returnBits = static_cast<std::uint32_t>(std::countr_zero(m_returns.size()));
    }

    std::array<PairView::Word, 4> m_returns{};
    PairView m_view;
};

TEST_F(ReturnRing, AFreshRingHoldsNoReturn)
{
    for (std::uint64_t count = 0; count < m_returns.size(); ++count)
    {
        EXPECT_FALSE(m_view.isReturn(m_view.returned(count).load(), count));
    }
}

TEST_F(ReturnRing, EveryLapIsToldFromTheOneBefore)
{
    for (std::uint64_t count = 0; count < 5 * m_returns.size(); ++count)
    {
        ASSERT_FALSE(m_view.isReturn(m_view.returned(count).load(), count)) << count;

        m_view.returned(count).store(entry::make(count, 0) | m_view.parityOf(count));

        ASSERT_TRUE(m_view.isReturn(m_view.returned(count).load(), count)) << count;
    }
}

} // namespace
} // namespace ZeroCP
