#include "zerocp/core/wake_pipe.hpp"

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace ZeroCP::wake_pipe
{

namespace
{

constexpr int kOpen = O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW;

/// pathOf() without memory of its own. False if it does not fit.
bool write(std::array<char, kLongestPath>& path, std::string_view prefix, std::uint32_t row,
           std::uint32_t number) noexcept
{
    constexpr std::size_t kNumbers = 2 * 10 + 2; // with the dot and the zero at the end
    if (prefix.empty() || prefix.size() + kNumbers > path.size())
    {
        return false;
    }
    char* const last = path.data() + path.size();
    char* end = std::to_chars(path.data() + prefix.copy(path.data(), prefix.size()), last, row).ptr;
    *end++ = '.';
    end = std::to_chars(end, last, number).ptr;
    *end = '\0';
    return true;
}

} // namespace

std::string pathOf(std::string_view prefix, std::uint32_t row, std::uint32_t number)
{
    return std::string(prefix) + std::to_string(row) + "." + std::to_string(number);
}

Expected<int, Error> make(const std::string& path)
{
    if (path.size() >= kLongestPath)
    {
        return failure(ErrorCode::ConfigInvalid, path + ": a path of " + std::to_string(path.size()) +
                                                     " bytes, at most " + std::to_string(kLongestPath - 1) +
                                                     " are supported for a FIFO; use a root with a shorter path");
    }
    if (::mkfifo(path.c_str(), S_IRUSR | S_IWUSR) != 0)
    {
        return errno == EEXIST ? Expected<int, Error>(-1) : tl::unexpected(systemError(path, "mkfifo", errno));
    }
    const int descriptor = ::open(path.c_str(), kOpen);
    if (descriptor < 0)
    {
        const Error error = systemError(path, "open", errno);
        ::unlink(path.c_str());
        return tl::unexpected(error);
    }
    return descriptor;
}

void remove(std::string_view prefix, std::uint32_t row, std::uint32_t number) noexcept
{
    std::array<char, kLongestPath> path; // NOLINT(cppcoreguidelines-pro-type-member-init): only what is written is read
    if (write(path, prefix, row, number))
    {
        ::unlink(path.data());
    }
}

void ring(WaiterRecord& waiter, const WaiterTable& waiters, std::uint32_t number) noexcept
{
    std::array<char, kLongestPath> path; // NOLINT(cppcoreguidelines-pro-type-member-init): only what is written is read
    const std::string_view prefix = waiters.m_pipes == nullptr ? std::string_view() : waiters.m_pipes;
    if (!write(path, prefix, static_cast<std::uint32_t>(&waiter - waiters.m_rows), number))
    {
        return;
    }
    const int before = errno; // of the code that a signal handler has interrupted
    // For writing alone, open() would fail and write() kill if the waiter has just gone.
    if (const int descriptor = ::open(path.data(), kOpen); descriptor >= 0)
    {
        if (::write(descriptor, "", 1) == 1 || errno == EAGAIN) // full: it can be read already
        {
            // Relaxed: a hint; who misses it looks into the FIFO all the same before long.
            waiter.m_rung.fetch_add(1, std::memory_order_relaxed);
        }
        ::close(descriptor);
    }
    errno = before;
}

void ring(int descriptor) noexcept
{
    static_cast<void>(::write(descriptor, "", 1) == 1); // full: it can be read already
}

void drain(int descriptor) noexcept
{
    std::array<char, 512> bytes; // NOLINT(cppcoreguidelines-pro-type-member-init): nobody reads them
    while (::read(descriptor, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()))
    {
    }
}

} // namespace ZeroCP::wake_pipe
