// zerocp_latency itself, as it is called. LATENCY_PROGRAM is where the build puts it.
#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "bench/json_reader.hpp"
#include "latency/cpus.hpp"
#include "support/test_domain.hpp"

namespace latency
{
namespace
{

using ZeroCP::test::filesOf;
using ZeroCP::test::TestDirectory;

/// What it said on stderr, and its exit code or 128 + signal.
struct Ending
{
    std::string m_said;
    int m_code{-1};
};

/// The program in a process of its own, which an alarm ends if it hangs. Its table goes nowhere.
class Program
{
  public:
    explicit Program(std::vector<std::string> arguments, bool hasOneCpu = false)
    {
        int ends[2] = {-1, -1};
        EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
        arguments.insert(arguments.begin(), LATENCY_PROGRAM);
        std::vector<char*> argv;
        for (std::string& argument : arguments)
        {
            argv.push_back(argument.data());
        }
        argv.push_back(nullptr);
        const int onlyCpu = allowedCpus().front();
        m_pid = ::fork();
        if (m_pid == 0)
        {
            ::alarm(100); // this and the wish below outlive exec
            ::prctl(PR_SET_PDEATHSIG, SIGKILL);
            std::signal(SIGINT, SIG_DFL); // a shell may have started the tests with it ignored
            if (!hasOneCpu || pinTo(onlyCpu))
            {
                ::dup2(::open("/dev/null", O_WRONLY), STDOUT_FILENO);
                ::dup2(ends[1], STDERR_FILENO);
                ::execv(argv[0], argv.data());
            }
            ::_exit(127);
        }
        EXPECT_GT(m_pid, 0) << "fork";
        ::close(ends[1]);
        m_in = ends[0];
    }
    Program(const Program&) = delete;
    Program& operator=(const Program&) = delete;
    ~Program()
    {
        if (m_pid > 0)
        {
            ::kill(m_pid, SIGKILL);
            ::waitpid(m_pid, nullptr, 0);
        }
        ::close(m_in);
    }

    [[nodiscard]] std::uint32_t domain() const { return 40000 + static_cast<std::uint32_t>(m_pid) % 10000; }
    [[nodiscard]] bool hasEnded() const
    {
        siginfo_t info{};
        return ::waitid(P_PID, static_cast<id_t>(m_pid), &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid != 0;
    }
    void signal(int number) const { ::kill(m_pid, number); }

    /// Its children; one that ends meanwhile may be missing.
    [[nodiscard]] std::vector<pid_t> children() const
    {
        const std::string pid = std::to_string(m_pid);
        std::ifstream file("/proc/" + pid + "/task/" + pid + "/children");
        return {std::istream_iterator<pid_t>(file), {}};
    }

    Ending finish()
    {
        Ending ending;
        std::array<char, 512> buffer{};
        for (ssize_t count = 1; count > 0 || (count < 0 && errno == EINTR);)
        {
            count = ::read(m_in, buffer.data(), buffer.size());
            ending.m_said.append(buffer.data(), static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
        }
        int status = -1;
        while (::waitpid(m_pid, &status, 0) < 0 && errno == EINTR)
        {
        }
        m_pid = -1;
        ending.m_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        return ending;
    }

  private:
    pid_t m_pid{-1};
    int m_in{-1};
};

std::string contentOf(const std::filesystem::path& file)
{
    std::ifstream stream(file);
    return {std::istreambuf_iterator<char>(stream), {}};
}

/// Runs until it has made files in /dev/shm, which it does in every slice of ZeroCP.
void awaitFilesOf(const Program& program)
{
    while (filesOf(program.domain()).empty() && !program.hasEnded())
    {
        ::sched_yield();
    }
}

class Latency : public ::testing::Test
{
  protected:
    void SetUp() override
    {
        if (allowedCpus().size() < 2)
        {
            GTEST_SKIP() << "there is only one CPU";
        }
    }
};

TEST_F(Latency, AShortRunHasAnEntryForEverySystemAndMode)
{
    const TestDirectory directory;
    const std::string json = directory.path() / "latency.json";
    Program program({"--samples", "1000", "--repeats", "1", "--payload", "64,1000", "--touch", "full", "--json", json});
    const std::uint32_t domain = program.domain();

    const Ending ending = program.finish();

    EXPECT_EQ(ending.m_code, 0) << ending.m_said;
    EXPECT_EQ(ending.m_said, "");
    EXPECT_TRUE(filesOf(domain).empty());
    const auto tree = treeOf(contentOf(json));
    std::set<std::string> found;
    for (const auto& [key, entry] : tree.get_child("results"))
    {
        found.insert(entry.get<std::string>("system") + ' ' + entry.get<std::string>("mode") + ' ' +
                     entry.get<std::string>("payload"));
        EXPECT_EQ(entry.get<std::string>("touch"), "full");
        EXPECT_GE(entry.get<std::uint64_t>("samples"), 1U);
        EXPECT_LE(entry.get<std::uint64_t>("samples"), 1000U);
        EXPECT_GT(entry.get<double>("p50_ns"), 0);
        EXPECT_LE(entry.get<double>("p50_ns"), entry.get<double>("p99_ns"));
        EXPECT_LE(entry.get<double>("p99_ns"), entry.get<double>("p999_ns"));
        EXPECT_LE(entry.get<double>("p999_ns"), entry.get<double>("max_ns"));
    }
    for (const char* wanted :
         {"raw busy", "raw blocking", "zerocp busy", "zerocp spin", "zerocp blocking", "zerocp fd"})
    {
        for (const char* payload : {" 64", " 1000"})
        {
            // Where the host moved a CPU in all three attempts there is no entry.
            EXPECT_TRUE(found.count(std::string(wanted) + payload) != 0 || tree.get<int>("dropped_slices") >= 3)
                << wanted << payload;
        }
    }
}

TEST_F(Latency, OnlyTheRawHandOverOfTheModeIsMeasuredWithIt)
{
    const TestDirectory directory;
    const std::string json = directory.path() / "latency.json";
    Program program(
        {"--samples", "100", "--repeats", "1", "--payload", "64", "--mode", "spin", "--slices", "--json", json});

    const Ending ending = program.finish();

    EXPECT_EQ(ending.m_code, 0) << ending.m_said;
    const auto tree = treeOf(contentOf(json));
    for (const auto& [key, entry] : tree.get_child("results"))
    {
        const std::string what = entry.get<std::string>("system") + ' ' + entry.get<std::string>("mode");
        EXPECT_TRUE(what == "raw busy" || what == "zerocp spin") << what;
    }
}

TEST_F(Latency, ASignalEndsItWithoutATrace)
{
    for (const int signal : {SIGINT, SIGTERM})
    {
        Program program({"--payload", "64", "--mode", "busy", "--repeats", "1000"});
        const std::uint32_t domain = program.domain();
        awaitFilesOf(program);

        program.signal(signal);
        const Ending ending = program.finish();

        EXPECT_EQ(ending.m_code, 128 + signal);
        EXPECT_EQ(ending.m_said, "zerocp_latency: ended by signal " + std::to_string(signal) + "\n");
        EXPECT_TRUE(filesOf(domain).empty());
    }
}

TEST_F(Latency, AProcessThatDiesIsNamedAndLeavesNothing)
{
    Program program({"--payload", "64", "--mode", "spin", "--repeats", "1000"});
    const std::uint32_t domain = program.domain();
    awaitFilesOf(program);
    while (!program.hasEnded()) // between two slices there is nobody to kill
    {
        for (const pid_t child : program.children())
        {
            ::kill(child, SIGKILL);
        }
    }

    const Ending ending = program.finish();

    EXPECT_EQ(ending.m_code, 1);
    EXPECT_NE(ending.m_said.find(" was killed by signal 9\n"), std::string::npos) << ending.m_said;
    EXPECT_TRUE(filesOf(domain).empty());
}

TEST(LatencyProgram, NeedsTwoCpus)
{
    Program program({}, true);

    const Ending ending = program.finish();

    EXPECT_EQ(ending.m_code, 1);
    EXPECT_NE(ending.m_said.find("needs two CPUs, one for each process, and may use 1 "), std::string::npos)
        << ending.m_said;
}

TEST(LatencyProgram, AnswersArgumentsThatMakeNoSenseWithASentence)
{
    const Ending ending = Program({"--payload", "63"}).finish();

    EXPECT_EQ(ending.m_code, 2);
    EXPECT_TRUE(ending.m_said.starts_with("zerocp_latency: --payload: found '63', expected ")) << ending.m_said;
}

TEST_F(Latency, RefusesAFileThatCannotBeWrittenBeforeItMeasures)
{
    const Ending ending = Program({"--json", "/no such directory/x.json"}).finish();

    EXPECT_EQ(ending.m_code, 1);
    EXPECT_NE(ending.m_said.find("/no such directory/x.json cannot be written: No such file"), std::string::npos)
        << ending.m_said;
}

} // namespace
} // namespace latency
