/// Taking a port out of its pool set: what it holds goes back exactly once, what it published stays readable. One way
/// for a port that leaves and for one whose process died; may be interrupted by death anywhere and repeated.
/// Control lock held.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "zerocp/core/pool_view.hpp"

namespace ZeroCP::recovery
{

/// Whether the process in a slot lives. A dead publisher needs no grace period.
using IsAlive = std::function<bool(std::uint32_t processSlot)>;

/// What is to be done in the name of a port that holds nothing any more, before its record is free for another.
using LastAct = std::function<void(std::uint32_t port)>;

/// Waits for live publishers to leave the calls that they are in. Remembers for which call of whom it has waited in vain, so
/// that one who stands still is waited for once, however many ports are retired. One thread at a time.
class Patience
{
  public:
    using Clock = std::chrono::steady_clock;

    /// How long a call of a live publisher may take before its port is left for later. Publishing takes microseconds; more
    /// means that the process is stopped or starved.
    static constexpr std::chrono::milliseconds kGrace{20};

    /// Whether `publisher` has left the call that it may be in: its next one sees the epoch before it touches a pair.
    bool outlasts(const PortRecord& publisher, Clock::time_point deadline);

  private:
    [[nodiscard]] bool isKnown(const PortRecord& publisher, std::uint64_t busy) const noexcept;

    static constexpr std::size_t kMostRemembered = 64; ///< whom it forgets it waits for once more

    std::vector<std::pair<std::uint64_t, std::uint64_t>> m_stuck; ///< endpoint ids, and which call
};

/// Sweeps `port` and frees its record. False: a live publisher is stopped in the middle of a call, or a size class cannot
/// be read, so the record stays as it is (Dying) and the sweep is repeated later; nothing is lost meanwhile.
bool retire(PoolView& view, std::uint32_t port, const IsAlive& isAlive, Patience& patience,
            const LastAct& lastAct = {});

/// Repeats what earlier calls had to leave Dying. Returns how many ports still are.
std::uint32_t retireDying(PoolView& view, const IsAlive& isAlive, Patience& patience, const LastAct& lastAct = {});

} // namespace ZeroCP::recovery
