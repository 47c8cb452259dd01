#include "sweep/change_trap.hpp"

#include <algorithm>
#include <array>
#include <csignal>
#include <cstddef>
#include <cstring>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

namespace ZeroCP::test
{

namespace
{

struct Mapping
{
    unsigned long m_begin;
    unsigned long m_end;
    unsigned long m_inode;
    bool m_protected;
};

/// Of the process that is to die. Handlers use it, so nothing here allocates.
struct Trap
{
    std::array<Mapping, 64> m_mappings;
    std::size_t m_count;
    std::uint64_t m_left; ///< changes
    AtChange m_what;
    Mapping* m_open; ///< writable for the one instruction that is under way
    const unsigned char* m_near;
    std::array<unsigned char, 192> m_before; ///< what stood near the store
};

Trap trap;

/// The one place from which the filter lets every call through.
[[gnu::noinline]] long callKernel(long number, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0, long f = 0)
{
    register long r10 asm("r10") = d;
    register long r8 asm("r8") = e;
    register long r9 asm("r9") = f;
    long result = number;
    asm volatile("syscall\n"
                 ".globl zerocpTestAfterSystemCall\n"
                 "zerocpTestAfterSystemCall:"
                 : "+a"(result)
                 : "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                 : "rcx", "r11", "memory");
    return result;
}

extern "C" const char zerocpTestAfterSystemCall;

void countChange()
{
    if (trap.m_left == 0 || --trap.m_left > 0)
    {
        return;
    }
    const long pid = callKernel(SYS_getpid);
    callKernel(SYS_kill, pid, trap.m_what == AtChange::Die ? SIGKILL : SIGSTOP);
}

void protect(Mapping& mapping, int protection)
{
    mapping.m_protected = (protection & PROT_WRITE) == 0;
    callKernel(SYS_mprotect, static_cast<long>(mapping.m_begin), static_cast<long>(mapping.m_end - mapping.m_begin),
               protection);
}

struct stat statusOf(long descriptor)
{
    struct stat status = {};
    callKernel(SYS_fstat, descriptor, reinterpret_cast<long>(&status));
    return status;
}

/// A store to a segment: it may happen, and the next instruction is behind it.
void onFault(int /*signal*/, siginfo_t* info, void* context)
{
    const auto address = reinterpret_cast<unsigned long>(info->si_addr);
    auto* const end = trap.m_mappings.data() + trap.m_count;
    trap.m_open = std::find_if(trap.m_mappings.data(), end,
                               [address](const Mapping& mapping) {
                                   return mapping.m_protected && mapping.m_begin <= address && address < mapping.m_end;
                               });
    if (trap.m_open == end)
    {
        std::signal(SIGSEGV, SIG_DFL); // a fault of the product's own: it comes again
        return;
    }
    protect(*trap.m_open, PROT_READ | PROT_WRITE);
    const unsigned long from = std::max(trap.m_open->m_begin, (address & ~63UL) - 64);
    const unsigned long near = std::min<unsigned long>(from, trap.m_open->m_end - trap.m_before.size());
    trap.m_near = reinterpret_cast<const unsigned char*>(near);
    std::memcpy(trap.m_before.data(), trap.m_near, trap.m_before.size());
    static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_EFL] |= 0x100; // TF
}

void onStep(int /*signal*/, siginfo_t* /*info*/, void* context)
{
    static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_EFL] &= ~0x100LL;
    protect(*trap.m_open, PROT_READ);
    if (std::memcmp(trap.m_before.data(), trap.m_near, trap.m_before.size()) != 0)
    {
        countChange();
    }
}

/// What has no name yet is nobody else's.
bool isNamed(long descriptor)
{
    return statusOf(descriptor).st_nlink > 0;
}

/// Whether the call may have changed something that outlives the process.
bool isChange(long number, const greg_t* registers)
{
    switch (number)
    {
    case SYS_fcntl: return registers[REG_RSI] == F_OFD_SETLK || registers[REG_RSI] == F_OFD_SETLKW;
    case SYS_openat: return (registers[REG_RDX] & O_CREAT) != 0;
    case SYS_ftruncate:
    case SYS_fallocate:
    case SYS_fchmod:
    case SYS_fchown: return isNamed(registers[REG_RDI]);
    case SYS_write: return S_ISFIFO(statusOf(registers[REG_RDI]).st_mode); // a wake of somebody's descriptor
    case SYS_close:                                                        // may drop locks
    case SYS_linkat:
    case SYS_mknod:
    case SYS_mknodat:
    case SYS_unlink:
    case SYS_unlinkat:
    case SYS_rename: return true;
    default: return false;
    }
}

void noteMapping(unsigned long begin, const greg_t* registers)
{
    const bool segment = (registers[REG_R10] & MAP_SHARED) != 0 && registers[REG_R8] >= 0 &&
                         (registers[REG_RDX] & PROT_WRITE) != 0 && trap.m_count < trap.m_mappings.size();
    if (!segment)
    {
        return;
    }
    const struct stat status = statusOf(registers[REG_R8]);
    Mapping& mapping = trap.m_mappings[trap.m_count++];
    mapping = {begin, begin + static_cast<unsigned long>(registers[REG_RSI]), status.st_ino, false};
    if (status.st_nlink > 0)
    {
        protect(mapping, PROT_READ);
    }
}

void noteCall(long number, long result, const greg_t* registers)
{
    if (number == SYS_mmap && result > 0)
    {
        noteMapping(static_cast<unsigned long>(result), registers);
    }
    for (std::size_t i = 0; i < trap.m_count; ++i)
    {
        Mapping& mapping = trap.m_mappings[i];
        if (number == SYS_munmap && mapping.m_begin == static_cast<unsigned long>(registers[REG_RDI]))
        {
            mapping = trap.m_mappings[--trap.m_count];
            return;
        }
        // linkat(descriptor, ...) has given the file a name.
        if (number == SYS_linkat && !mapping.m_protected && mapping.m_inode == statusOf(registers[REG_RDI]).st_ino)
        {
            protect(mapping, PROT_READ);
        }
    }
}

void onSystemCall(int /*signal*/, siginfo_t* info, void* context)
{
    greg_t* registers = static_cast<ucontext_t*>(context)->uc_mcontext.gregs;
    const long number = info->si_syscall;
    const bool change = isChange(number, registers);
    const long result = callKernel(number, registers[REG_RDI], registers[REG_RSI], registers[REG_RDX],
                                   registers[REG_R10], registers[REG_R8], registers[REG_R9]);
    registers[REG_RAX] = result;
    noteCall(number, result, registers);
    if (change)
    {
        countChange();
    }
}

/// Lines of maps: "7f00-7f80 rw-s 0000 00:1b 12  /dev/shm/...".
void protectMappings(const std::string& directory)
{
    std::ifstream maps("/proc/self/maps");
    for (std::string line; std::getline(maps, line);)
    {
        std::istringstream words(line);
        Mapping mapping{};
        char dash = 0;
        std::string access;
        std::string skipped;
        words >> std::hex >> mapping.m_begin >> dash >> mapping.m_end >> access >> skipped >> skipped >> std::dec >>
            mapping.m_inode;
        if (access == "rw-s" && line.find(directory) != std::string::npos)
        {
            trap.m_mappings.at(trap.m_count) = mapping;
            protect(trap.m_mappings[trap.m_count++], PROT_READ);
        }
    }
}

void handle(int signal, void (*handler)(int, siginfo_t*, void*))
{
    struct sigaction action = {};
    action.sa_sigaction = handler;
    action.sa_flags = SA_SIGINFO | SA_NODEFER;
    ::sigaction(signal, &action, nullptr);
}

/// Every call raises SIGSYS but those from callKernel() and those that have to do with signals.
void filterSystemCalls()
{
    const auto place = reinterpret_cast<std::uint64_t>(&zerocpTestAfterSystemCall);
    constexpr auto at = [](std::size_t offset) { return static_cast<std::uint32_t>(offset); };
    std::array<sock_filter, 9> program{{
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, at(offsetof(seccomp_data, nr))),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_rt_sigreturn, 5, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_rt_sigprocmask, 4, 0),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, at(offsetof(seccomp_data, instruction_pointer))),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<std::uint32_t>(place), 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, at(offsetof(seccomp_data, instruction_pointer)) + 4),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<std::uint32_t>(place >> 32), 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
    }};
    sock_fprog filter{static_cast<unsigned short>(program.size()), program.data()};
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter) != 0)
    {
        throw std::runtime_error("seccomp is refused");
    }
}

} // namespace

void trapChange(const std::string& directory, std::uint64_t number, AtChange what)
{
    trap.m_left = number + 1;
    trap.m_what = what;
    handle(SIGSEGV, onFault);
    handle(SIGTRAP, onStep);
    handle(SIGSYS, onSystemCall);
    protectMappings(directory);
    filterSystemCalls();
    countChange(); // number 0: before the first
}

} // namespace ZeroCP::test
