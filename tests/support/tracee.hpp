/// A child process that its parent runs in steps (ptrace), so that a test can kill or stop it behind any instruction or
/// at any system call. The child asks for it, the parent then takes hold:
///
///     ChildProcess child([](Peer&) { prepare(); Tracee::waitForTracer(); act(); return true; });
///     Tracee tracee(child.pid());
///     tracee.step();                  // one instruction of act()
///     child.kill(SIGKILL);
#pragma once

#include <cerrno>
#include <csignal>
#include <cstdint>

#include <sys/ptrace.h>
#include <sys/types.h>
#include <sys/wait.h>

#include <gtest/gtest.h>

namespace ZeroCP::test
{

class Tracee
{
  public:
    /// In the child: stops it until the parent's Tracee lets it go on.
    static void waitForTracer()
    {
        if (::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0)
        {
            ::_exit(9); // refused; a stop without a tracer would last for ever
        }
        ::raise(SIGSTOP);
    }

    /// Waits until the child has called waitForTracer().
    explicit Tracee(pid_t pid) : m_pid(pid)
    {
        EXPECT_EQ(waitForStop(), SIGSTOP) << "the child ended instead of stopping";
        // The child must not live on without us, and a stop at a system call must not look like a trap.
        constexpr long kOptions = PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD;
        ::ptrace(PTRACE_SETOPTIONS, m_pid, nullptr, reinterpret_cast<void*>(kOptions));
    }

    /// One instruction. False: the child has ended.
    bool step() { return goOn(PTRACE_SINGLESTEP, SIGTRAP); }
    /// As many instructions; stops early if the child ends.
    bool step(std::uint64_t instructions)
    {
        bool goes = true;
        for (; goes && instructions > 0; --instructions)
        {
            goes = step();
        }
        return goes;
    }
    /// To its next entry into the kernel or, from there, to its way out. False: the child has ended.
    bool toSystemCall() { return goOn(PTRACE_SYSCALL, SIGTRAP | 0x80); }
    /// Lets it run on by itself.
    void release() const { ::ptrace(PTRACE_DETACH, m_pid, nullptr, nullptr); }

  private:
    bool goOn(__ptrace_request how, int expected)
    {
        int signal = 0;
        for (;;)
        {
            ::ptrace(how, m_pid, nullptr, reinterpret_cast<void*>(static_cast<long>(signal)));
            signal = waitForStop();
            if (signal == expected || signal == 0)
            {
                return signal != 0;
            }
        }
    }

    /// The signal it stopped with; 0 if it has ended, which is left for whoever waits for the end.
    [[nodiscard]] int waitForStop() const
    {
        siginfo_t info{};
        while (::waitid(P_PID, static_cast<id_t>(m_pid), &info, WEXITED | WSTOPPED | WNOWAIT) != 0 && errno == EINTR)
        {
        }
        if (info.si_code == CLD_EXITED || info.si_code == CLD_KILLED || info.si_code == CLD_DUMPED)
        {
            return 0;
        }
        int status = 0;
        while (::waitpid(m_pid, &status, 0) < 0 && errno == EINTR)
        {
        }
        return WIFSTOPPED(status) ? WSTOPSIG(status) : 0;
    }

    pid_t m_pid;
};

} // namespace ZeroCP::test
