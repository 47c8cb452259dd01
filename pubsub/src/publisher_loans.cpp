// PublisherPort's chunks: which size class, where the next ones come from.
#include <algorithm>
#include <limits>

#include "zerocp/pubsub/publisher_port.hpp"

namespace ZeroCP
{

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
        m_lastCount = in.m_endChunk - in.m_firstChunk;
        m_lastStride = in.m_stride;
        m_lastBase = reinterpret_cast<std::byte*>(m_view.writable(in, in.m_firstChunk));
    }
    while (m_ledger.stashed(m_lastClass) == 0 && !refill(m_lastClass))
    {
        if (auto raised = raiseShare(m_lastClass); !raised)
        {
            return raised;
        }
    }
    return {};
}

/// All that we may have of a class is in use: with slices that may be a share of our budget.
Expected<void, LoanError> PublisherPort::raiseShare(std::uint32_t pool)
{
    const bool isShare = m_record->m_shares[pool].load(std::memory_order_relaxed) != 0; // else the whole budget
    const std::uint32_t before = m_budgets[pool];
    if (!isShare || before >= publisherBudget(m_view, m_me.m_port, m_view.classAt(pool).m_chunkSize, BudgetOf::Use))
    {
        return tl::unexpected(LoanError::PoolExhausted);
    }
    if (const auto raised = m_domain->raiseShare(m_grant, pool); !raised)
    {
        const bool later = raised.error().code() == ErrorCode::Timeout; // somebody else is in a control call
        return tl::unexpected(later ? LoanError::PoolExhausted : LoanError::NoSpace);
    }
    const Busy busy(*this);
    static_cast<void>(m_view.refresh());
    updateBudgets();
    return m_budgets[pool] > before ? Expected<void, LoanError>() : tl::unexpected(LoanError::PoolExhausted);
}

Expected<std::uint32_t, LoanError> PublisherPort::chooseClass(std::uint64_t bytes)
{
    if (m_grant.m_isSlice ? bytes % m_grant.m_typeBytes != 0 : bytes != m_grant.m_typeBytes)
    {
        return tl::unexpected(
            LoanError::WrongSize); // only untyped publishers come here with what their type does not allow
    }
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

} // namespace ZeroCP
