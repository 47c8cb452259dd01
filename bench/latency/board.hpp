/// The memory of one slice that its two processes share: anonymous, made before they are forked, gone with the last.
///
///     BoardHead: meeting | line of the probe | raw words, one per direction | figures
///     payload of the raw hand-over, from the serving side | from the answering side
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "latency/statistics.hpp"

namespace latency
{

/// The two processes: one measures, the other sends back what it gets.
enum class Side : std::uint8_t
{
    Serving,
    Answering,
};

[[nodiscard]] constexpr Side otherThan(Side side) noexcept
{
    return side == Side::Serving ? Side::Answering : Side::Serving;
}

/// Two cache lines: processors fetch lines in pairs.
inline constexpr std::size_t kApart = 128;

/// What the raw hand-overs poll or sleep on: the number of the last message. A futex has 32 bits.
struct alignas(kApart) RawWord
{
    std::atomic<std::uint32_t> m_sent{0};
};

struct alignas(kApart) BoardHead
{
    std::atomic<std::uint32_t> m_arrived{0};
    alignas(kApart) std::atomic<std::uint64_t> m_line{0};
    std::array<RawWord, 2> m_raw{}; ///< by who sends

    /// Written by the serving side, read by the parent when both have ended.
    alignas(kApart) Figures m_figures{};
    std::array<double, 2> m_lineNs{}; ///< before the slice and after it
};

class Board
{
  public:
    explicit Board(std::uint64_t payloadBytes);
    Board(const Board&) = delete;
    Board& operator=(const Board&) = delete;
    ~Board();

    /// Whether there was memory for it. If not, nothing else may be called.
    [[nodiscard]] explicit operator bool() const noexcept { return m_head != nullptr; }

    [[nodiscard]] BoardHead& head() const noexcept { return *m_head; }
    /// Where `sender` writes its raw messages.
    [[nodiscard]] std::uint64_t* payloadOf(Side sender) const noexcept;

  private:
    std::size_t m_stride; ///< from one payload to the other
    std::size_t m_bytes;
    BoardHead* m_head{nullptr};
};

} // namespace latency
