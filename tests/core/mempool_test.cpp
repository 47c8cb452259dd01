#include "zerocp/core/mempool.hpp"

#include <cstdint>
#include <cstring>
#include <set>
#include <vector>

#include <gtest/gtest.h>

#include "core/core_support.hpp"

namespace ZeroCP
{

namespace
{

/// One pool in ordinary memory.
struct PoolFixture
{
    PoolFixture(std::uint64_t chunkBytes, std::uint32_t chunks)
        : m_raw(alignUp(MemPool::strideOf(chunkBytes, 0) * chunks, kPageBytes)),
          m_links(alignUp(MPMC_LockFree_List::requiredIndexMemorySize(chunks), kPageBytes)),
          m_good(m_pool.initialize(m_raw.base(), chunkBytes, chunks, m_links.base()))
    {
    }

    MemPool* operator->() noexcept { return &m_pool; }

    test::SparseArea m_raw;
    test::SparseArea m_links;
    MemPool m_pool;
    bool m_good;
};

TEST(MemPool, AFreshPoolHasEveryChunkFree)
{
    PoolFixture pool(100, 5);

    ASSERT_TRUE(pool.m_good);
    EXPECT_EQ(pool->getChunkSize(), 100U);
    EXPECT_EQ(pool->getTotalChunks(), 5U);
    EXPECT_EQ(pool->getFreeChunks(), 5U);
    EXPECT_EQ(pool->getUsedChunks(), 0U);
}

TEST(MemPool, RefusesMemoryThatItCannotUse)
{
    alignas(64) std::byte memory[256];
    alignas(8) std::byte links[64];
    MemPool pool;

    EXPECT_FALSE(pool.initialize(nullptr, 64, 2, links));
    EXPECT_FALSE(pool.initialize(memory, 64, 2, nullptr));
    EXPECT_FALSE(pool.initialize(memory, 0, 2, links));
    EXPECT_FALSE(pool.initialize(memory, 64, 0, links));
    EXPECT_FALSE(pool.initialize(memory + 1, 64, 2, links));
    EXPECT_FALSE(pool.initialize(memory, 64, 2, links + 4));
    EXPECT_FALSE(pool.initialize(memory, ~0ULL - 32, 2, links));
    EXPECT_FALSE(pool.initialize(memory, 1ULL << 63, 2, links));
    EXPECT_EQ(pool.allocate(1), nullptr) << "a pool that was never initialised is empty";
    EXPECT_TRUE(pool.initialize(memory, 64, 2, links));
}

TEST(MemPool, ChunksAreAlignedTo64WhateverTheirSize)
{
    PoolFixture pool(100, 4);

    std::set<std::uintptr_t> addresses;
    for (int i = 0; i < 4; ++i)
    {
        addresses.insert(reinterpret_cast<std::uintptr_t>(pool->allocate(100)));
    }

    ASSERT_EQ(addresses.size(), 4U);
    std::uintptr_t before = 0;
    for (const std::uintptr_t address : addresses)
    {
        EXPECT_EQ(address % 64, 0U);
        EXPECT_GE(address, before + 100) << "chunks do not overlap";
        before = address;
    }
}

TEST(MemPool, RefusesMoreBytesThanAChunkHas)
{
    PoolFixture pool(128, 2);

    EXPECT_EQ(pool->allocate(129), nullptr);
    EXPECT_EQ(pool->getFreeChunks(), 2U);
    EXPECT_NE(pool->allocate(128), nullptr);
    EXPECT_NE(pool->allocate(0), nullptr);
}

TEST(MemPool, IsEmptyOnceEveryChunkIsOutAndGoesOnAfterOneCameBack)
{
    PoolFixture pool(128, 2);
    void* first = pool->allocate(128);
    void* second = pool->allocate(128);

    EXPECT_EQ(pool->allocate(128), nullptr);
    EXPECT_EQ(pool->getFreeChunks(), 0U);

    EXPECT_TRUE(pool->deallocate(first));
    EXPECT_EQ(pool->allocate(128), first);
    EXPECT_NE(first, second);
}

TEST(MemPool, RefusesTheSecondFreeOfAChunk)
{
    PoolFixture pool(128, 3);
    void* chunk = pool->allocate(128);
    ASSERT_NE(pool->allocate(128), nullptr);

    EXPECT_TRUE(pool->deallocate(chunk));
    EXPECT_FALSE(pool->deallocate(chunk));

    EXPECT_EQ(pool->getFreeChunks(), 2U);
}

TEST(MemPool, RefusesPointersThatItHasNotGivenOut)
{
    PoolFixture pool(128, 3);
    auto* chunk = static_cast<std::byte*>(pool->allocate(128));
    int foreign = 0;

    EXPECT_FALSE(pool->deallocate(nullptr));
    EXPECT_FALSE(pool->deallocate(&foreign));
    EXPECT_FALSE(pool->deallocate(chunk + 1));
    EXPECT_FALSE(pool->deallocate(chunk - 64));
    EXPECT_FALSE(pool->deallocate(pool.m_raw.base() + 2 * 128)) << "a chunk that is free";
    EXPECT_FALSE(pool->deallocate(pool.m_raw.base() + 3 * 128)) << "right behind the last chunk";
    EXPECT_EQ(pool->getUsedChunks(), 1U);
    EXPECT_TRUE(pool->deallocate(chunk));
}

TEST(MemPool, RemembersTheMostThatWasEverOut)
{
    PoolFixture pool(64, 4);
    void* first = pool->allocate(1);
    ASSERT_NE(pool->allocate(1), nullptr);
    pool->deallocate(first);

    EXPECT_EQ(pool->m_highWater.load(), 2U);
    EXPECT_EQ(pool->getUsedChunks(), 1U);
}

TEST(MemPool, PayloadsFollowTheirHeaders)
{
    test::SparseArea raw(kPageBytes);
    test::SparseArea links(kPageBytes);
    PoolRegistry registry;
    registry.registerPool(5, raw.base());
    registry.registerPool(6, links.base());
    const MemPool::Place place{{5, 0}, {6, 0}, 100, 64, 0, 3, 3};
    MemPool pool;

    ASSERT_TRUE(pool.initialize(place, registry));

    EXPECT_EQ(pool.m_chunkStride, 192U);
    EXPECT_TRUE(pool.isAt(place));
    MemPool::Place other = place;
    other.m_headerBytes = 0;
    EXPECT_FALSE(pool.isAt(other));
}

TEST(MemPool, ChunksBeyondFourGibibytesLieWhereTheyShould)
{
    constexpr std::uint64_t kChunk = 1ULL << 20;
    constexpr std::uint32_t kChunks = 6144; // 6 GiB of addresses, of which two pages are touched
    PoolFixture pool(kChunk, kChunks);
    ASSERT_TRUE(pool.m_good);
    std::byte* last = nullptr;
    for (std::uint32_t i = 0; i < kChunks; ++i)
    {
        last = static_cast<std::byte*>(pool->allocate(kChunk));
        ASSERT_EQ(last, pool.m_raw.base() + i * kChunk);
    }

    last[0] = std::byte{1};
    last[kChunk - 1] = std::byte{2};

    EXPECT_EQ(pool.m_raw.base()[(kChunks - 1) * kChunk], std::byte{1});
    EXPECT_EQ(pool.m_raw.base()[0], std::byte{0}) << "offsets did not wrap";
    EXPECT_EQ(pool.m_raw.base()[(kChunks - 1) * kChunk % (1ULL << 32)], std::byte{0});
    EXPECT_TRUE(pool->deallocate(last));
    EXPECT_EQ(pool->allocate(kChunk), last);
}

} // namespace

} // namespace ZeroCP
