#include "sweep/stepper.hpp"

#include <cerrno>
#include <csignal>
#include <cstring>
#include <stdexcept>

#include <sched.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace ZeroCP::test
{

namespace
{

constexpr unsigned kWatchdogSeconds = 150;

/// The two bytes of the instruction SYSCALL, little endian.
constexpr unsigned long kSystemCall = 0x050F;

long trace(__ptrace_request request, pid_t pid, unsigned long address, unsigned long data)
{
    errno = 0;
    return ::ptrace(request, pid, reinterpret_cast<void*>(address), reinterpret_cast<void*>(data));
}

bool standsAfterSystemCall(pid_t pid, unsigned long instruction)
{
    const long bytes = trace(PTRACE_PEEKTEXT, pid, instruction - 2, 0);
    return (static_cast<unsigned long>(bytes) & 0xFFFFU) == kSystemCall;
}

int waitFor(pid_t pid)
{
    int status = -1;
    while (::waitpid(pid, &status, __WALL) < 0 && errno == EINTR)
    {
    }
    return status;
}

/// Somewhere in this process, and so at the same address in its forks, there is such an instruction.
unsigned long systemCallInstruction()
{
    const auto* code = reinterpret_cast<const unsigned char*>(&::syscall);
    for (std::size_t i = 0; i < 64; ++i)
    {
        if (code[i] == 0x0F && code[i + 1] == 0x05)
        {
            return reinterpret_cast<unsigned long>(code + i);
        }
    }
    throw std::runtime_error("no SYSCALL instruction where one was expected");
}

} // namespace

pid_t forkExactly(unsigned watchdogSeconds)
{
    const pid_t parent = ::getpid();
    const pid_t pid = ::_Fork();
    if (pid == 0)
    {
        ::alarm(watchdogSeconds);
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (::getppid() != parent) // died before we asked to be told
        {
            ::_exit(3);
        }
    }
    return pid;
}

Stepper::Stepper(const std::function<void()>& prepare, const std::function<void()>& act)
    : m_pid(forkExactly(kWatchdogSeconds))
{
    if (m_pid == 0)
    {
        prepare();
        ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
        ::raise(SIGSTOP);
        act();
        ::_exit(0);
    }
    if (const int status = waitFor(m_pid); !WIFSTOPPED(status))
    {
        throw std::runtime_error("the process to be stepped did not start");
    }
    trace(PTRACE_SETOPTIONS, m_pid, 0, PTRACE_O_EXITKILL);
}

Stepper::~Stepper()
{
    if (m_pid > 0)
    {
        ::kill(m_pid, SIGKILL);
        waitFor(m_pid);
    }
}

bool Stepper::step()
{
    trace(PTRACE_SINGLESTEP, m_pid, 0, 0);
    ++m_steps;
    const int status = waitFor(m_pid);
    if (WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP)
    {
        return true;
    }
    m_status = status;
    if (WIFEXITED(status) || WIFSIGNALED(status))
    {
        m_pid = -1;
    }
    return false;
}

user_regs_struct Stepper::registers() const
{
    user_regs_struct registers{};
    trace(PTRACE_GETREGS, m_pid, 0, reinterpret_cast<unsigned long>(&registers));
    return registers;
}

bool Stepper::madeSystemCall() const
{
    return standsAfterSystemCall(m_pid, registers().rip);
}

/// The process is made to call clone() where it stands; its registers are put back in both.
bool Stepper::runCopy() const
{
    user_regs_struct saved = registers();
    saved.orig_rax = ~0ULL; // it stands in no system call that could be restarted
    user_regs_struct call = saved;
    call.rip = systemCallInstruction();
    call.rax = SYS_clone;
    call.rdi = CLONE_PTRACE | CLONE_PARENT | SIGCHLD; // our child, traced by us
    call.rsi = call.rdx = call.r10 = call.r8 = 0;
    trace(PTRACE_SETREGS, m_pid, 0, reinterpret_cast<unsigned long>(&call));
    trace(PTRACE_SINGLESTEP, m_pid, 0, 0);
    waitFor(m_pid);
    const auto copy = static_cast<pid_t>(registers().rax);
    trace(PTRACE_SETREGS, m_pid, 0, reinterpret_cast<unsigned long>(&saved));
    if (copy <= 0)
    {
        return false;
    }
    waitFor(copy); // stops before its first instruction
    trace(PTRACE_SETREGS, copy, 0, reinterpret_cast<unsigned long>(&saved));
    trace(PTRACE_CONT, copy, 0, 0);
    const int status = waitFor(copy);
    if (WIFSTOPPED(status)) // a signal, such as SIGABRT
    {
        ::kill(copy, SIGKILL);
        waitFor(copy);
    }
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

} // namespace ZeroCP::test
