// PublisherPort's messages to one reader: requests to a server, answers to a client.
//
// A queue from which nothing is evicted may have holes in its sequences: message x stands in place x - d, where d
// messages did not enter it. So a message for one reader costs the others' queues nothing in shared memory.
#include <algorithm>

#include "zerocp/pubsub/publisher_port.hpp"

namespace ZeroCP
{

Expected<std::uint64_t, PublishError> PublisherPort::publishTo(const LoanedChunk& loan, std::uint64_t bytes,
                                                               std::uint64_t reader) noexcept
{
    if (!m_gate.adopt()) [[unlikely]]
    {
        return tl::unexpected(PublishError::Forked);
    }
    const Busy busy(*this);
    // Relaxed: written before the pair was, which we have seen.
    const auto to = std::find_if(m_connections.begin(), m_connections.end(),
                                 [reader](const Connection& connection)
                                 {
                                     return connection.m_pair.m_policy == QueuePolicy::WaitForRoom &&
                                            !connection.m_closed &&
                                            connection.m_reader->m_endpointId.load(std::memory_order_relaxed) == reader;
                                 });
    if (to == m_connections.end())
    {
        return tl::unexpected(PublishError::NoSubscriber);
    }
    if (!hasRoom(*to, m_sequence))
    {
        return tl::unexpected(PublishError::Timeout);
    }
    const std::uint64_t sequence = m_sequence;
    const std::uint64_t answer = stamp(loan, bytes);
    static_cast<void>(skipFull(sequence));
    for (Connection& other : m_connections)
    {
        if (&other != &*to && other.m_pair.m_policy == QueuePolicy::WaitForRoom)
        {
            other.m_full = true; // for this message, which takes no place in its queue
            ++other.m_dropped;
            m_masks[other.m_word] &= ~other.m_bit;
        }
    }
    ChunkManager& record = m_view.record(loan.m_chunk);
    // [sync:holder-word] Release: the sequence comes before.
    record.m_publication.store(tagOf(sequence), std::memory_order_release);
    markReceivers(record);
    const bool roomEnds = setKeptSlots(sequence, loan.m_chunk);
    m_ledger.startFlight(loan.m_chunk);
    if (m_needsFence)
    {
        std::atomic_thread_fence(std::memory_order_seq_cst); // [sync:sleep]
    }
    for (const Connection& connection : m_connections)
    {
        if (!connection.m_full)
        {
            notifier::wakeIfAsleep(*connection.m_reader, m_view.waiters());
        }
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

bool PublisherPort::dropDeadReaders() noexcept
{
    if (!m_gate.adopt())
    {
        return false; // a forked child's
    }
    const Busy busy(*this);
    return closeDeadReaders();
}

bool PublisherPort::directedReaders(std::vector<std::uint64_t>& ids, std::uint64_t& version)
{
    if (!m_gate.adopt())
    {
        return false; // a forked child's
    }
    const Busy busy(*this);
    if (m_epoch == version)
    {
        return false;
    }
    version = m_epoch;
    ids.clear();
    for (const Connection& connection : m_connections)
    {
        if (connection.m_pair.m_policy == QueuePolicy::WaitForRoom && !connection.m_closed)
        {
            ids.push_back(connection.m_reader->m_endpointId.load(std::memory_order_relaxed));
        }
    }
    return true;
}

} // namespace ZeroCP
