/// Pool id -> base address, for one process. The same pool lies at another address in every process, so shared
/// memory holds ids and offsets only (relative_pointer.hpp) and this table turns them into addresses.
/// Any thread may call anything; lock-free, allocates nothing. instance() lives as long as the process.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace ZeroCP
{

inline constexpr std::uint64_t NULL_POOL_ID = 0;       ///< the pool of null pointers
inline constexpr std::uint64_t MANAGEMENT_POOL_ID = 1; ///< MemPools, free lists, ChunkManagers
inline constexpr std::uint64_t CHUNK_POOL_ID = 2;      ///< chunk headers and payloads
inline constexpr std::uint64_t MANAGER_POOL_ID = 3;    ///< the MemPoolManager itself
/// Base 0: offsets are addresses. For pools in ordinary memory; means nothing to another process.
inline constexpr std::uint64_t PROCESS_LOCAL_POOL_ID = ~0ULL;

class PoolRegistry
{
  public:
    struct Location
    {
        std::uint64_t poolId;
        std::uint64_t offset; ///< bytes from the pool's base
    };

    /// Pool ids that one registry can learn in its life; an unregistered one keeps its entry.
    static constexpr std::size_t kCapacity = 64;

    PoolRegistry() noexcept = default;
    PoolRegistry(const PoolRegistry&) = delete;
    PoolRegistry& operator=(const PoolRegistry&) = delete;

    /// The convenience that RelativePointer::get() without an argument uses.
    [[nodiscard]] static PoolRegistry& instance() noexcept;

    /// Sets or replaces the base of `poolId`. False if the id is reserved, `base` is null or the table is full.
    bool registerPool(std::uint64_t poolId, void* base) noexcept;

    /// Forgets `poolId`; pointers into it resolve to nullptr from now on. False if it was not registered.
    bool unregisterPool(std::uint64_t poolId) noexcept;

    /// nullptr if `poolId` is not registered.
    [[nodiscard]] void* getBaseAddress(std::uint64_t poolId) const noexcept
    {
        for (std::size_t probe = 0; probe < kCapacity; ++probe)
        {
            const Entry& entry = m_entries[(poolId + probe) % kCapacity];
            // [sync:pool-base] Acquire: with the id comes the base that was stored before it.
            // Partner: the release store of the id in registerPool().
            const std::uint64_t id = entry.m_id.load(std::memory_order_acquire);
            if (id == poolId)
            {
                return entry.m_base.load(std::memory_order_acquire);
            }
            if (id == NULL_POOL_ID)
            {
                return nullptr; // ids are never removed, so a probe sequence has no holes
            }
        }
        return nullptr;
    }

    /// The registered pool with the greatest base not above `address`; nothing if every base is above it.
    [[nodiscard]] std::optional<Location> locate(const void* address) const noexcept;

  private:
    struct Entry
    {
        std::atomic<std::uint64_t> m_id{NULL_POOL_ID};
        std::atomic<void*> m_base{nullptr};
    };

    [[nodiscard]] Entry* entryFor(std::uint64_t poolId) noexcept;

    std::array<Entry, kCapacity> m_entries{};
};

} // namespace ZeroCP
