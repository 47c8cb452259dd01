/// A forked process that runs one piece of code, one machine instruction or one store at a time (ptrace). The fork shares everything
/// with its parent but memory written since: unlike fork() it runs no handlers, so handles of the parent work in it and
/// its locks are the parent's. x86-64.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <sys/types.h>
#include <sys/user.h>

namespace ZeroCP::test
{

/// The call of fork() that runs no handlers. In the child an alarm and the parent's death end what hangs.
[[nodiscard]] pid_t forkExactly(unsigned watchdogSeconds);

/// What a process is stopped at.
enum class Access
{
    Store,
    LoadOrStore,
};

class Stepper
{
  public:
    /// Runs `prepare` at full speed, then stops before the first instruction of `act`.
    Stepper(const std::function<void()>& prepare, const std::function<void()>& act);
    Stepper(const Stepper&) = delete;
    Stepper& operator=(const Stepper&) = delete;
    /// SIGKILL, and waits for the end.
    ~Stepper();

    /// One instruction. False: the process has ended, so the code is through.
    [[nodiscard]] bool step();
    /// To behind the next such access to a file of `directory` that it has mapped for writing, or behind the next system
    /// call: the same points, without those in between. Its mappings are kept protected, so every access stops it. False
    /// as above.
    [[nodiscard]] bool stepToAccess(const std::string& directory, Access access);
    /// To the next entry into the kernel, or from there to the way out. False as above.
    [[nodiscard]] bool stepToSystemCallEdge();
    /// Whether the last step was, or ended with, a system call.
    [[nodiscard]] bool madeSystemCall() const;

    /// A copy of the process as it stands, which runs to its end at full speed. False if it did not end well. The
    /// process itself stays where it is.
    [[nodiscard]] bool runCopy() const;

    [[nodiscard]] pid_t pid() const noexcept { return m_pid; }
    [[nodiscard]] std::uint64_t steps() const noexcept { return m_steps; }
    /// The wait status, if step() has said that it ended: 0, or something went wrong.
    [[nodiscard]] int status() const noexcept { return m_status; }

  private:
    struct Mapping
    {
        unsigned long m_begin;
        unsigned long m_end;
    };

    [[nodiscard]] user_regs_struct registers() const;
    [[nodiscard]] long call(const user_regs_struct& at, long number,
                            const std::array<unsigned long, 3>& arguments) const;
    void protect(const Mapping& mapping, int protection) const;
    void protectMappings(const std::string& directory);
    [[nodiscard]] bool letPass();
    [[nodiscard]] bool ended(int status);

    pid_t m_pid{-1};
    std::vector<Mapping> m_protected;
    int m_protection{0}; ///< of those
    bool m_watching{false};
    std::uint64_t m_steps{0};
    int m_status{0};
};

} // namespace ZeroCP::test
