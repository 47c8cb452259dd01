#include "quiet_loop.hpp"

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdlib>

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

namespace
{

std::atomic<std::uint64_t> g_allocations{0};
std::atomic<std::uint64_t> g_systemCalls{0};
realtime::Costs g_before{};

/// In the place of a system call that the filter has stopped. Its caller is told that there is no such call.
void countSystemCall(int /*signal*/, siginfo_t* /*info*/, void* context)
{
    g_systemCalls.fetch_add(1, std::memory_order_relaxed);
    auto* const caller = static_cast<ucontext_t*>(context);
#if defined(__x86_64__)
    caller->uc_mcontext.gregs[REG_RAX] = -ENOSYS;
#elif defined(__aarch64__)
    caller->uc_mcontext.regs[0] = static_cast<unsigned long long>(-ENOSYS);
#endif
}

realtime::Costs costsOfAllTime()
{
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    return {static_cast<std::uint64_t>(usage.ru_minflt), static_cast<std::uint64_t>(usage.ru_majflt), g_systemCalls,
            g_allocations};
}

} // namespace

// Every way to glibc's heap, operator new included, passes here.
extern "C"
{
    void* __libc_malloc(std::size_t bytes);                          // NOLINT
    void* __libc_calloc(std::size_t count, std::size_t bytes);       // NOLINT
    void* __libc_realloc(void* memory, std::size_t bytes);           // NOLINT
    void* __libc_memalign(std::size_t alignment, std::size_t bytes); // NOLINT

    void* malloc(std::size_t bytes)
    {
        g_allocations.fetch_add(1, std::memory_order_relaxed);
        return __libc_malloc(bytes);
    }
    void* calloc(std::size_t count, std::size_t bytes)
    {
        g_allocations.fetch_add(1, std::memory_order_relaxed);
        return __libc_calloc(count, bytes);
    }
    void* realloc(void* memory, std::size_t bytes)
    {
        g_allocations.fetch_add(1, std::memory_order_relaxed);
        return __libc_realloc(memory, bytes);
    }
    void* aligned_alloc(std::size_t alignment, std::size_t bytes)
    {
        g_allocations.fetch_add(1, std::memory_order_relaxed);
        return __libc_memalign(alignment, bytes);
    }
}

namespace realtime
{

bool startCounting()
{
    struct sigaction action = {};
    action.sa_sigaction = &countSystemCall;
    action.sa_flags = SA_SIGINFO;
    std::array<sock_filter, 7> program{{
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 4, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_write, 3, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getrusage, 2, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_rt_sigreturn, 1, 0), // the way out of countSystemCall()
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    }};
    sock_fprog filter{static_cast<unsigned short>(program.size()), program.data()};
    if (::sigaction(SIGSYS, &action, nullptr) != 0 || ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0)
    {
        return false;
    }
    // Whether both see what they are to see: this call, and the allocations of whatever came before.
    if (::syscall(SYS_getppid) != -1 || g_systemCalls != 1 || g_allocations == 0)
    {
        return false;
    }
    g_before = costsOfAllTime();
    g_before = costsOfAllTime(); // the first call has the pages of the way to the kernel
    return true;
}

Costs costsSoFar()
{
    const Costs now = costsOfAllTime();
    return {now.m_minorFaults - g_before.m_minorFaults, now.m_majorFaults - g_before.m_majorFaults,
            now.m_systemCalls - g_before.m_systemCalls, now.m_allocations - g_before.m_allocations};
}

} // namespace realtime
