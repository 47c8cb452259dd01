#include "zerocp/core/chunk_manager.hpp"

#include <vector>

#include <gtest/gtest.h>

namespace ZeroCP
{

namespace
{

std::byte* bytesOf(void* object)
{
    return static_cast<std::byte*>(object);
}

TEST(ChunkManager, ItsHotWordsHaveACacheLineOfTheirOwn)
{
    EXPECT_EQ(offsetof(ChunkManager, m_chunkHeader), 0U);
    EXPECT_EQ(offsetof(ChunkManager, m_mempool), 16U);
    EXPECT_EQ(offsetof(ChunkManager, m_chunkManagementPool), 32U);
    EXPECT_EQ(offsetof(ChunkManager, m_number), 48U);
    EXPECT_EQ(offsetof(ChunkManager, m_publication), kCacheLineBytes);
    EXPECT_EQ(offsetof(ChunkManager, m_owner), kCacheLineBytes + 8);
    EXPECT_EQ(alignof(ChunkManager), kCacheLineBytes);
}

TEST(ChunkManager, ThreeHolderWordsFitIntoTwoLinesAndMoreTakeWholeLines)
{
    EXPECT_EQ(ChunkManager::strideOf(1), 128U);
    EXPECT_EQ(ChunkManager::strideOf(3), 128U);
    EXPECT_EQ(ChunkManager::strideOf(4), 192U);
    EXPECT_EQ(ChunkManager::strideOf(7), 192U);
    EXPECT_EQ(ChunkManager::strideOf(8), 256U);
}

TEST(ChunkManager, TheFirstWordsAreThoseOfTheRecord)
{
    ChunkManager record{};

    for (std::uint32_t i = 0; i < ChunkManager::kInlineWords; ++i)
    {
        EXPECT_EQ(&record.word(i), &record.m_words[i]);
    }
}

TEST(ChunkManager, WordsBeyondTheRecordStayWithinItsStride)
{
    struct alignas(kCacheLineBytes) Line
    {
        std::byte m_bytes[kCacheLineBytes];
    };
    constexpr std::uint32_t kHolderWords = 10;
    const std::uint64_t stride = ChunkManager::strideOf(kHolderWords);
    std::vector<Line> memory(2 * stride / kCacheLineBytes);
    auto* first = ::new (static_cast<void*>(memory.data())) ChunkManager{};

    std::byte* last = bytesOf(&first->word(2 * kHolderWords - 1));

    EXPECT_EQ(bytesOf(&first->word(6)), bytesOf(first) + sizeof(ChunkManager));
    EXPECT_EQ(last, bytesOf(first) + 80 + 19 * 8);
    EXPECT_LE(last + 8, bytesOf(first) + stride);
}

TEST(HolderWord, KeepsGenerationStateAndBitsApart)
{
    const std::uint64_t word = holder::word(0xABCD, ChunkState::Freeing, holder::kBits);

    EXPECT_EQ(holder::generationOf(word), 0xABCDU);
    EXPECT_EQ(holder::stateOf(word), ChunkState::Freeing);
    EXPECT_EQ(word & holder::kBits, holder::kBits);
    EXPECT_EQ(holder::generationOf(holder::word(0, ChunkState::InUse, holder::kBits)), 0U);
    EXPECT_EQ(holder::stateOf(holder::word(0xFFFF, ChunkState::Free, holder::kBits)), ChunkState::Free);
}

TEST(HolderWord, TheGenerationWrapsAfter16Bits)
{
    EXPECT_EQ(holder::word(0x10005, ChunkState::InUse, 1), holder::word(5, ChunkState::InUse, 1));
}

TEST(HolderWord, EveryHolderHasOneBitInOneWord)
{
    EXPECT_EQ(holder::wordOf(0), 0U);
    EXPECT_EQ(holder::wordOf(45), 0U);
    EXPECT_EQ(holder::wordOf(46), 1U);
    EXPECT_EQ(holder::bitOf(0), 1U);
    EXPECT_EQ(holder::bitOf(45), 1ULL << 45);
    EXPECT_EQ(holder::bitOf(46), 1U);
    EXPECT_EQ(holder::wordsFor(46), 1U);
    EXPECT_EQ(holder::wordsFor(47), 2U);
    EXPECT_EQ(holder::wordsFor(128), 3U);
}

TEST(PublicationTag, NamesPortAndSequence)
{
    const std::uint64_t tag = publicationTag(4095, 123456789);

    EXPECT_EQ(portOfTag(tag), 4095U);
    EXPECT_EQ(sequenceOfTag(tag), 123456789U);
    EXPECT_EQ(sequenceOfTag(publicationTag(1, kSequenceMask + 6)), 5U);
    EXPECT_EQ(portOfTag(publicationTag(1, ~0ULL)), 1U);
}

TEST(ChunkOwner, NamesTopicAndPort)
{
    const std::uint64_t owner = chunkOwner(77, 9);

    EXPECT_EQ(topicOfOwner(owner), 77U);
    EXPECT_EQ(static_cast<std::uint32_t>(owner), 9U);
}

} // namespace

} // namespace ZeroCP
