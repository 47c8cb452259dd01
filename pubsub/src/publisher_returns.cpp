// PublisherPort's chunks in flight: what comes back, when it is free, what is too much to keep.
#include <algorithm>

#include "zerocp/pubsub/publisher_port.hpp"

namespace ZeroCP
{

using holder::generationOf;
using holder::kBits;
using holder::word;

/// All other bits of `chunk` are gone or handed back: ours alone, by rule X with plain stores. The generation moves
/// before the chunk can be used again, so a stale exchange of a reaper fails.
void PublisherPort::keep(std::uint32_t chunk) noexcept
{
    for (std::uint32_t x = m_usedWords; x-- > 0;)
    {
        std::atomic<std::uint64_t>& target = m_view.word(chunk, x);
        const std::uint64_t generation = generationOf(target.load(std::memory_order_relaxed)) + 1;
        // [sync:holder-word] Release: whoever sees the new generation sees a chunk that nobody else holds.
        target.store(word(generation, x == 0 ? ChunkState::InUse : ChunkState::Free, ownBit(x)),
                     std::memory_order_release);
    }
    m_ledger.landed(chunk);
}

/// Whether nobody but us has a right to a chunk in flight.
bool PublisherPort::isFree(std::uint32_t chunk) const noexcept
{
    return holders::heldOnlyBy(m_view, chunk, m_me.m_holder, m_usedWords) && isUnpinned(chunk);
}

/// Whether no late joiner can have the chunk: it has left the history, and sealed nobody pins it any more.
bool PublisherPort::isUnpinned(std::uint32_t chunk) const noexcept
{
    return m_history.m_head == nullptr || (!m_ledger.isRemembered(chunk) && holders::sealJoiners(m_view, chunk));
}

/// `from` has no further right to publication `tag` of `chunk`: returned, evicted or gone. The bit is checked, so a hint
/// acts once.
void PublisherPort::returned(std::uint32_t chunk, const Connection& from, std::uint64_t tag) noexcept
{
    if (chunk >= m_view.maxChunks() || !m_ledger.isFlying(chunk))
    {
        return; // stale hint
    }
    std::atomic<std::uint64_t>& target = m_view.word(chunk, from.m_word);
    // [sync:return] Acquire: the subscriber's reads are done. Partner: its release store into the return ring.
    if ((target.load(std::memory_order_acquire) & from.m_bit) == 0 ||
        m_view.record(chunk).m_publication.load(std::memory_order_relaxed) != tag)
    {
        return;
    }
    target.fetch_and(~from.m_bit, std::memory_order_acq_rel);
    keepIfFree(chunk);
}

/// One return. Once everybody has given the chunk back it is ours alone; until then the bits are gathered.
inline void PublisherPort::takeBack(const Connection& from, std::uint64_t value) noexcept
{
    const std::uint32_t chunk = entry::chunkOf(value);
    if (chunk >= m_view.maxChunks() || !m_ledger.isFlying(chunk))
    {
        return; // stale hint
    }
    ChunkManager& record = m_view.record(chunk);
    std::atomic<std::uint64_t>& target = record.word(from.m_word);
    if (record.m_publication.load(std::memory_order_relaxed) != tagOf(entry::sequenceOf(value)))
    {
        return;
    }
    const std::uint64_t bits = target.load(std::memory_order_acquire);
    if (m_keepsAtOnce && (bits & kBits) == from.m_lastReader) [[likely]]
    {
        // keep() for a single word and the last reader: no bit was gathered before. [sync:holder-word]
        target.store(bits - from.m_bit + holder::kGenerationStep, std::memory_order_release);
        m_ledger.landed(chunk);
        const std::uint32_t place = chunk - m_lastFirst;
        if (place < m_lastCount && m_ledger.stashed(m_lastClass) <= 2 * m_stashes[m_lastClass])
        {
            // The reader's core has the payload's first line, and a message will be written there soon. What is more than
            // that is given back by trim(), which takes the latest.
            fetchForWriting(m_lastBase + m_lastStride * place + sizeof(ChunkHeader));
        }
        return;
    }
    if ((bits & from.m_bit) != 0)
    {
        m_ledger.gather(chunk, from.m_word, from.m_bit);
    }
}

/// Empties the return rings: gathers the bits given back per chunk; then one store (everybody has) or one AND per word;
/// then the ring heads. A crash before the heads: recovery applies the returns again, and finds the bits gone.
void PublisherPort::collect() noexcept
{
    bool any = false;
    for (Connection& connection : m_connections)
    {
        const PairView& pair = connection.m_pair;
        std::uint64_t count = connection.m_returns;
        for (;; ++count)
        {
            // [sync:return] Acquire: the subscriber is done reading. Partner: SubscriberPort::release().
            const std::uint64_t value = pair.returned(count).load(std::memory_order_acquire);
            if (!pair.isReturn(value, count))
            {
                break;
            }
            takeBack(connection, value);
        }
        any |= count != connection.m_returns;
        connection.m_returns = count;
    }
    if (!any)
    {
        return;
    }
    applyReturns();
    for (const Connection& connection : m_connections)
    {
        // [sync:ring-head] Release: the bits are cleared before. Partner: SubscriberPort::release(), recovery.
        connection.m_pair.m_head->m_ringHead.store(connection.m_returns, std::memory_order_release);
    }
    trim();
}

void PublisherPort::applyReturns() noexcept
{
    for (std::uint32_t i = 0; i < m_ledger.touchedCount(); ++i)
    {
        const std::uint32_t chunk = m_ledger.touched(i);
        if (!m_ledger.isFlying(chunk))
        {
            // The rest came back after it was touched, and a reaper had taken the bit that we gathered: forget it, or the
            // next flight would take it for given back.
            for (std::uint32_t x = 0; x < m_usedWords; ++x)
            {
                m_ledger.returned(chunk, x) = 0;
            }
            continue;
        }
        bool all = true;
        for (std::uint32_t x = 0; x < m_usedWords; ++x)
        {
            const std::uint64_t left = m_view.word(chunk, x).load(std::memory_order_acquire) & kBits;
            all &= (left & ~m_ledger.returned(chunk, x)) == ownBit(x);
        }
        all = all && isUnpinned(chunk);
        for (std::uint32_t x = 0; x < m_usedWords; ++x)
        {
            const std::uint64_t bits = m_ledger.returned(chunk, x);
            if (!all && bits != 0)
            {
                m_view.word(chunk, x).fetch_and(~bits, std::memory_order_acq_rel);
            }
            m_ledger.returned(chunk, x) = 0;
        }
        if (all || isFree(chunk))
        {
            keep(chunk);
        }
    }
    m_ledger.clearTouched();
}

/// Bits that were cleared without a hint: full rings, dead subscribers, samples dropped on other threads.
void PublisherPort::scan() noexcept
{
    m_ledger.forEachFlight([this](std::uint32_t chunk) { keepIfFree(chunk); });
}

/// What exceeds the stash or the budget goes back to the shared list at once, so that others of the pool set can have it.
void PublisherPort::trim() noexcept
{
    for (std::uint32_t pool = 0; pool < m_view.classCount(); ++pool)
    {
        const std::uint32_t stashed = m_ledger.stashed(pool);
        if (stashed <= 2 * m_stashes[pool] && m_ownedOf[pool] <= m_budgets[pool]) [[likely]]
        {
            continue;
        }
        const std::uint32_t spare = stashed > 2 * m_stashes[pool] ? stashed - m_stashes[pool] : 0;
        const std::uint32_t excess = m_ownedOf[pool] - std::min(m_ownedOf[pool], m_budgets[pool]);
        const std::uint32_t count = std::max(spare, std::min(excess, stashed));
        if (count != 0)
        {
            giveBack(pool, count);
        }
    }
}

} // namespace ZeroCP
