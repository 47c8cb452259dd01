/// The least that a hand-over needs: the message in a place of its own and a word with its number, which the receiver polls.
/// One end, in one process. A message is overwritten when the answer to it has come.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include "latency/seat.hpp"

namespace latency
{

class RawHandover
{
  public:
    explicit RawHandover(const Seat& seat) noexcept
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
        // Release: the message is there for who sees its number. Partner: the load in receive().
        m_out->store(++m_sent, std::memory_order_release);
        return true;
    }

    template <typename Use>
    [[nodiscard]] bool receive(Use&& use)
    {
        ++m_received;
        // Acquire: the message of that number, and that our last one has been read. Partner: the store in send().
        while (m_in->load(std::memory_order_acquire) != m_received)
        {
        }
        return use(static_cast<const std::uint64_t*>(m_inWords));
    }

    [[nodiscard]] static std::string trouble() { return "the raw hand-over failed"; }

  private:
    [[nodiscard]] static std::atomic<std::uint32_t>* wordOf(const Seat& seat, Side sender) noexcept
    {
        return &seat.head().m_raw[static_cast<std::size_t>(sender)].m_sent;
    }

    std::atomic<std::uint32_t>* m_out;
    std::atomic<std::uint32_t>* m_in;
    std::uint64_t* m_outWords;
    const std::uint64_t* m_inWords;
    std::uint32_t m_sent{0};
    std::uint32_t m_received{0};
};

} // namespace latency
