/// A pointer that may lie in shared memory: {byte offset, pool id}. Every process resolves it against its own
/// PoolRegistry. Trivially copyable; the object that it points to is not owned.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "zerocp/core/pool_registry.hpp"

namespace ZeroCP
{

///   byte 0          8            16
///        | m_offset | m_pool_id  |
///
/// m_offset counts bytes, not elements: scaling it by sizeof(T) would point elsewhere for every T but char.
template <typename T>
class RelativePointer
{
  public:
    /// Null.
    constexpr RelativePointer() noexcept = default;

    /// `offsetBytes` bytes after the base of `poolId`.
    constexpr RelativePointer(std::uint64_t poolId, std::uint64_t offsetBytes) noexcept
        : m_offset(offsetBytes), m_pool_id(poolId)
    {
    }

    /// The pool of `registry` with the greatest base not above `pointer`; an address below every base belongs to
    /// no pool and becomes process-local.
    explicit RelativePointer(T* pointer, const PoolRegistry& registry = PoolRegistry::instance()) noexcept
    {
        if (pointer == nullptr)
        {
            return;
        }
        const auto location = registry.locate(pointer);
        m_pool_id = location ? location->poolId : PROCESS_LOCAL_POOL_ID;
        m_offset = location ? location->offset : reinterpret_cast<std::uintptr_t>(pointer);
    }

    /// nullptr for the null pointer and for a pool that this process has not registered.
    [[nodiscard]] T* get() const noexcept { return get(PoolRegistry::instance()); }

    [[nodiscard]] T* get(const PoolRegistry& registry) const noexcept
    {
        if (m_pool_id == PROCESS_LOCAL_POOL_ID)
        {
            return reinterpret_cast<T*>(static_cast<std::uintptr_t>(m_offset));
        }
        auto* base = static_cast<std::byte*>(registry.getBaseAddress(m_pool_id));
        return base == nullptr ? nullptr : static_cast<T*>(static_cast<void*>(base + m_offset));
    }

    [[nodiscard]] T* operator->() const noexcept { return get(); }
    [[nodiscard]] std::add_lvalue_reference_t<T> operator*() const noexcept requires(!std::is_void_v<T>)
    {
        return *get();
    }

    [[nodiscard]] constexpr std::uint64_t offset() const noexcept { return m_offset; }
    [[nodiscard]] constexpr std::uint64_t poolId() const noexcept { return m_pool_id; }
    [[nodiscard]] constexpr explicit operator bool() const noexcept { return m_pool_id != NULL_POOL_ID; }

    friend constexpr bool operator==(const RelativePointer&, const RelativePointer&) noexcept = default;

    std::uint64_t m_offset{0};
    std::uint64_t m_pool_id{NULL_POOL_ID};
};

static_assert(sizeof(RelativePointer<int>) == 16 && std::is_trivially_copyable_v<RelativePointer<int>>);
static_assert(std::is_standard_layout_v<RelativePointer<int>>, "shared between processes");

} // namespace ZeroCP
