/// The same memory as RawHandover, but the receiver sleeps on the word until the number has come, and the sender always
/// wakes: the least that a blocking hand-over needs. One end, in one process.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "latency/seat.hpp"

namespace latency
{

class RawFutex
{
  public:
    explicit RawFutex(const Seat& seat) noexcept
        : m_out(wordOf(seat, seat.m_side)),
          m_in(wordOf(seat, otherThan(seat.m_side))),
          m_outWords(seat.m_board->payloadOf(seat.m_side)),
          m_inWords(seat.m_board->payloadOf(otherThan(seat.m_side)))
    {
    }

    template <typename Write>
    [[nodiscard]] bool send(Write&& write)
    {
        write(m_outWords);
        // Release: the message is there for who sees its number. Partner: the load in receive(). Who saw the old number
        // sleeps, or is not let to: the kernel compares the word again.
        m_out->store(++m_sent, std::memory_order_release);
        futex(m_out, FUTEX_WAKE, 1);
        return true;
    }

    template <typename Use>
    [[nodiscard]] bool receive(Use&& use)
    {
        const std::uint32_t before = m_received++;
        // Acquire: the message of that number, and that our last one has been read. Partner: the store in send().
        while (m_in->load(std::memory_order_acquire) != m_received)
        {
            futex(m_in, FUTEX_WAIT, before);
        }
        return use(static_cast<const std::uint64_t*>(m_inWords));
    }

    [[nodiscard]] static std::string trouble() { return "the raw futex failed"; }

  private:
    [[nodiscard]] static std::atomic<std::uint32_t>* wordOf(const Seat& seat, Side sender) noexcept
    {
        return &seat.head().m_raw[static_cast<std::size_t>(sender)].m_sent;
    }
    /// Shared, not FUTEX_PRIVATE: the other side is another process. Errors are reasons to look again.
    static void futex(std::atomic<std::uint32_t>* word, int operation, std::uint32_t value) noexcept
    {
        ::syscall(SYS_futex, word, operation, value, nullptr, nullptr, 0);
    }

    std::atomic<std::uint32_t>* m_out;
    std::atomic<std::uint32_t>* m_in;
    std::uint64_t* m_outWords;
    const std::uint64_t* m_inWords;
    std::uint32_t m_sent{0};
    std::uint32_t m_received{0};
};

} // namespace latency
