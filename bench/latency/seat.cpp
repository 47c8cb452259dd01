#include "latency/seat.hpp"

#include <sched.h>

namespace latency
{

void Seat::meet() const noexcept
{
    // If the other never comes, the parent sees its end, and ends this process too.
    head().m_arrived.fetch_add(1);
    while (head().m_arrived.load() < 2)
    {
        ::sched_yield();
    }
}

} // namespace latency
