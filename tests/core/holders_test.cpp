#include "zerocp/core/holders.hpp"

#include <array>
#include <atomic>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "support/plain_pool_set.hpp"

namespace ZeroCP
{
namespace
{

using testing::PlainPoolSet;

MemPoolConfig chunks(std::uint32_t count)
{
    MemPoolConfig config;
    config.addMemPoolEntry(64, count);
    return config;
}

constexpr HolderId kPublisher{1, 0, 7};
constexpr std::uint32_t kReader = 3;     ///< holder index in word 0
constexpr std::uint32_t kFarReader = 50; ///< holder index in word 1
constexpr std::uint64_t kTag = publicationTag(1, 42);

/// One chunk of `view`, popped by kPublisher, as published with `tag` to `readers`.
std::uint32_t publishedChunk(const PoolView& view, std::initializer_list<std::uint32_t> readers)
{
    std::array<std::uint32_t, 1> out{};
    EXPECT_EQ(holders::pop(view, view.classAt(0), kPublisher, 1, out), 1U);
    view.record(out[0]).m_publication.store(kTag);
    for (const std::uint32_t reader : readers)
    {
        view.word(out[0], holder::wordOf(reader)).fetch_or(holder::bitOf(reader));
    }
    return out[0];
}

std::uint32_t freeChunks(const PoolView& view)
{
    std::uint32_t count = 0;
    std::array<std::uint32_t, PortRecord::kBatch> out{};
    std::vector<std::uint32_t> taken;
    for (std::uint32_t n = 0; (n = freelist::popBatch(view.classAt(0).m_list, 2, PortRecord::kBatch, out)) != 0;
         count += n)
    {
        freelist::popDone(view.classAt(0).m_list, 2);
        taken.insert(taken.end(), out.begin(), out.begin() + n);
    }
    if (!taken.empty())
    {
        freelist::pushBatch(view.classAt(0).m_list, 2, taken);
        freelist::pushDone(view.classAt(0).m_list, 2);
    }
    return count;
}

TEST(Holders, APoppedChunkIsInUseAndCarriesItsOwnersBitAlone)
{
    const PlainPoolSet set(chunks(4), 2);
    const PoolView view = set.view();
    std::array<std::uint32_t, 2> out{};

    const std::uint32_t count = holders::pop(view, view.classAt(0), kPublisher, 2, out);

    ASSERT_EQ(count, 2U);
    EXPECT_EQ(holder::stateOf(view.word(out[0], 0).load()), ChunkState::InUse);
    EXPECT_TRUE(holders::heldOnlyBy(view, out[0], kPublisher.m_holder));
    EXPECT_EQ(view.record(out[0]).m_owner.load(), chunkOwner(7, 1));
}

TEST(Holders, PoppingMovesTheGeneration)
{
    const PlainPoolSet set(chunks(1), 1);
    const PoolView view = set.view();
    const std::uint64_t before = holder::generationOf(view.word(0, 0).load());

    publishedChunk(view, {});

    EXPECT_EQ(holder::generationOf(view.word(0, 0).load()), before + 1);
}

TEST(Holders, PoppingFromAnEmptyListGivesNothing)
{
    const PlainPoolSet set(chunks(1), 1);
    const PoolView view = set.view();
    publishedChunk(view, {});
    std::array<std::uint32_t, 1> out{};

    EXPECT_EQ(holders::pop(view, view.classAt(0), kPublisher, 1, out), 0U);
}

TEST(Holders, DroppingABitThatIsNotTheLastLeavesTheChunkInUse)
{
    const PlainPoolSet set(chunks(1), 2);
    const PoolView view = set.view();
    const std::uint32_t chunk = publishedChunk(view, {kReader});

    EXPECT_FALSE(holders::drop(view, 2, chunk, kReader, kTag));

    EXPECT_TRUE(holders::heldOnlyBy(view, chunk, kPublisher.m_holder));
}

TEST(Holders, DroppingTheLastBitMarksTheChunkFreeingByTheDropper)
{
    for (const std::uint32_t words : {1U, 3U})
    {
        const PlainPoolSet set(chunks(1), words);
        const PoolView view = set.view();
        const std::uint32_t chunk = publishedChunk(view, {});

        EXPECT_TRUE(holders::drop(view, 2, chunk, kPublisher.m_holder, 0)) << words;

        const std::uint64_t word = view.word(chunk, 0).load();
        EXPECT_EQ(holder::stateOf(word), ChunkState::Freeing) << words;
        EXPECT_EQ(word & holder::kBits, 2U) << words;
    }
}

TEST(Holders, DroppingTwiceTakesNothingTheSecondTime)
{
    const PlainPoolSet set(chunks(1), 1);
    const PoolView view = set.view();
    const std::uint32_t chunk = publishedChunk(view, {});
    ASSERT_TRUE(holders::drop(view, 2, chunk, kPublisher.m_holder, 0));

    EXPECT_FALSE(holders::drop(view, 3, chunk, kPublisher.m_holder, 0));
}

TEST(Holders, AHintOfAnotherPublicationTakesNothing)
{
    const PlainPoolSet set(chunks(1), 1);
    const PoolView view = set.view();
    const std::uint32_t chunk = publishedChunk(view, {kReader});

    EXPECT_FALSE(holders::drop(view, 2, chunk, kReader, publicationTag(1, 41)));

    EXPECT_NE(view.word(chunk, 0).load() & holder::bitOf(kReader), 0U);
}

TEST(Holders, TheSameBitOfAnotherTopicIsNotTaken)
{
    const PlainPoolSet set(chunks(1), 1);
    const PoolView view = set.view();
    const std::uint32_t chunk = publishedChunk(view, {kReader});

    EXPECT_FALSE(holders::dropOfTopic(view, 2, chunk, kReader, kPublisher.m_topic + 1));
    EXPECT_NE(view.word(chunk, 0).load() & holder::bitOf(kReader), 0U);

    EXPECT_FALSE(holders::dropOfTopic(view, 2, chunk, kReader, kPublisher.m_topic));
    EXPECT_TRUE(holders::heldOnlyBy(view, chunk, kPublisher.m_holder));
}

TEST(Holders, TheLastBitMayLieInAnotherWordThanTheState)
{
    const PlainPoolSet set(chunks(1), 2);
    const PoolView view = set.view();
    const std::uint32_t chunk = publishedChunk(view, {kFarReader});
    ASSERT_FALSE(holders::drop(view, 1, chunk, kPublisher.m_holder, 0));

    EXPECT_TRUE(holders::drop(view, 2, chunk, kFarReader, kTag));
}

TEST(Holders, WhatWasDroppedLastIsFreeAgainAfterPuttingBack)
{
    const PlainPoolSet set(chunks(2), 2);
    const PoolView view = set.view();
    const std::uint32_t chunk = publishedChunk(view, {kFarReader});
    ASSERT_EQ(freeChunks(view), 1U);

    holders::dropAndFree(view, 1, chunk, kPublisher.m_holder, 0);
    holders::dropAndFree(view, 2, chunk, kFarReader, kTag);

    EXPECT_EQ(freeChunks(view), 2U);
    EXPECT_EQ(holder::stateOf(view.word(chunk, 0).load()), ChunkState::Free);
}

TEST(Holders, AChunkNumberOfNoClassIsIgnored)
{
    const PlainPoolSet set(chunks(2), 1);
    const PoolView view = set.view();

    holders::dropAndFree(view, 1, 4711, 0, 0);

    EXPECT_EQ(freeChunks(view), 2U);
}

TEST(Holders, ClearingTheLastBitLeavesAnOrphanThatOnePortCanAdopt)
{
    const PlainPoolSet set(chunks(1), 2);
    const PoolView view = set.view();
    const std::uint32_t chunk = publishedChunk(view, {kFarReader});
    ASSERT_FALSE(holders::clear(view, chunk, kPublisher.m_holder, 0));

    ASSERT_TRUE(holders::clear(view, chunk, kFarReader, kTag));

    EXPECT_TRUE(holders::adopt(view, 2, chunk));
    EXPECT_FALSE(holders::adopt(view, 3, chunk));
}

TEST(Holders, MarkingAChunkFreeingClearsEveryWord)
{
    const PlainPoolSet set(chunks(1), 3);
    const PoolView view = set.view();
    const HolderId far{1, kFarReader, 7};
    std::array<std::uint32_t, 1> out{};
    ASSERT_EQ(holders::pop(view, view.classAt(0), far, 1, out), 1U);

    holders::markFreeing(view, 1, out[0]);

    EXPECT_EQ(holder::stateOf(view.word(out[0], 0).load()), ChunkState::Freeing);
    EXPECT_EQ(view.word(out[0], 1).load() & holder::kBits, 0U);
}

TEST(Holders, OfManyThreadsThatDropTheirBitsExactlyOneFreesTheChunk)
{
    constexpr std::uint32_t kReaders = 4;
    constexpr int kRounds = 20000;
    const PlainPoolSet set(chunks(1), 3);
    const PoolView view = set.view();
    std::array<std::atomic<int>, kReaders> round{};
    std::atomic<int> published{0};
    std::vector<std::thread> readers;
    for (std::uint32_t r = 0; r < kReaders; ++r)
    {
        readers.emplace_back(
            [&, r]
            {
                for (int i = 1; i <= kRounds; ++i)
                {
                    while (published.load() < i)
                    {
                        std::this_thread::yield();
                    }
                    std::uint32_t chunk = 0;
                    // Bits in all three words.
                    if (holders::drop(view, 2 + r, chunk, 1 + 40 * r, kTag))
                    {
                        holders::putBack(view, view.classAt(0), 2 + r, std::span(&chunk, 1));
                    }
                    round[r].store(i);
                }
            });
    }
    for (int i = 1; i <= kRounds; ++i)
    {
        const std::uint32_t chunk = publishedChunk(view, {1, 41, 81, 121});
        published.store(i);
        holders::dropAndFree(view, 1, chunk, kPublisher.m_holder, 0);
        for (const std::atomic<int>& done : round)
        {
            while (done.load() < i)
            {
                std::this_thread::yield();
            }
        }
    }
    for (std::thread& reader : readers)
    {
        reader.join();
    }
    EXPECT_EQ(freeChunks(view), 1U);
}

} // namespace
} // namespace ZeroCP
