/// What a wait set or executor sleeps on: a word in the discovery segment that ports, timers and user events of this
/// process wake, and publishers of every process through its ports. Lives as long as somebody holds it.
#pragma once

#include <chrono>
#include <cstdint>
#include <limits>
#include <memory>

#include "zerocp/core/notifier.hpp"
#include "zerocp/discovery/domain.hpp"

namespace ZeroCP
{

class Waiter
{
  public:
    /// No moment: never.
    static constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();

    /// Control call. LimitReached, Timeout, Closed, Forked.
    [[nodiscard]] static Expected<std::shared_ptr<Waiter>, Error> create(const std::shared_ptr<Domain>& domain);

    Waiter(std::shared_ptr<Domain> domain, std::uint32_t row) noexcept : m_domain(std::move(domain)), m_row(row) {}
    Waiter(const Waiter&) = delete;
    Waiter& operator=(const Waiter&) = delete;
    ~Waiter();

    /// For PortRecord::m_waiter.
    [[nodiscard]] std::uint32_t number() const noexcept { return m_row + 1; }

    /// Any thread; async-signal-safe. Does nothing in a forked child.
    void wake() noexcept;

    /// Load it, look at everything that is waited for, then sleepUntil() with it.
    [[nodiscard]] std::uint32_t signals() const noexcept { return notifier::signalsOf(record()); }

    /// Until woken after `seen`, until `untilNs` (CLOCK_MONOTONIC), at most `slice`. The waiter's own thread.
    void sleepUntil(std::uint32_t seen, std::int64_t untilNs, std::chrono::nanoseconds slice) noexcept;

    /// From now on who wakes also writes into a FIFO, of which this is a descriptor for both ends; once. Control call.
    [[nodiscard]] Expected<int, Error> openPipe() { return m_domain->openPipe(m_row); }
    void removePipe() noexcept { m_domain->removePipe(m_row); }
    /// Moves with every byte that was written there, a little later; a hint.
    [[nodiscard]] std::uint32_t rung() const noexcept { return record().m_rung.load(std::memory_order_relaxed); }

    /// From now on every change of the graph wakes.
    void wantGraph() noexcept;

    [[nodiscard]] Domain& domain() const noexcept { return *m_domain; }
    [[nodiscard]] bool isOf(const std::shared_ptr<Domain>& domain) const noexcept { return m_domain == domain; }

    /// CLOCK_MONOTONIC.
    [[nodiscard]] static std::int64_t now() noexcept
    {
        return std::chrono::steady_clock::now().time_since_epoch().count();
    }
    /// now() + `timeout`; kNever for a negative or huge one.
    [[nodiscard]] static std::int64_t after(std::chrono::nanoseconds timeout) noexcept;

  private:
    [[nodiscard]] WaiterRecord& record() const noexcept { return m_domain->waiter(m_row); }

    std::shared_ptr<Domain> m_domain;
    std::uint32_t m_row;
};

} // namespace ZeroCP
