/// A domain number of a test's own, and the check that nothing of it is left behind.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <gtest/gtest.h>

namespace ZeroCP::test
{

/// Names of the files in `root` that belong to `domain`, sorted by nobody.
inline std::vector<std::string> filesOf(std::uint32_t domain, const std::filesystem::path& root = "/dev/shm")
{
    const std::string prefix = "zerocp." + std::to_string(domain) + ".";
    std::vector<std::string> names;
    std::error_code error;
    for (std::filesystem::directory_iterator it(root, error), end; !error && it != end; it.increment(error))
    {
        if (std::string name = it->path().filename().native(); name.starts_with(prefix))
        {
            names.push_back(std::move(name));
        }
    }
    return names;
}

/// Keeps others that run side by side from choosing the same number before either has made a file: a name in the abstract
/// socket namespace, which goes with the last process that holds it.
class NumberReservation
{
  public:
    NumberReservation() = default;
    NumberReservation(const NumberReservation&) = delete;
    NumberReservation& operator=(const NumberReservation&) = delete;
    ~NumberReservation() { release(); }

    [[nodiscard]] bool take(std::uint32_t number)
    {
        release();
        m_socket = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        const std::string name = "zerocp-test." + std::to_string(number);
        name.copy(&address.sun_path[1], sizeof(address.sun_path) - 1); // a leading zero byte: no file
        const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
        return m_socket >= 0 && ::bind(m_socket, reinterpret_cast<const sockaddr*>(&address), length) == 0;
    }

  private:
    void release()
    {
        if (m_socket >= 0)
        {
            ::close(m_socket);
        }
        m_socket = -1;
    }

    int m_socket{-1};
};

/// A number in 30000..39999 that no file of `root` bears and nobody has reserved: tests run side by side, each in a
/// process of its own.
inline std::uint32_t unusedDomain(NumberReservation& reservation, const std::filesystem::path& root)
{
    static std::atomic<std::uint32_t> counter{0};
    std::uint32_t number = 0;
    do
    {
        number = 30000 + (static_cast<std::uint32_t>(::getpid()) * 16 + counter.fetch_add(1)) % 10000;
    } while (!reservation.take(number) || !filesOf(number, root).empty());
    return number;
}

/// Declare it before everything that uses the domain: at its end all files must be gone. A forked child that ends with
/// _exit() does not check.
class TestDomain
{
  public:
    explicit TestDomain(std::filesystem::path root = "/dev/shm")
        : m_root(std::move(root)), m_number(unusedDomain(m_reservation, m_root))
    {
    }
    TestDomain(const TestDomain&) = delete;
    TestDomain& operator=(const TestDomain&) = delete;
    ~TestDomain()
    {
        for (const std::string& name : files())
        {
            ADD_FAILURE() << "left behind: " << (m_root / name);
            std::error_code ignored;
            std::filesystem::remove(m_root / name, ignored);
        }
    }

    [[nodiscard]] std::uint32_t number() const { return m_number; }
    [[nodiscard]] const std::filesystem::path& root() const { return m_root; }
    [[nodiscard]] std::vector<std::string> files() const { return filesOf(m_number, m_root); }
    [[nodiscard]] std::filesystem::path file(const std::string& part) const
    {
        return m_root / ("zerocp." + std::to_string(m_number) + "." + part);
    }

  private:
    std::filesystem::path m_root;
    NumberReservation m_reservation;
    std::uint32_t m_number;
};

/// A directory on /dev/shm, removed with all it holds.
class TestDirectory
{
  public:
    TestDirectory()
    {
        std::string pattern = "/dev/shm/zerocp-test-XXXXXX";
        m_path = ::mkdtemp(pattern.data()) != nullptr ? pattern : std::string();
        EXPECT_FALSE(m_path.empty()) << "mkdtemp";
    }
    TestDirectory(const TestDirectory&) = delete;
    TestDirectory& operator=(const TestDirectory&) = delete;
    ~TestDirectory()
    {
        std::error_code ignored;
        std::filesystem::remove_all(m_path, ignored);
    }

    [[nodiscard]] const std::filesystem::path& path() const { return m_path; }

  private:
    std::filesystem::path m_path;
};

} // namespace ZeroCP::test
