// PublisherPort's subscribers: who came, who went, room in their queues.
#include <algorithm>

#include "zerocp/pubsub/publisher_port.hpp"

namespace ZeroCP
{

using holder::bitOf;
using holder::wordOf;

void PublisherPort::dropGoneSubscribers() noexcept
{
    for (std::size_t i = 0; i < m_connections.size();)
    {
        const Connection gone = m_connections[i];
        const PairRecord& pair = m_view.pair(gone.m_record);
        // [sync:gone] Acquire. Partner: recovery, which sets the flag and then moves the epoch.
        const bool stays = pair.m_state.load(std::memory_order_acquire) == PairRecord::Used &&
                           pair.m_incarnation.load(std::memory_order_acquire) == gone.m_incarnation;
        if (stays)
        {
            ++i;
            continue;
        }
        m_connections[i] = m_connections.back();
        m_connections.pop_back();
        // What only we may have added, only we can take away without a fence: bits that were set after the sweep.
        m_ledger.forEachFlight(
            [this, &gone](std::uint32_t chunk)
            {
                returned(chunk, gone, m_view.record(chunk).m_publication.load(std::memory_order_relaxed));
                if (m_ledger.isFlying(chunk))
                {
                    keepIfFree(chunk);
                }
            });
    }
}

void PublisherPort::findNewSubscribers() noexcept
{
    const std::uint32_t used =
        std::min(m_view.header().m_pairHighWater.load(std::memory_order_acquire), m_view.pairCapacity());
    for (std::uint32_t i = 0; i < used && m_connections.size() < m_connections.capacity(); ++i)
    {
        PairRecord& record = m_view.pair(i);
        // [sync:pair] Acquire: place and shape come before the state. Partner: PoolSet::makePair().
        const std::uint64_t incarnation = record.m_incarnation.load(std::memory_order_acquire);
        if (record.m_state.load(std::memory_order_acquire) != PairRecord::Used ||
            record.m_publisherPort.load(std::memory_order_acquire) != m_me.m_port)
        {
            continue;
        }
        const auto pair = m_view.pairView(record);
        const std::uint32_t reader = record.m_subscriberPort.load(std::memory_order_acquire);
        if (!pair || reader >= m_view.portCapacity() ||
            pair->m_head->m_join.load(std::memory_order_acquire) != PairHead::kWantsToJoin)
        {
            continue;
        }
        PortRecord& port = m_view.port(reader);
        const std::uint32_t holderIndex = port.m_holderIndex.load(std::memory_order_relaxed);
        if (wordOf(holderIndex) >= m_view.holderWords())
        {
            continue; // scribbled on
        }
        Connection connection;
        connection.m_pair = *pair;
        connection.m_reader = &port;
        connection.m_roomUntil = m_sequence + pair->m_depth;
        connection.m_holder = holderIndex;
        connection.m_bit = bitOf(holderIndex);
        connection.m_word = wordOf(holderIndex);
        connection.m_lastReader = connection.m_bit | m_ownBit;
        connection.m_record = i;
        connection.m_incarnation = incarnation;
        // The record may have been rewritten under us; then its incarnation moved first, and the epoch moves again.
        if (record.m_incarnation.load(std::memory_order_acquire) != incarnation ||
            record.m_state.load(std::memory_order_acquire) != PairRecord::Used)
        {
            continue;
        }
        m_connections.push_back(connection); // within the reserved capacity
        pair->m_head->m_floor.store(m_sequence, std::memory_order_relaxed);
        // [sync:join] Release: the floor comes before. Partner: SubscriberPort::announce().
        pair->m_head->m_join.store(m_sequence, std::memory_order_release);
    }
}

void PublisherPort::rebuildMasks() noexcept
{
    std::fill(m_masks.begin(), m_masks.end(), 0);
    m_keepsBooks = !m_books->isEmpty();
    m_isPlain = m_history.m_head == nullptr && !m_connections.empty();
    for (Connection& connection : m_connections)
    {
        // [sync:closed] Acquire, after the epoch that announces it. Partner: SubscriberPort::close().
        connection.m_closed = connection.m_closed || connection.m_reader->m_closed.load(std::memory_order_acquire) != 0;
        m_masks[connection.m_word] |= connection.m_closed ? 0 : connection.m_bit;
        m_usedWords = std::max(m_usedWords, connection.m_word + 1);
        m_isPlain &= connection.m_pair.m_policy == QueuePolicy::EvictOldest && !connection.m_closed;
        m_keepsBooks |= connection.periodNs() != 0;
    }
    m_isPlain &= !m_keepsBooks;
    m_slotsToFetch = static_cast<std::uint32_t>(std::min(m_connections.size(), kMostSlotsToFetch));
    m_keepsAtOnce = m_usedWords == 1 && m_history.m_head == nullptr;
}

/// How far those subscribers have come that leave no known slot for the message after `sequence`. After the hand-over, so
/// that nobody waits for the lines of their positions: makeRoom() and hasRoom() would read them before the next one. A
/// subscriber that keeps up has announced `sequence` at most, so this happens every depth - 1 messages.
[[gnu::noinline]] void PublisherPort::lookForRoom(std::uint64_t sequence) noexcept
{
    for (Connection& connection : m_connections)
    {
        const std::uint64_t next = connection.place(sequence) + 1;
        if (connection.m_roomUntil == next)
        {
            // [sync:room] Acquire: the subscriber has read the slots below. Partners: SubscriberPort::takeKept(), and where
            // messages are evicted the exchange of [sync:position]. Bounded: an input, and nobody can be further than we are.
            const std::uint64_t at =
                std::min(connection.m_pair.m_head->m_position.load(std::memory_order_acquire), next);
            connection.m_roomUntil = std::max(connection.m_roomUntil, at + connection.m_pair.m_depth);
        }
    }
}

/// KEEP_LAST: the oldest entry goes. Mark, fence, read the position once (Dekker with announce()), one verdict.
[[gnu::noinline]] void PublisherPort::makeRoom(Connection& connection, std::uint64_t sequence) noexcept
{
    const PairView& pair = connection.m_pair;
    const std::uint64_t oldest = sequence - pair.m_depth;
    const std::uint64_t floor = pair.m_head->m_floor.load(std::memory_order_relaxed); // ours
    std::uint64_t at = pair.m_head->m_position.load(std::memory_order_acquire);
    connection.m_roomUntil = std::max(floor, at) + pair.m_depth;
    if (connection.m_roomUntil > sequence)
    {
        return; // taken long ago, and nobody has looked since: no fence
    }
    std::atomic<std::uint64_t>& slot = pair.slot(oldest);
    const std::uint64_t evicted = slot.load(std::memory_order_relaxed); // ours
    slot.store(entry::kEvicted | entry::make(oldest, 0), std::memory_order_release);
    // [sync:position] The mark first, then the position. Partner: the exchange in SubscriberPort::announce().
    std::atomic_thread_fence(std::memory_order_seq_cst);
    at = pair.m_head->m_position.load(std::memory_order_acquire);
    if (at == oldest)
    {
        pair.m_head->m_doubt.store(evicted, std::memory_order_release); // it may have it: its bit is left to it
    }
    else if (oldest > at)
    {
        returned(entry::chunkOf(evicted), connection, publicationTag(m_me.m_port, oldest));
    }
    // [sync:floor] Release: the verdict comes before. Killed before this line: the subscriber waits at `oldest`, and
    // recovery gives the verdict. Partner: SubscriberPort::skipLost().
    pair.m_head->m_floor.store(oldest + 1, std::memory_order_release);
    connection.m_roomUntil = std::max(at, oldest + 1) + pair.m_depth;
}

} // namespace ZeroCP
