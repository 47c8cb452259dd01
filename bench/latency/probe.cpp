#include "latency/probe.hpp"

#include <array>

#include "latency/clock.hpp"
#include "latency/statistics.hpp"

namespace latency
{

// Relaxed throughout: the line carries nothing but its number.

void Probe::await(std::uint64_t number) const noexcept
{
    while (m_line->load(std::memory_order_relaxed) != number)
    {
    }
}

void Probe::bounce() noexcept
{
    if (m_serves)
    {
        m_line->store(m_number + 1, std::memory_order_relaxed);
        await(m_number + 2);
    }
    else
    {
        await(m_number + 1);
        m_line->store(m_number + 2, std::memory_order_relaxed);
    }
    m_number += 2;
}

double Probe::measure() noexcept
{
    std::array<double, kBatches> times{};
    for (double& time : times)
    {
        const std::int64_t start = nowNs();
        for (int i = 0; i < kBounces; ++i)
        {
            bounce();
        }
        time = static_cast<double>(nowNs() - start) / (2 * kBounces);
    }
    return medianOf(times);
}

} // namespace latency
