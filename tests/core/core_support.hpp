/// What the tests of core share: places that clean up after themselves, child processes with a watchdog, gates.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <new>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

namespace ZeroCP::test
{

/// A directory of its own in /dev/shm, removed with everything in it, by the process that made it.
class ScopedRoot
{
  public:
    ScopedRoot()
    {
        std::string name = "/dev/shm/zerocp-test.XXXXXX";
        if (::mkdtemp(name.data()) == nullptr)
        {
            throw std::runtime_error("mkdtemp in /dev/shm failed");
        }
        m_path = name;
    }
    ScopedRoot(const ScopedRoot&) = delete;
    ScopedRoot& operator=(const ScopedRoot&) = delete;
    ~ScopedRoot()
    {
        if (::getpid() == m_owner)
        {
            std::error_code ignored;
            std::filesystem::remove_all(m_path, ignored);
        }
    }

    [[nodiscard]] const std::filesystem::path& path() const noexcept { return m_path; }
    [[nodiscard]] bool empty() const { return std::filesystem::is_empty(m_path); }

    void write(const std::string& name, std::string_view bytes) const { std::ofstream(m_path / name) << bytes; }

  private:
    std::filesystem::path m_path;
    pid_t m_owner{::getpid()};
};

/// A segment name in /dev/shm that no other test uses; unlinked at both ends, by the process that made it.
class ScopedName
{
  public:
    explicit ScopedName(std::string_view stem) : m_name("/zerocp-test." + std::to_string(::getpid()) + ".")
    {
        m_name += stem;
        remove();
    }
    ScopedName(const ScopedName&) = delete;
    ScopedName& operator=(const ScopedName&) = delete;
    ~ScopedName()
    {
        if (::getpid() == m_owner)
        {
            remove();
        }
    }

    [[nodiscard]] const std::string& name() const noexcept { return m_name; }
    [[nodiscard]] std::string path() const { return "/dev/shm" + m_name; }

  private:
    void remove() const noexcept { ::unlink(path().c_str()); }

    std::string m_name;
    pid_t m_owner{::getpid()};
};

/// Ends the process if the test hangs. One at a time.
class Watchdog
{
  public:
    explicit Watchdog(unsigned seconds) { ::alarm(seconds); }
    Watchdog(const Watchdog&) = delete;
    Watchdog& operator=(const Watchdog&) = delete;
    ~Watchdog() { ::alarm(0); }
};

inline constexpr unsigned kChildSeconds = 60;

/// A forked child that runs `body`, whose result is its exit code. Killed if nobody waits for it or it takes too long.
class [[nodiscard]] Child
{
  public:
    template <typename Body>
    explicit Child(Body&& body) : m_pid(::fork())
    {
        if (m_pid == 0)
        {
            ::alarm(kChildSeconds);
            ::_exit(std::forward<Body>(body)());
        }
    }
    Child(Child&& other) noexcept : m_pid(std::exchange(other.m_pid, -1)) {}
    Child& operator=(Child&&) = delete;
    ~Child()
    {
        if (m_pid > 0)
        {
            ::kill(m_pid, SIGKILL);
            wait();
        }
    }

    /// The exit code, or minus the signal that ended it.
    int wait()
    {
        int status = 0;
        if (::waitpid(std::exchange(m_pid, -1), &status, 0) < 0)
        {
            return -1000;
        }
        return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    }

  private:
    pid_t m_pid;
};

template <typename Body>
int runInChild(Body&& body)
{
    return Child(std::forward<Body>(body)).wait();
}

/// Where processes forked afterwards wait for each other.
class Gate
{
  public:
    Gate()
    {
        void* memory = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        m_arrived = ::new (memory) std::atomic<std::uint32_t>(0);
    }
    Gate(const Gate&) = delete;
    Gate& operator=(const Gate&) = delete;
    ~Gate() { ::munmap(m_arrived, 4096); }

    /// Returns when `count` processes have called it; each calls it once.
    void arriveAndWait(std::uint32_t count)
    {
        m_arrived->fetch_add(1);
        while (m_arrived->load() < count)
        {
            ::sched_yield(); // gives the core away; what ends the wait is the count
        }
    }

  private:
    std::atomic<std::uint32_t>* m_arrived;
};

/// Zeroed memory that starts on a page and costs nothing until it is touched.
class SparseArea
{
  public:
    explicit SparseArea(std::uint64_t bytes)
        : m_bytes(bytes),
          m_base(::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0))
    {
        if (m_base == MAP_FAILED)
        {
            throw std::runtime_error("mmap failed");
        }
    }
    SparseArea(const SparseArea&) = delete;
    SparseArea& operator=(const SparseArea&) = delete;
    ~SparseArea() { ::munmap(m_base, m_bytes); }

    [[nodiscard]] std::byte* base() const noexcept { return static_cast<std::byte*>(m_base); }
    [[nodiscard]] std::uint64_t bytes() const noexcept { return m_bytes; }

  private:
    std::uint64_t m_bytes;
    void* m_base;
};

} // namespace ZeroCP::test
