// PublisherPort's messages that must not be evicted: histories, and queues that are waited for or that refuse the newest.
#include <algorithm>
#include <thread>

#include "zerocp/pubsub/publisher_port.hpp"

namespace ZeroCP
{

namespace
{

using Clock = std::chrono::steady_clock;

/// Who waits looks this often whether the one who blocks it is alive.
constexpr std::chrono::milliseconds kBlockedSlice{50};
/// Spinning threads look at the positions this often before they ask for the time.
constexpr int kLooksPerClock = 32;

} // namespace

/// send() where a history or such a queue exists, deadlines or leases are counted, or nobody listens; called within Busy. Nothing is written before there is
/// room for all.
[[gnu::noinline]] Expected<std::uint64_t, PublishError> PublisherPort::sendWithCare(const LoanedChunk& loan,
                                                                                    std::uint64_t bytes) noexcept
{
    if (!hasRoomEverywhere() && !waitForRoom())
    {
        return tl::unexpected(PublishError::Timeout);
    }
    const std::uint64_t sequence = m_sequence;
    fetchSlotsWithRoom(sequence);
    const std::uint64_t answer = stamp(loan, bytes);
    if (m_keepsBooks)
    {
        keepBooks(loan.m_header->m_publishTimeNs);
    }
    if (m_connections.empty() && m_history.m_head == nullptr)
    {
        backToStash(loan.m_chunk);
        return answer;
    }
    const std::uint32_t chunk = loan.m_chunk;
    ChunkManager& record = m_view.record(chunk);
    const bool someoneRefused = skipFull(sequence);
    // [sync:holder-word] Release: the sequence comes before.
    record.m_publication.store(tagOf(sequence), std::memory_order_release);
    markReceivers(record);
    const bool roomEnds = setKeptSlots(sequence, chunk);
    m_ledger.startFlight(chunk);
    if (m_history.m_head != nullptr)
    {
        remember(sequence, chunk);
    }
    wakeReceivers();
    if (someoneRefused)
    {
        keepIfFree(chunk); // perhaps everybody
    }
    if (roomEnds)
    {
        lookForRoom(sequence);
    }
    if (m_ledger.stashed(loan.m_class) == 0)
    {
        collect();
    }
    return answer;
}

/// fetchSlots() but for queues that get nothing of this message: their readers may be busy with that line.
void PublisherPort::fetchSlotsWithRoom(std::uint64_t sequence) const noexcept
{
    for (std::uint32_t i = 0; i < m_slotsToFetch; ++i)
    {
        const Connection& connection = m_connections[i];
        if (!connection.m_closed && connection.place(sequence) < connection.m_roomUntil)
        {
            fetchForWriting(&connection.m_pair.slot(connection.place(sequence)));
        }
    }
}

/// Whether the subscriber has left the slot that `sequence` would take.
bool PublisherPort::hasRoom(Connection& connection, std::uint64_t sequence) noexcept
{
    const std::uint64_t place = connection.place(sequence);
    if (place >= connection.m_roomUntil)
    {
        const PairHead& head = *connection.m_pair.m_head;
        // [sync:room] Acquire: the subscriber has read the slots below. Partner: SubscriberPort::takeKept(). It cannot
        // be further than we are, and has not started where the floor is above.
        const std::uint64_t at = std::min(head.m_position.load(std::memory_order_acquire), place);
        connection.m_roomUntil = std::max(head.m_floor.load(std::memory_order_relaxed), at) + connection.m_pair.m_depth;
    }
    return place < connection.m_roomUntil;
}

/// Who is dead or leaving is not waited for, also while somebody who is stopped in a control call keeps everybody from
/// recovering it.
bool PublisherPort::closeDeadReaders() noexcept
{
    bool any = false;
    for (Connection& connection : m_connections)
    {
        const PortRecord& reader = *connection.m_reader;
        if (connection.m_pair.m_policy == QueuePolicy::WaitForRoom && !connection.m_closed &&
            (reader.m_state.load(std::memory_order_acquire) != static_cast<std::uint32_t>(PortState::Active) ||
             !m_domain->isAlive(reader.m_processSlot.load(std::memory_order_relaxed))))
        {
            connection.m_closed = any = true;
        }
    }
    if (any)
    {
        rebuildMasks();
    }
    return any;
}

bool PublisherPort::hasRoomEverywhere() noexcept
{
    return std::all_of(m_connections.begin(), m_connections.end(),
                       [this](Connection& connection)
                       {
                           return connection.m_pair.m_policy != QueuePolicy::WaitForRoom || connection.m_closed ||
                                  hasRoom(connection, m_sequence);
                       });
}

/// Returns within Busy, as it was called, but is outside while it waits: recovery waits for nobody who waits.
[[gnu::noinline]] bool PublisherPort::waitForRoom() noexcept
{
    const Clock::time_point start = Clock::now();
    const Clock::time_point deadline = start + m_grant.m_publishTimeout;
    const Clock::time_point spinUntil = std::min(deadline, start + m_grant.m_spin);
    while (Clock::now() < spinUntil)
    {
        leave(); // nobody waits for us, who wait
        std::this_thread::yield();
        enter();
        for (int i = 0; i < kLooksPerClock; ++i)
        {
            if (hasRoomEverywhere())
            {
                return true;
            }
        }
    }
    for (;;)
    {
        leave();
        m_domain->recoverDeadSoon(); // a dead subscriber makes no room
        const std::chrono::nanoseconds slice =
            std::min<std::chrono::nanoseconds>(notifier::announceSleep(*m_record), kBlockedSlice);
        enter(); // who has left no longer counts. [sync:room] after the announcement
        static_cast<void>(closeDeadReaders());
        const bool room = hasRoomEverywhere();
        const Clock::time_point now = Clock::now();
        if (room || now >= deadline)
        {
            notifier::stayAwake(*m_record);
            return room;
        }
        leave();
        static_cast<void>(notifier::sleep(*m_record, std::min<std::chrono::nanoseconds>(slice, deadline - now)));
        enter();
        if (hasRoomEverywhere())
        {
            return true;
        }
    }
}

/// Takes the receivers out of the masks whose queue refuses this message.
bool PublisherPort::skipFull(std::uint64_t sequence) noexcept
{
    bool any = false;
    for (Connection& connection : m_connections)
    {
        connection.m_full = connection.m_pair.m_policy == QueuePolicy::DropNewest && !connection.m_closed &&
                            !hasRoom(connection, sequence);
        if (connection.m_full)
        {
            m_masks[connection.m_word] &= ~connection.m_bit;
            // Before the tag: who finds the message anywhere finds it counted here. Relaxed: a figure, we are its only writer.
            connection.m_pair.m_head->m_dropped.store(++connection.m_dropped, std::memory_order_relaxed);
            any = true;
        }
    }
    return any;
}

/// setReceiverSlots(), by each queue's policy; and the masks are whole again. As AfterSlots::m_roomEnds.
bool PublisherPort::setKeptSlots(std::uint64_t sequence, std::uint32_t chunk) noexcept
{
    const std::uint64_t value = entry::make(sequence, chunk);
    bool roomEnds = false;
    for (Connection& connection : m_connections)
    {
        if (connection.m_full)
        {
            m_masks[connection.m_word] |= connection.m_closed ? 0 : connection.m_bit;
            continue;
        }
        if (connection.m_closed)
        {
            continue;
        }
        const bool evicts = connection.m_pair.m_policy == QueuePolicy::EvictOldest;
        if (evicts && connection.m_roomUntil <= sequence)
        {
            makeRoom(connection, sequence);
        }
        else
        {
            roomEnds |= connection.m_roomUntil == connection.place(sequence) + 1;
        }
        // [sync:slot] Release: payload, header, tag and holder words are visible to whoever reads this slot.
        // Partner: the acquire load in SubscriberPort::poll().
        connection.m_pair.slot(connection.place(sequence))
            .store(evicts ? value : value | entry::kKept, std::memory_order_release);
    }
    // [sync:sleep] After the slots; the sleeper announces itself, runs a barrier on this core and then looks at them.
    std::atomic_signal_fence(std::memory_order_seq_cst);
    return roomEnds;
}

} // namespace ZeroCP
