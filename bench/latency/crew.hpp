/// Forked processes that one slice needs, and whoever started them in the meantime: asleep until they have ended, one of
/// them failed, or a signal wants the whole program to end. None outlives the Crew, nor this process.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include <sys/types.h>

#include <tl/expected.hpp>

namespace latency
{

/// Why a run cannot go on.
struct Failure
{
    std::string m_sentence;
    int m_exitCode{1};
};

/// SIGINT, SIGTERM, SIGHUP and SIGCHLD wait until they are asked for: nothing is cut short, nothing is overlooked. Once per
/// program, before the first Crew.
void holdSignals() noexcept;

class Crew
{
  public:
    Crew() = default;
    Crew(const Crew&) = delete;
    Crew& operator=(const Crew&) = delete;
    ~Crew() { killAll(); }

    /// A process that runs `body` and ends, well if that gives true. `role` is for sentences.
    [[nodiscard]] tl::expected<void, Failure> start(const std::string& role, const std::function<bool()>& body);
    /// One that goes on until the others have ended.
    [[nodiscard]] tl::expected<void, Failure> startEndless(const std::string& role, const std::function<void()>& body);

    /// Until all but the endless ones have ended well; then those are killed. If it fails, all are.
    [[nodiscard]] tl::expected<void, Failure> wait(std::chrono::seconds patience);

  private:
    struct Member
    {
        pid_t m_pid;
        std::string m_role;
        bool m_isEndless;
    };

    [[nodiscard]] tl::expected<void, Failure> fork(Member member, const std::function<bool()>& body);
    [[nodiscard]] tl::expected<void, Failure> collectEnded();
    [[nodiscard]] bool isDone() const noexcept;
    void killAll() noexcept;

    std::vector<Member> m_members;
};

} // namespace latency
