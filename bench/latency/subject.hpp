/// What a slice measures: a system in one of its modes, with messages of one size. A value; its texts are literals.
#pragma once

#include <cstdint>
#include <string_view>

namespace latency
{

/// How the receiver waits for a message.
enum class Mode : std::uint8_t
{
    Busy,     ///< looks again and again
    Spin,     ///< looks for 20 us, then sleeps
    Blocking, ///< sleeps at once
    Fd,       ///< sleeps in poll() on the subscriber's file descriptor
};

inline constexpr Mode kModes[] = {Mode::Busy, Mode::Spin, Mode::Blocking, Mode::Fd};

[[nodiscard]] constexpr std::string_view toString(Mode mode) noexcept
{
    switch (mode)
    {
    case Mode::Busy: return "busy";
    case Mode::Spin: return "spin";
    case Mode::Blocking: return "blocking";
    case Mode::Fd: return "fd";
    }
    return "?";
}

/// The mode of the raw hand-over that a mode is compared with: what looks with what looks, what sleeps with what sleeps.
[[nodiscard]] constexpr Mode rawModeFor(Mode mode) noexcept
{
    return mode == Mode::Blocking || mode == Mode::Fd ? Mode::Blocking : Mode::Busy;
}

/// How much of each message both sides touch.
enum class Touch : std::uint8_t
{
    Ends, ///< the first and the last 8 bytes: shows the middleware
    Full, ///< writes all, reads all: shows memory
};

[[nodiscard]] constexpr std::string_view toString(Touch touch) noexcept
{
    return touch == Touch::Ends ? "ends" : "full";
}

inline constexpr std::string_view kRaw = "raw";

struct Subject
{
    std::string_view m_system;
    Mode m_mode;
    std::uint64_t m_payloadBytes;
    Touch m_touch;

    [[nodiscard]] bool operator==(const Subject&) const = default;
};

} // namespace latency
