/// Arithmetic on sizes that came from a configuration or from shared memory: rounded, checked for overflow.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

namespace ZeroCP
{

/// Unit of false sharing on x86-64 and most ARM64 parts.
inline constexpr std::size_t kCacheLineBytes = 64;
/// Chunks and their payloads start on this boundary: a cache line, and the widest vector register.
inline constexpr std::uint64_t kChunkAlignment = 64;
/// Ranges that are mapped or committed separately start on this boundary.
inline constexpr std::uint64_t kPageBytes = 4096;

/// `value` rounded up to a multiple of `alignment`, a power of two. The caller knows that it does not overflow.
[[nodiscard]] constexpr std::uint64_t alignUp(std::uint64_t value, std::uint64_t alignment) noexcept
{
    return (value + alignment - 1) & ~(alignment - 1);
}

[[nodiscard]] constexpr std::optional<std::uint64_t> checkedMultiply(std::uint64_t a, std::uint64_t b) noexcept
{
    std::uint64_t product = 0;
    if (__builtin_mul_overflow(a, b, &product))
    {
        return std::nullopt;
    }
    return product;
}

[[nodiscard]] constexpr std::optional<std::uint64_t> checkedAdd(std::uint64_t a, std::uint64_t b) noexcept
{
    std::uint64_t sum = 0;
    if (__builtin_add_overflow(a, b, &sum))
    {
        return std::nullopt;
    }
    return sum;
}

} // namespace ZeroCP
