/// Private to the discovery room: what the parts of PoolSet know of the tables in a management segment.
#pragma once

#include <algorithm>
#include <cstdint>

#include "zerocp/core/pool_view.hpp"

namespace ZeroCP
{

inline constexpr std::uint64_t kDataOffset = kPageBytes; // the data segment's header has a page of its own

[[nodiscard]] inline bool isOpen(const PortRecord& port, PortKind kind, std::uint32_t topic) noexcept
{
    return port.m_state.load(std::memory_order_acquire) == static_cast<std::uint32_t>(PortState::Active) &&
           port.m_kind.load(std::memory_order_relaxed) == static_cast<std::uint32_t>(kind) &&
           port.m_topic.load(std::memory_order_relaxed) == topic;
}

[[nodiscard]] inline std::uint32_t portsInUse(const PoolView& view) noexcept
{
    return std::min(view.header().m_portHighWater.load(std::memory_order_acquire), view.portCapacity());
}

[[nodiscard]] inline std::uint32_t pairsInUse(const PoolView& view) noexcept
{
    return std::min(view.header().m_pairHighWater.load(std::memory_order_acquire), view.pairCapacity());
}

} // namespace ZeroCP
