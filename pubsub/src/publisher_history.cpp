// PublisherPort's history, for those who join late.
#include "zerocp/pubsub/publisher_port.hpp"

namespace ZeroCP
{

/// Puts a message into the history; the one that it replaces may be free then.
[[gnu::noinline]] void PublisherPort::remember(std::uint64_t sequence, std::uint32_t chunk) noexcept
{
    std::atomic<std::uint64_t>& place = m_history.entry(sequence);
    const std::uint64_t former = place.load(std::memory_order_relaxed); // ours
    // [sync:history] Release: payload, header and tag come before. Partner: SubscriberPort::pin().
    place.store(entry::make(sequence, chunk), std::memory_order_release);
    m_history.m_head->m_next.store(sequence + 1, std::memory_order_release);
    m_ledger.remember(chunk, true);
    if (former != 0 && entry::chunkOf(former) < m_view.maxChunks() && m_ledger.isRemembered(entry::chunkOf(former)))
    {
        m_ledger.remember(entry::chunkOf(former), false);
        keepIfFree(entry::chunkOf(former));
    }
    meetNewcomers();
}

/// Who joined during this call finds its message in the history, but may have looked already: it is met now, and woken.
void PublisherPort::meetNewcomers() noexcept
{
    // [sync:history] The entry first, then the epoch: a joiner moves the epoch, runs a barrier on this core and then
    // looks at the history. Partner: SubscriberPort::joinHistory().
    if (m_needsFence)
    {
        std::atomic_thread_fence(std::memory_order_seq_cst);
    }
    std::atomic_signal_fence(std::memory_order_seq_cst);
    if (m_epochWord->load(std::memory_order_acquire) != m_epoch)
    {
        onEpoch();
        wakeReceivers();
    }
}

} // namespace ZeroCP
