/// Times of round trips, and when there have been enough. One process; no memory is had while it counts.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "latency/clock.hpp"
#include "latency/seat.hpp"

namespace latency
{

class RoundTrips
{
  public:
    explicit RoundTrips(const Extent& extent)
        : m_times(extent.m_most), m_least(std::min(extent.m_least, extent.m_most)), m_longestNs(extent.m_longestNs)
    {
    }

    /// The first one begins.
    void start() noexcept
    {
        m_last = nowNs();
        m_end = m_last + m_longestNs;
    }
    /// One ends here, and the next begins: the clock is read once. False: there have been enough.
    [[nodiscard]] bool lap() noexcept
    {
        const std::int64_t now = nowNs();
        m_times[m_count++] = now - m_last;
        m_last = now;
        return m_count < m_times.size() && (now < m_end || m_count < m_least);
    }

    [[nodiscard]] std::span<std::int64_t> times() noexcept { return {m_times.data(), m_count}; }

  private:
    std::vector<std::int64_t> m_times; ///< written once before it is used: no page is new then
    std::size_t m_count{0};
    std::uint64_t m_least;
    std::int64_t m_longestNs;
    std::int64_t m_last{0};
    std::int64_t m_end{0};
};

} // namespace latency
