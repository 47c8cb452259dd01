/// Whether a publisher that has to say that it is there has said so in time, and how often it has not. One writer; lies
/// in the publisher's port record.
///
///   m_version | assertedNs lost lostNs | assertedNs lost lostNs
///
/// Two entries: the writer fills the one that is not in use and then makes it the current one with one store. A reader
/// takes the current one and looks whether it still is: an entry is written on only after the other one has become
/// current. A writer that is killed or stopped anywhere leaves an entry that was true, and no reader waits for it.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <type_traits>

namespace ZeroCP
{

/// What a book says at some time.
struct Leases
{
    std::uint64_t m_lost{0};                                           ///< so far
    std::uint64_t m_lostNs{0};                                         ///< when the last one ran out; 0: never
    std::uint64_t m_nextNs{std::numeric_limits<std::uint64_t>::max()}; ///< when the running one will
    bool m_isLost{false};                                              ///< now
};

struct LeaseBook
{
    /// Tries to read an entry while the writer writes; it would have to come twice during each.
    static constexpr int kTries = 100;

    struct Entry
    {
        std::atomic<std::uint64_t> m_assertedNs;
        std::atomic<std::uint64_t> m_lost;   ///< before
        std::atomic<std::uint64_t> m_lostNs; ///< 0: never
    };

    std::atomic<std::uint64_t> m_version; ///< its parity says which entry is current
    std::array<Entry, 2> m_entries;

    /// A new book, of which nobody knows yet.
    void start(std::uint64_t nowNs) noexcept
    {
        m_version.store(0, std::memory_order_relaxed);
        fill(m_entries[0], nowNs, 0, 0);
    }

    /// A sign of life at `nowNs`. Whether it ends a lost lease; one that is exactly over counts. The writer only.
    bool note(std::uint64_t nowNs, std::uint64_t leaseNs) noexcept
    {
        const std::uint64_t version = m_version.load(std::memory_order_relaxed); // ours
        const Entry& current = m_entries[version & 1U];
        const Leases before = read(current, nowNs, leaseNs);
        fill(m_entries[(version + 1) & 1U], nowNs, before.m_lost, before.m_lostNs);
        // [sync:lease] Release: the entry comes before. Partner: at().
        m_version.store(version + 1, std::memory_order_release);
        return before.m_isLost;
    }

    [[nodiscard]] Leases at(std::uint64_t nowNs, std::uint64_t leaseNs) const noexcept
    {
        for (int i = 1;; ++i)
        {
            // [sync:lease] Acquire, and once more after the entry: who read a word of the writer's next round sees the
            // version that came before it. Partner: note().
            const std::uint64_t version = m_version.load(std::memory_order_acquire);
            const Leases leases = read(m_entries[version & 1U], nowNs, leaseNs);
            if (m_version.load(std::memory_order_relaxed) == version || i == kTries)
            {
                return leases;
            }
        }
    }

  private:
    static void fill(Entry& entry, std::uint64_t assertedNs, std::uint64_t lost, std::uint64_t lostNs) noexcept
    {
        // [sync:lease] Release: after the version that made the other entry current.
        entry.m_assertedNs.store(assertedNs, std::memory_order_release);
        entry.m_lost.store(lost, std::memory_order_release);
        entry.m_lostNs.store(lostNs, std::memory_order_release);
    }

    static Leases read(const Entry& entry, std::uint64_t nowNs, std::uint64_t leaseNs) noexcept
    {
        const std::uint64_t asserted = entry.m_assertedNs.load(std::memory_order_acquire); // [sync:lease]
        const std::uint64_t lost = entry.m_lost.load(std::memory_order_acquire);
        const std::uint64_t lostNs = entry.m_lostNs.load(std::memory_order_acquire);
        const bool isLost = nowNs - std::min(asserted, nowNs) >= leaseNs;
        const std::uint64_t endNs = asserted + leaseNs;
        return isLost ? Leases{.m_lost = lost + 1, .m_lostNs = endNs, .m_isLost = true}
                      : Leases{.m_lost = lost, .m_lostNs = lostNs, .m_nextNs = endNs};
    }
};

static_assert(sizeof(LeaseBook) == 56 && offsetof(LeaseBook, m_entries) == 8);
static_assert(std::is_standard_layout_v<LeaseBook> && std::is_trivially_destructible_v<LeaseBook>);

} // namespace ZeroCP
