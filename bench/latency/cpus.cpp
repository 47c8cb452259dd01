#include "latency/cpus.hpp"

#include <cstddef>

#include <sched.h>

namespace latency
{

std::vector<int> allowedCpus()
{
    std::vector<int> cpus;
    cpu_set_t set;
    CPU_ZERO(&set);
    if (::sched_getaffinity(0, sizeof set, &set) == 0)
    {
        for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu)
        {
            if (CPU_ISSET(static_cast<std::size_t>(cpu), &set))
            {
                cpus.push_back(cpu);
            }
        }
    }
    return cpus;
}

bool pinTo(int cpu) noexcept
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(static_cast<std::size_t>(cpu), &set);
    return ::sched_setaffinity(0, sizeof set, &set) == 0;
}

void keepAwake() noexcept
{
    const sched_param none{};
    if (::sched_setscheduler(0, SCHED_IDLE, &none) != 0)
    {
        return;
    }
    for (volatile bool isBusy = true; isBusy;) // volatile: a loop without any effect may be taken for one that ends
    {
    }
}

} // namespace latency
