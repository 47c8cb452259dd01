#include "zerocp/pubsub/publisher_port.hpp"

#include <algorithm>

#include "zerocp/core/contract.hpp"

namespace ZeroCP
{

using holder::bitOf;
using holder::wordOf;

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
      m_ledger(view.maxChunks(), view.holderWords(),
               grant.m_set->pagePolicy().holdsPages() ? ChunkLedger::Fill::AtOnce : ChunkLedger::Fill::AsTouched),
      m_foreignDrops(grant.m_limit),
      m_domain(std::move(domain)),
      m_grant(std::move(grant)),
      m_books(std::make_shared<PublisherBooks>(*m_record, m_grant.m_set)),
      m_events(m_books)
{
    if (const auto history = view.historyOf(m_me.m_port))
    {
        m_history = *history;
    }
    m_connections.reserve(std::min<std::uint32_t>(view.holderWords() * holder::kBitsPerWord, 1024));
    if (m_grant.m_set->pagePolicy().holdsPages())
    {
        m_connections.resize(m_connections.capacity()); // touched now, not when a subscriber joins
        m_connections.clear();
    }
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
    m_fastEpoch = m_needsFence ? notifier::kNeverAnEpoch : epoch;
    m_record->m_epochSeen.store(epoch, std::memory_order_release);
}

void PublisherPort::updateBudgets() noexcept
{
    m_lastBytes = ~0ULL; // a better fitting class may have come
    const std::uint32_t classes = m_record->m_classes.load(std::memory_order_acquire);
    const bool automatic = m_view.header().m_automatic != 0;
    for (std::uint32_t pool = 0; pool < m_view.classCount(); ++pool)
    {
        const bool mine = !automatic || (classes >> pool & 1U) != 0; // a configured class is everybody's
        m_budgets[pool] = mine ? publisherShare(m_view, m_me.m_port, pool, BudgetOf::Use) : 0;
        // A small configured class is shared with others: nobody fills up to more than a sixteenth of it. An automatic class
        // has our budget anyway.
        const PoolView::Class& in = m_view.classAt(pool);
        const std::uint32_t size = stashSize(in.m_chunkSize);
        m_stashes[pool] = automatic ? std::max(size, std::min(kChunksInTurn, m_budgets[pool] / 2))
                                    : std::clamp(in.m_pool->getTotalChunks() / 16, 1U, size);
    }
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
        notifier::wakeIfAsleep(*connection.m_reader, m_view.waiters());
    }
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
    m_books->close();
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
    return static_cast<std::size_t>(std::count_if(m_connections.begin(), m_connections.end(),
                                                  [](const Connection& connection) { return !connection.m_closed; }));
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
