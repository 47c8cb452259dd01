#include "sweep/held_locks.hpp"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string>

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace ZeroCP::test
{

namespace
{

std::filesystem::path inProc(pid_t pid, const std::string& part)
{
    return "/proc/" + std::to_string(pid) + "/" + part;
}

int setLock(int descriptor, short type, off_t first, off_t bytes)
{
    struct flock lock
    {
    };
    lock.l_type = type;
    lock.l_whence = SEEK_SET;
    lock.l_start = first;
    lock.l_len = bytes;
    return ::fcntl(descriptor, F_OFD_SETLK, &lock);
}

} // namespace

std::vector<int> lockDescriptors(pid_t pid)
{
    std::vector<int> found;
    for (const auto& entry : std::filesystem::directory_iterator(inProc(pid, "fd")))
    {
        std::error_code gone; // the directory's own descriptor
        const auto target = std::filesystem::read_symlink(entry.path(), gone);
        if (!gone && target.extension() == ".lock")
        {
            found.push_back(std::stoi(entry.path().filename().native()));
        }
    }
    return found;
}

HeldLocks::HeldLocks(pid_t pid)
{
    const auto process = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
    for (const int theirs : lockDescriptors(pid))
    {
        const auto ours = static_cast<int>(::syscall(SYS_pidfd_getfd, process, theirs, 0));
        if (ours < 0)
        {
            throw std::runtime_error("pidfd_getfd");
        }
        m_borrowed.push_back(ours);
        add(pid, theirs, ours);
    }
    ::close(process);
    if (m_locks.empty())
    {
        throw std::runtime_error("a member of the domain that holds not even its slot");
    }
}

HeldLocks HeldLocks::ofDescriptor(int descriptor)
{
    HeldLocks locks;
    locks.add(::getpid(), descriptor, descriptor);
    return locks;
}

HeldLocks::~HeldLocks()
{
    for (const int descriptor : m_borrowed)
    {
        ::close(descriptor);
    }
}

/// fdinfo has lines "lock: 1: OFDLCK ADVISORY WRITE -1 00:1b:99 2 2".
void HeldLocks::add(pid_t pid, int theirs, int ours)
{
    std::ifstream info(inProc(pid, "fdinfo/" + std::to_string(theirs)));
    for (std::string line; std::getline(info, line);)
    {
        if (!line.starts_with("lock:"))
        {
            continue;
        }
        std::istringstream words(line);
        std::string skipped;
        for (int i = 0; i < 7; ++i)
        {
            words >> skipped;
        }
        Lock lock{ours, 0, 0};
        if (!(words >> lock.m_first >> lock.m_last))
        {
            throw std::runtime_error("not understood: " + line);
        }
        m_locks.push_back(lock);
    }
}

void HeldLocks::drop() const
{
    for (const Lock& lock : m_locks)
    {
        setLock(lock.m_descriptor, F_UNLCK, lock.m_first, lock.m_last - lock.m_first + 1);
    }
}

void HeldLocks::takeAgain() const
{
    for (const Lock& lock : m_locks)
    {
        if (setLock(lock.m_descriptor, F_WRLCK, lock.m_first, lock.m_last - lock.m_first + 1) != 0)
        {
            throw std::runtime_error("somebody kept a lock of the process that is to go on");
        }
    }
}

bool HeldLocks::hasControl() const
{
    constexpr off_t kFirstSlot = 2;
    return std::any_of(m_locks.begin(), m_locks.end(), [](const Lock& lock) { return lock.m_first < kFirstSlot; });
}

void unlockBelow(int descriptor, off_t end)
{
    setLock(descriptor, F_UNLCK, 0, end);
}

} // namespace ZeroCP::test
