// A pool's chunks, one at a time, as the seed's calls do it; malloc stands beside it for scale.
//
// Disproved if: the time grows with the size of the chunk (nothing of a chunk may be touched), or two threads do not
// get through at all (lock-free).
#include <cstdint>
#include <cstdlib>
#include <memory>

#include <benchmark/benchmark.h>

#include "zerocp/core/mempool.hpp"

namespace
{

using namespace ZeroCP;

constexpr std::uint32_t kChunks = 64;

/// One pool in ordinary memory.
class Pool
{
  public:
    explicit Pool(std::uint64_t chunkBytes)
        : m_linkBytes(alignUp(MPMC_LockFree_List::requiredIndexMemorySize(kChunks), kPageBytes)),
          m_bytes(m_linkBytes + alignUp(MemPool::strideOf(chunkBytes, 0) * kChunks, kPageBytes)),
          m_memory(static_cast<std::byte*>(std::aligned_alloc(kPageBytes, m_bytes)))
    {
        m_good = m_memory != nullptr && m_pool.initialize(m_memory + m_linkBytes, chunkBytes, kChunks, m_memory);
    }
    Pool(const Pool&) = delete;
    Pool& operator=(const Pool&) = delete;
    ~Pool() { std::free(m_memory); }

    [[nodiscard]] bool isGood() const { return m_good; }
    MemPool* operator->() { return &m_pool; }

  private:
    std::uint64_t m_linkBytes;
    std::uint64_t m_bytes;
    std::byte* m_memory;
    MemPool m_pool;
    bool m_good{false};
};

std::unique_ptr<Pool> g_pool; // of the benchmark that runs, shared by its threads

void makePool(const benchmark::State& state)
{
    g_pool = std::make_unique<Pool>(static_cast<std::uint64_t>(state.range(0)));
}
void removePool(const benchmark::State&)
{
    g_pool.reset();
}

void BM_MemPoolAllocateDeallocate(benchmark::State& state)
{
    const auto bytes = static_cast<std::uint64_t>(state.range(0));
    for (auto _ : state)
    {
        void* chunk = g_pool->isGood() ? (*g_pool)->allocate(bytes) : nullptr;
        if (chunk == nullptr || !(*g_pool)->deallocate(chunk))
        {
            state.SkipWithError("the pool ran dry");
            break;
        }
    }
    state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_MemPoolAllocateDeallocate)
    ->Setup(makePool)
    ->Teardown(removePool)
    ->Arg(64)
    ->Arg(4096)
    ->Arg(1 << 20)
    ->Threads(1)
    ->Threads(2)
    ->UseRealTime();

void BM_MallocFree(benchmark::State& state)
{
    const auto bytes = static_cast<std::size_t>(state.range(0));
    for (auto _ : state)
    {
        void* memory = std::malloc(bytes);
        benchmark::DoNotOptimize(memory);
        std::free(memory);
    }
    state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_MallocFree)->Arg(64)->Arg(4096)->Arg(1 << 20)->Threads(1)->Threads(2)->UseRealTime();

} // namespace
