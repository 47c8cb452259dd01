/// Two processes that nothing is done to: a publisher, and a subscriber that was there before everybody. Whatever dies or
/// is stopped beside them, each of their messages is received or counted as missed.
#pragma once

#include "chaos/scene.hpp"

namespace ZeroCP::test::chaos
{

bool publishAsWitness(const Scene& scene, Place& place, std::uint64_t seed);
bool subscribeAsWitness(const Scene& scene, Place& place);

} // namespace ZeroCP::test::chaos
