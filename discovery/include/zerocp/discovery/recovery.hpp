/// Taking a port out of its pool set: what it holds goes back exactly once, what it published stays readable. One way
/// for a port that leaves and for one whose process died; may be interrupted by death anywhere and repeated.
/// Control lock held.
#pragma once

#include <cstdint>
#include <functional>

#include "zerocp/core/pool_view.hpp"

namespace ZeroCP::recovery
{

/// Whether the process in a slot lives. A dead publisher needs no grace period.
using IsAlive = std::function<bool(std::uint32_t processSlot)>;

/// What is to be done in the name of a port that holds nothing any more, before its record is free for another.
using LastAct = std::function<void(std::uint32_t port)>;

/// Sweeps `port` and frees its record. False: a live publisher is stopped in the middle of a call, or a size class cannot
/// be read, so the record stays as it is (Dying) and the sweep is repeated later; nothing is lost meanwhile.
bool retire(PoolView& view, std::uint32_t port, const IsAlive& isAlive, const LastAct& lastAct = {});

/// Repeats what earlier calls had to leave Dying. Returns how many ports still are.
std::uint32_t retireDying(PoolView& view, const IsAlive& isAlive, const LastAct& lastAct = {});

} // namespace ZeroCP::recovery
