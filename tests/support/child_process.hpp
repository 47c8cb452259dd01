/// A forked child that talks with its parent in lines, and that cannot outlive a hang: an alarm kills it, and so does
/// the death of its parent. For tests that need a second process; the child ends with _exit(), so no destructor of the
/// parent's objects runs in it.
///
///     ChildProcess child([&](Peer& parent) {
///         auto node = Node::create(...);
///         parent.tell("ready");
///         parent.hear();              // until the parent says something or is gone
///         return node.has_value();    // false, or a failed EXPECT: exit code 1
///     });
///     ASSERT_EQ(child.hear(), "ready");
///     child.kill(SIGKILL);            // waits for its end
#pragma once

#include <cerrno>
#include <chrono>
#include <concepts>
#include <csignal>
#include <cstdio>
#include <exception>
#include <string>
#include <string_view>
#include <utility>

#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

namespace ZeroCP::test
{

/// One end of a conversation.
class Peer
{
  public:
    Peer(int in, int out) : m_in(in), m_out(out) {}
    Peer(const Peer&) = delete;
    Peer& operator=(const Peer&) = delete;
    ~Peer() { close(); }

    /// False if the other side is gone.
    bool tell(std::string_view line)
    {
        const std::string text = std::string(line) + '\n';
        return ::write(m_out, text.data(), text.size()) == static_cast<ssize_t>(text.size());
    }
    /// The next line; empty if the other side is gone.
    [[nodiscard]] std::string hear()
    {
        for (;;)
        {
            if (const std::size_t end = m_pending.find('\n'); end != std::string::npos)
            {
                std::string line = m_pending.substr(0, end);
                m_pending.erase(0, end + 1);
                return line;
            }
            char buffer[512];
            const ssize_t count = ::read(m_in, buffer, sizeof buffer);
            if (count > 0)
            {
                m_pending.append(buffer, static_cast<std::size_t>(count));
            }
            else if (count == 0 || errno != EINTR)
            {
                return {};
            }
        }
    }
    /// Waits until the other side says something or is gone.
    void pause() { static_cast<void>(hear()); }

    void close()
    {
        for (int* descriptor : {&m_in, &m_out})
        {
            if (*descriptor >= 0)
            {
                ::close(std::exchange(*descriptor, -1));
            }
        }
    }

  private:
    int m_in;
    int m_out;
    std::string m_pending;
};

/// How a process ended.
struct ExitStatus
{
    int m_status;

    [[nodiscard]] bool exitedWith(int code) const { return WIFEXITED(m_status) && WEXITSTATUS(m_status) == code; }
    [[nodiscard]] bool killedBy(int signal) const { return WIFSIGNALED(m_status) && WTERMSIG(m_status) == signal; }
    [[nodiscard]] bool succeeded() const { return exitedWith(0); }

    friend void PrintTo(const ExitStatus& status, std::ostream* out)
    {
        if (WIFSIGNALED(status.m_status))
        {
            *out << "killed by signal " << WTERMSIG(status.m_status)
                 << (WTERMSIG(status.m_status) == SIGALRM ? " (watchdog: it hung)" : "");
        }
        else
        {
            *out << "exit code " << WEXITSTATUS(status.m_status);
        }
    }
};

class ChildProcess
{
  public:
    static constexpr unsigned kWatchdogSeconds = 100;

    /// `body(Peer& parent)` gives whether it succeeded; exceptions and failed EXPECTs count as failure.
    template <std::invocable<Peer&> Body>
    explicit ChildProcess(Body&& body, unsigned watchdogSeconds = kWatchdogSeconds) : ChildProcess(makePipes())
    {
        std::fflush(nullptr); // else the child writes it once more
        const pid_t parent = ::getpid();
        m_pid = ::fork();
        if (m_pid == 0)
        {
            ::alarm(watchdogSeconds);
            ::prctl(PR_SET_PDEATHSIG, SIGKILL);
            // 0: the parent cannot be seen, since this is the first process of a pid namespace.
            if (::getppid() != parent && ::getppid() != 0) // died before we asked to be told
            {
                ::_exit(3);
            }
            m_peer.close();
            Peer toParent(m_childIn, m_childOut);
            ::_exit(run(std::forward<Body>(body), toParent));
        }
        ::close(m_childIn);
        ::close(m_childOut);
        EXPECT_GT(m_pid, 0) << "fork";
    }
    ChildProcess(const ChildProcess&) = delete;
    ChildProcess& operator=(const ChildProcess&) = delete;
    ~ChildProcess()
    {
        if (m_pid > 0)
        {
            static_cast<void>(kill(SIGKILL));
        }
    }

    [[nodiscard]] pid_t pid() const { return m_pid; }
    bool tell(std::string_view line) { return m_peer.tell(line); }
    /// Empty if the child is gone.
    [[nodiscard]] std::string hear() { return m_peer.hear(); }

    /// Whether wait() would return at once.
    [[nodiscard]] bool hasEnded() const
    {
        siginfo_t info{};
        return m_pid <= 0 ||
               (::waitid(P_PID, static_cast<id_t>(m_pid), &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid != 0);
    }
    /// SIGSTOP, SIGCONT. Nothing once the child has been waited for: kill(-1) would reach every process there is.
    void signal(int number) const
    {
        if (m_pid > 0)
        {
            ::kill(m_pid, number);
        }
    }

    /// Sends the signal and waits for the end.
    ExitStatus kill(int number)
    {
        signal(number);
        return wait();
    }
    /// Waits for the end.
    ExitStatus wait()
    {
        int status = -1;
        while (m_pid > 0 && ::waitpid(m_pid, &status, 0) < 0 && errno == EINTR)
        {
        }
        m_pid = -1;
        m_peer.close();
        return {status};
    }
    /// Lets a child that is in Peer::pause() or hear() go on, and waits for its end.
    ExitStatus finish()
    {
        m_peer.tell("go on");
        return wait();
    }

  private:
    struct Pipes
    {
        int m_toChild[2];
        int m_toParent[2];
    };

    static Pipes makePipes()
    {
        std::signal(SIGPIPE, SIG_IGN); // a child that is gone is an empty line, not our end
        Pipes pipes{{-1, -1}, {-1, -1}};
        EXPECT_EQ(::pipe(pipes.m_toChild), 0);
        EXPECT_EQ(::pipe(pipes.m_toParent), 0);
        return pipes;
    }
    explicit ChildProcess(const Pipes& pipes)
        : m_peer(pipes.m_toParent[0], pipes.m_toChild[1]),
          m_childIn(pipes.m_toChild[0]),
          m_childOut(pipes.m_toParent[1])
    {
    }

    template <typename Body>
    static int run(Body&& body, Peer& parent)
    {
        bool succeeded = false;
        try
        {
            succeeded = body(parent);
        }
        catch (const std::exception& error)
        {
            std::fprintf(stderr, "child: %s\n", error.what());
        }
        succeeded = succeeded && !::testing::Test::HasFailure();
        std::fflush(nullptr);
        return succeeded ? 0 : 1;
    }

    Peer m_peer;
    int m_childIn;
    int m_childOut;
    pid_t m_pid{-1};
};

} // namespace ZeroCP::test
