// The list of free chunks, against boost::lockfree::queue as the list it could have been.
//
// Disproved if: a number taken and given back in batches of 16 costs more than one taken from the Boost queue (then the
// batches are not worth their rules), or if a batch costs more per number than single operations do.
#include <array>
#include <atomic>
#include <cstdint>
#include <span>
#include <vector>

#include <benchmark/benchmark.h>
#include <boost/lockfree/queue.hpp>

#include "zerocp/core/mpmclockfreelist.hpp"
#include "zerocp/core/port_record.hpp"

namespace
{

using namespace ZeroCP;

constexpr std::uint32_t kCapacity = 4096;
constexpr std::uint32_t kMostThreads = 4;

/// A list in ordinary memory, with a port for every thread.
struct List
{
    List()
    {
        for (std::uint32_t i = 0; i < kCapacity; ++i)
        {
            m_links[i].store(i + 1 < kCapacity ? i + 1 : MPMC_LockFree_List::kEndOfList, std::memory_order_relaxed);
        }
        m_view = {&m_head, m_links.data(), kCapacity, 0, m_ports.data(), kMostThreads + 1};
    }

    alignas(64) std::atomic<std::uint64_t> m_head{0};
    std::vector<MPMC_LockFree_List::Link> m_links = std::vector<MPMC_LockFree_List::Link>(kCapacity);
    std::vector<PortRecord> m_ports = std::vector<PortRecord>(kMostThreads + 1);
    MPMC_LockFree_List::View m_view;
};

void BM_FreeListBatchOnRecord(benchmark::State& state)
{
    static List list;
    const auto me = static_cast<std::uint32_t>(state.thread_index()) + 1;
    const auto batch = static_cast<std::uint32_t>(state.range(0));
    std::array<std::uint32_t, PortRecord::kBatch> numbers{};
    for (auto _ : state)
    {
        const std::uint32_t count = freelist::popBatch(list.m_view, me, batch, numbers);
        freelist::popDone(list.m_view, me);
        if (count != batch)
        {
            state.SkipWithError("the list ran dry");
            break;
        }
        freelist::pushBatch(list.m_view, me, std::span(numbers).first(count));
        freelist::pushDone(list.m_view, me);
    }
    state.SetItemsProcessed(state.iterations() * batch);
}
BENCHMARK(BM_FreeListBatchOnRecord)->Arg(1)->Arg(8)->Arg(16)->Threads(1)->Threads(2)->UseRealTime();

/// The anonymous way, one number at a time; what the design note shows.
void BM_FreeListPopPush(benchmark::State& state)
{
    static std::vector<std::uint64_t> links(MPMC_LockFree_List::requiredIndexMemorySize(kCapacity) / 8);
    static MPMC_LockFree_List list;
    static const bool made = list.initialize(links.data(), kCapacity);
    if (!made)
    {
        state.SkipWithError("no list");
        return;
    }
    for (auto _ : state)
    {
        const auto number = list.pop();
        if (!number || !list.push(*number))
        {
            state.SkipWithError("the list ran dry");
            break;
        }
    }
    state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_FreeListPopPush)->Threads(1)->Threads(2)->UseRealTime();

void BM_BoostQueueAsFreeList(benchmark::State& state)
{
    static boost::lockfree::queue<std::uint32_t, boost::lockfree::capacity<kCapacity>> queue;
    static const bool filled = []
    {
        for (std::uint32_t i = 0; i < kCapacity; ++i)
        {
            static_cast<void>(queue.bounded_push(i));
        }
        return true;
    }();
    benchmark::DoNotOptimize(filled);
    for (auto _ : state)
    {
        std::uint32_t number = 0;
        if (!queue.pop(number) || !queue.bounded_push(number))
        {
            state.SkipWithError("the queue ran dry");
            break;
        }
    }
    state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_BoostQueueAsFreeList)->Threads(1)->Threads(2)->UseRealTime();

} // namespace
