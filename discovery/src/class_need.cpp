#include "class_need.hpp"

#include <vector>

#include "pool_set_tables.hpp"
#include "zerocp/discovery/pool_set.hpp"

namespace ZeroCP
{

namespace
{

/// The living publisher that has `chunk` in its stash, on loan or in flight; 0 if a publisher that is gone has left it
/// to its subscribers, or somebody is putting it back.
std::uint32_t livingOwner(const PoolView& view, std::uint32_t chunk) noexcept
{
    const std::uint64_t owner = view.record(chunk).m_owner.load(std::memory_order_acquire);
    const auto index = static_cast<std::uint32_t>(owner);
    if (index >= view.portCapacity())
    {
        return 0;
    }
    const PortRecord& port = view.port(index);
    const std::uint32_t bit = port.m_holderIndex.load(std::memory_order_relaxed);
    // By rule X a living owner's bit stands. Its record may have passed to somebody with another bit, or the same.
    const bool owned =
        isOpen(port, PortKind::Publisher, topicOfOwner(owner)) && holder::wordOf(bit) < view.holderWords() &&
        (view.word(chunk, holder::wordOf(bit)).load(std::memory_order_acquire) & holder::bitOf(bit)) != 0;
    return owned ? index : 0;
}

} // namespace

std::uint32_t publisherBudget(const PoolView& view, std::uint32_t port, std::uint64_t chunkBytes,
                              BudgetOf what) noexcept
{
    const PortRecord& me = view.port(port);
    const std::uint32_t topic = me.m_topic.load(std::memory_order_relaxed);
    const bool hasHistory = me.m_history.load(std::memory_order_relaxed) != 0;
    const std::uint32_t history = hasHistory ? me.m_depth.load(std::memory_order_relaxed) : 0;
    std::uint32_t window = history;
    std::uint32_t held = 0;
    for (std::uint32_t i = 1; i < portsInUse(view); ++i)
    {
        const PortRecord& other = view.port(i);
        // [sync:joining] Acquire. Partner: PoolSet::addPort().
        const bool counts = what == BudgetOf::Commitment || other.m_joining.load(std::memory_order_acquire) == 0;
        if (isOpen(other, PortKind::Subscriber, topic) && counts)
        {
            const std::uint32_t depth = other.m_depth.load(std::memory_order_relaxed);
            // Who drops the newest may keep old messages, each such subscriber others, and so does who is sent messages
            // of its own; all else is in the newest window.
            const std::uint32_t keeps = other.m_keepAll.load(std::memory_order_relaxed);
            const bool keepsOld = keeps == static_cast<std::uint32_t>(KeepAll::BestEffort) ||
                                  keeps == static_cast<std::uint32_t>(KeepAll::Directed);
            window = std::max(window, keepsOld ? 0 : depth);
            held += keepsOld ? depth : 0;
            held += other.m_history.load(std::memory_order_relaxed) != 0 ? std::min(history, depth) : 0; // pinned
            // One more that an eviction may have left to it, one more that takeLatest() exchanges.
            held += other.m_limit.load(std::memory_order_relaxed) + 2;
        }
    }
    return me.m_limit.load(std::memory_order_relaxed) + window + held + stashSize(chunkBytes);
}

std::uint32_t publisherShare(const PoolView& view, std::uint32_t port, std::uint32_t classIndex, BudgetOf what) noexcept
{
    static_assert(kMaxPools == PortRecord::kMaxClasses);
    const std::uint32_t budget = publisherBudget(view, port, view.classAt(classIndex).m_chunkSize, what);
    const std::uint32_t power = view.port(port).m_shares[classIndex].load(std::memory_order_relaxed);
    return power == 0 || power > 31 ? budget : std::min(budget, 1U << power);
}

ClassNeed needOf(const PoolView& view, std::uint32_t classIndex)
{
    const PoolView::Class& in = view.classAt(classIndex);
    ClassNeed need;
    std::vector<std::uint32_t> owned(view.portCapacity(), 0); // [0]: nobody's
    for (std::uint32_t i = 0; i < chunksOf(in); ++i)
    {
        const std::uint32_t chunk = in.m_firstChunk + i;
        // [sync:holder-word] Acquire: the owner comes before the word. Partner: holders::pop(), holders::retire().
        const ChunkState state = holder::stateOf(view.word(chunk, 0).load(std::memory_order_acquire));
        need.m_retired += state == ChunkState::Retired ? 1U : 0U;
        if (state == ChunkState::InUse || state == ChunkState::Freeing)
        {
            ++owned[state == ChunkState::InUse ? livingOwner(view, chunk) : 0];
        }
    }
    need.m_present = chunksOf(in) - need.m_retired;
    need.m_needed = owned[0];
    for (std::uint32_t i = 1; i < portsInUse(view); ++i)
    {
        const PortRecord& port = view.port(i);
        const std::uint32_t topic = port.m_topic.load(std::memory_order_relaxed);
        const bool draws = isOpen(port, PortKind::Publisher, topic) &&
                           (port.m_classes.load(std::memory_order_relaxed) >> classIndex & 1U) != 0;
        need.m_needed += std::max(draws ? publisherShare(view, i, classIndex) : 0U, owned[i]);
    }
    return need;
}

std::uint64_t committedBytes(const PoolView& view) noexcept
{
    std::uint64_t bytes = 0;
    for (std::uint32_t c = 0; c < view.classCount(); ++c)
    {
        const PoolView::Class& in = view.classAt(c);
        for (std::uint32_t i = 0; i < chunksOf(in); ++i)
        {
            bytes += isRetired(view, in.m_firstChunk + i) ? 0 : in.m_stride;
        }
    }
    return bytes;
}

} // namespace ZeroCP
