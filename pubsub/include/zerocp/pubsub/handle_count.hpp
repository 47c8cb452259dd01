/// Counts the loans or samples of a port that are out. The port's owner counts in a plain number, other threads in an
/// atomic one; the two meet when the port is closed. Who brings a closed count to zero ends the port.
#pragma once

#include <atomic>
#include <cstdint>

namespace ZeroCP
{

class HandleCount
{
  public:
    /// Owner only, while open. Includes what other threads have dropped since the last fold().
    [[nodiscard]] std::uint32_t out() const noexcept { return m_out; }
    void add() noexcept { ++m_out; }
    void remove() noexcept { --m_out; }

    /// Owner only: takes over what other threads have counted.
    void fold() noexcept
    {
        // Acquire: a handle dropped elsewhere is done with its chunk. Partner: removeForeign().
        const std::int64_t foreign = m_foreign.exchange(0, std::memory_order_acq_rel); // [sync:handle-count]
        m_out = static_cast<std::uint32_t>(static_cast<std::int64_t>(m_out) + foreign);
    }

    /// Any thread. True: the port was closed and this was the last handle.
    [[nodiscard]] bool removeForeign() noexcept
    {
        // While open the number is at most zero before, so it never becomes zero here.
        return m_foreign.fetch_sub(1, std::memory_order_acq_rel) == 1; // [sync:handle-count]
    }

    /// The former owner, after nobody else can be owner. True: no handle is out.
    [[nodiscard]] bool close() noexcept
    {
        const std::int64_t mine = m_out;
        return m_foreign.fetch_add(mine, std::memory_order_acq_rel) + mine == 0; // [sync:handle-count]
    }

  private:
    std::uint32_t m_out{0};
    std::atomic<std::int64_t> m_foreign{0};
};

} // namespace ZeroCP
