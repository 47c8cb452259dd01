/// A process that may lock little memory, as an ordinary user's.
#pragma once

#include <cstdint>

#include <linux/capability.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace ZeroCP::test
{

/// To be called in a child: RLIMIT_MEMLOCK is `bytes` from here on, and root has to keep to it too.
inline bool limitLockedMemory(std::uint64_t bytes)
{
    const rlimit limit{bytes, bytes};
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3]{};
    if (::setrlimit(RLIMIT_MEMLOCK, &limit) != 0 || ::syscall(SYS_capget, &header, data) != 0)
    {
        return false;
    }
    const auto right = ~CAP_TO_MASK(CAP_IPC_LOCK);
    data[CAP_TO_INDEX(CAP_IPC_LOCK)].effective &= right;
    data[CAP_TO_INDEX(CAP_IPC_LOCK)].permitted &= right;
    return ::syscall(SYS_capset, &header, data) == 0;
}

} // namespace ZeroCP::test
