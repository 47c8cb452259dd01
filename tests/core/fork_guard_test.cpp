#include "zerocp/core/fork_guard.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

namespace ZeroCP
{
namespace
{

bool g_handled = false;

void noteChild() noexcept
{
    g_handled = true;
}

/// Exit status of a child that runs `check`.
template <typename Check>
int statusOfChild(Check&& check)
{
    const pid_t child = ::fork();
    if (child == 0)
    {
        ::alarm(20);
        ::_exit(check() ? 0 : 1);
    }
    int status = -1;
    ::waitpid(child, &status, 0);
    return status;
}

TEST(ForkGuard, TheGenerationMovesInTheChildAndNotInTheParent)
{
    fork_guard::watch(noteChild);
    const std::uint64_t before = fork_guard::generation();

    EXPECT_EQ(statusOfChild([before] { return fork_guard::generation() == before + 1; }), 0);
    EXPECT_EQ(fork_guard::generation(), before);
}

TEST(ForkGuard, AThreadAndItsCopyInTheChildHaveDifferentNames)
{
    fork_guard::watch(noteChild);
    const std::uintptr_t name = fork_guard::threadName();

    EXPECT_EQ(statusOfChild([name] { return fork_guard::threadName() != name; }), 0);
    EXPECT_EQ(fork_guard::threadName(), name);
}

TEST(ForkGuard, TheHandlerRunsInTheChildOnly)
{
    fork_guard::watch(noteChild);
    g_handled = false;

    EXPECT_EQ(statusOfChild([] { return g_handled; }), 0);
    EXPECT_FALSE(g_handled);
}

} // namespace
} // namespace ZeroCP
