// The way of a message from one publisher to one subscriber, as the ports use it: slot store, poll, and the ring on which
// the chunk comes back. boost::lockfree::spsc_queue and queue carry the same 8 bytes beside it, without a way back.
//
// Disproved if: a hand-over between two threads takes longer than through boost::lockfree::spsc_queue (then the slots
// should be one), or more than about 1.3 times the raw hand-over of one cache line, measured in the same run.
// One run says nothing about two threads: the host moves its cores. Compare medians of interleaved repeats.
#include <array>
#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

#include <benchmark/benchmark.h>
#include <boost/lockfree/queue.hpp>
#include <boost/lockfree/spsc_queue.hpp>

#include "zerocp/core/pair_queue.hpp"

namespace
{

using namespace ZeroCP;

constexpr std::uint32_t kDepth = 16;
constexpr std::uint32_t kHeld = 4;

void relax()
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#endif
}

/// One pair's block in ordinary memory, with both ends' private state. Each end belongs to one thread.
class Pair
{
  public:
    Pair() : m_block(kShape.blockBytes() / 8 + 8)
    {
        auto place = reinterpret_cast<std::uintptr_t>(m_block.data());
        auto* words = reinterpret_cast<PairView::Word*>(alignUp(place, kCacheLineBytes));
        m_view = {reinterpret_cast<PairHead*>(words),
                  words + sizeof(PairHead) / 8,
                  words + sizeof(PairHead) / 8 + alignUp(8ULL * kShape.m_slotCount, kCacheLineBytes) / 8,
                  kShape.m_slotCount - 1,
                  kShape.m_returnCount - 1,
                  kShape.m_depth};
    }

    /// Publisher. False if the queue is full: nothing is evicted here.
    bool push(std::uint64_t value)
    {
        collect();
        if (m_sequence - m_collected > kDepth)
        {
            return false;
        }
        m_view.slot(m_sequence)
            .store(entry::make(m_sequence, static_cast<std::uint32_t>(value & entry::kNoChunk)),
                   std::memory_order_release);
        ++m_sequence;
        return true;
    }

    /// Subscriber: announces before it looks, gives back at once.
    bool pop(std::uint64_t& value)
    {
        if (m_announced != m_position)
        {
            m_view.m_head->m_position.exchange(m_position, std::memory_order_seq_cst);
            m_announced = m_position;
        }
        const std::uint64_t found = m_view.slot(m_position).load(std::memory_order_acquire);
        if (found >> 20 != m_position)
        {
            return false;
        }
        ++m_position;
        value = entry::chunkOf(found);
        m_view.returned(m_returns).store(found | m_view.parityOf(m_returns), std::memory_order_release);
        ++m_returns;
        return true;
    }

  private:
    static constexpr PairShape kShape = PairShape::of(kDepth, kHeld);

    void collect()
    {
        bool any = false;
        while (m_view.isReturn(m_view.returned(m_taken).load(std::memory_order_acquire), m_taken))
        {
            ++m_taken;
            any = true;
        }
        if (any)
        {
            m_collected = m_taken + 1;
            m_view.m_head->m_ringHead.store(m_taken, std::memory_order_release);
        }
    }

    std::vector<std::uint64_t> m_block;
    PairView m_view;
    alignas(kCacheLineBytes) std::uint64_t m_sequence{1}; // the publisher's
    std::uint64_t m_taken{0};
    std::uint64_t m_collected{1};
    alignas(kCacheLineBytes) std::uint64_t m_position{1}; // the subscriber's
    std::uint64_t m_announced{0};
    std::uint64_t m_returns{0};
};

class BoostSpsc
{
  public:
    bool push(std::uint64_t value) { return m_queue.push(value); }
    bool pop(std::uint64_t& value) { return m_queue.pop(value); }

  private:
    boost::lockfree::spsc_queue<std::uint64_t, boost::lockfree::capacity<kDepth>> m_queue;
};

class BoostQueue
{
  public:
    bool push(std::uint64_t value) { return m_queue.bounded_push(value); }
    bool pop(std::uint64_t& value) { return m_queue.pop(value); }

  private:
    boost::lockfree::queue<std::uint64_t, boost::lockfree::capacity<kDepth>> m_queue;
};

/// The least that any queue needs: one cache line with a flag and a value.
class RawLine
{
  public:
    bool push(std::uint64_t value)
    {
        m_value.store(++m_sent << 32 | value, std::memory_order_release);
        return true;
    }
    bool pop(std::uint64_t& value)
    {
        const std::uint64_t found = m_value.load(std::memory_order_acquire);
        if (found >> 32 == m_seen)
        {
            return false;
        }
        m_seen = found >> 32;
        value = found & 0xFFFFFFFFU;
        return true;
    }

  private:
    alignas(kCacheLineBytes) std::atomic<std::uint64_t> m_value{0};
    alignas(kCacheLineBytes) std::uint64_t m_sent{0};
    alignas(kCacheLineBytes) std::uint64_t m_seen{0};
};

template <typename Queue>
void BM_OneThread(benchmark::State& state)
{
    Queue queue;
    std::uint64_t sent = 0;
    for (auto _ : state)
    {
        std::uint64_t got = 0;
        if (!queue.push(++sent & 0xFFFFU) || !queue.pop(got) || got != (sent & 0xFFFFU))
        {
            state.SkipWithError("lost a value");
            break;
        }
    }
    state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_OneThread<Pair>);
BENCHMARK(BM_OneThread<BoostSpsc>);
BENCHMARK(BM_OneThread<BoostQueue>);

/// Both directions: an item is one hand-over, half a round trip.
template <typename Queue>
void BM_HandOver(benchmark::State& state)
{
    Queue there;
    Queue back;
    std::thread answering(
        [&]
        {
            for (std::uint64_t value = 1; value != 0;)
            {
                while (!there.pop(value))
                {
                }
                while (!back.push(value))
                {
                }
            }
        });
    const auto roundTrip = [&](std::uint64_t value)
    {
        std::uint64_t answer = 0;
        while (!there.push(value))
        {
        }
        while (!back.pop(answer))
        {
        }
        return answer == value;
    };
    for (auto _ : state)
    {
        if (!roundTrip(1))
        {
            state.SkipWithError("a wrong answer");
            break;
        }
    }
    static_cast<void>(roundTrip(0));
    answering.join();
    state.SetItemsProcessed(2 * state.iterations());
}
BENCHMARK(BM_HandOver<RawLine>)->UseRealTime();
BENCHMARK(BM_HandOver<Pair>)->UseRealTime();
BENCHMARK(BM_HandOver<BoostSpsc>)->UseRealTime();
BENCHMARK(BM_HandOver<BoostQueue>)->UseRealTime();

/// One way, as fast as the other end takes it.
template <typename Queue>
void BM_Stream(benchmark::State& state)
{
    constexpr std::uint64_t kEnd = 0xFFFFF - 1;
    Queue queue;
    std::thread reading(
        [&]
        {
            for (std::uint64_t value = 0; value != kEnd;)
            {
                if (!queue.pop(value))
                {
                    relax();
                }
            }
        });
    const auto send = [&queue](std::uint64_t value)
    {
        while (!queue.push(value))
        {
            relax();
        }
    };
    for (auto _ : state)
    {
        send(1);
    }
    send(kEnd);
    reading.join();
    state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_Stream<Pair>)->UseRealTime();
BENCHMARK(BM_Stream<BoostSpsc>)->UseRealTime();
BENCHMARK(BM_Stream<BoostQueue>)->UseRealTime();

} // namespace
