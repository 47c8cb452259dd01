#include "zerocp/pubsub/publisher_port.hpp"

#include <algorithm>
#include <limits>
#include <thread>

#include "zerocp/core/contract.hpp"

namespace ZeroCP
{

namespace
{

using holder::bitOf;
using holder::generationOf;
using holder::kBits;
using holder::word;
using holder::wordOf;

constexpr std::uint64_t kNeverAnEpoch = ~0ULL;

} // namespace

Expected<PublisherPort*, Error> PublisherPort::create(std::shared_ptr<Domain> domain, EndpointGrant grant)
{
    auto view = grant.m_set->view(true);
    if (!view)
    {
        domain->removeEndpoint(grant);
        return tl::unexpected(view.error());
    }
    return new PublisherPort(std::move(domain), std::move(grant), *view);
}

PublisherPort::PublisherPort(std::shared_ptr<Domain> domain, EndpointGrant grant, const PoolView& view)
    : m_view(view),
      m_record(&view.port(grant.m_holder.m_port)),
      m_epochWord(&view.header().m_epoch),
      m_me(grant.m_holder),
      m_ownBit(bitOf(grant.m_holder.m_holder)),
      m_ownWord(wordOf(grant.m_holder.m_holder)),
      m_loanTag(publicationTag(grant.m_holder.m_port, 0)),
      m_sequence(std::max<std::uint64_t>(1, m_record->m_sequence.load(std::memory_order_acquire))),
      m_firstSequence(m_sequence),
      m_generation(fork_guard::generation()),
      m_usedWords(wordOf(grant.m_holder.m_holder) + 1),
      m_loanLimit(grant.m_limit),
      m_addsClasses(view.header().m_automatic != 0 && view.manager().layout().m_maxPools > 1),
      m_needsFence(!notifier::registerProcess()),
      m_masks(view.holderWords(), 0),
      m_ledger(view.maxChunks(), view.holderWords()),
      m_foreignDrops(grant.m_limit),
      m_domain(std::move(domain)),
      m_grant(std::move(grant))
{
    if (const auto history = view.historyOf(m_me.m_port))
    {
        m_history = *history;
    }
    m_connections.reserve(std::min<std::uint32_t>(view.holderWords() * holder::kBitsPerWord, 1024));
    enter();
    onEpoch(); // subscribers that were there before are matched now
    leave();
}

[[gnu::noinline]] void PublisherPort::checkEpoch() noexcept
{
    if (m_needsFence)
    {
        std::atomic_thread_fence(std::memory_order_seq_cst); // [sync:busy]
    }
    if (m_epochWord->load(std::memory_order_acquire) != m_epoch)
    {
        onEpoch();
    }
}

void PublisherPort::onEpoch() noexcept
{
    const std::uint64_t epoch = m_epochWord->load(std::memory_order_acquire); // [sync:epoch]
    // New classes or chunks may have come with the newcomers; a view that does not fit keeps the old ones.
    static_cast<void>(m_view.refresh());
    dropGoneSubscribers();
    findNewSubscribers();
    rebuildMasks();
    updateBudgets();
    trim(); // a budget may have shrunk
    m_epoch = epoch;
    m_fastEpoch = m_needsFence ? kNeverAnEpoch : epoch;
    m_record->m_epochSeen.store(epoch, std::memory_order_release);
}

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
    for (const Connection& connection : m_connections)
    {
        m_masks[connection.m_word] |= connection.m_bit;
        m_usedWords = std::max(m_usedWords, connection.m_word + 1);
    }
    m_keepsAtOnce = m_usedWords == 1 && m_history.m_head == nullptr;
}

void PublisherPort::updateBudgets() noexcept
{
    m_lastBytes = ~0ULL; // a better fitting class may have come
    const std::uint32_t classes = m_record->m_classes.load(std::memory_order_acquire);
    const bool automatic = m_view.header().m_automatic != 0;
    for (std::uint32_t pool = 0; pool < m_view.classCount(); ++pool)
    {
        const bool mine = !automatic || (classes >> pool & 1U) != 0; // a configured class is everybody's
        // A small configured class is shared with others: nobody keeps more than a sixteenth of it at hand.
        const PoolView::Class& in = m_view.classAt(pool);
        m_stashes[pool] = automatic ? stashSize(in.m_chunkSize)
                                    : std::clamp(in.m_pool->getTotalChunks() / 16, 1U, stashSize(in.m_chunkSize));
        m_budgets[pool] = mine ? publisherBudget(m_view, m_me.m_port, m_view.classAt(pool).m_chunkSize) : 0;
    }
}

Expected<std::uint32_t, LoanError> PublisherPort::classFor(std::uint64_t bytes)
{
    if (m_view.header().m_automatic == 0 || bytes > m_domain->maxMessageBytes())
    {
        return tl::unexpected(LoanError::PayloadTooLarge);
    }
    const bool grown = m_domain->growClass(m_grant, bytes).has_value();
    const Busy busy(*this);
    static_cast<void>(m_view.refresh());
    updateBudgets();
    std::uint32_t best = m_view.classCount();
    for (std::uint32_t pool = 0; pool < m_view.classCount(); ++pool)
    {
        const std::uint64_t size = m_view.classAt(pool).m_chunkSize;
        if (m_budgets[pool] != 0 && bytes <= size &&
            (best == m_view.classCount() || size < m_view.classAt(best).m_chunkSize))
        {
            best = pool;
        }
    }
    if (best == m_view.classCount())
    {
        return tl::unexpected(LoanError::NoSpace);
    }
    // A chunk that is larger than necessary is better than none; but ask no more.
    m_addsClasses = m_addsClasses && grown && !isWasteful(best, bytes);
    return best;
}

/// Everything that a loan seldom needs. Afterwards m_lastClass has a chunk for `bytes` bytes in the stash.
[[gnu::noinline]] Expected<void, LoanError> PublisherPort::prepareLoan(std::uint64_t bytes)
{
    if (m_loans.out() >= m_loanLimit)
    {
        drainForeignDrops();
        if (m_loans.out() >= m_loanLimit)
        {
            return tl::unexpected(LoanError::TooManyLoans);
        }
    }
    if (bytes != m_lastBytes)
    {
        const auto found = chooseClass(bytes);
        if (!found)
        {
            return tl::unexpected(found.error());
        }
        const PoolView::Class& in = m_view.classAt(*found);
        m_lastClass = *found;
        m_lastBytes = bytes;
        m_lastFirst = in.m_firstChunk;
        m_lastStride = in.m_stride;
        m_lastBase = reinterpret_cast<std::byte*>(m_view.writable(in, in.m_firstChunk));
    }
    if (m_ledger.stashed(m_lastClass) == 0 && !refill(m_lastClass))
    {
        return tl::unexpected(LoanError::PoolExhausted);
    }
    return {};
}

Expected<std::uint32_t, LoanError> PublisherPort::chooseClass(std::uint64_t bytes)
{
    const std::uint32_t pool = m_view.fittingClass(bytes);
    if (pool == m_view.classCount() || m_budgets[pool] == 0 || (m_addsClasses && isWasteful(pool, bytes)))
    {
        return classFor(bytes);
    }
    return pool;
}

bool PublisherPort::refill(std::uint32_t pool) noexcept
{
    drainForeignDrops();
    for (int attempt = 0; attempt < 2 && m_ledger.stashed(pool) == 0; ++attempt)
    {
        if (attempt == 1)
        {
            m_domain->recoverDeadSoon(); // outside of Busy: it may wait for other publishers
        }
        const Busy busy(*this);
        collect();
        if (m_ledger.stashed(pool) == 0 && m_ownedOf[pool] + 1 > m_budgets[pool])
        {
            scan(); // before we take more than our share
        }
        if (m_ledger.stashed(pool) != 0)
        {
            break;
        }
        const PoolView::Class& in = m_view.classAt(pool);
        const std::uint32_t room = m_budgets[pool] > m_ownedOf[pool] ? m_budgets[pool] - m_ownedOf[pool] : 0;
        std::array<std::uint32_t, PortRecord::kBatch> popped{};
        const std::uint32_t wanted = std::min(room, m_stashes[pool]);
        const std::uint32_t count = wanted == 0 ? 0 : holders::pop(m_view, in, m_me, wanted, popped);
        for (std::uint32_t i = count; i-- > 0;)
        {
            m_ledger.stash(pool, popped[i]);
        }
        m_ownedOf[pool] += count;
        if (count == 0)
        {
            scan();
        }
    }
    return m_ledger.stashed(pool) != 0;
}

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

/// After all slots are set, so that nobody waits for another's system call.
[[gnu::noinline]] void PublisherPort::wakeReceivers() noexcept
{
    if (m_needsFence)
    {
        std::atomic_thread_fence(std::memory_order_seq_cst); // [sync:sleep]
    }
    for (const Connection& connection : m_connections)
    {
        notifier::wakeIfAsleep(*connection.m_reader);
    }
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

void PublisherPort::giveBack(std::uint32_t pool, std::uint32_t count) noexcept
{
    std::array<std::uint32_t, PortRecord::kBatch> batch{};
    while (count > 0)
    {
        const std::uint32_t now = std::min(count, PortRecord::kBatch);
        for (std::uint32_t i = 0; i < now; ++i)
        {
            batch[i] = m_ledger.unstash(pool);
            holders::markFreeing(m_view, m_me.m_port, batch[i]);
        }
        holders::putBack(m_view, m_view.classAt(pool), m_me.m_port, std::span(batch).first(now));
        m_ownedOf[pool] -= now;
        count -= now;
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
        return; // taken long ago: no fence, one line read per depth messages
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

void PublisherPort::drainForeignDrops() noexcept
{
    // Counted first: a drop that is counted is in the queue already, so there are never more nodes than loans.
    m_loans.fold();
    std::uint32_t chunk = 0;
    while (m_foreignDrops.pop(chunk))
    {
        backToStash(chunk);
    }
}

void PublisherPort::dropLoan(const LoanedChunk& loan) noexcept
{
    if (isForked())
    {
        return; // the parent's
    }
    if (const OwnerGate::Pass pass = m_gate.enter(); pass != nullptr)
    {
        backToStash(loan.m_chunk);
        m_loans.remove();
        m_gate.leave(pass);
        return;
    }
    // As many nodes as loans were reserved, so this neither fails nor allocates.
    const bool pushed = m_foreignDrops.bounded_push(loan.m_chunk);
    ZCP_EXPECTS(pushed, "more loans were dropped than had been given");
    if (m_loans.removeForeign())
    {
        finish();
    }
}

void PublisherPort::close() noexcept
{
    if (isForked())
    {
        return; // the parent's; the child's copy of this object is left alone
    }
    m_gate.close();
    if (m_loans.close())
    {
        finish();
    }
}

/// Nobody else knows the port any more, whichever thread this is.
void PublisherPort::finish() noexcept
{
    std::uint32_t chunk = 0;
    while (m_foreignDrops.pop(chunk))
    {
        backToStash(chunk);
    }
    {
        const Busy busy(*this);
        collect();
        scan();
        for (std::uint32_t pool = 0; pool < m_view.classCount(); ++pool)
        {
            giveBack(pool, m_ledger.stashed(pool));
        }
    }
    m_domain->removeEndpoint(m_grant);
    delete this;
}

std::size_t PublisherPort::subscriberCount()
{
    if (!m_gate.adopt())
    {
        return 0; // a forked child's
    }
    m_domain->recoverDeadSoon(); // those who died do not count
    const Busy busy(*this);
    return m_connections.size();
}

bool PublisherPort::waitForSubscribers(std::size_t count, std::chrono::nanoseconds timeout)
{
    const auto start = std::chrono::steady_clock::now();
    while (!isForked())
    {
        const std::uint64_t seen = m_epochWord->load(std::memory_order_acquire);
        if (subscriberCount() >= count)
        {
            return true;
        }
        const auto gone = std::chrono::steady_clock::now() - start;
        if (gone >= timeout)
        {
            return false;
        }
        notifier::waitForEpoch(*m_epochWord, seen,
                               std::min<std::chrono::nanoseconds>(timeout - gone, notifier::kSlice));
        m_domain->recoverDeadSoon();
    }
    return false;
}

} // namespace ZeroCP
