/// What became of the promises in an endpoint's QoS: deadlines missed, leases lost, messages lost or expired. Every number
/// is exact whenever it is asked for, however long nobody looked, and also if a process was stopped meanwhile: publishers
/// keep the books in shared memory (decision 0017). Times are CLOCK_MONOTONIC, as those of messages.
/// Process-local values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string_view>
#include <utility>

namespace ZeroCP
{

struct EventCount
{
    std::uint64_t count{0};  ///< so far
    std::uint64_t change{0}; ///< since this handle was last asked
    std::int64_t lastNs{0};  ///< when the last one happened or, for lost and expired messages, was noticed; 0: never
};

/// The publishers of one subscriber.
struct LivelinessStatus
{
    std::size_t alive{0};
    /// Those that have let their lease run out, until they assert it or leave; and those whose process died, for ever.
    std::size_t notAlive{0};
    std::int64_t aliveChange{0}; ///< since this handle was last asked, as the next
    std::int64_t notAliveChange{0};
    std::uint64_t lost{0};  ///< times that one which was alive ceased to be, by its lease or by death
    std::int64_t lastNs{0}; ///< when the last of these happened, or its death was noticed by anybody; 0: never
};

/// Bits of newEvents().
enum class QosEvent : std::uint32_t
{
    DeadlineMissed = 1,
    LivelinessLost = 2,    ///< publishers
    LivelinessChanged = 4, ///< subscribers
    MessageLost = 8,
    Expired = 16,
};

[[nodiscard]] constexpr std::uint32_t bitOf(QosEvent event) noexcept
{
    return static_cast<std::uint32_t>(event);
}

[[nodiscard]] std::string_view toString(QosEvent event) noexcept;

/// What a callback of events gets.
struct QosEventInfo
{
    QosEvent event{QosEvent::DeadlineMissed};
    EventCount count{};            ///< all events but LivelinessChanged
    LivelinessStatus liveliness{}; ///< LivelinessChanged
};

namespace detail
{

/// How far a handle has read one event's count.
class EventCursor
{
  public:
    [[nodiscard]] bool isBehind(std::uint64_t count) const noexcept { return count != m_read; }
    [[nodiscard]] EventCount read(std::uint64_t count, std::uint64_t lastNs) noexcept
    {
        return {count, count - std::exchange(m_read, count), static_cast<std::int64_t>(lastNs)};
    }

  private:
    std::uint64_t m_read{0};
};

/// A moment for who wants to sleep until then; what lies beyond the clock's range never comes.
[[nodiscard]] constexpr std::int64_t momentOf(std::uint64_t nanos) noexcept
{
    return std::in_range<std::int64_t>(nanos) ? static_cast<std::int64_t>(nanos)
                                              : std::numeric_limits<std::int64_t>::max();
}

} // namespace detail

} // namespace ZeroCP
