#include "zerocp/core/mempool_manager.hpp"

#include <cstring>
#include <memory>

#include <gtest/gtest.h>

#include "core/core_support.hpp"

namespace ZeroCP
{

namespace
{

MemPoolConfig configOf(std::initializer_list<MemPoolConfig::MemPoolEntry> entries)
{
    MemPoolConfig config;
    for (const auto& entry : entries)
    {
        EXPECT_TRUE(config.addMemPoolEntry(entry.m_poolSize, entry.m_poolCount));
    }
    return config;
}

/// A manager with both areas in ordinary memory and a registry of its own.
struct SetFixture
{
    explicit SetFixture(const MemPoolLayout& layout)
        : m_management(layout.m_managementBytes),
          m_data(layout.m_dataBytes),
          m_manager(std::make_unique<MemPoolManager>(layout))
    {
        m_registry.registerPool(MANAGER_POOL_ID, m_manager.get());
        m_registry.registerPool(MANAGEMENT_POOL_ID, m_management.base());
        m_registry.registerPool(CHUNK_POOL_ID, m_data.base());
    }

    MemPoolManager* operator->() noexcept { return m_manager.get(); }

    test::SparseArea m_management;
    test::SparseArea m_data;
    PoolRegistry m_registry;
    std::unique_ptr<MemPoolManager> m_manager;
};

struct FixedSet : SetFixture
{
    explicit FixedSet(const MemPoolConfig& config, std::uint32_t holderWords = MemPoolManager::kDefaultHolderWords)
        : SetFixture(*MemPoolLayout::fixed(config, holderWords)),
          m_config(config),
          m_good(m_manager->layOut(config, m_registry, true))
    {
    }

    MemPoolConfig m_config;
    bool m_good;
};

TEST(MemPoolLayout, FixedHasRoomForEveryChunkWithItsHeader)
{
    const auto layout = MemPoolLayout::fixed(configOf({{100, 3}, {4096, 2}}), 3);

    ASSERT_TRUE(layout);
    EXPECT_EQ(layout->m_dataBytes, alignUp(3 * 192 + 2 * 4160, kPageBytes));
    EXPECT_EQ(layout->m_maxChunks, 5U);
    EXPECT_EQ(layout->m_maxPools, 2U);
    EXPECT_EQ(layout->m_managerStride, 128U);
    EXPECT_GE(layout->m_managementBytes, layout->m_managersOffset + 5 * 128);
    EXPECT_EQ(layout->m_managementBytes % kPageBytes, 0U);
}

TEST(MemPoolLayout, FixedKnowsSizesBeyondFourGibibytes)
{
    const auto layout = MemPoolLayout::fixed(configOf({{1ULL << 30, 100}}), 3);

    ASSERT_TRUE(layout);
    EXPECT_GT(layout->m_dataBytes, 100ULL << 30);
}

TEST(MemPoolLayout, FixedRefusesEntriesThatAddMemPoolEntryWouldRefuse)
{
    const auto laidOut = [](std::initializer_list<MemPoolConfig::MemPoolEntry> entries)
    {
        MemPoolConfig config;
        for (const auto& entry : entries)
        {
            config.entries.push_back(entry); // the list is public
        }
        return MemPoolLayout::fixed(config, 3).has_value();
    };

    EXPECT_FALSE(laidOut({}));
    EXPECT_FALSE(laidOut({{0, 3}}));
    EXPECT_FALSE(laidOut({{64, 0}}));
    EXPECT_FALSE(laidOut({{~0ULL - 10, 1}}));
    EXPECT_FALSE(laidOut({{1ULL << 60, 1U << 10}}));
    EXPECT_FALSE(laidOut({{64, kMaxChunks}, {128, kMaxChunks}}));
    EXPECT_FALSE(laidOut({{64, ~0U}, {128, 2}})) << "the sum wraps in 32 bits";
    EXPECT_TRUE(laidOut({{64, 1}}));
    EXPECT_FALSE(MemPoolLayout::fixed(configOf({{64, 1}}), 0));
}

TEST(MemPoolLayout, GrowingRefusesZerosAndOverflow)
{
    EXPECT_FALSE(MemPoolLayout::growing(0, 4096, 3));
    EXPECT_FALSE(MemPoolLayout::growing(kMaxPools + 1, 4096, 3));
    EXPECT_FALSE(MemPoolLayout::growing(4, 0, 3));
    EXPECT_FALSE(MemPoolLayout::growing(4, 4096, 0));
    EXPECT_FALSE(MemPoolLayout::growing(16, 1ULL << 60, 3));
    EXPECT_FALSE(MemPoolLayout::growing(1, ~0ULL, 3)) << "rounding up to a page wraps to zero";
}

TEST(MemPoolLayout, GrowingSharesTheChunkNumbersEvenly)
{
    const auto layout = MemPoolLayout::growing(3, 1000000, 3);

    ASSERT_TRUE(layout);
    EXPECT_EQ(layout->m_classBytes, alignUp(1000000, kPageBytes));
    EXPECT_EQ(layout->m_dataBytes, 3 * layout->m_classBytes);
    EXPECT_EQ(layout->m_maxChunks, layout->m_classChunks * 3);
    EXPECT_LE(layout->m_maxChunks, kMaxChunks);
}

TEST(MemPoolManager, InOneFileBothAreasStartOnAPage)
{
    const MemPoolManager plan(configOf({{128, 10000}, {1024, 5000}, {4096, 1000}}));
    constexpr std::uint64_t kHeader = kCacheLineBytes; // of the segment, in front of the manager

    EXPECT_EQ((kHeader + MemPoolManager::managementOffset()) % kPageBytes, 0U);
    EXPECT_EQ((kHeader + plan.chunkOffset()) % kPageBytes, 0U);
    EXPECT_GE(MemPoolManager::managementOffset(), sizeof(MemPoolManager));
    EXPECT_EQ(plan.getTotalMemorySize(), plan.chunkOffset() + plan.layout().m_dataBytes);
}

TEST(MemPoolManager, LaysOutEveryChunkFree)
{
    FixedSet set(configOf({{100, 3}, {4096, 2}}));

    ASSERT_TRUE(set.m_good);
    ASSERT_EQ(set->getMemPools().size(), 2U);
    EXPECT_EQ(set->m_mempools[0].getChunkSize(), 100U);
    EXPECT_EQ(set->m_mempools[0].getFreeChunks(), 3U);
    EXPECT_EQ(set->m_mempools[1].getChunkSize(), 4096U);
    EXPECT_EQ(set->m_mempools[1].getFreeChunks(), 2U);
    ASSERT_EQ(set->getChunkManagerPool().size(), 1U);
    EXPECT_EQ(set->getChunkManagerPool()[0].getChunkSize(), sizeof(ChunkManager));
    EXPECT_EQ(set->getChunkManagerPool()[0].getTotalChunks(), 5U);
}

TEST(MemPoolManager, EveryRecordLeadsToItsChunkAndItsPools)
{
    FixedSet set(configOf({{100, 3}, {4096, 2}}));
    ASSERT_TRUE(set.m_good);
    const std::byte* expected = set.m_data.base();

    for (std::uint32_t chunk = 0; chunk < 5; ++chunk)
    {
        const ChunkManager* record = set->record(chunk, set.m_registry);
        MemPool& pool = set->m_mempools[chunk < 3 ? 0 : 1];

        EXPECT_EQ(record->m_number, chunk);
        EXPECT_EQ(static_cast<const void*>(record->m_chunkHeader.get(set.m_registry)), expected);
        EXPECT_EQ(record->m_mempool.get(set.m_registry), &pool);
        EXPECT_EQ(record->m_chunkManagementPool.get(set.m_registry), &set->getChunkManagerPool()[0]);
        expected += pool.m_chunkStride;
    }
    EXPECT_LE(expected, set.m_data.base() + set.m_data.bytes());
}

TEST(MemPoolManager, RecordsWithManyHolderWordsDoNotOverlap)
{
    FixedSet set(configOf({{64, 3}}), 12);
    ASSERT_TRUE(set.m_good);

    set->record(0, set.m_registry)->word(23).store(~0ULL);
    set->record(1, set.m_registry)->word(23).store(~0ULL);

    EXPECT_EQ(set->record(1, set.m_registry)->m_number, 1U);
    EXPECT_EQ(set->record(2, set.m_registry)->m_number, 2U);
    EXPECT_EQ(set->record(2, set.m_registry)->word(0).load(), 0U);
}

TEST(MemPoolManager, LinksOfThePoolsDoNotOverlap)
{
    FixedSet set(configOf({{64, 3}, {128, 5}, {256, 1}})); // odd counts, rounded to 8 bytes each
    ASSERT_TRUE(set.m_good);

    for (std::uint64_t pool = 0; pool < 3; ++pool)
    {
        const auto view = set->m_mempools[pool].m_freeIndices.view(set.m_registry);
        for (std::uint32_t number = 0; number + 1 < view.m_capacity; ++number)
        {
            EXPECT_EQ(view.m_links[number].load(), number + 1);
        }
        EXPECT_EQ(view.m_links[view.m_capacity - 1].load(), MPMC_LockFree_List::kEndOfList);
    }
}

TEST(MemPoolManager, RefusesToLayOutTwiceOrWithOtherPools)
{
    FixedSet set(configOf({{64, 3}}));
    ASSERT_TRUE(set.m_good);
    EXPECT_FALSE(set->layOut(set.m_config, set.m_registry, true));

    MemPoolManager plan(configOf({{64, 3}}));
    EXPECT_FALSE(plan.layOut(configOf({{64, 4}}), set.m_registry, true));
    EXPECT_FALSE(plan.layOut(configOf({{1 << 20, 3}}), set.m_registry, true));
}

TEST(MemPoolManager, RefusesToLayOutAreasThatNobodyRegistered)
{
    MemPoolManager plan(configOf({{64, 3}}));
    const PoolRegistry nothing;

    EXPECT_FALSE(plan.layOut(configOf({{64, 3}}), nothing, true));
}

TEST(MemPoolManager, IsLaidOutSeesEveryNumberThatAPeerMayHaveChanged)
{
    FixedSet set(configOf({{100, 3}, {4096, 2}}));
    const MemPoolLayout layout = set->layout();
    ASSERT_TRUE(set->isLaidOut(set.m_config, layout));
    const auto seenWith = [&](auto& number, auto value)
    {
        const auto before = number;
        number = value;
        const bool same = set->isLaidOut(set.m_config, layout);
        number = before;
        return !same;
    };

    EXPECT_TRUE(seenWith(set->m_mempools[1].m_rawMemory.m_offset, 1U));
    EXPECT_TRUE(seenWith(set->m_mempools[1].m_rawMemory.m_pool_id, PROCESS_LOCAL_POOL_ID));
    EXPECT_TRUE(seenWith(set->m_mempools[1].m_chunkSize, 5000U));
    EXPECT_TRUE(seenWith(set->m_mempools[1].m_chunkStride, 0U));
    EXPECT_TRUE(seenWith(set->m_mempools[1].m_headerBytes, 0U));
    EXPECT_TRUE(seenWith(set->m_mempools[0].m_maxChunks, 4U));
    EXPECT_TRUE(seenWith(set->m_mempools[0].m_firstChunk, 1U));
    EXPECT_TRUE(seenWith(set->m_mempools[0].m_freeIndices.m_capacity, 1000U));
    EXPECT_TRUE(seenWith(set->m_mempools[0].m_freeIndices.m_freeIndicesHeader.m_offset, 1ULL << 40));
    EXPECT_TRUE(seenWith(set->m_chunkManagerPool[0].m_chunkSize, 1U));
    EXPECT_TRUE(seenWith(set->m_layout.m_managersOffset, 0U));
    set->m_mempools[0].addChunks(1);
    EXPECT_FALSE(set->isLaidOut(set.m_config, layout));
}

TEST(MemPoolManager, AGrowingSetTakesClassesUntilTheyAreUsedUp)
{
    SetFixture set(*MemPoolLayout::growing(2, 1 << 20, 3));

    MemPool* first = set->addClass(1000, set.m_registry);
    MemPool* second = set->addClass(50, set.m_registry);

    ASSERT_TRUE(first != nullptr && second != nullptr);
    EXPECT_EQ(set->addClass(200, set.m_registry), nullptr);
    EXPECT_EQ(first->getTotalChunks(), 0U) << "chunks come later";
    EXPECT_EQ(first->m_maxChunks, (1U << 20) / 1088);
    EXPECT_EQ(second->m_firstChunk, set->layout().m_classChunks);
    EXPECT_EQ(second->m_rawMemory.offset(), set->layout().m_classBytes);
}

TEST(MemPoolManager, AGrowingSetRefusesChunksThatNoClassCanHold)
{
    SetFixture set(*MemPoolLayout::growing(2, 8192, 3));

    EXPECT_EQ(set->addClass(0, set.m_registry), nullptr);
    EXPECT_EQ(set->addClass(8192, set.m_registry), nullptr);
    EXPECT_EQ(set->addClass(~0ULL, set.m_registry), nullptr);
    EXPECT_NE(set->addClass(8000, set.m_registry), nullptr);
}

TEST(MemPoolManager, AFixedSetTakesNoFurtherClass)
{
    FixedSet set(configOf({{64, 3}}));

    EXPECT_EQ(set->addClass(128, set.m_registry), nullptr);
}

TEST(MemPoolManager, ClassesOfAGrowingSetKeepTheirLinksApart)
{
    SetFixture set(*MemPoolLayout::growing(7, 1ULL << 24, 3)); // an odd number of chunks per class
    std::uint64_t end = 0;
    for (std::uint64_t i = 0; i < 7; ++i)
    {
        const MemPool* pool = set->addClass(64 + i, set.m_registry);
        ASSERT_NE(pool, nullptr);
        const std::uint64_t start = pool->m_freeIndices.m_freeIndicesHeader.offset();

        EXPECT_GE(start, end);
        EXPECT_EQ(start % 8, 0U);
        end = start + MPMC_LockFree_List::requiredIndexMemorySize(set->layout().m_classChunks);
    }
    EXPECT_LE(end, set->layout().m_managerLinksOffset);
}

TEST(MemPoolManager, NewChunksOfAClassGetTheirRecords)
{
    SetFixture set(*MemPoolLayout::growing(2, 1 << 20, 3));
    set->addClass(1000, set.m_registry);
    MemPool* pool = set->addClass(50, set.m_registry);
    ASSERT_NE(pool, nullptr);

    set->describeChunks(1, 0, 4, set.m_registry);
    pool->addChunks(4);

    const ChunkManager* record = set->record(pool->m_firstChunk + 3, set.m_registry);
    EXPECT_EQ(pool->getTotalChunks(), 4U);
    EXPECT_EQ(record->m_number, pool->m_firstChunk + 3U);
    EXPECT_EQ(record->m_mempool.get(set.m_registry), pool);
    EXPECT_EQ(static_cast<const void*>(record->m_chunkHeader.get(set.m_registry)),
              set.m_data.base() + set->layout().m_classBytes + 3 * 128);
}

TEST(MemPoolManager, TheInstanceIsOnePlanUntilThereIsASegment)
{
    const MemPoolConfig config = configOf({{128, 10}});
    MemPoolManager& plan = MemPoolManager::getInstance(config);

    EXPECT_EQ(plan.getTotalMemorySize(), MemPoolManager(config).getTotalMemorySize());
    EXPECT_EQ(&MemPoolManager::getInstance(configOf({{256, 10}})), &plan) << "the first configuration stays";

    MemPoolManager shared(config);
    MemPoolManager::setInstance(shared, config);
    EXPECT_EQ(&MemPoolManager::getInstance(config), &shared);
    MemPoolManager::resetInstance(&plan);
    EXPECT_EQ(&MemPoolManager::getInstance(config), &shared) << "it is not the one that went away";
    MemPoolManager::resetInstance(&shared);
    EXPECT_EQ(&MemPoolManager::getInstance(config), &plan);
}

TEST(MemPoolManager, AnotherConfigurationGetsTheInstanceAndALogLine)
{
    const MemPoolConfig config = configOf({{128, 10}});
    MemPoolManager shared(config);
    MemPoolManager::setInstance(shared, config);

    testing::internal::CaptureStderr();
    MemPoolManager& same = MemPoolManager::getInstance(config);
    const std::string quiet = testing::internal::GetCapturedStderr();
    testing::internal::CaptureStderr();
    MemPoolManager& other = MemPoolManager::getInstance(configOf({{512, 1}}));
    const std::string warned = testing::internal::GetCapturedStderr();
    MemPoolManager::resetInstance(&shared);

    EXPECT_EQ(&same, &shared);
    EXPECT_EQ(&other, &shared);
    EXPECT_EQ(quiet, "");
    EXPECT_NE(warned.find("another configuration"), std::string::npos);
}

} // namespace

} // namespace ZeroCP
