#include "latency/crew.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace latency
{

namespace
{

using Ended = tl::expected<void, Failure>;

sigset_t heldSignals() noexcept
{
    sigset_t set;
    sigemptyset(&set);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGCHLD})
    {
        sigaddset(&set, signal);
    }
    return set;
}

/// In the child. A Ctrl-C reaches it too; its parent will end it.
[[noreturn]] void runChild(pid_t parent, const std::function<bool()>& body)
{
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) // it died before we asked to be told
    {
        ::_exit(1);
    }
    std::signal(SIGINT, SIG_IGN);
    std::signal(SIGHUP, SIG_IGN);
    const sigset_t held = heldSignals();
    ::sigprocmask(SIG_UNBLOCK, &held, nullptr);
    // exit(), not _exit(): a peer's library takes its leave in the destructors of static objects.
    std::exit(body() ? 0 : 1);
}

std::string endOf(const std::string& role, int status)
{
    return WIFSIGNALED(status)
               ? role + " was killed by signal " + std::to_string(WTERMSIG(status))
               : role + " ended with exit code " + std::to_string(WEXITSTATUS(status)) + " before its time";
}

} // namespace

void holdSignals() noexcept
{
    const sigset_t held = heldSignals();
    ::sigprocmask(SIG_BLOCK, &held, nullptr);
}

Ended Crew::start(const std::string& role, const std::function<bool()>& body)
{
    return fork({-1, role, false}, body);
}

Ended Crew::startEndless(const std::string& role, const std::function<void()>& body)
{
    return fork({-1, role, true},
                [&body]
                {
                    body();
                    return false;
                });
}

Ended Crew::fork(Member member, const std::function<bool()>& body)
{
    std::fflush(nullptr); // else the child writes it once more
    const pid_t parent = ::getpid();
    member.m_pid = ::fork();
    if (member.m_pid == 0)
    {
        runChild(parent, body);
    }
    if (member.m_pid < 0)
    {
        return tl::unexpected(Failure{"fork of " + member.m_role + ": " + std::strerror(errno)});
    }
    m_members.push_back(std::move(member));
    return {};
}

Ended Crew::wait(std::chrono::seconds patience)
{
    const sigset_t held = heldSignals();
    const auto deadline = std::chrono::steady_clock::now() + patience;
    for (;;)
    {
        if (Ended ended = collectEnded(); !ended)
        {
            killAll();
            return ended;
        }
        const auto left = std::chrono::ceil<std::chrono::seconds>(deadline - std::chrono::steady_clock::now());
        if (isDone() || left.count() <= 0)
        {
            break;
        }
        const timespec longest{left.count(), 0};
        const int signal = ::sigtimedwait(&held, nullptr, &longest);
        if (signal > 0 && signal != SIGCHLD)
        {
            killAll();
            return tl::unexpected(Failure{"ended by signal " + std::to_string(signal), 128 + signal});
        }
    }
    const bool wasInTime = isDone();
    const std::string slow = wasInTime ? std::string() : m_members.front().m_role;
    killAll();
    return wasInTime ? Ended{}
                     : tl::unexpected(Failure{slow + " was not done after " + std::to_string(patience.count()) + " s"});
}

/// Those that have ended, until there is one that ended badly.
Ended Crew::collectEnded()
{
    for (auto member = m_members.begin(); member != m_members.end();)
    {
        int status = 0;
        if (::waitpid(member->m_pid, &status, WNOHANG) != member->m_pid)
        {
            ++member;
            continue;
        }
        const Member gone = std::move(*member);
        member = m_members.erase(member);
        if (gone.m_isEndless || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
        {
            return tl::unexpected(Failure{endOf(gone.m_role, status)});
        }
    }
    return {};
}

bool Crew::isDone() const noexcept
{
    return std::all_of(m_members.begin(), m_members.end(), [](const Member& member) { return member.m_isEndless; });
}

void Crew::killAll() noexcept
{
    for (const Member& member : m_members)
    {
        ::kill(member.m_pid, SIGKILL);
        while (::waitpid(member.m_pid, nullptr, 0) < 0 && errno == EINTR)
        {
        }
    }
    m_members.clear();
}

} // namespace latency
