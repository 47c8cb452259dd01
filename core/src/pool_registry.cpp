#include "zerocp/core/pool_registry.hpp"

namespace ZeroCP
{

PoolRegistry& PoolRegistry::instance() noexcept
{
    static PoolRegistry registry;
    return registry;
}

bool PoolRegistry::registerPool(std::uint64_t poolId, void* base) noexcept
{
    if (poolId == NULL_POOL_ID || poolId == PROCESS_LOCAL_POOL_ID || base == nullptr)
    {
        return false;
    }
    for (std::size_t probe = 0; probe < kCapacity; ++probe)
    {
        Entry& entry = m_entries[(poolId + probe) % kCapacity];
        std::uint64_t id = entry.m_id.load(std::memory_order_acquire);
        if (id == NULL_POOL_ID)
        {
            // [sync:pool-base] A reader that sees the id before the base answers nullptr, as if not registered yet.
            entry.m_id.compare_exchange_strong(id, poolId, std::memory_order_acq_rel, std::memory_order_acquire);
            id = entry.m_id.load(std::memory_order_acquire);
        }
        if (id == poolId)
        {
            entry.m_base.store(base, std::memory_order_release);
            return true;
        }
    }
    return false;
}

bool PoolRegistry::unregisterPool(std::uint64_t poolId) noexcept
{
    Entry* entry = entryFor(poolId);
    return entry != nullptr && entry->m_base.exchange(nullptr, std::memory_order_acq_rel) != nullptr;
}

std::optional<PoolRegistry::Location> PoolRegistry::locate(const void* address) const noexcept
{
    const auto wanted = reinterpret_cast<std::uintptr_t>(address);
    std::optional<Location> best;
    for (const Entry& entry : m_entries)
    {
        const auto base = reinterpret_cast<std::uintptr_t>(entry.m_base.load(std::memory_order_acquire));
        if (base == 0 || base > wanted)
        {
            continue;
        }
        if (!best || wanted - base < best->offset)
        {
            best = Location{entry.m_id.load(std::memory_order_acquire), wanted - base};
        }
    }
    return best;
}

PoolRegistry::Entry* PoolRegistry::entryFor(std::uint64_t poolId) noexcept
{
    for (std::size_t probe = 0; probe < kCapacity; ++probe)
    {
        Entry& entry = m_entries[(poolId + probe) % kCapacity];
        const std::uint64_t id = entry.m_id.load(std::memory_order_acquire);
        if (id == poolId)
        {
            return &entry;
        }
        if (id == NULL_POOL_ID)
        {
            return nullptr;
        }
    }
    return nullptr;
}

} // namespace ZeroCP
