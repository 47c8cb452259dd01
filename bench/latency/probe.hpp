/// How far the CPUs of the two sides are from each other right now: one cache line goes back and forth, about half a
/// millisecond.
#pragma once

#include <cstdint>

#include "latency/seat.hpp"

namespace latency
{

class Probe
{
  public:
    explicit Probe(const Seat& seat) noexcept : m_line(&seat.head().m_line), m_serves(seat.serves()) {}

    /// One way in nanoseconds, the median of some batches. Both sides call it, any number of times.
    [[nodiscard]] double measure() noexcept;

  private:
    static constexpr int kBatches = 64;
    static constexpr int kBounces = 32; ///< of a batch: the clock is read too seldom to matter

    void bounce() noexcept;
    void await(std::uint64_t number) const noexcept;

    std::atomic<std::uint64_t>* m_line;
    bool m_serves;
    std::uint64_t m_number{0};
};

} // namespace latency
