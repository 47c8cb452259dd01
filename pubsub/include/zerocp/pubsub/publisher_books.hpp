/// What a publisher has promised, deadline and lease, and the books of how it has kept that. The publisher's thread writes;
/// any thread reads, also after the publisher has gone.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>

#include "zerocp/core/deadline_book.hpp"
#include "zerocp/core/monotonic_clock.hpp"
#include "zerocp/core/port_record.hpp"
#include "zerocp/discovery/pool_set.hpp"
#include "zerocp/pubsub/qos_events.hpp"

namespace ZeroCP
{

class PublisherBooks
{
  public:
    /// `set` keeps `record` mapped.
    PublisherBooks(PortRecord& record, std::shared_ptr<PoolSet> set) noexcept
        : m_deadlineNs(record.m_deadlineNs.load(std::memory_order_relaxed)),
          m_leaseNs(record.m_leaseNs.load(std::memory_order_relaxed)),
          m_record(record),
          m_set(std::move(set))
    {
    }

    [[nodiscard]] bool isEmpty() const noexcept { return m_deadlineNs == 0 && m_leaseNs == 0; }
    [[nodiscard]] bool hasLease() const noexcept { return m_leaseNs != 0; }

    /// A message at `nowNs`. The publisher.
    void noteMessage(std::uint64_t nowNs) noexcept
    {
        if (m_deadlineNs != 0)
        {
            m_deadlines.note(nowNs, m_deadlineNs);
        }
        if (m_leaseNs != 0)
        {
            static_cast<void>(noteAlive(nowNs));
        }
    }
    /// It says that it is alive. True if it had lost its lease. The publisher, with a lease.
    [[nodiscard]] bool noteAlive(std::uint64_t nowNs) noexcept { return m_record.m_leases.note(nowNs, m_leaseNs); }

    [[nodiscard]] Deadlines deadlinesAt(std::uint64_t nowNs) const noexcept
    {
        return m_deadlineNs == 0 ? Deadlines{} : m_deadlines.at(nowNs, m_deadlineNs);
    }
    [[nodiscard]] Leases leasesAt(std::uint64_t nowNs) const noexcept
    {
        return m_leaseNs == 0 ? Leases{} : m_record.m_leases.at(nowNs, m_leaseNs);
    }

    /// The publisher leaves: its record may be another port's from now on.
    void close() noexcept { m_closed.store(true, std::memory_order_release); } // [sync:books] partner: isClosed()
    /// Asked after the books were read: they were the publisher's then, if it is not.
    [[nodiscard]] bool isClosed() const noexcept { return m_closed.load(std::memory_order_acquire); }

  private:
    const std::uint64_t m_deadlineNs; ///< offered; 0: none
    const std::uint64_t m_leaseNs;    ///< ManualByTopic; 0: none
    DeadlineBook m_deadlines{};       ///< of its messages, whoever gets them
    PortRecord& m_record;
    const std::shared_ptr<PoolSet> m_set;
    std::atomic<bool> m_closed{false};
};

/// How far somebody has read a publisher's books. One thread at a time.
class PublisherBookReader
{
  public:
    explicit PublisherBookReader(std::shared_ptr<const PublisherBooks> books) noexcept : m_books(std::move(books)) {}

    [[nodiscard]] const PublisherBooks& books() const noexcept { return *m_books; }

    [[nodiscard]] EventCount deadlineMissed() noexcept
    {
        const Deadlines deadlines = m_books->deadlinesAt(monotonicNs());
        return m_deadlinesRead.read(deadlines.m_count, deadlines.m_lastNs);
    }
    [[nodiscard]] EventCount livelinessLost() noexcept
    {
        const Leases leases = m_books->leasesAt(monotonicNs());
        return m_leasesRead.read(leases.m_lost, leases.m_lostNs);
    }
    /// QosEvent bits; none once the publisher has gone.
    [[nodiscard]] std::uint32_t newEvents() const noexcept
    {
        if (m_books->isEmpty())
        {
            return 0;
        }
        const std::uint64_t nowNs = monotonicNs();
        const std::uint32_t bits =
            (m_deadlinesRead.isBehind(m_books->deadlinesAt(nowNs).m_count) ? bitOf(QosEvent::DeadlineMissed) : 0U) |
            (m_leasesRead.isBehind(m_books->leasesAt(nowNs).m_lost) ? bitOf(QosEvent::LivelinessLost) : 0U);
        return m_books->isClosed() ? 0U : bits;
    }
    [[nodiscard]] std::int64_t nextEventNs() const noexcept
    {
        if (m_books->isEmpty() || m_books->isClosed())
        {
            return std::numeric_limits<std::int64_t>::max();
        }
        const std::uint64_t nowNs = monotonicNs();
        return detail::momentOf(std::min(m_books->deadlinesAt(nowNs).m_nextNs, m_books->leasesAt(nowNs).m_nextNs));
    }

  private:
    std::shared_ptr<const PublisherBooks> m_books;
    detail::EventCursor m_deadlinesRead;
    detail::EventCursor m_leasesRead;
};

} // namespace ZeroCP
