/// How old messages were when they were taken: percentiles over the newest of them. One thread.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace example
{

class AgeStatistics
{
  public:
    void add(std::uint64_t nanoseconds)
    {
        if (m_ages.size() < kRemembered)
        {
            m_ages.push_back(nanoseconds);
        }
        else
        {
            m_ages[m_oldest] = nanoseconds; // a listener that runs for weeks keeps its size
            m_oldest = (m_oldest + 1) % kRemembered;
        }
    }

    /// In microseconds; 0 if there is none.
    [[nodiscard]] double percentile(std::size_t percent) const
    {
        if (m_ages.empty())
        {
            return 0.0;
        }
        std::vector<std::uint64_t> ages = m_ages;
        const auto place = ages.begin() + static_cast<std::ptrdiff_t>((ages.size() - 1) * percent / 100);
        std::nth_element(ages.begin(), place, ages.end());
        return static_cast<double>(*place) / 1000.0;
    }

  private:
    static constexpr std::size_t kRemembered = 100'000;

    std::vector<std::uint64_t> m_ages;
    std::size_t m_oldest{0};
};

} // namespace example
