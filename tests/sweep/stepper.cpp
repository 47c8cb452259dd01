#include "sweep/stepper.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace ZeroCP::test
{

namespace
{

constexpr unsigned kWatchdogSeconds = 600;

/// How PTRACE_O_TRACESYSGOOD tells a stop at a system call from a trap.
constexpr int kStoppedAtSystemCall = SIGTRAP | 0x80;

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
    if (pid < 0)
    {
        throw std::runtime_error("fork"); // -1 would mean everybody to kill() and waitpid()
    }
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
    trace(PTRACE_SETOPTIONS, m_pid, 0, PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD);
}

Stepper::~Stepper()
{
    if (m_pid > 0)
    {
        ::kill(m_pid, SIGKILL);
        waitFor(m_pid);
    }
}

bool Stepper::ended(int status)
{
    m_status = status;
    if (WIFEXITED(status) || WIFSIGNALED(status))
    {
        m_pid = -1;
    }
    return false;
}

bool Stepper::step()
{
    trace(PTRACE_SINGLESTEP, m_pid, 0, 0);
    ++m_steps;
    const int status = waitFor(m_pid);
    return (WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP) || ended(status);
}

bool Stepper::stepToSystemCallEdge()
{
    trace(PTRACE_SYSCALL, m_pid, 0, 0);
    ++m_steps;
    const int status = waitFor(m_pid);
    return (WIFSTOPPED(status) && WSTOPSIG(status) == kStoppedAtSystemCall) || ended(status);
}

bool Stepper::stepToAccess(const std::string& directory, Access access)
{
    m_protection = access == Access::Store ? PROT_READ : PROT_NONE;
    if (!m_watching)
    {
        protectMappings(directory);
        m_watching = true;
    }
    ++m_steps;
    trace(PTRACE_SYSCALL, m_pid, 0, 0); // to the next entry into the kernel
    int status = waitFor(m_pid);
    if (WIFSTOPPED(status) && WSTOPSIG(status) == kStoppedAtSystemCall)
    {
        const auto number = registers().orig_rax;
        trace(PTRACE_SYSCALL, m_pid, 0, 0); // to its way out
        status = waitFor(m_pid);
        if (!WIFSTOPPED(status) || WSTOPSIG(status) != kStoppedAtSystemCall)
        {
            return ended(status);
        }
        if (number == SYS_mmap || number == SYS_munmap)
        {
            protectMappings(directory);
        }
        return true;
    }
    return (WIFSTOPPED(status) && WSTOPSIG(status) == SIGSEGV && letPass()) || ended(status);
}

/// Executes the one instruction that was stopped.
bool Stepper::letPass()
{
    siginfo_t info{};
    trace(PTRACE_GETSIGINFO, m_pid, 0, reinterpret_cast<unsigned long>(&info));
    const auto address = reinterpret_cast<unsigned long>(info.si_addr);
    const auto mapping =
        std::find_if(m_protected.begin(), m_protected.end(),
                     [address](const Mapping& known) { return known.m_begin <= address && address < known.m_end; });
    if (mapping == m_protected.end())
    {
        return false;
    }
    protect(*mapping, PROT_READ | PROT_WRITE);
    trace(PTRACE_SINGLESTEP, m_pid, 0, 0);
    const int status = waitFor(m_pid);
    protect(*mapping, m_protection);
    return WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP;
}

void Stepper::protect(const Mapping& mapping, int protection) const
{
    const long result =
        call(registers(), SYS_mprotect,
             {mapping.m_begin, mapping.m_end - mapping.m_begin, static_cast<unsigned long>(protection)});
    if (result != 0)
    {
        throw std::runtime_error("mprotect in the stepped process");
    }
}

/// Lines of maps: "7f00-7f80 rw-s 0000 00:1b 12  /dev/shm/...". Those that it has protected already are not rw any more.
void Stepper::protectMappings(const std::string& directory)
{
    const std::vector<Mapping> before = std::move(m_protected);
    m_protected.clear();
    std::ifstream maps("/proc/" + std::to_string(m_pid) + "/maps");
    for (std::string line; std::getline(maps, line);)
    {
        if (line.find(directory) == std::string::npos)
        {
            continue;
        }
        std::istringstream words(line);
        Mapping mapping{};
        char dash = 0;
        std::string access;
        words >> std::hex >> mapping.m_begin >> dash >> mapping.m_end >> access;
        const bool known = std::any_of(before.begin(), before.end(),
                                       [&](const Mapping& old) { return old.m_begin == mapping.m_begin; });
        if (access == "rw-s")
        {
            protect(mapping, m_protection);
        }
        if (access == "rw-s" || known)
        {
            m_protected.push_back(mapping);
        }
    }
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

/// Makes the process call the kernel where it stands, and puts its registers back to `at`.
long Stepper::call(const user_regs_struct& at, long number, const std::array<unsigned long, 3>& arguments) const
{
    user_regs_struct registersOfCall = at;
    registersOfCall.rip = systemCallInstruction();
    registersOfCall.orig_rax = ~0ULL; // it stands in no system call that could be restarted
    registersOfCall.rax = static_cast<unsigned long long>(number);
    registersOfCall.rdi = arguments[0];
    registersOfCall.rsi = arguments[1];
    registersOfCall.rdx = arguments[2];
    registersOfCall.r10 = registersOfCall.r8 = 0;
    trace(PTRACE_SETREGS, m_pid, 0, reinterpret_cast<unsigned long>(&registersOfCall));
    trace(PTRACE_SINGLESTEP, m_pid, 0, 0);
    waitFor(m_pid);
    const auto result = static_cast<long>(registers().rax);
    user_regs_struct restored = at;
    restored.orig_rax = ~0ULL;
    trace(PTRACE_SETREGS, m_pid, 0, reinterpret_cast<unsigned long>(&restored));
    return result;
}

bool Stepper::runCopy() const
{
    user_regs_struct here = registers();
    here.orig_rax = ~0ULL;
    for (const Mapping& mapping : m_protected)
    {
        protect(mapping, PROT_READ | PROT_WRITE);
    }
    const auto copy = static_cast<pid_t>(call(here, SYS_clone, {CLONE_PTRACE | CLONE_PARENT | SIGCHLD, 0, 0}));
    for (const Mapping& mapping : m_protected)
    {
        protect(mapping, m_protection);
    }
    if (copy <= 0)
    {
        return false;
    }
    waitFor(copy); // our child and traced by us; stops before its first instruction
    trace(PTRACE_SETREGS, copy, 0, reinterpret_cast<unsigned long>(&here));
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
