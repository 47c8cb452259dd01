// SharedMemory's pages: mapped ahead, locked, large, near a processor.
#include "zerocp/core/shared_memory.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <climits>
#include <fstream>
#include <optional>
#include <sstream>

#include <linux/mempolicy.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "zerocp/core/align.hpp"
#include "zerocp/core/contract.hpp"

#ifndef MADV_POPULATE_READ // Linux 5.14; the headers may be older than the kernel
#define MADV_POPULATE_READ 22
#define MADV_POPULATE_WRITE 23
#endif

namespace ZeroCP
{

namespace
{

constexpr std::uint64_t kHugePageBytes = 2ULL << 20;
const char* const kHugePageSwitch = "/sys/kernel/mm/transparent_hugepage/shmem_enabled";

struct PageRange
{
    std::uint64_t m_first;
    std::uint64_t m_bytes;
};

/// The whole pages around [offset, offset + bytes), cut at the end of the file.
PageRange pagesAround(std::uint64_t offset, std::uint64_t bytes, std::uint64_t fileBytes) noexcept
{
    if (offset >= fileBytes || bytes == 0)
    {
        return {0, 0};
    }
    const std::uint64_t first = offset & ~(kPageBytes - 1);
    return {first, alignUp(std::min(fileBytes - offset, bytes) + offset, kPageBytes) - first};
}

std::string lockLimit()
{
    rlimit limit{};
    if (::getrlimit(RLIMIT_MEMLOCK, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
    {
        return "unlimited";
    }
    return std::to_string(limit.rlim_cur) + " bytes";
}

/// "VmLck:      120 kB" of /proc/self/status.
std::string lockedNow()
{
    std::ifstream status("/proc/self/status");
    for (std::string line; std::getline(status, line);)
    {
        if (line.starts_with("VmLck:"))
        {
            const std::size_t digits = line.find_first_of("0123456789");
            return digits == std::string::npos ? "an unknown number of kB" : line.substr(digits);
        }
    }
    return "an unknown number of kB";
}

std::string firstLine(const char* file)
{
    std::string line;
    std::ifstream stream(file);
    std::getline(stream, line);
    return line;
}

/// Whether `number` is in a list of the kernel's, such as "0-1,4".
bool isListed(const std::string& list, std::uint32_t number)
{
    std::istringstream ranges(list);
    for (std::string range; std::getline(ranges, range, ',');)
    {
        std::uint32_t first = 0;
        const char* end = range.data() + range.size();
        const auto [dash, failed] = std::from_chars(range.data(), end, first);
        std::uint32_t last = first;
        if (failed == std::errc{} && dash != end)
        {
            std::from_chars(dash + 1, end, last);
        }
        if (failed == std::errc{} && first <= number && number <= last)
        {
            return true;
        }
    }
    return false;
}

/// The file system that a file lies on, as this process sees it.
struct Mount
{
    std::string m_directory;
    std::string m_options;
};

/// A line of mountinfo: "25 24 0:23 / /dev/shm rw,relatime shared:1 - tmpfs tmpfs rw,size=24684092k,huge=advise".
std::optional<Mount> mountOf(dev_t device)
{
    const std::string wanted = std::to_string(major(device)) + ":" + std::to_string(minor(device));
    std::ifstream mounts("/proc/self/mountinfo");
    for (std::string line; std::getline(mounts, line);)
    {
        std::istringstream words(line);
        std::string id;
        std::string parent;
        std::string number;
        std::string root;
        Mount found;
        words >> id >> parent >> number >> root >> found.m_directory;
        const std::size_t separator = line.find(" - ");
        if (number == wanted && separator != std::string::npos)
        {
            found.m_options = "," + line.substr(line.find_last_of(' ') + 1) + ",";
            return found;
        }
    }
    return std::nullopt;
}

} // namespace

bool SharedMemory::populate(std::uint64_t offset, std::uint64_t bytes) noexcept
{
    const PageRange range = pagesAround(offset, bytes, m_bytes);
    // A mapping for reading only refuses the first, a kernel before 5.14 both.
    return range.m_bytes == 0 || ::madvise(m_base + range.m_first, range.m_bytes, MADV_POPULATE_WRITE) == 0 ||
           ::madvise(m_base + range.m_first, range.m_bytes, MADV_POPULATE_READ) == 0 || errno != EINVAL;
}

void SharedMemory::prefault(std::uint64_t offset, std::uint64_t bytes) noexcept
{
    const PageRange range = pagesAround(offset, bytes, m_bytes);
    if (populate(offset, bytes))
    {
        return; // or pages cannot be had, and a touch would be SIGBUS
    }
    for (std::uint64_t page = range.m_first; page < range.m_first + range.m_bytes; page += kPageBytes)
    {
        // The read must happen although nobody wants the value.
        static_cast<void>(*static_cast<const volatile std::byte*>(m_base + page));
    }
}

Expected<void, Error> SharedMemory::lock(std::uint64_t offset, std::uint64_t bytes)
{
    const PageRange range = pagesAround(offset, bytes, m_bytes);
    if (range.m_bytes == 0 || ::mlock(m_base + range.m_first, range.m_bytes) == 0)
    {
        return {};
    }
    const Error plain = systemError(path().string(), "mlock of " + std::to_string(range.m_bytes) + " bytes", errno);
    const std::string inUse = lockedNow();
    // Where memory was short a part may be locked. A page that the range shares with others may have been before.
    const std::uint64_t first = alignUp(offset, kPageBytes);
    const std::uint64_t last = (offset + std::min(bytes, m_bytes - offset)) & ~(kPageBytes - 1);
    if (first < last)
    {
        ::munlock(m_base + first, last - first);
    }
    return failure(plain.code(), plain.message() + "; RLIMIT_MEMLOCK is " + lockLimit() + ", " + inUse +
                                     " are locked already; raise it (ulimit -l), give the process CAP_IPC_LOCK, or set "
                                     "memory.lock of the pool to false");
}

Expected<void, Error> SharedMemory::bindToNode(std::uint32_t node)
{
    ZCP_EXPECTS(m_base != nullptr, "bindToNode on an empty SharedMemory");
    const std::string file = firstLine("/sys/devices/system/node/has_memory");
    const std::string nodes = file.empty() ? "0" : file; // a kernel without NUMA
    if (!isListed(nodes, node))
    {
        return failure(ErrorCode::ConfigInvalid, path().string() + ": node " + std::to_string(node) +
                                                     " does not exist; nodes: " + nodes +
                                                     "; set memory.numa_node of the pool to one of them");
    }
    constexpr std::size_t kBits = sizeof(unsigned long) * CHAR_BIT;
    std::array<unsigned long, 1024 / kBits> mask{};
    mask.at(node / kBits) = 1UL << node % kBits;
    // The call itself, since libnuma is not needed for anything else. A policy of a mapping of tmpfs is one of the file.
    // The kernel takes one bit less than it is told.
    if (::syscall(SYS_mbind, m_base, m_bytes, MPOL_BIND, mask.data(), mask.size() * kBits + 1, 0) != 0)
    {
        return tl::unexpected(systemError(path().string(), "mbind to node " + std::to_string(node), errno));
    }
    return {};
}

Expected<void, Error> SharedMemory::useHugePages()
{
    ZCP_EXPECTS(m_base != nullptr, "useHugePages on an empty SharedMemory");
    // A range of addresses that has room for an aligned one; what is left over goes back.
    const std::uint64_t room = m_bytes + kHugePageBytes;
    void* reserved = ::mmap(nullptr, room, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (reserved == MAP_FAILED)
    {
        return tl::unexpected(systemError(path().string(), "mmap of " + std::to_string(room) + " bytes", errno));
    }
    auto* first = static_cast<std::byte*>(reserved);
    auto* aligned = first + (alignUp(reinterpret_cast<std::uintptr_t>(first), kHugePageBytes) -
                             reinterpret_cast<std::uintptr_t>(first));
    if (::mremap(m_base, m_bytes, m_bytes, MREMAP_MAYMOVE | MREMAP_FIXED, aligned) == MAP_FAILED)
    {
        const int failed = errno;
        ::munmap(reserved, room);
        return tl::unexpected(systemError(path().string(), "mremap to a multiple of 2 MiB", failed));
    }
    m_base = aligned;
    if (aligned != first)
    {
        ::munmap(first, static_cast<std::size_t>(aligned - first));
    }
    ::munmap(aligned + m_bytes, static_cast<std::size_t>(first + room - (aligned + m_bytes)));
    ::madvise(m_base, m_bytes, MADV_HUGEPAGE); // a kernel without them says no, and small pages do
    return {};
}

std::string SharedMemory::whyNoHugePages() const
{
    struct stat status = {};
    const auto mount = ::fstat(m_descriptor, &status) == 0 ? mountOf(status.st_dev) : std::nullopt;
    const std::string policy = firstLine(kHugePageSwitch);
    if (policy.empty() || !mount)
    {
        return std::string(policy.empty() ? kHugePageSwitch : "/proc/self/mountinfo") + " cannot be read";
    }
    if (policy.find("[deny]") != std::string::npos)
    {
        return std::string(kHugePageSwitch) + " says deny; write never into it, which leaves it to each mount";
    }
    const bool offered = mount->m_options.find(",huge=") != std::string::npos &&
                         mount->m_options.find(",huge=never,") == std::string::npos;
    if (offered || policy.find("[force]") != std::string::npos)
    {
        return {};
    }
    return mount->m_directory + " is mounted without them; mount -o remount,huge=advise " + mount->m_directory;
}

} // namespace ZeroCP
