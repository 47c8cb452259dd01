/// Processes of a measurement, and the memory in which they leave their figures.
#pragma once

#include <cerrno>
#include <chrono>
#include <concepts>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <thread>
#include <utility>

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace reliability
{

/// One T, zero-initialised, in memory that workers started later share.
template <typename T>
class Board
{
  public:
    Board() : m_value(::new (::mmap(nullptr, sizeof(T), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)) T{})
    {
    }
    Board(const Board&) = delete;
    Board& operator=(const Board&) = delete;
    ~Board() { ::munmap(m_value, sizeof(T)); }

    [[nodiscard]] T* operator->() const { return m_value; }
    [[nodiscard]] T& operator*() const { return *m_value; }

  private:
    T* m_value;
};

/// A forked process that runs `body` and ends with what it returns. Its end is waited for; who forgets it kills it.
class Worker
{
  public:
    template <std::invocable Body>
    Worker(unsigned watchdogSeconds, Body&& body)
    {
        std::fflush(nullptr); // else the child writes it once more
        const pid_t parent = ::getpid();
        m_pid = ::fork();
        if (m_pid == 0)
        {
            ::alarm(watchdogSeconds);
            ::prctl(PR_SET_PDEATHSIG, SIGKILL);
            ::_exit(::getppid() == parent && body() ? 0 : 1);
        }
        if (m_pid < 0)
        {
            std::perror("fork");
            std::exit(1);
        }
    }
    Worker(Worker&& other) noexcept : m_pid(std::exchange(other.m_pid, -1)) {}
    Worker& operator=(Worker&& other) noexcept
    {
        std::swap(m_pid, other.m_pid);
        return *this;
    }
    ~Worker() { kill(); }

    [[nodiscard]] pid_t pid() const { return m_pid; }
    /// Nothing once it has been waited for: kill(-1) would reach every process there is.
    void signal(int number) const
    {
        if (m_pid > 0)
        {
            ::kill(m_pid, number);
        }
    }
    /// SIGKILL, and waits for the end.
    void kill()
    {
        if (m_pid > 0)
        {
            signal(SIGKILL);
            static_cast<void>(succeeds());
        }
    }
    /// Waits for the end; whether `body` returned true.
    [[nodiscard]] bool succeeds()
    {
        int status = -1;
        while (::waitpid(m_pid, &status, 0) < 0 && errno == EINTR)
        {
        }
        m_pid = -1;
        return WIFEXITED(status) && WEXITSTATUS(status) == 0;
    }

  private:
    pid_t m_pid{-1};
};

/// Gives the CPU away until `condition` holds; false if that takes longer than `patience`.
template <typename Condition>
[[nodiscard]] bool await(Condition&& condition, std::chrono::seconds patience = std::chrono::seconds(60))
{
    const auto deadline = std::chrono::steady_clock::now() + patience;
    while (!condition())
    {
        if (std::chrono::steady_clock::now() > deadline)
        {
            return false;
        }
        std::this_thread::sleep_for(std::chrono::microseconds(200));
    }
    return true;
}

} // namespace reliability
