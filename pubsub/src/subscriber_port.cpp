#include "zerocp/pubsub/subscriber_port.hpp"

#include <algorithm>

namespace ZeroCP
{

namespace
{

using Clock = std::chrono::steady_clock;

} // namespace

Expected<SubscriberPort*, Error> SubscriberPort::create(std::shared_ptr<Domain> domain, EndpointGrant grant,
                                                        std::uint64_t payloadBytes)
{
    auto view = grant.m_set->view(false);
    if (!view)
    {
        domain->removeEndpoint(grant);
        return tl::unexpected(view.error());
    }
    return new SubscriberPort(std::move(domain), std::move(grant), *view, payloadBytes);
}

SubscriberPort::SubscriberPort(std::shared_ptr<Domain> domain, EndpointGrant grant, const PoolView& view,
                               std::uint64_t payloadBytes)
    : m_view(view),
      m_record(&view.port(grant.m_holder.m_port)),
      m_epochWord(&view.header().m_epoch),
      m_me(grant.m_holder),
      m_generation(fork_guard::generation()),
      m_payloadBytes(payloadBytes),
      m_fetchOffset(payloadBytes == 0 ? 0 : sizeof(ChunkHeader)),
      m_heldLimit(grant.m_limit),
      m_wantsHistory(m_record->m_history.load(std::memory_order_relaxed) != 0),
      m_needsFence(!notifier::registerProcess()),
      m_spin(grant.m_spin),
      m_domain(std::move(domain)),
      m_grant(std::move(grant))
{
    m_events.m_deadlineNs = m_record->m_deadlineNs.load(std::memory_order_relaxed);
    onEpoch();
}

[[gnu::noinline]] void SubscriberPort::checkEpoch()
{
    if (m_needsFence)
    {
        std::atomic_thread_fence(std::memory_order_seq_cst); // [sync:late-return]
    }
    if (m_epochWord->load(std::memory_order_acquire) != m_epoch)
    {
        onEpoch();
    }
}

void SubscriberPort::onEpoch()
{
    const std::uint64_t epoch = m_epochWord->load(std::memory_order_acquire); // [sync:epoch]
    noticeGonePublishers();
    findNewPublishers();
    if (m_goneCount != 0)
    {
        forgetDrained(); // not only when nothing is left to take: with a busy publisher something always is
    }
    m_hasLifespan =
        std::any_of(m_connections.begin(), m_connections.end(),
                    [](const Connection& connection) { return connection.m_used && connection.m_lifespanNs != 0; });
    m_connectionCount = m_hasLifespan ? 0 : static_cast<std::uint32_t>(m_connections.size());
    m_epoch = epoch;
    m_fastEpoch = m_needsFence ? notifier::kNeverAnEpoch : epoch;
    m_record->m_epochSeen.store(epoch, std::memory_order_release);
}

/// Who has gone; who has come is for the next take, since meeting them allocates and may block.
[[gnu::noinline]] void SubscriberPort::checkReturns() noexcept
{
    if (m_needsFence)
    {
        std::atomic_thread_fence(std::memory_order_seq_cst); // [sync:late-return]
    }
    if (m_epochWord->load(std::memory_order_acquire) != m_epoch) // [sync:epoch]
    {
        noticeGonePublishers();
    }
}

void SubscriberPort::noticeGonePublishers() noexcept
{
    for (Connection& connection : m_connections)
    {
        if (!connection.m_used || connection.m_gone)
        {
            continue;
        }
        const PairRecord& record = m_view.pair(connection.m_record);
        // [sync:gone] Acquire: the floor and the doubt of the last eviction come before. Partner: recovery.
        if ((record.m_state.load(std::memory_order_acquire) & PairRecord::PublisherGone) == 0)
        {
            continue;
        }
        connection.m_gone = true;
        connection.m_reachable = 0;
        ++m_goneCount;
        // A return that we wrote to a publisher that was going may have been seen by nobody: act on it ourselves. If
        // somebody has, the bit is gone or belongs to another publication.
        const std::uint64_t room =
            connection.m_pair.m_returnMask + 1; // older ones have been seen, whatever the head says
        const std::uint64_t oldest = connection.m_returns - std::min(connection.m_returns, room);
        for (std::uint64_t i = std::max(oldest, connection.m_pair.m_head->m_ringHead.load(std::memory_order_acquire));
             i < connection.m_returns; ++i)
        {
            dropOwnBit(connection.m_publisherPort, connection.m_pair.returned(i).load(std::memory_order_relaxed));
        }
    }
}

/// The first free place from `index` on, which becomes its index.
SubscriberPort::Connection& SubscriberPort::freeConnection(std::uint32_t& index)
{
    while (index < m_connections.size() && m_connections[index].m_used)
    {
        ++index;
    }
    return index < m_connections.size() ? m_connections[index] : m_connections.emplace_back();
}

bool SubscriberPort::isKnown(std::uint32_t pair, std::uint64_t incarnation) const noexcept
{
    const std::uint32_t index = pair < m_connectionOfPair.size() ? m_connectionOfPair[pair] : ~0U;
    return index < m_connections.size() && m_connections[index].m_used &&
           m_connections[index].m_incarnation == incarnation;
}

/// In time linear in the number of pairs: after a long stop there may be very many of publishers that came and went.
void SubscriberPort::findNewPublishers()
{
    const std::uint32_t used =
        std::min(m_view.header().m_pairHighWater.load(std::memory_order_acquire), m_view.pairCapacity());
    std::uint32_t place = 0;
    for (std::uint32_t i = 0; i < used; ++i)
    {
        PairRecord& record = m_view.pair(i);
        const std::uint64_t incarnation = record.m_incarnation.load(std::memory_order_acquire);
        const std::uint32_t state = record.m_state.load(std::memory_order_acquire); // [sync:pair]
        const bool mine = (state & PairRecord::Used) != 0 && (state & PairRecord::SubscriberGone) == 0 &&
                          record.m_subscriberPort.load(std::memory_order_acquire) == m_me.m_port;
        const auto pair = mine && !isKnown(i, incarnation) ? m_view.pairView(record) : std::nullopt;
        const std::uint32_t publisher = record.m_publisherPort.load(std::memory_order_acquire);
        // The record may have been rewritten under us; then its incarnation moved first, and the epoch moves again.
        if (!pair || record.m_incarnation.load(std::memory_order_acquire) != incarnation ||
            (record.m_state.load(std::memory_order_acquire) & PairRecord::Used) == 0)
        {
            continue;
        }
        if (m_connectionOfPair.size() <= i)
        {
            m_connectionOfPair.resize(used, ~0U);
        }
        Connection& connection = freeConnection(place);
        connection = Connection{};
        connection.m_pair = *pair;
        connection.m_incarnation = incarnation;
        connection.m_publisherPort = publisher;
        connection.m_record = i;
        connection.m_lifespanNs = pair->m_head->m_lifespanNs.load(std::memory_order_relaxed);
        connection.m_writer = publisher < m_view.portCapacity() ? &m_view.port(publisher) : nullptr;
        connection.m_gone = (state & PairRecord::PublisherGone) != 0; // came and went since our last look
        connection.m_reachable = connection.m_gone ? 0 : incarnation;
        if (m_wantsHistory)
        {
            joinHistory(connection);
        }
        connection.m_used = true; // now that nothing can fail
        m_connectionOfPair[i] = place;
        m_goneCount += connection.m_gone ? 1U : 0U;
    }
}

/// Whether the publisher is gone and has left nothing to take: what it wrote is final.
bool SubscriberPort::isDrained(const Connection& connection) const noexcept
{
    const PairHead& head = *connection.m_pair.m_head;
    const std::uint64_t join = head.m_join.load(std::memory_order_acquire); // [sync:join]
    if (connection.m_historyPending && (!connection.m_pins.empty() || connection.m_historyNext < join))
    {
        return false; // kWantsToJoin is greater than any sequence
    }
    std::uint64_t position = connection.m_position;
    if (position == 0)
    {
        position = join;
        if (position == PairHead::kWantsToJoin || position == 0)
        {
            return connection.m_gone; // left before it saw us
        }
    }
    const std::uint64_t value = connection.m_pair.slot(position).load(std::memory_order_acquire); // [sync:slot]
    return connection.m_gone && entry::distance(value, position + connection.m_dropped) < 0 &&
           head.m_floor.load(std::memory_order_acquire) <= position;
}

/// The pairs of drained publishers can be used again.
void SubscriberPort::forgetDrained() noexcept
{
    for (Connection& connection : m_connections)
    {
        if (connection.m_used && isDrained(connection))
        {
            countDropped(connection);
            settleBooks(connection);
            m_historiesPending -= connection.m_historyPending ? 1U : 0U;
            connection.m_historyPending = false;
            connection.m_used = false; // gone, so no longer reachable either
            --m_goneCount;
            // [sync:gone] Release: we read and write nothing in the block any more. Partner: PoolSet::takePairRecord().
            m_view.pair(connection.m_record).m_state.fetch_or(PairRecord::SubscriberGone, std::memory_order_acq_rel);
        }
    }
}

/// Whether the publisher has seen us; then our position is the first entry that is meant for us.
[[gnu::noinline]] bool SubscriberPort::join(Connection& connection) noexcept
{
    if (connection.m_historyPending)
    {
        return false; // first what came before
    }
    // [sync:join] Acquire: the floor was set before. Partner: PublisherPort::findNewSubscribers().
    const std::uint64_t first = connection.m_pair.m_head->m_join.load(std::memory_order_acquire);
    if (first == PairHead::kWantsToJoin || first == 0)
    {
        return false;
    }
    connection.m_position = first;
    return true;
}

/// The entry at our position was evicted: go on at the floor. False if its publisher is still at it.
[[gnu::noinline]] bool SubscriberPort::skipLost(Connection& connection) noexcept
{
    PairHead& head = *connection.m_pair.m_head;
    const std::uint64_t floor = head.m_floor.load(std::memory_order_acquire); // [sync:floor]
    const std::uint64_t doubt = head.m_doubt.load(std::memory_order_acquire);
    if (floor <= connection.m_position)
    {
        return false;
    }
    if (doubt != 0 && entry::sequenceOf(doubt) == (connection.m_position & kSequenceMask))
    {
        // Left to us, and we did not get it.
        if (connection.m_gone)
        {
            dropOwnBit(connection.m_publisherPort, doubt);
        }
        else
        {
            giveBack(connection, doubt);
        }
    }
    countLost(floor - connection.m_position);
    head.m_missed.store(head.m_missed.load(std::memory_order_relaxed) + floor - connection.m_position,
                        std::memory_order_relaxed);
    connection.m_position = floor;
    return true;
}

/// Whether `value` is the entry for our position, in a queue from which nothing is evicted, and not of an earlier lap.
bool SubscriberPort::isKept(const Connection& connection, std::uint64_t value) noexcept
{
    return (value & entry::kKept) != 0 && entry::distance(value, connection.m_position + connection.m_dropped) >= 0;
}

/// The entry at our position, in a queue from which nothing is evicted: whoever waits for its slot can have it.
[[gnu::noinline]] bool SubscriberPort::takeKept(Connection& connection, std::uint64_t& value) noexcept
{
    const std::uint64_t position = connection.m_position;
    const std::int64_t dropped = entry::distance(value, position + connection.m_dropped);
    if (!isKept(connection, value))
    {
        return false;
    }
    connection.m_dropped += static_cast<std::uint64_t>(dropped);
    connection.m_position = connection.m_announced = position + 1;
    // [sync:room] seq_cst exchange: we have read the slot; and the position first, then the publisher's sleep word.
    // Partner: PublisherPort::hasRoom(), which runs after announceSleep().
    connection.m_pair.m_head->m_position.exchange(position + 1, std::memory_order_seq_cst);
    value &= ~entry::kKept;
    if (connection.m_writer != nullptr)
    {
        notifier::wakeIfAsleep(*connection.m_writer, m_view.waiters());
    }
    return true;
}

/// What the publisher has counted since we last looked.
void SubscriberPort::countDropped(Connection& connection) noexcept
{
    if (connection.m_pair.m_policy != QueuePolicy::DropNewest)
    {
        return;
    }
    const std::uint64_t dropped = connection.m_pair.m_head->m_dropped.load(std::memory_order_relaxed); // a figure
    countLost(dropped - connection.m_droppedCounted);
    connection.m_droppedCounted = dropped;
}

std::uint64_t SubscriberPort::missed()
{
    if (m_gate.adopt() && m_epochWord->load(std::memory_order_acquire) != m_epoch) // [sync:epoch]
    {
        onEpoch(); // publishers that have come since may have dropped some already
    }
    for (Connection& connection : m_connections)
    {
        if (connection.m_used)
        {
            countDropped(connection);
        }
    }
    return m_missed;
}

/// Looks how far the publisher has come with our returns.
[[gnu::noinline]] bool SubscriberPort::hasRoom(Connection& connection) noexcept
{
    // [sync:ring-head] Acquire: the publisher has read those entries. Partner: PublisherPort::collect().
    const std::uint64_t seen = connection.m_pair.m_head->m_ringHead.load(std::memory_order_acquire);
    connection.m_returnsEnd = seen + connection.m_pair.m_returnMask + 1;
    return connection.m_returns < connection.m_returnsEnd;
}

/// Takes our bit away ourselves: the ring is full or the publisher is gone. The last holder frees the chunk.
[[gnu::noinline]] void SubscriberPort::dropOwnBit(std::uint32_t publisherPort, std::uint64_t value) noexcept
{
    const std::lock_guard guard(m_listMutex);
    if (m_view.classOf(entry::chunkOf(value)) == nullptr)
    {
        static_cast<void>(m_view.refresh()); // an evicted message of a class that we have not met yet
    }
    holders::dropAndFree(m_view, m_me.m_port, entry::chunkOf(value), m_me.m_holder,
                         publicationTag(publisherPort, entry::sequenceOf(value)));
}

/// There is no publisher to give it back to, or it came out of a history.
[[gnu::noinline]] void SubscriberPort::releaseToNobody(const HeldChunk& held) noexcept
{
    if (held.m_incarnation == HeldChunk::kPinned)
    {
        dropPin(entry::chunkOf(held.m_entry));
        return;
    }
    dropOwnBit(held.m_publisherPort, held.m_entry);
}

/// On a thread that is not the port's owner.
[[gnu::noinline]] void SubscriberPort::releaseElsewhere(const HeldChunk& held) noexcept
{
    if (isForked())
    {
        return; // the parent's
    }
    held.m_incarnation == HeldChunk::kPinned ? dropPin(entry::chunkOf(held.m_entry)) : dropOwnBitForeign(held);
    if (m_samples.removeForeign())
    {
        finish();
    }
}

/// dropOwnBit() on a thread that may not use the port: clears the bit without the port's ring or notes.
void SubscriberPort::dropOwnBitForeign(const HeldChunk& held) noexcept
{
    std::uint32_t chunk = entry::chunkOf(held.m_entry);
    const std::uint64_t tag = publicationTag(held.m_publisherPort, entry::sequenceOf(held.m_entry));
    if (!holders::clear(m_view, chunk, m_me.m_holder, tag))
    {
        return;
    }
    const std::lock_guard guard(m_listMutex);
    if (holders::adopt(m_view, m_me.m_port, chunk))
    {
        holders::putBack(m_view, *m_view.classOf(chunk), m_me.m_port, std::span(&chunk, 1));
    }
}

/// Makes the class of `chunk` the hot one. False: no chunk of that number exists that could carry our messages.
[[gnu::noinline]] bool SubscriberPort::lookUp(std::uint32_t chunk)
{
    const PoolView::Class* in = m_view.classOf(chunk);
    if (in == nullptr)
    {
        const std::lock_guard guard(m_listMutex);
        static_cast<void>(m_view.refresh()); // classes before one that does not fit are decoded all the same
        in = m_view.classOf(chunk);
    }
    if (in == nullptr || in->m_chunkSize < m_payloadBytes)
    {
        return false;
    }
    const std::uint32_t known = std::min(in->m_pool->getTotalChunks(), in->m_endChunk - in->m_firstChunk);
    m_hot = {in->m_firstChunk, known, in->m_stride,
             reinterpret_cast<const std::byte*>(m_view.readable(*in, in->m_firstChunk))};
    return chunk - in->m_firstChunk < known;
}

/// The publisher whose turn it is has nothing: the others, once each. Histories come before queues.
[[gnu::noinline]] Expected<SubscriberPort::HeldChunk, TakeError> SubscriberPort::takeOther()
{
    return m_hasLifespan ? takeFresh() : takeRound();
}

Expected<SubscriberPort::HeldChunk, TakeError> SubscriberPort::takeRound()
{
    const auto count = static_cast<std::uint32_t>(m_connections.size());
    if (const std::uint32_t pending = m_historiesPending; pending != 0)
    {
        auto taken = takeHistory();
        if (taken || taken.error() != TakeError::NoData)
        {
            return taken;
        }
        if (m_historiesPending != pending)
        {
            return takeAny(); // a queue is open now
        }
    }
    for (std::uint32_t i = 1; i < count; ++i)
    {
        m_next = m_next + 1 < count ? m_next + 1 : 0;
        const std::uint32_t index = m_next;
        Connection& connection = m_connections[index];
        std::uint64_t value = 0;
        if (connection.m_used && poll(connection, value))
        {
            m_next = index + 1 < count ? index + 1 : 0;
            return accept(index, value);
        }
    }
    if (m_goneCount != 0)
    {
        forgetDrained();
    }
    return m_arms ? armDescriptor() : Expected<HeldChunk, TakeError>(tl::unexpected(TakeError::NoData));
}

bool SubscriberPort::mayHoldMore() noexcept
{
    m_samples.fold();
    return m_samples.out() < m_heldLimit;
}

Expected<SubscriberPort::HeldChunk, TakeError> SubscriberPort::takeLatest()
{
    auto best = take();
    while (best)
    {
        auto next = takeAny(); // one above the limit for a moment; pools are sized for it
        if (!next)
        {
            break;
        }
        const bool newer = next->m_header->m_publishTimeNs >= best->m_header->m_publishTimeNs;
        release(newer ? *best : *next);
        best = newer ? next : best;
    }
    return best;
}

/// While it exists, publishers wake the port and not the waiter that it may be attached to, and nothing arms its descriptor.
class SubscriberPort::SleepsItself
{
  public:
    explicit SleepsItself(SubscriberPort& port) noexcept
        : m_port(port), m_waiter(port.m_record->m_waiter.load(std::memory_order_relaxed)), m_arms(port.m_arms)
    {
        m_port.attachTo(0);
        m_port.m_arms = false;
    }
    SleepsItself(const SleepsItself&) = delete;
    SleepsItself& operator=(const SleepsItself&) = delete;
    ~SleepsItself()
    {
        m_port.attachTo(m_waiter);
        m_port.m_arms = m_arms;
        tellDescriptor();
    }

  private:
    /// The port is marked no longer, and who came meanwhile has told the port alone: let who has a descriptor look.
    void tellDescriptor() const noexcept
    {
        if (m_port.m_descriptor != nullptr)
        {
            m_port.m_descriptor->ring(); // also where no descriptor is left to open the FIFO with
            return;
        }
        const WaiterTable& waiters = m_port.m_view.waiters();
        WaiterRecord* waiter = waiters.find(m_waiter);
        if (waiter != nullptr && waiter->m_pipe.load(std::memory_order_relaxed) != 0)
        {
            notifier::wake(*waiter, waiters);
        }
    }

    SubscriberPort& m_port;
    std::uint32_t m_waiter;
    bool m_arms;
};

Expected<SubscriberPort::HeldChunk, TakeError> SubscriberPort::nap(std::chrono::nanoseconds longest)
{
    const SleepsItself itself(*this);
    const std::chrono::nanoseconds slice = std::min(notifier::announceSleep(*m_record), longest);
    auto taken = takeAny(); // [sync:sleep] after the announcement
    if (taken || taken.error() != TakeError::NoData)
    {
        notifier::stayAwake(*m_record);
        return taken;
    }
    const bool woken = notifier::sleep(*m_record, slice);
    taken = takeAny();
    if (taken && !woken)
    {
        m_record->m_rescues.store(m_record->m_rescues.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    }
    return taken;
}

/// CLOCK_MONOTONIC; the end of time for a negative or huge timeout.
Clock::time_point SubscriberPort::deadlineAfter(std::chrono::nanoseconds timeout) noexcept
{
    const Clock::time_point now = Clock::now();
    const bool forEver = timeout < std::chrono::nanoseconds::zero() || timeout > Clock::time_point::max() - now;
    return forEver ? Clock::time_point::max() : now + timeout;
}

/// What is left of wait() after spinning.
Expected<SubscriberPort::HeldChunk, TakeError> SubscriberPort::sleepUntil(Clock::time_point deadline)
{
    Expected<HeldChunk, TakeError> taken = tl::unexpected(TakeError::NoData);
    while (!taken && taken.error() == TakeError::NoData)
    {
        const Clock::time_point now = Clock::now();
        if (now >= deadline)
        {
            m_domain->recoverDeadSoon();
            taken = m_arms ? take() : taken; // after a nap the descriptor is not armed
            return taken || taken.error() != TakeError::NoData ? taken : tl::unexpected(TakeError::Timeout);
        }
        taken = nap(deadline - now);
        if (!taken && Clock::now() - now >= notifier::kSlice)
        {
            m_domain->recoverDeadSoon(); // a publisher may have died before it could wake us
        }
    }
    return taken;
}

std::size_t SubscriberPort::publisherCount()
{
    if (!m_gate.adopt())
    {
        return 0; // a forked child's
    }
    if (m_epochWord->load(std::memory_order_acquire) != m_epoch)
    {
        onEpoch();
    }
    forgetDrained();
    return static_cast<std::size_t>(std::count_if(m_connections.begin(), m_connections.end(),
                                                  [](const Connection& connection) { return connection.m_used; }));
}

void SubscriberPort::retreat() noexcept
{
    // Relaxed: who has read it before takes us for a server, and its calls time out.
    m_record->m_keepAll.store(static_cast<std::uint32_t>(KeepAll::No), std::memory_order_relaxed);
}

void SubscriberPort::close() noexcept
{
    if (isForked())
    {
        return;
    }
    if (m_link != nullptr)
    {
        m_link->m_port = nullptr;
    }
    closeDescriptor();
    m_gate.close();
    stopTaking();
    if (m_samples.close())
    {
        finish();
    }
}

/// Samples may be out for a long time: no publisher shall wait for room in a queue that nobody empties.
void SubscriberPort::stopTaking() noexcept
{
    if (m_samples.out() == 0)
    {
        return; // leaving says it all
    }
    // [sync:closed] Release, before the epoch. Partner: PublisherPort::rebuildMasks().
    m_record->m_closed.store(1, std::memory_order_release);
    notifier::moveEpoch(m_view.header().m_epoch);
    static_cast<void>(notifier::barrierEverywhere()); // [sync:room] the epoch, then the sleep words
    for (const Connection& connection : m_connections)
    {
        if (connection.m_used && connection.m_writer != nullptr)
        {
            notifier::wakeIfAsleep(*connection.m_writer, m_view.waiters());
        }
    }
}

/// Nobody else knows the port any more, whichever thread this is. What is left in queues and rings is swept.
void SubscriberPort::finish() noexcept
{
    m_domain->removeEndpoint(m_grant);
    delete this;
}

} // namespace ZeroCP
