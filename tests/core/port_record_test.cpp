#include "zerocp/core/port_record.hpp"

#include <gtest/gtest.h>

namespace ZeroCP
{
namespace
{

TEST(PortRecord, WordsOfDifferentWritersLieOnDifferentLines)
{
    const auto line = [](std::size_t offset) { return offset / kCacheLineBytes; };

    EXPECT_NE(line(offsetof(PortRecord, m_sequence)), line(offsetof(PortRecord, m_done)));
    EXPECT_NE(line(offsetof(PortRecord, m_sleep)), line(offsetof(PortRecord, m_missed)));
    EXPECT_NE(line(offsetof(PortRecord, m_sleep)), line(offsetof(PortRecord, m_busy)));
    EXPECT_NE(line(offsetof(PortRecord, m_leases)), line(offsetof(PortRecord, m_deadlineNs)));
    EXPECT_EQ(line(offsetof(PortRecord, m_leases)), line(offsetof(PortRecord, m_leases) + sizeof(LeaseBook) - 1));
}

TEST(PortRecord, ANoteKeepsOperationListAndKindApart)
{
    const std::uint64_t note = listNote(0x00FF'1234'5678'9ABCULL, 13, ListNote::Pushing);

    EXPECT_EQ(noteSequence(note), 0x00FF'1234'5678'9ABCULL);
    EXPECT_EQ(noteList(note), 13U);
    EXPECT_EQ(noteKind(note), ListNote::Pushing);
}

TEST(PortRecord, ZeroIsNoNote)
{
    EXPECT_EQ(noteKind(0), ListNote::None);
}

} // namespace
} // namespace ZeroCP
