// PoolSet's ports: records and holder bits.
#include <algorithm>
#include <vector>

#include "pool_set_tables.hpp"
#include "zerocp/core/monotonic_clock.hpp"
#include "zerocp/discovery/pool_set.hpp"

namespace ZeroCP
{

Expected<std::uint32_t, Error> PoolSet::takePortRecord()
{
    const std::uint32_t used = portsInUse(m_control);
    for (std::uint32_t i = 1; i < used; ++i)
    {
        if (m_control.port(i).m_state.load(std::memory_order_acquire) == static_cast<std::uint32_t>(PortState::Off))
        {
            return i;
        }
    }
    if (used >= m_control.portCapacity())
    {
        return failure(ErrorCode::LimitReached, m_baseName + ": all " + std::to_string(m_control.portCapacity() - 1) +
                                                    " ports are in use; raise limits.endpoints");
    }
    if (auto committed = commitManagement(&m_control.port(used), sizeof(PortRecord)); !committed)
    {
        return tl::unexpected(committed.error());
    }
    // [sync:tables] Release: the record is committed before anybody looks at it. Partner: portsInUse().
    m_control.header().m_portHighWater.store(used + 1, std::memory_order_release);
    return used;
}

Expected<std::uint32_t, Error> PoolSet::takeHolderBit(std::uint32_t topic, std::uint32_t limit) const
{
    const std::uint32_t capacity = std::min(limit, m_control.holderWords() * holder::kBitsPerWord);
    std::vector<bool> taken(capacity, false);
    for (std::uint32_t i = 1; i < portsInUse(m_control); ++i)
    {
        const PortRecord& port = m_control.port(i);
        const std::uint32_t index = port.m_holderIndex.load(std::memory_order_relaxed);
        const bool used = port.m_state.load(std::memory_order_acquire) != static_cast<std::uint32_t>(PortState::Off);
        if (used && port.m_topic.load(std::memory_order_relaxed) == topic && index < capacity)
        {
            taken[index] = true;
        }
    }
    const auto free = std::find(taken.begin(), taken.end(), false);
    if (free == taken.end())
    {
        return failure(ErrorCode::LimitReached, "all " + std::to_string(capacity) +
                                                    " ports of the topic are in use; raise limits.ports_per_topic");
    }
    return static_cast<std::uint32_t>(free - taken.begin());
}

Expected<HolderId, Error> PoolSet::addPort(const PortRequest& request)
{
    if (!m_control.refresh())
    {
        return failure(ErrorCode::Corrupt, m_baseName + ": a size class does not fit its segment");
    }
    const auto index = takePortRecord();
    if (!index)
    {
        return tl::unexpected(index.error());
    }
    const auto bit = takeHolderBit(request.m_topic, request.m_portLimit);
    if (!bit)
    {
        return tl::unexpected(bit.error());
    }
    PortRecord& port = m_control.port(*index);
    port.m_kind.store(static_cast<std::uint32_t>(request.m_kind), std::memory_order_relaxed);
    port.m_topic.store(request.m_topic, std::memory_order_relaxed);
    port.m_holderIndex.store(*bit, std::memory_order_relaxed);
    port.m_processSlot.store(request.m_processSlot, std::memory_order_relaxed);
    port.m_endpointSlot.store(request.m_endpointSlot, std::memory_order_relaxed);
    port.m_endpointId.store(request.m_endpointId, std::memory_order_relaxed);
    port.m_depth.store(request.m_depth, std::memory_order_relaxed);
    port.m_limit.store(request.m_limit, std::memory_order_relaxed);
    port.m_keepAll.store(static_cast<std::uint32_t>(request.m_keepAll), std::memory_order_relaxed);
    port.m_classes.store(0, std::memory_order_relaxed);
    for (auto& share : port.m_shares)
    {
        share.store(0, std::memory_order_relaxed);
    }
    port.m_busy.store(0, std::memory_order_relaxed);
    port.m_sleep.store(0, std::memory_order_relaxed);
    port.m_waiter.store(0, std::memory_order_relaxed);
    port.m_closed.store(0, std::memory_order_relaxed);
    port.m_joining.store(1, std::memory_order_relaxed);
    const bool publishes = request.m_kind == PortKind::Publisher;
    port.m_history.store(request.m_transientLocal && !publishes ? 1 : 0, std::memory_order_relaxed);
    port.m_deadlineNs.store(request.m_deadlineNs, std::memory_order_relaxed);
    port.m_lifespanNs.store(request.m_lifespanNs, std::memory_order_relaxed);
    port.m_leaseNs.store(request.m_leaseNs, std::memory_order_relaxed);
    port.m_leases.start(monotonicNs()); // its creation is a publisher's first sign of life
    port.m_died.store(0, std::memory_order_relaxed);
    for (auto* figure : {&port.m_naps, &port.m_rescues, &port.m_missed})
    {
        figure->store(0, std::memory_order_relaxed);
    }
    // [sync:port] Release: who finds the port active finds its identity; above all the one who recovers it.
    port.m_state.store(static_cast<std::uint32_t>(PortState::Active), std::memory_order_release);

    // Only now: whoever recovers the port gives its history back.
    auto grown = request.m_transientLocal && publishes ? makeHistory(*index) : Expected<void, Error>();
    if (grown)
    {
        grown = request.m_chunkBytes != 0 ? growClass(*index, request.m_chunkBytes, 0) : commitBudgets(*index);
    }
    if (!grown)
    {
        // Nobody has seen the port yet: no pair names it, no chunk is marked with it but new ones that are Freeing(it).
        port.m_state.store(static_cast<std::uint32_t>(PortState::Dying), std::memory_order_release);
        return tl::unexpected(grown.error());
    }
    // [sync:joining] Release: the chunks are there. Partner: publisherBudget().
    port.m_joining.store(0, std::memory_order_release);
    giveBack(*index); // what publishers had when the last endpoint left
    return HolderId{*index, *bit, request.m_topic};
}

void PoolSet::abandonPort(std::uint32_t port) noexcept
{
    m_control.port(port).m_state.store(static_cast<std::uint32_t>(PortState::Dying), std::memory_order_release);
}

} // namespace ZeroCP
