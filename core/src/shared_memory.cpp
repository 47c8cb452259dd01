#include "zerocp/core/shared_memory.hpp"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <limits>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <grp.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "zerocp/core/align.hpp"
#include "zerocp/core/contract.hpp"

namespace ZeroCP
{

namespace
{

namespace fs = std::filesystem;

constexpr auto kGreatestFile = static_cast<std::uint64_t>(std::numeric_limits<off_t>::max());

/// Closes a file that did not become a SharedMemory after all.
class Descriptor
{
  public:
    explicit Descriptor(int number) noexcept : m_number(number) {}
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    ~Descriptor()
    {
        if (m_number >= 0)
        {
            ::close(m_number);
        }
    }

    [[nodiscard]] int get() const noexcept { return m_number; }
    [[nodiscard]] explicit operator bool() const noexcept { return m_number >= 0; }
    int release() noexcept { return std::exchange(m_number, -1); }

  private:
    int m_number;
};

/// The file name that `name` asks for. The seed's names start with a slash, as in shm_open(3).
Expected<std::string, Error> fileName(std::string_view name)
{
    std::string_view plain = name;
    if (plain.starts_with('/'))
    {
        plain.remove_prefix(1);
    }
    const bool oneComponent = plain.find('/') == std::string_view::npos && plain.find('\0') == std::string_view::npos;
    if (plain.empty() || plain == "." || plain == ".." || plain.size() > NAME_MAX || !oneComponent)
    {
        std::string message(1, '"');
        message.append(name).append("\": not a segment name: one leading slash is allowed, then 1 to ");
        message.append(std::to_string(NAME_MAX)).append(" characters without a slash");
        return failure(ErrorCode::InvalidName, std::move(message));
    }
    return std::string(plain);
}

/// Without access first: in a process under mlockall(MCL_FUTURE) the kernel would else fill all of a sparse file with
/// pages before mmap() returns.
Expected<std::byte*, Error> mapWhole(const std::string& object, int descriptor, std::uint64_t bytes, AccessMode access)
{
    const int protection = access == AccessMode::READ_ONLY ? PROT_READ : PROT_READ | PROT_WRITE;
    // NORESERVE: most of a sparse segment is never committed, so it must not count as promised memory.
    void* base = ::mmap(nullptr, bytes, PROT_NONE, MAP_SHARED | MAP_NORESERVE, descriptor, 0);
    if (base == MAP_FAILED)
    {
        const Error plain = systemError(object, "mmap of " + std::to_string(bytes) + " bytes", errno);
        return errno != EAGAIN
                   ? tl::unexpected(plain)
                   : failure(plain.code(), plain.message() +
                                               "; a process under mlockall(MCL_FUTURE) needs RLIMIT_MEMLOCK "
                                               "unlimited or CAP_IPC_LOCK");
    }
    if (::munlock(base, bytes) != 0 || ::mprotect(base, bytes, protection) != 0)
    {
        const int failed = errno;
        ::munmap(base, bytes);
        return tl::unexpected(systemError(object, "mprotect of " + std::to_string(bytes) + " bytes", failed));
    }
    return static_cast<std::byte*>(base);
}

Error withoutTmpfile(const fs::path& root, int errnoValue)
{
    const Error plain = systemError(root.string(), "open with O_TMPFILE", errnoValue);
    if (errnoValue != EOPNOTSUPP && errnoValue != EISDIR)
    {
        return plain;
    }
    return Error(plain.code(), plain.message() + "; the root of all segments must be a tmpfs, such as " + kDefaultRoot +
                                   ", or another file system with O_TMPFILE");
}

/// Exact permissions, whatever the umask, and the full size without any block.
Expected<void, Error> shape(const std::string& object, int descriptor, std::uint64_t bytes, Perms perms)
{
    if (::fchmod(descriptor, perms.bits()) != 0)
    {
        return tl::unexpected(systemError(object, "fchmod", errno));
    }
    if (::ftruncate(descriptor, static_cast<off_t>(bytes)) != 0)
    {
        return tl::unexpected(systemError(object, "ftruncate to " + std::to_string(bytes) + " bytes", errno));
    }
    return {};
}

Error openError(const std::string& object, int errnoValue)
{
    const Error plain = systemError(object, "open", errnoValue);
    const bool otherKind = errnoValue == ELOOP || errnoValue == EISDIR || errnoValue == ENXIO;
    return otherKind ? Error(ErrorCode::PermissionDenied,
                             plain.message() + "; only a regular file that is no symbolic link is a segment")
                     : plain;
}

std::string octal(mode_t mode)
{
    std::string digits = "0000";
    for (std::size_t i = 0; i < digits.size(); ++i)
    {
        digits[digits.size() - 1 - i] = static_cast<char>('0' + (mode >> 3 * i & 7U));
    }
    return digits;
}

/// Nothing if there is no such group.
Expected<gid_t, int> groupNumber(const std::string& name)
{
    std::vector<char> buffer(1024);
    group entry{};
    group* found = nullptr;
    int failed = 0;
    while ((failed = ::getgrnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found)) == ERANGE)
    {
        buffer.resize(2 * buffer.size());
    }
    if (found == nullptr)
    {
        return tl::unexpected(failed);
    }
    return entry.gr_gid;
}

bool trusted(const struct stat& status, const SharedMemory::Trust& trust)
{
    if (status.st_uid == ::geteuid() || status.st_uid == 0)
    {
        return true;
    }
    const auto group = trust.m_group.empty() ? tl::unexpected(0) : groupNumber(trust.m_group);
    return group && status.st_gid == *group && (status.st_mode & 07777U) == trust.m_mode;
}

Error notTrusted(const std::string& object, const struct stat& status, const SharedMemory::Trust& trust)
{
    std::string message = object + ": refused: it belongs to user " + std::to_string(status.st_uid) + ", group " +
                          std::to_string(status.st_gid) + ", mode " + octal(status.st_mode) +
                          "; the owner must be user " + std::to_string(::geteuid()) + " or root";
    if (!trust.m_group.empty())
    {
        message += ", or the group " + trust.m_group + " with mode " + octal(trust.m_mode);
    }
    return Error(ErrorCode::PermissionDenied, std::move(message));
}

/// The size of an opened file that may be mapped.
Expected<std::uint64_t, Error> checkedSize(const std::string& object, int descriptor, std::uint64_t minimumBytes,
                                           const SharedMemory::Trust& trust)
{
    struct stat status = {};
    if (::fstat(descriptor, &status) != 0)
    {
        return tl::unexpected(systemError(object, "fstat", errno));
    }
    if (!S_ISREG(status.st_mode))
    {
        return failure(ErrorCode::PermissionDenied, object + ": refused: not a regular file");
    }
    if (!trusted(status, trust))
    {
        return tl::unexpected(notTrusted(object, status, trust));
    }
    const auto bytes = static_cast<std::uint64_t>(status.st_size);
    if (bytes == 0 || bytes < minimumBytes)
    {
        return failure(ErrorCode::Corrupt, object + ": " + std::to_string(bytes) + " bytes long, at least " +
                                               std::to_string(std::max<std::uint64_t>(minimumBytes, 1)) +
                                               " were expected");
    }
    return bytes;
}

Error noSpace(const SharedMemory& memory, const fs::path& root, std::uint64_t bytes, int errnoValue)
{
    struct statvfs status = {};
    const bool known = ::fstatvfs(memory.descriptor(), &status) == 0;
    const std::string freeBytes = known ? std::to_string(status.f_bavail * status.f_frsize) : "an unknown number of";
    const std::string count = std::to_string(bytes);
    return Error(ErrorCode::NoSpace,
                 systemError(memory.path().string(), "posix_fallocate of " + count + " bytes", errnoValue).message() +
                     ": needed " + count + " bytes, " + freeBytes + " bytes free on " + root.string() +
                     "; enlarge it (mount -o remount,size=...) or reduce the pool");
}

} // namespace

SharedMemory::SharedMemory(fs::path root, std::string name, int descriptor, std::byte* base, std::uint64_t bytes)
    : m_root(std::move(root)), m_name(std::move(name)), m_descriptor(descriptor), m_base(base), m_bytes(bytes)
{
}

SharedMemory::SharedMemory(SharedMemory&& other) noexcept
    : m_root(std::move(other.m_root)),
      m_name(std::move(other.m_name)),
      m_descriptor(std::exchange(other.m_descriptor, -1)),
      m_base(std::exchange(other.m_base, nullptr)),
      m_bytes(std::exchange(other.m_bytes, 0))
{
}

SharedMemory& SharedMemory::operator=(SharedMemory&& other) noexcept
{
    SharedMemory old(std::move(*this)); // unmaps at the end
    m_root = std::move(other.m_root);
    m_name = std::move(other.m_name);
    m_descriptor = std::exchange(other.m_descriptor, -1);
    m_base = std::exchange(other.m_base, nullptr);
    m_bytes = std::exchange(other.m_bytes, 0);
    return *this;
}

SharedMemory::~SharedMemory()
{
    if (m_base != nullptr)
    {
        ::munmap(m_base, m_bytes);
    }
    if (m_descriptor >= 0)
    {
        ::close(m_descriptor);
    }
}

Expected<SharedMemory, Error> SharedMemory::createUnnamed(const fs::path& root, std::string_view name,
                                                          std::uint64_t bytes, Perms perms)
{
    auto file = fileName(name);
    if (!file)
    {
        return tl::unexpected(file.error());
    }
    const std::string object = (root / *file).string();
    if (bytes == 0 || bytes > kGreatestFile - kPageBytes)
    {
        return failure(ErrorCode::SystemError, object + ": a segment cannot have " + std::to_string(bytes) + " bytes");
    }
    Descriptor descriptor(::open(root.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, S_IRUSR | S_IWUSR));
    if (!descriptor)
    {
        return tl::unexpected(withoutTmpfile(root, errno));
    }
    const std::uint64_t wholePages = alignUp(bytes, kPageBytes);
    const auto shaped = shape(object, descriptor.get(), wholePages, perms);
    if (!shaped)
    {
        return tl::unexpected(shaped.error());
    }
    const auto base = mapWhole(object, descriptor.get(), wholePages, AccessMode::READ_WRITE);
    if (!base)
    {
        return tl::unexpected(base.error());
    }
    return SharedMemory(root, std::move(*file), descriptor.release(), *base, wholePages);
}

Expected<SharedMemory, Error> SharedMemory::open(const fs::path& root, std::string_view name, AccessMode access,
                                                 std::uint64_t minimumBytes, const Trust& trust)
{
    auto file = fileName(name);
    if (!file)
    {
        return tl::unexpected(file.error());
    }
    const std::string object = (root / *file).string();
    // NONBLOCK: somebody may have put a FIFO there, which would block the call until it has a writer.
    const int mode = access == AccessMode::READ_ONLY ? O_RDONLY : O_RDWR;
    Descriptor descriptor(::open(object.c_str(), mode | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
    if (!descriptor)
    {
        return tl::unexpected(openError(object, errno));
    }
    const auto bytes = checkedSize(object, descriptor.get(), minimumBytes, trust);
    if (!bytes)
    {
        return tl::unexpected(bytes.error());
    }
    const auto base = mapWhole(object, descriptor.get(), *bytes, access);
    if (!base)
    {
        return tl::unexpected(base.error());
    }
    return SharedMemory(root, std::move(*file), descriptor.release(), *base, *bytes);
}

bool SharedMemory::exists(const fs::path& root, std::string_view name) noexcept
{
    const auto file = fileName(name);
    struct stat status = {};
    return file && ::lstat((root / *file).c_str(), &status) == 0;
}

Expected<void, Error> SharedMemory::remove(const fs::path& root, std::string_view name)
{
    const auto file = fileName(name);
    if (!file)
    {
        return tl::unexpected(file.error());
    }
    const fs::path path = root / *file;
    if (::unlink(path.c_str()) != 0 && errno != ENOENT)
    {
        return tl::unexpected(systemError(path.string(), "unlink", errno));
    }
    return {};
}

Expected<void, Error> SharedMemory::commit(std::uint64_t offset, std::uint64_t bytes)
{
    ZCP_EXPECTS(m_base != nullptr, "commit on an empty SharedMemory");
    if (offset > m_bytes || bytes > m_bytes - offset)
    {
        return failure(ErrorCode::SystemError, path().string() + ": cannot commit " + std::to_string(bytes) +
                                                   " bytes at " + std::to_string(offset) + ": the file ends at " +
                                                   std::to_string(m_bytes));
    }
    const std::uint64_t first = offset & ~(kPageBytes - 1);
    const std::uint64_t last = std::min(alignUp(offset + bytes, kPageBytes), m_bytes);
    if (bytes == 0)
    {
        return {};
    }
    int failed = EINTR; // posix_fallocate returns the error number and leaves errno alone
    while (failed == EINTR)
    {
        failed = ::posix_fallocate(m_descriptor, static_cast<off_t>(first), static_cast<off_t>(last - first));
    }
    if (failed == ENOSPC || failed == EDQUOT)
    {
        return tl::unexpected(noSpace(*this, m_root, last - first, failed));
    }
    if (failed != 0)
    {
        const std::string call = "posix_fallocate of " + std::to_string(last - first) + " bytes";
        return tl::unexpected(systemError(path().string(), call, failed));
    }
    return {};
}

Expected<void, Error> SharedMemory::release(std::uint64_t offset, std::uint64_t bytes)
{
    ZCP_EXPECTS(m_base != nullptr, "release on an empty SharedMemory");
    const std::uint64_t first = alignUp(std::min(offset, m_bytes), kPageBytes);
    const std::uint64_t last = (offset + std::min(bytes, m_bytes - std::min(offset, m_bytes))) & ~(kPageBytes - 1);
    if (first >= last)
    {
        return {};
    }
    constexpr int kHole = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
    while (::fallocate(m_descriptor, kHole, static_cast<off_t>(first), static_cast<off_t>(last - first)) != 0)
    {
        if (errno != EINTR)
        {
            const std::string call = "fallocate(PUNCH_HOLE) of " + std::to_string(last - first) + " bytes";
            return tl::unexpected(systemError(path().string(), call, errno));
        }
    }
    return {};
}

Expected<bool, Error> SharedMemory::publish()
{
    ZCP_EXPECTS(m_base != nullptr, "publish on an empty SharedMemory");
    const std::string target = path().string();
    if (::linkat(m_descriptor, "", AT_FDCWD, target.c_str(), AT_EMPTY_PATH) == 0)
    {
        return true;
    }
    if (errno == EEXIST)
    {
        return false;
    }
    // Without CAP_DAC_READ_SEARCH the kernel refuses the empty path, but follows this link to the same file.
    const std::string self = "/proc/self/fd/" + std::to_string(m_descriptor);
    if (::linkat(AT_FDCWD, self.c_str(), AT_FDCWD, target.c_str(), AT_SYMLINK_FOLLOW) == 0)
    {
        return true;
    }
    if (errno == EEXIST)
    {
        return false;
    }
    return tl::unexpected(systemError(target, "linkat from " + self, errno));
}

Expected<SharedMemory, Error> SharedMemory::mapAgain(AccessMode access) const
{
    ZCP_EXPECTS(m_base != nullptr, "mapAgain on an empty SharedMemory");
    const std::string object = path().string();
    Descriptor descriptor(::fcntl(m_descriptor, F_DUPFD_CLOEXEC, 0));
    if (!descriptor)
    {
        return tl::unexpected(systemError(object, "fcntl(F_DUPFD_CLOEXEC)", errno));
    }
    const auto base = mapWhole(object, descriptor.get(), m_bytes, access);
    if (!base)
    {
        return tl::unexpected(base.error());
    }
    return SharedMemory(m_root, m_name, descriptor.release(), *base, m_bytes);
}

Expected<void, Error> SharedMemory::replaceWith(const SharedMemory& other)
{
    ZCP_EXPECTS(m_base != nullptr && m_bytes == other.m_bytes, "only an equally long file can take the place");
    const std::string object = other.path().string();
    Descriptor descriptor(::fcntl(other.m_descriptor, F_DUPFD_CLOEXEC, 0));
    if (!descriptor)
    {
        return tl::unexpected(systemError(object, "fcntl(F_DUPFD_CLOEXEC)", errno));
    }
    constexpr int kFlags = MAP_SHARED | MAP_NORESERVE | MAP_FIXED;
    if (::mmap(m_base, m_bytes, PROT_READ | PROT_WRITE, kFlags, descriptor.get(), 0) == MAP_FAILED)
    {
        return tl::unexpected(systemError(object, "mmap at a fixed address", errno));
    }
    ::close(std::exchange(m_descriptor, descriptor.release()));
    m_root = other.m_root;
    m_name = other.m_name;
    return {};
}

} // namespace ZeroCP
