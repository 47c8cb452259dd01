#include "support/jumping_wall_clock.hpp"

#include <atomic>
#include <ctime>

#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

namespace
{

std::atomic<std::uint64_t> looks{0};

std::time_t jump()
{
    constexpr std::time_t kTenDays = 10 * 24 * 3600;
    return looks.fetch_add(1) % 2 == 0 ? kTenDays : -kTenDays;
}

} // namespace

// Instead of the C library's, also for libstdc++'s clocks.
extern "C" int clock_gettime(clockid_t clock, timespec* time) noexcept
{
    const auto result = static_cast<int>(::syscall(SYS_clock_gettime, clock, time));
    if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE || clock == CLOCK_TAI)
    {
        time->tv_sec += jump();
    }
    return result;
}

extern "C" int gettimeofday(timeval* time, void*) noexcept
{
    timespec now{};
    const int result = clock_gettime(CLOCK_REALTIME, &now);
    *time = {now.tv_sec, now.tv_nsec / 1000};
    return result;
}

namespace ZeroCP::test
{

std::uint64_t wallClockLooks() noexcept
{
    return looks;
}

} // namespace ZeroCP::test
