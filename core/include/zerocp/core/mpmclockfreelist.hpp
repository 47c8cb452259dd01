/// The free list of one pool: a stack of chunk numbers, lock-free for any number of threads and processes.
/// Lies in shared memory; its links lie in memory of their own, whose place is a RelativePointer.
///
/// Two ways to use one list, not to be mixed during its life:
///   anonymous    pop() and push(), one number at a time. A process that dies inside loses at most one number.
///   on record    popBatch() and pushBatch() in the name of a port. Whether the last operation of a dead port took
///                effect can be told exactly afterwards (recovery.hpp), so nothing is lost.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <type_traits>

#include "zerocp/core/relative_pointer.hpp"

namespace ZeroCP
{

struct PortRecord;

///   byte 0                      16        24           28          32
///        | m_freeIndicesHeader  | m_head  | m_capacity | reserved  |
///
/// m_head packs                 | sequence 32 | port 12 | number 20 |
/// where (port, sequence) names the last operation: the ABA tag, and the proof that the operation happened.
/// An anonymous operation uses all 44 upper bits as one counter.
class MPMC_LockFree_List
{
  public:
    using Link = std::atomic<std::uint32_t>;

    static constexpr std::uint32_t kEndOfList = (1U << 20) - 1;
    /// Link of a number that an anonymous pop() has handed out.
    static constexpr std::uint32_t kOut = ~0U;

    /// Addresses of one list in this process, decoded once at attach; what the data path works with.
    struct View
    {
        std::atomic<std::uint64_t>* m_head{nullptr};
        Link* m_links{nullptr};
        std::uint32_t m_capacity{0};
        std::uint32_t m_pool{0};      ///< which list of the pool set, for the port's note
        PortRecord* m_ports{nullptr}; ///< all ports of the pool set
        std::uint32_t m_portCount{0};
    };

    MPMC_LockFree_List() noexcept = default;
    MPMC_LockFree_List(const MPMC_LockFree_List&) = delete;
    MPMC_LockFree_List& operator=(const MPMC_LockFree_List&) = delete;

    /// Bytes for the links of a list of `capacity` numbers, a multiple of 8.
    [[nodiscard]] static constexpr std::uint64_t requiredIndexMemorySize(std::uint64_t capacity) noexcept
    {
        return (capacity * sizeof(Link) + 7U) & ~std::uint64_t{7U};
    }

    /// Makes a list of the numbers 0 .. capacity - 1, lowest first out. `linkMemory`, aligned to 8, must outlive the
    /// list. False if it is null or `capacity` is 0 or above kEndOfList.
    bool initialize(void* linkMemory, std::uint32_t capacity) noexcept;

    /// The same with a place that is known, and `available` of `capacity` numbers in the list; the rest may be pushed
    /// later. Used by the layout code, whose pools can grow.
    bool initialize(RelativePointer<std::uint32_t> links, const PoolRegistry& registry, std::uint32_t available,
                    std::uint32_t capacity) noexcept;

    /// The lowest free number, or nothing if all are out. Lock-free.
    [[nodiscard]] std::optional<std::uint32_t> pop() noexcept;

    /// Gives a popped number back. False, and nothing changed, if it is out of range or not out (given back twice).
    bool push(std::uint32_t number) noexcept;

    /// Null addresses if the links' pool is not registered.
    [[nodiscard]] View view(const PoolRegistry& registry) noexcept;

    [[nodiscard]] std::uint32_t capacity() const noexcept { return m_capacity; }

    RelativePointer<std::uint32_t> m_freeIndicesHeader;
    std::atomic<std::uint64_t> m_head{kEndOfList};
    std::uint32_t m_capacity{0};
    std::uint32_t m_reserved{0};
};

static_assert(sizeof(MPMC_LockFree_List) == 32 && offsetof(MPMC_LockFree_List, m_head) == 16);
static_assert(std::is_standard_layout_v<MPMC_LockFree_List>, "shared between processes");
static_assert(std::is_trivially_destructible_v<MPMC_LockFree_List>, "nobody runs its destructor");
static_assert(std::atomic<std::uint64_t>::is_always_lock_free && std::atomic<std::uint32_t>::is_always_lock_free);

namespace freelist
{

/// One port's view of what it just popped; filled before the list changes, so recovery can finish the operation.
/// Pops up to `wanted` (at most PortRecord::kBatch) numbers in the name of port `me`; their count is returned and the
/// numbers stand in `out`. The port's note stays set until popDone(), so the caller can mark the chunks meanwhile.
[[nodiscard]] std::uint32_t popBatch(const MPMC_LockFree_List::View& list, std::uint32_t me, std::uint32_t wanted,
                                     std::span<std::uint32_t> out) noexcept;
void popDone(const MPMC_LockFree_List::View& list, std::uint32_t me) noexcept;

/// Pushes `numbers` in the name of port `me`. Every one is marked FREEING(me) in its holder word by the caller, who
/// also marks them FREE afterwards and then calls pushDone().
void pushBatch(const MPMC_LockFree_List::View& list, std::uint32_t me, std::span<const std::uint32_t> numbers) noexcept;
void pushDone(const MPMC_LockFree_List::View& list, std::uint32_t me) noexcept;

/// Whether operation `sequence` of `port` on this list changed it.
[[nodiscard]] bool applied(const MPMC_LockFree_List::View& list, std::uint32_t port, std::uint64_t sequence) noexcept;

} // namespace freelist

} // namespace ZeroCP
