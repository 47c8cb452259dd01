// One thread, one process: loan + publish + take + release, the whole way of a message without any waiting.
//
// Disproved if: the time grows with the message (zero copy means this curve is flat; the payload is not touched here), if
// it grows more than in proportion to the subscribers, or if it is above a few hundred instructions
// (bench/pubsub/cycle_count.cpp counts them).
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include <unistd.h>

#include <benchmark/benchmark.h>

#include "zerocp/zerocp.hpp"

namespace
{

using namespace ZeroCP;

const char* const kTopic = "bench/loopback";

template <std::size_t Bytes>
struct Block
{
    std::byte m_bytes[Bytes];
};

/// A domain of this process's own, so that two runs do not meet.
NodeOptions ownDomain()
{
    return {
        .domain = 40000 + static_cast<std::uint32_t>(::getpid()) % 10000, .configFile = {}, .root = {}, .config = {}};
}

/// The same small need of chunks at every size: 16 MiB ones add up.
QoS small()
{
    return QoS{}.keepLast(2).maxLoans(1).maxHeld(1);
}

/// One publisher and its subscribers.
template <typename Message>
class Loopback
{
  public:
    Loopback(benchmark::State& state, std::size_t subscribers, const QoS& qos)
    {
        auto node = Node::create("bench", ownDomain());
        if (!node)
        {
            state.SkipWithError(node.error().message().c_str());
            return;
        }
        m_node = std::move(*node);
        auto publisher = m_node.createPublisher<Message>(kTopic, qos);
        if (!publisher)
        {
            state.SkipWithError(publisher.error().message().c_str());
            return;
        }
        m_publisher = std::move(*publisher);
        for (std::size_t i = 0; i < subscribers; ++i)
        {
            auto subscriber = m_node.createSubscriber<Message>(kTopic, qos);
            if (!subscriber)
            {
                state.SkipWithError(subscriber.error().message().c_str());
                return;
            }
            m_subscribers.push_back(std::move(*subscriber));
        }
        m_ready = true;
    }

    [[nodiscard]] bool isReady() const { return m_ready; }

    bool send()
    {
        auto loan = m_publisher.loan();
        return loan && m_publisher.publish(std::move(*loan));
    }
    bool receive()
    {
        bool all = true;
        for (Subscriber<Message>& subscriber : m_subscribers)
        {
            const auto sample = subscriber.take();
            all &= sample.has_value();
        }
        return all;
    }

  private:
    Node m_node;
    Publisher<Message> m_publisher;
    std::vector<Subscriber<Message>> m_subscribers;
    bool m_ready{false};
};

// Flat from 64 B to 16 MiB, within 20 %.
template <std::size_t Bytes>
void BM_LoanPublishTakeRelease(benchmark::State& state)
{
    Loopback<Block<Bytes>> link(state, 1, small());
    for (auto _ : state)
    {
        if (!link.isReady() || !link.send() || !link.receive())
        {
            state.SkipWithError("queue or pool ran dry");
            break;
        }
    }
    state.SetItemsProcessed(state.iterations());
    state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(Bytes));
}
BENCHMARK(BM_LoanPublishTakeRelease<64>);
BENCHMARK(BM_LoanPublishTakeRelease<4096>);
BENCHMARK(BM_LoanPublishTakeRelease<(1 << 20)>);
BENCHMARK(BM_LoanPublishTakeRelease<(16 << 20)>);

// With the default QoS: what a user gets who says nothing.
void BM_LoanPublishTakeReleaseDefaultQoS(benchmark::State& state)
{
    Loopback<Block<64>> link(state, 1, {});
    for (auto _ : state)
    {
        if (!link.isReady() || !link.send() || !link.receive())
        {
            state.SkipWithError("queue or pool ran dry");
            break;
        }
    }
    state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_LoanPublishTakeReleaseDefaultQoS);

// All subscribers take every message.
void BM_CycleWithSubscribers(benchmark::State& state)
{
    Loopback<Block<64>> link(state, static_cast<std::size_t>(state.range(0)), {});
    for (auto _ : state)
    {
        if (!link.isReady() || !link.send() || !link.receive())
        {
            state.SkipWithError("queue or pool ran dry");
            break;
        }
    }
    state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_CycleWithSubscribers)->RangeMultiplier(2)->Range(1, 64);

// loan + publish alone: takes are not timed. An item is one publish.
void BM_LoanPublishToSubscribers(benchmark::State& state)
{
    constexpr int kBatch = 8;
    Loopback<Block<64>> link(state, static_cast<std::size_t>(state.range(0)), {});
    for (auto _ : state)
    {
        bool good = link.isReady();
        const auto start = std::chrono::steady_clock::now();
        for (int i = 0; i < kBatch && good; ++i)
        {
            good = link.send();
        }
        const auto end = std::chrono::steady_clock::now();
        for (int i = 0; i < kBatch && good; ++i)
        {
            good = link.receive();
        }
        if (!good)
        {
            state.SkipWithError("queue or pool ran dry");
            break;
        }
        state.SetIterationTime(std::chrono::duration<double>(end - start).count() / kBatch);
    }
    state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_LoanPublishToSubscribers)->Arg(0)->Arg(1)->Arg(2)->Arg(4)->Arg(8)->Arg(16)->Arg(64)->UseManualTime();

// Readers that never take: every publish evicts the oldest message of every queue.
void BM_LoanPublishEvicting(benchmark::State& state)
{
    Loopback<Block<64>> link(state, static_cast<std::size_t>(state.range(0)), {});
    for (auto _ : state)
    {
        if (!link.isReady() || !link.send())
        {
            state.SkipWithError("the pool ran dry");
            break;
        }
    }
    state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_LoanPublishEvicting)->Arg(1)->Arg(8)->Arg(64);

// Looking when there is nothing.
void BM_TakeNothing(benchmark::State& state)
{
    Loopback<Block<64>> link(state, 1, {});
    for (auto _ : state)
    {
        benchmark::DoNotOptimize(link.receive());
    }
    state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_TakeNothing);

} // namespace
