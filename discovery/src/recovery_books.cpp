// The end of a publisher's books (decision 0017): what its subscribers have counted when it is gone is final.
#include "recovery_steps.hpp"
#include "zerocp/core/monotonic_clock.hpp"

namespace ZeroCP::recovery
{

void closeBooks(const Victim& victim, PairHead& head)
{
    std::uint64_t endNs = head.m_endNs.load(std::memory_order_relaxed);
    if (endNs == 0) // else somebody has died in this place before us; its time stands
    {
        endNs = monotonicNs();
        // Relaxed, as all of these: [sync:gone] comes after them.
        head.m_endNs.store(endNs, std::memory_order_relaxed);
    }
    const std::uint64_t lease = victim.record().m_leaseNs.load(std::memory_order_relaxed);
    const Leases leases = lease == 0 ? Leases{} : victim.record().m_leases.at(endNs, lease);
    const bool diedAlive = victim.isDead() && !leases.m_isLost;
    head.m_leasesLost.store(leases.m_lost + (diedAlive ? 1U : 0U), std::memory_order_relaxed);
    head.m_leaseLostNs.store(diedAlive ? endNs : leases.m_lostNs, std::memory_order_relaxed);
}

} // namespace ZeroCP::recovery
