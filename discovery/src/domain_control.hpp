/// Private to the discovery room: the control lock as a scope, and access to table rows.
#pragma once

#include "zerocp/discovery/domain.hpp"

namespace ZeroCP
{

inline constexpr auto kUsed = static_cast<std::uint32_t>(RecordState::Used);
inline constexpr auto kFree = static_cast<std::uint32_t>(RecordState::Free);

/// Part of the names of waiters' FIFOs; row and number follow.
inline constexpr std::string_view kPipes = "wake.";

inline bool isUsed(const std::atomic<std::uint32_t>& state) noexcept
{
    return state.load(std::memory_order_acquire) == kUsed;
}

[[nodiscard]] QoS qosOf(const EndpointRecord& record);
[[nodiscard]] TypeInfo typeOf(const TopicRecord& topic);

/// Holds the process's control mutex and the domain's control byte. The kernel frees the byte if the process dies.
class Domain::Control
{
  public:
    explicit Control(Domain& domain, std::chrono::nanoseconds longest = DomainLock::kPatience)
        : m_domain(domain), m_guard(domain.m_controlMutex, std::defer_lock)
    {
        if (domain.isForked())
        {
            m_result = failure(ErrorCode::Forked, "this node was created before fork(); create a new one in the child");
            return;
        }
        if (longest != std::chrono::nanoseconds::zero())
        {
            m_guard.lock();
        }
        else if (!m_guard.try_lock())
        {
            m_result = failure(ErrorCode::Timeout, "another thread is in a control call");
            return;
        }
        m_result = domain.m_lock.lockControl(longest);
        if (m_result)
        {
            count();
        }
    }
    Control(const Control&) = delete;
    Control& operator=(const Control&) = delete;
    ~Control()
    {
        if (m_result)
        {
            count();
            m_domain.m_lock.unlockControl();
        }
    }

    [[nodiscard]] explicit operator bool() const noexcept { return m_result.has_value(); }
    [[nodiscard]] const Error& error() const noexcept { return m_result.error(); }

  private:
    /// Odd while somebody changes the tables, for readers without the lock. A holder that died left it odd: the next
    /// one starts from the next odd number all the same.
    void count() noexcept
    {
        auto& sequence = m_domain.header().m_controlSequence;
        const std::uint64_t now = sequence.load(std::memory_order_relaxed);
        const bool starting = !m_counted;
        const std::uint64_t next = starting ? (now | 1U) + (now & 1U ? 2U : 0U) : now + 1;
        sequence.store(next, std::memory_order_release); // [sync:tables] partner: inspect()
        m_counted = true;
    }

    Domain& m_domain;
    std::unique_lock<std::mutex> m_guard;
    Expected<void, Error> m_result;
    bool m_counted{false};
};

template <typename Row>
Row& Domain::row(const Table& table, std::uint32_t index) const noexcept
{
    return *std::launder(reinterpret_cast<Row*>(m_discovery.base() + table.m_offset + sizeof(Row) * index));
}

/// A free row of `table`: a used one that was freed, or the next one, committed now.
template <typename Row>
Expected<std::uint32_t, Error> Domain::takeRow(Table& table, std::string_view limitKey)
{
    const std::uint32_t known = rowsOf(table);
    for (std::uint32_t index = 0; index < known; ++index)
    {
        if (row<Row>(table, index).m_state.load(std::memory_order_acquire) ==
            static_cast<std::uint32_t>(RecordState::Free))
        {
            return index;
        }
    }
    if (known >= table.m_capacity)
    {
        return failure(ErrorCode::LimitReached, fileName(m_config.domain, "discovery") + ": all " +
                                                    std::to_string(table.m_capacity) + " rows are in use; raise " +
                                                    std::string(limitKey) +
                                                    " in the configuration of the process that "
                                                    "starts the domain" +
                                                    whoHas(table));
    }
    if (auto committed = m_discovery.commit(table.m_offset + sizeof(Row) * known, sizeof(Row)); !committed)
    {
        return tl::unexpected(committed.error());
    }
    table.m_highWater.store(known + 1, std::memory_order_release); // [sync:tables]
    return known;
}

} // namespace ZeroCP
