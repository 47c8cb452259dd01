// SubscriberPort's late join: what a transient-local publisher published before we came.
#include <algorithm>
#include <thread>

#include "zerocp/pubsub/subscriber_port.hpp"

namespace ZeroCP
{

using holder::bitOf;
using holder::wordOf;

/// Pins the newest messages that publisher and subscriber both keep; from the newest on, since the oldest go first. What
/// comes between them and m_join, at most the one that is being published now, is pinned when it is taken.
void SubscriberPort::joinHistory(Connection& connection)
{
    const auto history = m_view.historyOf(connection.m_publisherPort);
    if (!history)
    {
        return; // it left since, or was written on: the queue is all there is
    }
    // [sync:history] A publish that began before the epoch moved has stored its entry by now, or sees the epoch at its
    // end and meets us. Partner: PublisherPort::meetNewcomers().
    if (!notifier::barrierEverywhere())
    {
        std::this_thread::sleep_for(std::chrono::milliseconds(1)); // store buffers drain meanwhile
    }
    std::uint64_t next = history->m_head->m_next.load(std::memory_order_acquire);
    const std::uint64_t join = connection.m_pair.m_head->m_join.load(std::memory_order_acquire); // [sync:join]
    const std::uint64_t oldest = history->m_head->m_first;
    // [sync:gone] After the history: once the flag is set its memory may be somebody else's. Then m_join says where the
    // queue begins, and there is nothing before it. Partner: recovery.
    if ((m_view.pair(connection.m_record).m_state.load(std::memory_order_acquire) & PairRecord::PublisherGone) != 0)
    {
        return;
    }
    const std::uint64_t depth = std::min(history->m_depth, connection.m_pair.m_depth);
    connection.m_pins.reserve(depth);
    connection.m_history = *history;
    connection.m_historyPending = true;
    ++m_historiesPending;
    if (join != PairHead::kWantsToJoin && join < next)
    {
        next = join; // from there on it comes through the queue
    }
    connection.m_historyNext = next;
    const std::uint64_t first = std::max(oldest, next - std::min(next, depth));
    std::uint64_t value = 0;
    while (next > first && pin(connection, next - 1, value))
    {
        connection.m_pins.push_back(value);
        --next;
    }
}

/// Sets our joiner bit in the chunk of message `sequence`, if it still stands in the history.
bool SubscriberPort::pin(const Connection& connection, std::uint64_t sequence, std::uint64_t& value)
{
    const std::atomic<std::uint64_t>& place = connection.m_history.entry(sequence);
    value = place.load(std::memory_order_acquire); // [sync:history] partner: PublisherPort::remember()
    const std::uint32_t chunk = entry::chunkOf(value);
    if (entry::sequenceOf(value) != (sequence & kSequenceMask) ||
        (chunk - m_hot.m_first >= m_hot.m_count && !lookUp(chunk)))
    {
        return false;
    }
    std::atomic<std::uint64_t>& word = m_view.joinerWord(chunk, wordOf(m_me.m_holder));
    std::uint64_t old = 0;
    do
    {
        // [sync:joiner] The word first: if the entry still stands afterwards, the word's generation is the one that is
        // sealed when the chunk leaves. Acquire keeps the order. Partner: holders::sealJoiners().
        old = word.load(std::memory_order_acquire);
        if (place.load(std::memory_order_acquire) != value)
        {
            return false;
        }
        // [sync:gone] After the history: once the flag is set its memory may be somebody else's. Partner: recovery.
        if ((m_view.pair(connection.m_record).m_state.load(std::memory_order_acquire) & PairRecord::PublisherGone) != 0)
        {
            return false;
        }
    } while (!word.compare_exchange_weak(old, old | bitOf(m_me.m_holder), std::memory_order_seq_cst));
    // Generations have 18 bits; the publication says whether this one wrapped while we stood between two instructions.
    if (m_view.record(chunk).m_publication.load(std::memory_order_acquire) !=
        publicationTag(connection.m_publisherPort, sequence))
    {
        dropPin(chunk);
        return false;
    }
    return true;
}

/// The next message from before the queue, oldest first.
bool SubscriberPort::nextOfHistory(Connection& connection, std::uint64_t& value)
{
    if (!connection.m_pins.empty())
    {
        value = connection.m_pins.back();
        connection.m_pins.pop_back();
        return true;
    }
    const std::uint64_t join = connection.m_pair.m_head->m_join.load(std::memory_order_acquire); // [sync:join]
    if (join == PairHead::kWantsToJoin || join == 0)
    {
        return false; // an idle publisher: nothing can have come between
    }
    while (connection.m_historyNext < join)
    {
        if (pin(connection, connection.m_historyNext++, value))
        {
            return true;
        }
        countLost(1);
    }
    closeHistory(connection);
    return false;
}

/// Everything from before the queue was taken or counted.
void SubscriberPort::closeHistory(Connection& connection) noexcept
{
    connection.m_historyPending = false;
    --m_historiesPending;
}

Expected<SubscriberPort::HeldChunk, TakeError> SubscriberPort::takeHistory()
{
    for (std::uint32_t i = 0; i < m_connections.size(); ++i)
    {
        Connection& connection = m_connections[i];
        std::uint64_t value = 0;
        if (!connection.m_used || !connection.m_historyPending || !nextOfHistory(connection, value))
        {
            continue;
        }
        auto taken = accept(i, value);
        if (!taken)
        {
            dropPin(entry::chunkOf(value));
            return taken;
        }
        taken->m_incarnation = HeldChunk::kPinned;
        return taken;
    }
    return tl::unexpected(TakeError::NoData);
}

/// Any thread. If the publisher is gone we may have been the last.
void SubscriberPort::dropPin(std::uint32_t chunk) noexcept
{
    holders::unpin(m_view, chunk, m_me.m_holder);
    const std::lock_guard guard(m_listMutex);
    const PoolView::Class* in = m_view.classOf(chunk);
    if (in != nullptr && holders::adopt(m_view, m_me.m_port, chunk))
    {
        holders::putBack(m_view, *in, m_me.m_port, std::span(&chunk, 1));
    }
}

} // namespace ZeroCP
