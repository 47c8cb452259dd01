/// First bytes of every segment: what it is, which layout its writer was built with, when the machine was booted.
/// Written before the segment is published and never changed; read by other builds, so its own layout is frozen.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>

#include "zerocp/core/align.hpp"
#include "zerocp/core/error.hpp"

namespace ZeroCP
{

enum class SegmentKind : std::uint32_t
{
    Discovery = 1,
    Management = 2,
    Data = 3,
    Single = 4, ///< management and data in one file (MemPoolAllocator)
};

[[nodiscard]] std::string_view toString(SegmentKind kind) noexcept;

///   byte 0        8               12       16           24         40              48           56       64
///        | magic  | layoutVersion | kind   | layoutHash | bootId   | segmentBytes  | creatorPid | zero   |
struct alignas(kCacheLineBytes) SegmentHeader
{
    static constexpr std::uint64_t kMagic = 0x31504352'45535A5AULL; ///< "ZZSERCP1", little endian
    /// Grows when the meaning of bytes changes without their place.
    static constexpr std::uint32_t kLayoutVersion = 1;

    std::uint64_t m_magic;
    std::uint32_t m_layoutVersion;
    std::uint32_t m_kind;
    std::uint64_t m_layoutHash; ///< of sizes and offsets of every type in shared memory
    std::array<std::uint8_t, 16> m_bootId;
    std::uint64_t m_segmentBytes;
    std::uint64_t m_creatorPid;
    std::uint64_t m_reserved;
};

static_assert(sizeof(SegmentHeader) == 64 && offsetof(SegmentHeader, m_bootId) == 24);
static_assert(offsetof(SegmentHeader, m_segmentBytes) == 40);
static_assert(std::is_standard_layout_v<SegmentHeader> && std::is_trivially_copyable_v<SegmentHeader>);

/// This boot of the machine, from /proc/sys/kernel/random/boot_id; zeros where that cannot be read.
[[nodiscard]] const std::array<std::uint8_t, 16>& currentBootId();

/// A constexpr FNV-1a over numbers: how layout hashes are made.
[[nodiscard]] constexpr std::uint64_t hashNumbers(const std::uint64_t* numbers, std::size_t count) noexcept
{
    std::uint64_t hash = 0xCBF29CE484222325ULL; // offset basis and prime: FNV-1a, 64 bit, by Fowler, Noll and Vo
    for (std::size_t i = 0; i < count; ++i)
    {
        for (unsigned shift = 0; shift < 64; shift += 8)
        {
            hash = (hash ^ (numbers[i] >> shift & 0xFFU)) * 0x100000001B3ULL;
        }
    }
    return hash;
}

/// The header of a new segment of this build and this boot.
[[nodiscard]] SegmentHeader makeSegmentHeader(SegmentKind kind, std::uint64_t layoutHash, std::uint64_t segmentBytes);

/// Checks bytes that another process wrote. `name` is for the sentence.
/// Corrupt: no segment, another kind, or a size that is not the file's. VersionMismatch: another layout (both sides
/// are named). isStale() is asked separately.
[[nodiscard]] Expected<void, Error> checkSegmentHeader(const SegmentHeader& header, SegmentKind kind,
                                                       std::uint64_t layoutHash, std::uint64_t fileBytes,
                                                       std::string_view name);

/// Whether the segment was written before the machine was last booted.
[[nodiscard]] bool isStale(const SegmentHeader& header);

} // namespace ZeroCP
