#include "zerocp/core/pool_registry.hpp"

#include <array>
#include <atomic>
#include <barrier>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace ZeroCP
{

namespace
{

TEST(PoolRegistry, GivesTheBaseThatWasRegistered)
{
    std::array<int, 2> memory{};
    PoolRegistry registry;

    EXPECT_TRUE(registry.registerPool(MANAGEMENT_POOL_ID, &memory[0]));
    EXPECT_TRUE(registry.registerPool(CHUNK_POOL_ID, &memory[1]));

    EXPECT_EQ(registry.getBaseAddress(MANAGEMENT_POOL_ID), &memory[0]);
    EXPECT_EQ(registry.getBaseAddress(CHUNK_POOL_ID), &memory[1]);
    EXPECT_EQ(registry.getBaseAddress(MANAGER_POOL_ID), nullptr);
}

TEST(PoolRegistry, TheLatestBaseOfAPoolWins)
{
    std::array<int, 2> memory{};
    PoolRegistry registry;
    registry.registerPool(9, &memory[0]);

    EXPECT_TRUE(registry.registerPool(9, &memory[1]));

    EXPECT_EQ(registry.getBaseAddress(9), &memory[1]);
}

TEST(PoolRegistry, RefusesReservedIdsAndNullBases)
{
    int memory = 0;
    PoolRegistry registry;

    EXPECT_FALSE(registry.registerPool(NULL_POOL_ID, &memory));
    EXPECT_FALSE(registry.registerPool(PROCESS_LOCAL_POOL_ID, &memory));
    EXPECT_FALSE(registry.registerPool(9, nullptr));
    EXPECT_EQ(registry.getBaseAddress(NULL_POOL_ID), nullptr);
}

TEST(PoolRegistry, AnUnregisteredPoolHasNoBaseUntilItIsRegisteredAgain)
{
    int memory = 0;
    PoolRegistry registry;
    registry.registerPool(9, &memory);

    EXPECT_TRUE(registry.unregisterPool(9));
    EXPECT_EQ(registry.getBaseAddress(9), nullptr);
    EXPECT_FALSE(registry.unregisterPool(9));
    EXPECT_FALSE(registry.unregisterPool(10));

    EXPECT_TRUE(registry.registerPool(9, &memory));
    EXPECT_EQ(registry.getBaseAddress(9), &memory);
}

TEST(PoolRegistry, IdsThatShareAnEntryDoNotDisturbEachOther)
{
    std::array<int, 3> memory{};
    PoolRegistry registry;
    const std::uint64_t step = PoolRegistry::kCapacity;
    registry.registerPool(5, &memory[0]);
    registry.registerPool(5 + step, &memory[1]);
    registry.registerPool(5 + 2 * step, &memory[2]);

    registry.unregisterPool(5 + step);

    EXPECT_EQ(registry.getBaseAddress(5), &memory[0]);
    EXPECT_EQ(registry.getBaseAddress(5 + step), nullptr);
    EXPECT_EQ(registry.getBaseAddress(5 + 2 * step), &memory[2]);
}

TEST(PoolRegistry, AFullTableRefusesNewIdsAndKeepsTheOldOnes)
{
    std::array<int, PoolRegistry::kCapacity> memory{};
    PoolRegistry registry;
    for (std::size_t i = 0; i < memory.size(); ++i)
    {
        ASSERT_TRUE(registry.registerPool(1000 + i, &memory[i]));
    }

    EXPECT_FALSE(registry.registerPool(5000, &memory[0]));

    EXPECT_EQ(registry.getBaseAddress(5000), nullptr);
    EXPECT_EQ(registry.getBaseAddress(1000 + memory.size() - 1), &memory.back());
    EXPECT_TRUE(registry.registerPool(1000, &memory[1]));
}

TEST(PoolRegistry, LocatesAnAddressInThePoolWithTheNearestBaseBelow)
{
    std::array<char, 100> memory{};
    PoolRegistry registry;
    registry.registerPool(1, &memory[10]);
    registry.registerPool(2, &memory[50]);

    EXPECT_FALSE(registry.locate(&memory[9]));
    EXPECT_EQ(registry.locate(&memory[49])->poolId, 1U);
    EXPECT_EQ(registry.locate(&memory[49])->offset, 39U);
    EXPECT_EQ(registry.locate(&memory[60])->poolId, 2U);
    EXPECT_EQ(registry.locate(&memory[60])->offset, 10U);
}

TEST(PoolRegistry, ThreadsMayRegisterAndLookUpAtTheSameTime)
{
    constexpr std::size_t kThreads = 4;
    constexpr std::size_t kIds = 12;
    std::array<int, kThreads * kIds> memory{};
    PoolRegistry registry;
    std::barrier start(static_cast<std::ptrdiff_t>(kThreads));
    std::atomic<int> wrong{0};
    const auto work = [&](std::size_t thread)
    {
        start.arrive_and_wait();
        for (std::size_t i = 0; i < kIds; ++i)
        {
            const std::size_t own = thread * kIds + i;
            registry.registerPool(1 + own * PoolRegistry::kCapacity, &memory[own]); // all want the same entry
            for (std::size_t other = 0; other < memory.size(); ++other)
            {
                const void* base = registry.getBaseAddress(1 + other * PoolRegistry::kCapacity);
                wrong += base != nullptr && base != &memory[other] ? 1 : 0;
            }
            wrong += registry.getBaseAddress(1 + own * PoolRegistry::kCapacity) == &memory[own] ? 0 : 1;
        }
    };

    std::vector<std::thread> threads;
    for (std::size_t thread = 0; thread < kThreads; ++thread)
    {
        threads.emplace_back(work, thread);
    }
    for (std::thread& thread : threads)
    {
        thread.join();
    }

    EXPECT_EQ(wrong.load(), 0);
}

} // namespace

} // namespace ZeroCP
