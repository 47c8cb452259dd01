/// How many periods have ended without a message, kept by the one who sends and read by anybody at any time. One writer;
/// lies in a pair's block, or in process memory for a publisher's own. All zeros: no message yet.
///
///   m_start m_missed m_missedNs
///
/// m_start alone gives the number: it is the time of the last message, moved back by one period for each that was missed
/// before. So now - m_start in whole periods is the number of all, those of the running gap included, and one store
/// ends a gap: there is nothing between two stores that a reader could see or a killed writer leave. The other two say
/// when the last one was missed, and keep the number from going back for a reader whose `now` is older than the message.
/// They are stored first, and are right whether or not the store of m_start follows:
///   m_missedNs newer than m_start   the gap is still running for the reader: the time follows from m_start
///   m_missed too                    m_start + m_missed periods is then the last time missed, as m_missedNs says
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <type_traits>

namespace ZeroCP
{

/// What a book says at some time.
struct Deadlines
{
    std::uint64_t m_count{0};
    std::uint64_t m_lastNs{0};                                         ///< when the last one was missed; 0: never
    std::uint64_t m_nextNs{std::numeric_limits<std::uint64_t>::max()}; ///< when the next one will be, without a message
};

struct DeadlineBook
{
    /// Tries to read a time while messages come; the number needs no second one.
    static constexpr int kTries = 100;

    std::atomic<std::uint64_t> m_start;    ///< 0: no message yet
    std::atomic<std::uint64_t> m_missed;   ///< as of the last message
    std::atomic<std::uint64_t> m_missedNs; ///< as of the last message; 0: never

    /// A message at `nowNs`. A period that is exactly over counts as missed. The writer only.
    void note(std::uint64_t nowNs, std::uint64_t periodNs) noexcept
    {
        const std::uint64_t start = m_start.load(std::memory_order_relaxed); // ours
        if (start == 0)
        {
            m_start.store(nowNs, std::memory_order_release); // [sync:deadline]
            return;
        }
        const std::uint64_t missed = (nowNs - std::min(start, nowNs)) / periodNs;
        if (missed > m_missed.load(std::memory_order_relaxed))
        {
            m_missedNs.store(start + missed * periodNs, std::memory_order_release); // [sync:deadline]
            m_missed.store(missed, std::memory_order_release);                      // [sync:deadline]
        }
        // [sync:deadline] Release, each after the one before: who sees this one sees those. Partner: at().
        m_start.store(nowNs - m_missed.load(std::memory_order_relaxed) * periodNs, std::memory_order_release);
    }

    [[nodiscard]] Deadlines at(std::uint64_t nowNs, std::uint64_t periodNs) const noexcept
    {
        for (int i = 1;; ++i)
        {
            // [sync:deadline] Acquire, in the writer's order backwards, and m_start once more: then no message has come
            // between. Partner: note().
            const std::uint64_t start = m_start.load(std::memory_order_acquire);
            const std::uint64_t missed = m_missed.load(std::memory_order_acquire);
            const std::uint64_t missedNs = m_missedNs.load(std::memory_order_acquire);
            if (start == 0)
            {
                return {};
            }
            if (m_start.load(std::memory_order_relaxed) != start && i < kTries)
            {
                continue;
            }
            // Newer than the last message that the other two tell of: the writer is between its stores, or was killed there.
            const std::uint64_t noted = missedNs > start + missed * periodNs ? (missedNs - start) / periodNs : missed;
            const std::uint64_t count = std::max(noted, (nowNs - std::min(start, nowNs)) / periodNs);
            const std::uint64_t lastNs = count == noted ? missedNs : start + count * periodNs;
            return {count, lastNs, start + (count + 1) * periodNs};
        }
    }
};

static_assert(sizeof(DeadlineBook) == 24 && offsetof(DeadlineBook, m_missedNs) == 16);
static_assert(std::is_standard_layout_v<DeadlineBook> && std::is_trivially_destructible_v<DeadlineBook>);

} // namespace ZeroCP
