/// Private to recovery: what is known about the port that is taken out, walks over its pool set, and the steps that are
/// common to publishers and subscribers. Every step may be interrupted by death anywhere and repeated.
#pragma once

#include <algorithm>
#include <cstdint>

#include "zerocp/core/pool_view.hpp"

namespace ZeroCP::recovery
{

struct Victim
{
    const PoolView& m_view;
    std::uint32_t m_port;
    std::uint32_t m_holder;
    std::uint32_t m_topic;

    [[nodiscard]] PortRecord& record() const noexcept { return m_view.port(m_port); }
    /// Whether its process died; else it leaves.
    [[nodiscard]] bool isDead() const noexcept { return record().m_died.load(std::memory_order_relaxed) != 0; }
};

inline std::uint32_t chunksOf(const PoolView::Class& in) noexcept
{
    return std::min(in.m_pool->getTotalChunks(), in.m_endChunk - in.m_firstChunk);
}

template <typename Action>
void forEachChunk(const PoolView& view, Action&& action)
{
    for (std::uint32_t c = 0; c < view.classCount(); ++c)
    {
        const PoolView::Class& in = view.classAt(c);
        for (std::uint32_t i = 0; i < chunksOf(in); ++i)
        {
            action(in, in.m_firstChunk + i);
        }
    }
}

template <typename Action>
void forEachPair(const PoolView& view, Action&& action)
{
    const std::uint32_t used =
        std::min(view.header().m_pairHighWater.load(std::memory_order_acquire), view.pairCapacity());
    for (std::uint32_t i = 0; i < used; ++i)
    {
        PairRecord& pair = view.pair(i);
        const std::uint32_t state = pair.m_state.load(std::memory_order_acquire);
        if ((state & PairRecord::Used) != 0 && (state & PairRecord::History) == 0)
        {
            action(pair);
        }
    }
}

/// notifier::barrierEverywhere(), or where the kernel refuses it, a pause in which store buffers drain.
void barrierEverywhere();

/// The free-list operation that the victim was in: finished if it took effect, forgotten if not.
void finishListOperation(const Victim& victim);

/// Chunks that nobody holds any more, or that are marked as the victim's, go to their free lists.
void freeAllOrphans(const Victim& victim);

/// The victim's own bit, wherever it is: stash, loans, in flight, held samples, pins.
void sweepOwnBit(const Victim& victim);

/// A pair's books end now, if they have not yet: what the victim has missed since its last message, and its lease.
void closeBooks(const Victim& victim, PairHead& head);

/// Everything that a publisher leaves behind, but for its record.
void retirePublisher(const Victim& victim);

} // namespace ZeroCP::recovery
