#include "zerocp/discovery/domain_lock.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <thread>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <grp.h>
#include <sys/stat.h>
#include <unistd.h>

#include "zerocp/core/fork_guard.hpp"

namespace ZeroCP
{

namespace
{

/// Descriptors to close in a forked child, where they would keep the parent's locks alive: a plain array, since a child
/// of a threaded process may use nothing else. Entries are descriptor + 1; 0 is empty.
constexpr std::size_t kMaxDescriptors = 1024;
std::atomic<int> g_descriptors[kMaxDescriptors]{};

void closeLocksInChild() noexcept
{
    for (std::atomic<int>& slot : g_descriptors)
    {
        const int stored = slot.exchange(0, std::memory_order_relaxed);
        if (stored > 0)
        {
            ::close(stored - 1);
        }
    }
}

void replaceDescriptor(int from, int to) noexcept
{
    for (std::atomic<int>& slot : g_descriptors)
    {
        int expected = from;
        if (slot.compare_exchange_strong(expected, to, std::memory_order_relaxed))
        {
            return;
        }
    }
}

/// open(), known to the child handler before anybody can fork.
int openRemembered(const char* file, int flags, mode_t mode = 0) noexcept
{
    fork_guard::watch(closeLocksInChild);
    const fork_guard::Hold hold;
    const int descriptor = ::open(file, flags, mode);
    if (descriptor >= 0)
    {
        replaceDescriptor(0, descriptor + 1);
    }
    return descriptor;
}

void closeRemembered(int descriptor) noexcept
{
    const fork_guard::Hold hold;
    replaceDescriptor(descriptor + 1, 0);
    ::close(descriptor);
}

constexpr off_t kInitByte = 0;
constexpr off_t kControlByte = 1;
constexpr off_t kFirstSlot = 2;
constexpr off_t kAllSlots = 0; // l_len 0: to the end of the file, however long

struct flock request(short type, off_t start, off_t length) noexcept
{
    struct flock lock
    {
    };
    lock.l_type = type;
    lock.l_whence = SEEK_SET;
    lock.l_start = start;
    lock.l_len = length;
    return lock;
}

/// 0 or errno.
int setLock(int descriptor, int command, short type, off_t start) noexcept
{
    struct flock lock = request(type, start, 1);
    int result = 0;
    do
    {
        result = ::fcntl(descriptor, command, &lock);
    } while (result != 0 && errno == EINTR);
    return result == 0 ? 0 : errno;
}

bool lockedByOther(int descriptor, off_t start, off_t length) noexcept
{
    struct flock lock = request(F_WRLCK, start, length);
    return ::fcntl(descriptor, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

std::optional<gid_t> groupId(const std::string& group)
{
    struct group entry
    {
    };
    struct group* found = nullptr;
    std::vector<char> buffer(16384);
    if (::getgrnam_r(group.c_str(), &entry, buffer.data(), buffer.size(), &found) == 0 && found != nullptr)
    {
        return entry.gr_gid;
    }
    char* end = nullptr;
    const unsigned long number = std::strtoul(group.c_str(), &end, 10);
    return !group.empty() && *end == '\0' ? std::optional<gid_t>(static_cast<gid_t>(number)) : std::nullopt;
}

Expected<void, Error> checkOwner(int descriptor, const std::filesystem::path& file, const AccessConfig& access)
{
    struct stat status
    {
    };
    if (::fstat(descriptor, &status) != 0)
    {
        return tl::unexpected(systemError(file.native(), "fstat", errno));
    }
    const auto group = access.group.empty() ? std::nullopt : groupId(access.group);
    const bool trustedGroup = group && status.st_gid == *group && (status.st_mode & 07777U) == access.mode;
    if (!S_ISREG(status.st_mode) || (status.st_uid != ::geteuid() && status.st_uid != 0 && !trustedGroup))
    {
        return failure(ErrorCode::PermissionDenied,
                       file.native() + ": owned by user " + std::to_string(status.st_uid) +
                           " and not shared with a configured group; use another domain or set 'access' on both sides");
    }
    return {};
}

} // namespace

DomainLock::DomainLock(DomainLock&& other) noexcept
    : m_file(std::move(other.m_file)),
      m_descriptor(std::exchange(other.m_descriptor, -1)),
      m_generation(other.m_generation)
{
}

DomainLock& DomainLock::operator=(DomainLock&& other) noexcept
{
    std::swap(m_file, other.m_file);
    std::swap(m_descriptor, other.m_descriptor);
    std::swap(m_generation, other.m_generation);
    return *this;
}

DomainLock::~DomainLock()
{
    if (m_descriptor >= 0 && m_generation == fork_guard::generation()) // in a child the fork handler has closed it
    {
        closeRemembered(m_descriptor);
    }
}

Expected<DomainLock, Error> DomainLock::open(const std::filesystem::path& file, const AccessConfig& access)
{
    // Without O_CREAT first: fs.protected_regular forbids O_CREAT on another user's file in a sticky directory.
    const int descriptor = openRemembered(file.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (descriptor < 0)
    {
        return tl::unexpected(systemError(file.native(), "open", errno));
    }
    return own(file, descriptor, access);
}

Expected<DomainLock, Error> DomainLock::own(const std::filesystem::path& file, int descriptor,
                                            const AccessConfig& access)
{
    DomainLock lock(file, descriptor);
    if (auto owner = checkOwner(descriptor, file, access); !owner)
    {
        return tl::unexpected(owner.error());
    }
    return lock;
}

Expected<DomainLock, Error> DomainLock::openForInit(const std::filesystem::path& file, const AccessConfig& access)
{
    for (;;)
    {
        const int created =
            openRemembered(file.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, access.mode);
        if (created >= 0)
        {
            DomainLock lock(file, created);
            if (auto applied = applyAccess(created, file.native(), access); !applied)
            {
                ::unlink(file.c_str());
                return tl::unexpected(applied.error());
            }
        }
        else if (errno != EEXIST)
        {
            return tl::unexpected(systemError(file.native(), "open", errno));
        }
        const int descriptor = openRemembered(file.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW);
        if (descriptor < 0 && errno == ENOENT)
        {
            continue; // the last one to leave has just removed it; another may have made the next one already
        }
        auto lock =
            descriptor < 0 ? tl::unexpected(systemError(file.native(), "open", errno)) : own(file, descriptor, access);
        if (!lock)
        {
            return lock;
        }
        if (auto locked = lock->lockInit(); !locked)
        {
            return tl::unexpected(locked.error());
        }
        if (lock->isCurrent())
        {
            return lock;
        }
    }
}

Expected<void, Error> DomainLock::waitFor(std::int64_t byte, std::string_view what, std::chrono::nanoseconds longest)
{
    // Not F_OFD_SETLKW: the kernel queues a waiter behind an earlier waiter, so one that is stopped while it waits would
    // hold up all later ones for ever.
    using Clock = std::chrono::steady_clock;
    constexpr std::chrono::microseconds kShortest{20};
    constexpr std::chrono::microseconds kLongest{1000};
    const Clock::time_point deadline = Clock::now() + longest;
    for (std::chrono::microseconds pause = kShortest;; pause = std::min(2 * pause, kLongest))
    {
        const int error = setLock(m_descriptor, F_OFD_SETLK, F_WRLCK, static_cast<off_t>(byte));
        if (error == 0)
        {
            return {};
        }
        if (error != EAGAIN && error != EACCES)
        {
            return tl::unexpected(systemError(m_file.native(), "F_OFD_SETLK (" + std::string(what) + " byte)", error));
        }
        if (Clock::now() >= deadline)
        {
            const auto waited = std::chrono::duration_cast<std::chrono::milliseconds>(longest).count();
            return failure(ErrorCode::Timeout, m_file.native() + ": another process has held the " + std::string(what) +
                                                   " lock for " + std::to_string(waited) +
                                                   " ms; it is stopped (by a signal or a debugger) in the middle of a "
                                                   "control call: let it go on or kill it");
        }
        std::this_thread::sleep_for(pause);
    }
}

Expected<void, Error> DomainLock::lockInit(std::chrono::nanoseconds longest)
{
    return waitFor(kInitByte, "init", longest);
}

void DomainLock::unlockInit() noexcept
{
    setLock(m_descriptor, F_OFD_SETLK, F_UNLCK, kInitByte);
}

Expected<void, Error> DomainLock::lockControl(std::chrono::nanoseconds longest)
{
    return waitFor(kControlByte, "control", longest);
}

void DomainLock::unlockControl() noexcept
{
    setLock(m_descriptor, F_OFD_SETLK, F_UNLCK, kControlByte);
}

bool DomainLock::tryLockSlot(std::uint32_t slot) noexcept
{
    return setLock(m_descriptor, F_OFD_SETLK, F_WRLCK, kFirstSlot + static_cast<off_t>(slot)) == 0;
}

void DomainLock::unlockSlot(std::uint32_t slot) noexcept
{
    setLock(m_descriptor, F_OFD_SETLK, F_UNLCK, kFirstSlot + static_cast<off_t>(slot));
}

bool DomainLock::isAlive(std::uint32_t slot) const noexcept
{
    return lockedByOther(m_descriptor, kFirstSlot + static_cast<off_t>(slot), 1);
}

bool DomainLock::anyoneAlive() const noexcept
{
    return lockedByOther(m_descriptor, kFirstSlot, kAllSlots);
}

bool DomainLock::isCurrent() const noexcept
{
    struct stat mine
    {
    };
    struct stat named
    {
    };
    return ::fstat(m_descriptor, &mine) == 0 && mine.st_nlink > 0 && ::lstat(m_file.c_str(), &named) == 0 &&
           mine.st_dev == named.st_dev && mine.st_ino == named.st_ino;
}

Expected<void, Error> applyAccess(int descriptor, std::string_view name, const AccessConfig& access)
{
    if (!access.group.empty())
    {
        const auto group = groupId(access.group);
        if (!group)
        {
            return failure(ErrorCode::ConfigInvalid,
                           std::string(name) + ": access.group '" + access.group + "' is not a group of this system");
        }
        if (::fchown(descriptor, static_cast<uid_t>(-1), *group) != 0)
        {
            return tl::unexpected(systemError(name, "fchown to group " + access.group, errno));
        }
    }
    if (::fchmod(descriptor, access.mode) != 0)
    {
        return tl::unexpected(systemError(name, "fchmod", errno));
    }
    return {};
}

} // namespace ZeroCP
