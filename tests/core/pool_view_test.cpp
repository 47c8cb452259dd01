#include "zerocp/core/pool_view.hpp"

#include <gtest/gtest.h>

#include "support/plain_pool_set.hpp"

namespace ZeroCP
{
namespace
{

using testing::PlainPoolSet;

MemPoolConfig twoClasses()
{
    MemPoolConfig config;
    config.addMemPoolEntry(1000, 5);
    config.addMemPoolEntry(64, 10);
    return config;
}

TEST(PoolView, KnowsTheClassOfEveryChunk)
{
    const PlainPoolSet set(twoClasses(), 1);
    const PoolView view = set.view();

    EXPECT_EQ(view.classOf(4), &view.classAt(0));
    EXPECT_EQ(view.classOf(5), &view.classAt(1));
    EXPECT_EQ(view.classOf(14), &view.classAt(1));
}

TEST(PoolView, AChunkNumberBeyondEveryClassHasNone)
{
    const PlainPoolSet set(twoClasses(), 1);

    EXPECT_EQ(set.view().classOf(15), nullptr);
    EXPECT_EQ(set.view().classOf(entry::kNoChunk), nullptr);
}

TEST(PoolView, TheSmallestClassThatFitsIsTaken)
{
    const PlainPoolSet set(twoClasses(), 1);
    const PoolView view = set.view();

    EXPECT_EQ(view.fittingClass(64), 1U);
    EXPECT_EQ(view.fittingClass(65), 0U);
    EXPECT_EQ(view.fittingClass(1001), view.classCount());
}

TEST(PoolView, PayloadsAreAlignedAndDoNotOverlap)
{
    const PlainPoolSet set(twoClasses(), 1);
    const PoolView view = set.view();
    const auto* first = reinterpret_cast<const std::byte*>(view.readable(view.classAt(0), 0) + 1);
    const auto* second = reinterpret_cast<const std::byte*>(view.readable(view.classAt(0), 1));

    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(first) % kChunkAlignment, 0U);
    EXPECT_GE(second - first, 1000);
}

TEST(PoolView, TheRecordOfAChunkLeadsToItsHeader)
{
    const PlainPoolSet set(twoClasses(), 1);
    const PoolView view = set.view();
    PoolRegistry registry;
    registry.registerPool(CHUNK_POOL_ID, view.writable(view.classAt(0), 0));

    EXPECT_EQ(view.record(7).m_chunkHeader.get(registry), view.writable(view.classAt(1), 7));
}

TEST(PoolView, ContainsDataToTheLastByteAndNoFurther)
{
    const PlainPoolSet set(twoClasses(), 1);
    const PoolView view = set.view();
    const auto* start = reinterpret_cast<const std::byte*>(view.readable(view.classAt(0), 0));

    EXPECT_TRUE(view.containsData(start));
    EXPECT_FALSE(view.containsData(start - 1));
    EXPECT_FALSE(view.containsData(start + set.manager().layout().m_dataBytes));
}

/// Each of these writes a number that no healthy process writes; attaching must answer, not crash.
template <typename Field, typename Value>
void expectCorrupt(Field& field, Value value, const PlainPoolSet& set)
{
    const Field before = field;
    field = static_cast<Field>(value);

    const auto view = set.tryView();

    ASSERT_FALSE(view);
    EXPECT_EQ(view.error().code(), ErrorCode::Corrupt);
    field = before;
}

TEST(PoolView, AScribbledHeaderIsCorruptAndNamesTheSet)
{
    const PlainPoolSet set(twoClasses(), 1);
    PoolSetHeader& header = set.header();

    expectCorrupt(header.m_managerOffset, 1ULL << 60, set);
    expectCorrupt(header.m_managementOffset, ~0ULL - 4, set);
    expectCorrupt(header.m_portsOffset, 7, set);
    expectCorrupt(header.m_portCapacity, 1U << 30, set);
    expectCorrupt(header.m_pairsOffset, ~0ULL << 6, set);
    expectCorrupt(header.m_pairCapacity, ~0U, set);
    expectCorrupt(header.m_pairAreaBytes, ~0ULL, set);
    expectCorrupt(header.m_dataOffset, 1ULL << 50, set);
    EXPECT_TRUE(set.tryView());
}

TEST(PoolView, AScribbledPoolIsCorrupt)
{
    const PlainPoolSet set(twoClasses(), 1);
    MemPool& pool = set.manager().m_mempools[1];

    expectCorrupt(pool.m_chunkSize, 0, set);
    expectCorrupt(pool.m_chunkSize, ~0ULL, set);
    expectCorrupt(pool.m_chunkStride, 64, set);
    expectCorrupt(pool.m_maxChunks, ~0U, set);
    expectCorrupt(pool.m_firstChunk, ~0U, set);
    expectCorrupt(pool.m_headerBytes, 0, set);
    expectCorrupt(pool.m_rawMemory.m_offset, ~0ULL, set);
    expectCorrupt(pool.m_freeIndices.m_freeIndicesHeader.m_offset, ~0ULL - 3, set);
    EXPECT_TRUE(set.tryView());
}

TEST(PoolView, AClassThatItsMakerDidNotFinishIsNotSeen)
{
    const PlainPoolSet set(twoClasses(), 1);
    set.manager().m_mempools.emplace_back(); // a creator that died before it filled the class

    const auto view = set.tryView();

    ASSERT_TRUE(view);
    EXPECT_EQ(view->classCount(), 2U);
}

TEST(PoolView, AScribbledPairHasNoView)
{
    const PlainPoolSet set(twoClasses(), 1);
    const PoolView view = set.view();
    PairRecord& pair = view.pair(0);
    const auto fill =
        [&pair, &set](std::uint64_t offset, std::uint32_t slots, std::uint32_t depth, std::uint32_t returns)
    {
        pair.m_blockOffset = set.header().m_pairAreaOffset + offset;
        pair.m_slotCount = slots;
        pair.m_depth = depth;
        pair.m_returnCount = returns;
    };

    fill(0, 8, 4, 8);
    EXPECT_TRUE(view.pairView(pair));
    fill(3, 8, 4, 8);
    EXPECT_FALSE(view.pairView(pair)) << "not aligned";
    fill(1ULL << 40, 8, 4, 8);
    EXPECT_FALSE(view.pairView(pair)) << "beyond the segment";
    fill(0, 7, 4, 8);
    EXPECT_FALSE(view.pairView(pair)) << "not a power of two";
    fill(0, 8, 8, 8);
    EXPECT_FALSE(view.pairView(pair)) << "deeper than its slots";
    fill(0, 8, 4, 0);
    EXPECT_FALSE(view.pairView(pair)) << "no return ring";
    fill(0, 1U << 31, 4, 8);
    EXPECT_FALSE(view.pairView(pair)) << "huge";
}

} // namespace
} // namespace ZeroCP
