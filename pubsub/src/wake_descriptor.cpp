#include "zerocp/pubsub/wake_descriptor.hpp"

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <utility>

#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "zerocp/core/wake_pipe.hpp"

namespace ZeroCP
{

namespace
{

Error failed(const char* call)
{
    const Error plain = systemError("file descriptor for an event loop", call, errno);
    return Error(plain.code(), plain.message() + "; it takes three descriptors, see RLIMIT_NOFILE (ulimit -n)");
}

} // namespace

Expected<std::unique_ptr<WakeDescriptor>, Error> WakeDescriptor::create(std::shared_ptr<Waiter> waiter)
{
    std::unique_ptr<WakeDescriptor> made(new WakeDescriptor(waiter, -1)); // first, so that nothing can be lost
    const auto pipe = waiter->openPipe();
    if (!pipe)
    {
        return tl::unexpected(pipe.error());
    }
    made->m_pipe = *pipe;
    if (auto opened = made->open(); !opened)
    {
        return tl::unexpected(opened.error());
    }
    made->ring(); // who asks for it may have left something
    return made;
}

Expected<void, Error> WakeDescriptor::open()
{
    m_timer = ::timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (m_timer < 0)
    {
        return tl::unexpected(failed("timerfd_create"));
    }
    m_epoll = ::epoll_create1(EPOLL_CLOEXEC);
    if (m_epoll < 0)
    {
        return tl::unexpected(failed("epoll_create1"));
    }
    for (const int part : {m_pipe, m_timer})
    {
        epoll_event readable{};
        readable.events = EPOLLIN;
        if (::epoll_ctl(m_epoll, EPOLL_CTL_ADD, part, &readable) != 0)
        {
            return tl::unexpected(failed("epoll_ctl"));
        }
    }
    return {};
}

/// In a forked child nothing: the child may have closed its copies, and these numbers may be files of its own.
WakeDescriptor::~WakeDescriptor()
{
    if (m_waiter->domain().isForked())
    {
        return;
    }
    m_waiter->removePipe(); // first: who wakes from now on finds nothing to open
    for (const int descriptor : {m_epoll, m_timer, m_pipe})
    {
        if (descriptor >= 0)
        {
            ::close(descriptor);
        }
    }
}

bool WakeDescriptor::isArmed(std::int64_t nowNs) noexcept
{
    constexpr std::uint32_t kMostTrust = 63;
    return m_isArmed && !isDue(nowNs) && !isRung() && m_trusted++ < kMostTrust;
}

void WakeDescriptor::disarm() noexcept
{
    m_isArmed = false;
    m_rungSeen = m_waiter->rung(); // before: a byte that comes after the look into the FIFO is counted after it
    wake_pipe::drain(m_pipe);
}

void WakeDescriptor::arm(std::int64_t nowNs, std::int64_t untilNs) noexcept
{
    if (isDue(nowNs) || untilNs < m_untilNs) // else it comes early once, which costs less than to set it each time
    {
        constexpr std::int64_t kSecond = 1'000'000'000;
        m_untilNs = std::max(untilNs, std::int64_t{1}); // 0 would stop it
        itimerspec when{};
        when.it_value = {.tv_sec = m_untilNs / kSecond, .tv_nsec = m_untilNs % kSecond};
        ::timerfd_settime(m_timer, TFD_TIMER_ABSTIME, &when, nullptr); // takes back that it has run out
    }
    m_trusted = 0;
    m_isArmed = true;
}

void WakeDescriptor::ring() noexcept
{
    m_isArmed = false;
    wake_pipe::ring(m_pipe);
}

} // namespace ZeroCP
