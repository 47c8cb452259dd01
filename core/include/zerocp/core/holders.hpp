/// What ports do to the holder words of chunks and to the free lists, in terms of a PoolView: take chunks out of the
/// shared list, give up a holder bit, put chunks back. Each step leaves a state from which recovery can go on.
/// Stateless; `me` is the port in whose name a free list changes: one thread at a time per port.
#pragma once

#include <cstdint>
#include <span>

#include "zerocp/core/pool_view.hpp"

namespace ZeroCP
{

/// Who does it: a port and its place among the holders.
struct HolderId
{
    std::uint32_t m_port;   ///< record in the pool set
    std::uint32_t m_holder; ///< bit within its topic
    std::uint32_t m_topic;
};

namespace holders
{

/// Moves up to `wanted` (at most PortRecord::kBatch) chunks of class `in` to `me`: InUse with its bit alone. Their
/// count is returned, their numbers (of the whole set) stand in `out`.
[[nodiscard]] std::uint32_t pop(const PoolView& view, const PoolView::Class& in, const HolderId& me,
                                std::uint32_t wanted, std::span<std::uint32_t> out) noexcept;

/// Takes up to `wanted` (at most PortRecord::kBatch) chunks of class `in` out of its list for good, as if `me` had popped
/// them, and leaves them Retired. Returns how many. A crash inside leaves some of them InUse with the bit of `me`.
[[nodiscard]] std::uint32_t retire(const PoolView& view, const PoolView::Class& in, const HolderId& me,
                                   std::uint32_t wanted) noexcept;

/// Takes `holderIndex`'s bit from `chunk`, but only if its last publication is `tag` (0: any), and adopts the chunk if
/// it was the last. True: the chunk is now Freeing(port) and the caller puts it back, so the word itself tells what a
/// crash interrupted. Idempotent: nobody's bit is taken twice.
[[nodiscard]] bool drop(const PoolView& view, std::uint32_t port, std::uint32_t chunk, std::uint32_t holderIndex,
                        std::uint64_t tag) noexcept;

/// drop() of whatever publication, but only while the chunk belongs to a publisher of `topic`: the same bit is another
/// port's on another topic.
[[nodiscard]] bool dropOfTopic(const PoolView& view, std::uint32_t port, std::uint32_t chunk, std::uint32_t holderIndex,
                               std::uint32_t topic) noexcept;

/// Puts chunks of class `in` that are Freeing(port) into the free list. `chunks` holds numbers of the set; its content
/// is used up. No other chunk of that class is Freeing(port) meanwhile.
void putBack(const PoolView& view, const PoolView::Class& in, std::uint32_t port,
             std::span<std::uint32_t> chunks) noexcept;

/// putBack() of chunks that were not counted as used: new or Retired ones.
void addFree(const PoolView& view, const PoolView::Class& in, std::uint32_t port,
             std::span<std::uint32_t> chunks) noexcept;

/// drop() and, if it was the last bit, putBack().
void dropAndFree(const PoolView& view, std::uint32_t port, std::uint32_t chunk, std::uint32_t holderIndex,
                 std::uint64_t tag) noexcept;

/// The steps of drop(), for threads that may not use the port: clear() takes the bit and says whether nobody holds the
/// chunk any more; then the thread that may use the port calls adopt(), which says whether the chunk is now
/// Freeing(port). A crash in between leaves an orphan, which recovery of any port adopts.
[[nodiscard]] bool clear(const PoolView& view, std::uint32_t chunk, std::uint32_t holderIndex,
                         std::uint64_t tag) noexcept;
[[nodiscard]] bool adopt(const PoolView& view, std::uint32_t port, std::uint32_t chunk) noexcept;

/// Seals the joiner words of a chunk that has left its publisher's history or has no owner any more. False: a joiner has
/// pinned it, and whoever clears that bit adopts or the owner looks again.
[[nodiscard]] bool sealJoiners(const PoolView& view, std::uint32_t chunk) noexcept;

/// Gives up a pin; adopt() follows. Any thread.
void unpin(const PoolView& view, std::uint32_t chunk, std::uint32_t holderIndex) noexcept;

/// Marks a chunk that port `port` alone holds, or one that is Retired, as Freeing(port); putBack() follows.
void markFreeing(const PoolView& view, std::uint32_t port, std::uint32_t chunk) noexcept;

/// Whether `chunk` carries no holder bit but that of `holderIndex` in its first `words` words.
[[nodiscard]] bool heldOnlyBy(const PoolView& view, std::uint32_t chunk, std::uint32_t holderIndex,
                              std::uint32_t words) noexcept;
[[nodiscard]] inline bool heldOnlyBy(const PoolView& view, std::uint32_t chunk, std::uint32_t holderIndex) noexcept
{
    return heldOnlyBy(view, chunk, holderIndex, view.holderWords());
}

} // namespace holders

} // namespace ZeroCP
