#include "zerocp/core/mpmclockfreelist.hpp"

#include <array>
#include <atomic>
#include <barrier>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "zerocp/core/port_record.hpp"

namespace ZeroCP
{

namespace
{

constexpr std::uint32_t kThreads = 4;
constexpr std::uint32_t kRounds = 20000;

/// Runs `work(thread)` on kThreads threads that start together.
template <typename Work>
void onThreads(const Work& work)
{
    std::barrier start(static_cast<std::ptrdiff_t>(kThreads));
    std::vector<std::thread> threads;
    for (std::uint32_t thread = 0; thread < kThreads; ++thread)
    {
        threads.emplace_back(
            [&start, &work, thread]
            {
                start.arrive_and_wait();
                work(thread);
            });
    }
    for (std::thread& thread : threads)
    {
        thread.join();
    }
}

/// Who has which number. take() and give() count every violation.
class Owners
{
  public:
    explicit Owners(std::uint32_t capacity) : m_owner(capacity) {}

    void take(std::uint32_t number, std::uint32_t owner)
    {
        // Relaxed: the list itself must order one owner's give() before the next one's take().
        m_violations += m_owner[number].exchange(owner + 1, std::memory_order_relaxed) == 0 ? 0U : 1U;
    }
    void give(std::uint32_t number, std::uint32_t owner)
    {
        m_violations += m_owner[number].exchange(0, std::memory_order_relaxed) == owner + 1 ? 0U : 1U;
    }
    [[nodiscard]] std::uint32_t violations() const { return m_violations.load(); }

  private:
    std::vector<std::atomic<std::uint32_t>> m_owner;
    std::atomic<std::uint32_t> m_violations{0};
};

/// A list in ordinary memory.
struct ListFixture
{
    explicit ListFixture(std::uint32_t capacity)
        : m_links(MPMC_LockFree_List::requiredIndexMemorySize(capacity) / sizeof(std::uint64_t)),
          m_good(m_list.initialize(m_links.data(), capacity))
    {
    }

    MPMC_LockFree_List* operator->() noexcept { return &m_list; }

    std::vector<std::uint64_t> m_links;
    MPMC_LockFree_List m_list;
    bool m_good;
};

TEST(FreeList, GivesTheLowestNumbersFirstAndEachOnce)
{
    ListFixture list(3);

    ASSERT_TRUE(list.m_good);
    EXPECT_EQ(list->pop(), 0U);
    EXPECT_EQ(list->pop(), 1U);
    EXPECT_EQ(list->pop(), 2U);
    EXPECT_EQ(list->pop(), std::nullopt);
}

TEST(FreeList, ANumberThatCameBackIsGivenOutAgain)
{
    ListFixture list(2);
    ASSERT_EQ(list->pop(), 0U);
    ASSERT_EQ(list->pop(), 1U);

    EXPECT_TRUE(list->push(0));

    EXPECT_EQ(list->pop(), 0U);
    EXPECT_EQ(list->pop(), std::nullopt);
}

TEST(FreeList, RefusesNumbersOutOfRangeAndNumbersThatAreNotOut)
{
    ListFixture list(2);
    ASSERT_EQ(list->pop(), 0U);

    EXPECT_FALSE(list->push(2));
    EXPECT_FALSE(list->push(~0U));
    EXPECT_FALSE(list->push(1)) << "in the list";
    EXPECT_TRUE(list->push(0));
    EXPECT_FALSE(list->push(0)) << "given back twice";
}

TEST(FreeList, RefusesUnusableMemoryAndCapacities)
{
    std::uint64_t links = 0;
    MPMC_LockFree_List list;

    EXPECT_FALSE(list.initialize(nullptr, 2));
    EXPECT_FALSE(list.initialize(&links, 0));
    EXPECT_FALSE(list.initialize(&links, MPMC_LockFree_List::kEndOfList + 1));
    EXPECT_FALSE(list.initialize(RelativePointer<std::uint32_t>(77, 0), PoolRegistry::instance(), 2, 2));
}

TEST(FreeList, UsesAllItsNumbers)
{
    ListFixture list(MPMC_LockFree_List::kEndOfList);

    ASSERT_TRUE(list.m_good);
    std::uint32_t count = 0;
    while (list->pop())
    {
        ++count;
    }
    EXPECT_EQ(count, MPMC_LockFree_List::kEndOfList);
    EXPECT_TRUE(list->push(MPMC_LockFree_List::kEndOfList - 1));
    EXPECT_EQ(list->pop(), MPMC_LockFree_List::kEndOfList - 1);
}

TEST(FreeList, MemoryForLinksIsFourBytesEachRoundedToEight)
{
    EXPECT_EQ(MPMC_LockFree_List::requiredIndexMemorySize(1), 8U);
    EXPECT_EQ(MPMC_LockFree_List::requiredIndexMemorySize(2), 8U);
    EXPECT_EQ(MPMC_LockFree_List::requiredIndexMemorySize(3), 16U);
    EXPECT_EQ(MPMC_LockFree_List::requiredIndexMemorySize(10000), 40000U);
}

TEST(FreeList, EveryOperationChangesTheTagSoThatAnOldHeadNeverMatches)
{
    ListFixture list(2);
    const std::uint64_t before = list->m_head.load();

    ASSERT_EQ(list->pop(), 0U);
    ASSERT_TRUE(list->push(0));

    EXPECT_NE(list->m_head.load(), before) << "the same number on top, another tag";
}

TEST(FreeList, AScribbledHeadOrLinkEndsTheListAndCrashesNobody)
{
    ListFixture list(4);
    auto* links = static_cast<MPMC_LockFree_List::Link*>(static_cast<void*>(list.m_links.data()));
    links[0].store(3000);

    EXPECT_EQ(list->pop(), 0U);
    EXPECT_EQ(list->pop(), std::nullopt);
}

TEST(FreeList, NoNumberIsOutTwiceWhenThreadsPopAndPush)
{
    constexpr std::uint32_t kNumbers = 6; // few, so that the same ones go round and round
    ListFixture list(kNumbers);
    Owners owners(kNumbers);

    onThreads(
        [&](std::uint32_t thread)
        {
            for (std::uint32_t round = 0; round < kRounds; ++round)
            {
                const auto first = list->pop();
                const auto second = list->pop();
                for (const auto& number : {first, second})
                {
                    if (number)
                    {
                        owners.take(*number, thread);
                    }
                }
                for (const auto& number : {first, second})
                {
                    if (number)
                    {
                        owners.give(*number, thread);
                        list->push(*number);
                    }
                }
            }
        });

    EXPECT_EQ(owners.violations(), 0U);
    std::uint32_t left = 0;
    while (list->pop())
    {
        ++left;
    }
    EXPECT_EQ(left, kNumbers) << "nothing was lost";
}

TEST(FreeList, WhatAnOwnerWroteIsSeenByTheNextOwner)
{
    constexpr std::uint32_t kNumbers = 3;
    ListFixture list(kNumbers);
    std::array<std::uint64_t, kNumbers> payload{}; // not atomic: TSan reports a missing edge
    std::atomic<std::uint64_t> turns{0};

    onThreads(
        [&](std::uint32_t)
        {
            for (std::uint32_t round = 0; round < kRounds; ++round)
            {
                if (const auto number = list->pop())
                {
                    ++payload[*number];
                    turns.fetch_add(1, std::memory_order_relaxed);
                    list->push(*number);
                }
            }
        });

    EXPECT_EQ(payload[0] + payload[1] + payload[2], turns.load());
}

/// A list in the name of ports; port 0 means nobody.
struct PortsFixture : ListFixture
{
    explicit PortsFixture(std::uint32_t capacity) : ListFixture(capacity), m_ports(new PortRecord[kThreads + 1]{})
    {
        m_view = m_list.view(PoolRegistry::instance());
        m_view.m_pool = 3;
        m_view.m_ports = m_ports.get();
        m_view.m_portCount = kThreads + 1;
    }

    std::uint32_t pop(std::uint32_t port, std::uint32_t wanted)
    {
        return freelist::popBatch(m_view, port, wanted, m_out);
    }

    std::unique_ptr<PortRecord[]> m_ports;
    MPMC_LockFree_List::View m_view;
    std::array<std::uint32_t, PortRecord::kBatch> m_out{};
};

TEST(FreeListOnRecord, PopsUpToWhatWasWantedAndPushesItBack)
{
    PortsFixture list(5);

    EXPECT_EQ(list.pop(1, 3), 3U);
    EXPECT_EQ(list.m_out[0], 0U);
    EXPECT_EQ(list.m_out[2], 2U);
    freelist::popDone(list.m_view, 1);
    EXPECT_EQ(list.pop(1, 16), 2U);
    freelist::popDone(list.m_view, 1);
    EXPECT_EQ(list.pop(1, 1), 0U);

    const std::array<std::uint32_t, 2> back{4, 1};
    freelist::pushBatch(list.m_view, 1, back);
    freelist::pushDone(list.m_view, 1);

    EXPECT_EQ(list.pop(2, 16), 2U);
    EXPECT_EQ(list.m_out[0], 4U);
    EXPECT_EQ(list.m_out[1], 1U);
}

TEST(FreeListOnRecord, TheNoteStaysUntilTheCallerIsDone)
{
    PortsFixture list(5);

    ASSERT_EQ(list.pop(1, 2), 2U);

    const std::uint64_t note = list.m_ports[1].m_note.load();
    EXPECT_EQ(noteKind(note), ListNote::Popping);
    EXPECT_EQ(noteList(note), 3U);
    EXPECT_EQ(noteSequence(note), 1U);
    EXPECT_EQ(list.m_ports[1].m_batchCount.load(), 2U);
    EXPECT_EQ(list.m_ports[1].m_batch[1].load(), 1U);

    freelist::popDone(list.m_view, 1);
    EXPECT_EQ(noteKind(list.m_ports[1].m_note.load()), ListNote::None);
}

TEST(FreeListOnRecord, AnOperationIsKnownToHaveHappenedByItsTag)
{
    PortsFixture list(5);

    ASSERT_EQ(list.pop(1, 2), 2U);

    EXPECT_TRUE(freelist::applied(list.m_view, 1, 1));
    EXPECT_FALSE(freelist::applied(list.m_view, 1, 2));
    EXPECT_FALSE(freelist::applied(list.m_view, 2, 1));
}

TEST(FreeListOnRecord, WhoOverwritesATagRecordsThatItsOperationHappened)
{
    PortsFixture list(5);
    ASSERT_EQ(list.pop(1, 1), 1U); // port 1 stops here: note set, tag in the head

    ASSERT_EQ(list.pop(2, 1), 1U);

    EXPECT_EQ(list.m_ports[1].m_done.load(), 1U);
    EXPECT_TRUE(freelist::applied(list.m_view, 1, 1)) << "although the tag is gone";
}

TEST(FreeListOnRecord, APushIsRecordedJustTheSame)
{
    PortsFixture list(5);
    ASSERT_EQ(list.pop(1, 2), 2U);
    freelist::popDone(list.m_view, 1);
    const std::array<std::uint32_t, 2> back{0, 1};
    freelist::pushBatch(list.m_view, 1, back); // stops here
    ASSERT_TRUE(freelist::applied(list.m_view, 1, 2));

    const std::array<std::uint32_t, 1> none{4};
    ASSERT_EQ(list.pop(2, 5), 5U);
    freelist::popDone(list.m_view, 2);
    freelist::pushBatch(list.m_view, 2, none);

    EXPECT_EQ(noteKind(list.m_ports[1].m_note.load()), ListNote::Pushing);
    EXPECT_TRUE(freelist::applied(list.m_view, 1, 2));
}

TEST(FreeListOnRecord, AnOperationThatOnlyAnnouncedItselfHasNotHappened)
{
    PortsFixture list(5);
    ASSERT_EQ(list.pop(1, 1), 1U);
    freelist::popDone(list.m_view, 1);
    list.m_ports[1].m_note.store(listNote(2, 3, ListNote::Popping)); // stops before the exchange

    EXPECT_FALSE(freelist::applied(list.m_view, 1, 2));
    ASSERT_EQ(list.pop(2, 1), 1U);
    EXPECT_FALSE(freelist::applied(list.m_view, 1, 2)) << "the tag of its operation 1 proves nothing about 2";
}

TEST(FreeListOnRecord, AnEmptyListUsesNoSequenceUp)
{
    PortsFixture list(1);
    ASSERT_EQ(list.pop(1, 1), 1U);
    freelist::popDone(list.m_view, 1);

    EXPECT_EQ(list.pop(1, 1), 0U);

    EXPECT_EQ(list.m_ports[1].m_operations.load(), 1U);
    EXPECT_EQ(noteKind(list.m_ports[1].m_note.load()), ListNote::None);
}

TEST(FreeListOnRecord, AScribbledLinkMakesTheListLookEmpty)
{
    PortsFixture list(4);
    list.m_view.m_links[1].store(3000);

    EXPECT_EQ(list.pop(1, 4), 0U);
    EXPECT_EQ(list.pop(1, 2), 0U) << "link 1 is what would stay in the head";
    EXPECT_EQ(list.pop(1, 1), 1U);
}

TEST(FreeListOnRecord, AScribbledRingOfLinksEndsWithTheBatch)
{
    PortsFixture list(4);
    list.m_view.m_links[1].store(0);

    EXPECT_EQ(list.pop(1, 16), 16U);
}

TEST(FreeListOnRecord, NoNumberIsOutTwiceAndEveryOperationIsProvable)
{
    constexpr std::uint32_t kNumbers = 12;
    PortsFixture list(kNumbers);
    Owners owners(kNumbers);
    std::atomic<std::uint32_t> unproved{0};

    onThreads(
        [&](std::uint32_t thread)
        {
            const std::uint32_t me = thread + 1;
            std::array<std::uint32_t, PortRecord::kBatch> out{};
            for (std::uint32_t round = 0; round < kRounds; ++round)
            {
                const std::uint32_t count = freelist::popBatch(list.m_view, me, 1 + round % 4, out);
                if (count == 0)
                {
                    continue;
                }
                const std::uint64_t popped = list.m_ports[me].m_operations.load();
                std::this_thread::yield(); // others overwrite the tag meanwhile
                unproved += freelist::applied(list.m_view, me, popped) ? 0U : 1U;
                for (std::uint32_t i = 0; i < count; ++i)
                {
                    owners.take(out[i], thread);
                }
                freelist::popDone(list.m_view, me);
                for (std::uint32_t i = 0; i < count; ++i)
                {
                    owners.give(out[i], thread);
                }
                freelist::pushBatch(list.m_view, me, std::span(out).first(count));
                std::this_thread::yield();
                unproved += freelist::applied(list.m_view, me, popped + 1) ? 0U : 1U;
                freelist::pushDone(list.m_view, me);
            }
        });

    EXPECT_EQ(owners.violations(), 0U);
    EXPECT_EQ(unproved.load(), 0U);
    EXPECT_EQ(list.pop(1, kNumbers), kNumbers) << "nothing was lost";
}

} // namespace

} // namespace ZeroCP
