// The example programs as a user runs them: real processes, real pictures, Ctrl-C; and nothing is left behind.
// EXAMPLES_DIR is where the build puts them.
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "support/child_process.hpp"
#include "support/test_domain.hpp"

namespace ZeroCP::test
{
namespace
{

constexpr const char* kImages = "/usr/share/mrpt/datasets/stereo-calib";

::testing::AssertionResult contains(const std::string& output, const std::string& text)
{
    return (output.find(text) != std::string::npos ? ::testing::AssertionSuccess() : ::testing::AssertionFailure())
           << "looking for '" << text << "' in:\n"
           << output;
}

/// An example in a process of its own, which an alarm ends if it hangs. What it prints, on stdout and stderr together,
/// is read here.
class Program
{
  public:
    Program(const TestDomain& domain, const std::string& name, const std::vector<std::string>& arguments)
    {
        int ends[2] = {-1, -1};
        EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
        // All memory is had before fork(): the child only makes system calls.
        std::vector<std::string> words{EXAMPLES_DIR "/" + name};
        words.insert(words.end(), arguments.begin(), arguments.end());
        std::vector<char*> argv;
        for (std::string& word : words)
        {
            argv.push_back(word.data());
        }
        argv.push_back(nullptr);
        ::setenv("ZEROCP_DOMAIN", std::to_string(domain.number()).c_str(), 1);
        ::unsetenv("ZEROCP_CONFIG");
        m_pid = ::fork();
        if (m_pid == 0)
        {
            ::alarm(kWatchdogSeconds); // an alarm and the wish below outlive exec
            ::prctl(PR_SET_PDEATHSIG, SIGKILL);
            ::dup2(ends[1], STDOUT_FILENO);
            ::dup2(ends[1], STDERR_FILENO);
            ::execv(argv[0], argv.data());
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
        stopReading();
        if (m_pid > 0)
        {
            ::kill(m_pid, SIGKILL);
            static_cast<void>(wait());
        }
    }

    /// Reads until it has printed `text`; false if it ends first.
    [[nodiscard]] bool waitFor(std::string_view text)
    {
        while (m_output.find(text) == std::string::npos)
        {
            if (!readSome())
            {
                return false;
            }
        }
        return true;
    }

    /// Nothing once it has been waited for: kill(-1) would reach every process there is.
    void signal(int number) const
    {
        if (m_pid > 0)
        {
            ::kill(m_pid, number);
        }
    }
    /// As `| head` does when it has seen enough.
    void stopReading()
    {
        if (m_in >= 0)
        {
            ::close(std::exchange(m_in, -1));
        }
    }

    /// Reads what is left and waits for the end.
    ExitStatus finish()
    {
        while (readSome())
        {
        }
        return wait();
    }

    [[nodiscard]] const std::string& output() const { return m_output; }

  private:
    static constexpr unsigned kWatchdogSeconds = 100;

    bool readSome()
    {
        char buffer[4096];
        ssize_t count = -1;
        while (m_in >= 0 && (count = ::read(m_in, buffer, sizeof buffer)) < 0 && errno == EINTR)
        {
        }
        if (count > 0)
        {
            m_output.append(buffer, static_cast<std::size_t>(count));
        }
        return count > 0;
    }

    ExitStatus wait()
    {
        int status = -1;
        while (::waitpid(m_pid, &status, 0) < 0 && errno == EINTR)
        {
        }
        m_pid = -1;
        return {status};
    }

    pid_t m_pid{-1};
    int m_in{-1};
    std::string m_output;
};

TEST(Examples, MinimalPrintsItsOneMessage)
{
    const TestDomain domain;
    Program minimal(domain, "minimal", {});

    EXPECT_TRUE(minimal.finish().succeeded());
    EXPECT_EQ(minimal.output(), "1: 1 2\n");
}

TEST(Examples, ListenerHearsTheTwentyMessagesOfATalkerInOrder)
{
    const TestDomain domain;
    Program listener(domain, "listener", {"--count", "20", "--topic", "test/chatter"});
    ASSERT_TRUE(listener.waitFor("listening to test/chatter\n")) << listener.output();

    Program talker(domain, "talker", {"--count", "20", "--rate", "100", "--topic", "test/chatter"});

    EXPECT_TRUE(talker.finish().succeeded()) << talker.output();
    EXPECT_TRUE(listener.finish().succeeded()) << listener.output();
    std::size_t at = 0;
    for (int i = 1; i <= 20 && at != std::string::npos; ++i)
    {
        at = listener.output().find("heard [hello " + std::to_string(i) + "], number " + std::to_string(i) + " of", at);
    }
    EXPECT_NE(at, std::string::npos) << listener.output();
    EXPECT_TRUE(contains(listener.output(), "received 20, missed 0\n"));
}

TEST(Examples, ServiceClientGetsItsSumsFromAServer)
{
    const TestDomain domain;
    Program server(domain, "service", {"server"});
    ASSERT_TRUE(server.waitFor("serving math/add and math/sums\n")) << server.output();

    Program client(domain, "service", {"client", "--count", "3"});

    EXPECT_TRUE(client.finish().succeeded()) << client.output();
    EXPECT_EQ(client.output(), "1 + 1 = 2\n2 + 4 = 6\n3 + 9 = 12\n1 + 2 + ... + 1000000 = 500000500000\n");
    server.signal(SIGINT);
    EXPECT_TRUE(server.finish().succeeded()) << server.output();
}

TEST(Examples, YamlConfigRunsItsPoolDryAndFillsItAgain)
{
    const TestDomain domain;
    Program example(domain, "yaml_config", {});

    EXPECT_TRUE(example.finish().succeeded()) << example.output();
    EXPECT_TRUE(contains(example.output(), "holding 6 scans, the next loan answers: PoolExhausted\n"));
    EXPECT_TRUE(contains(example.output(), " 65536 bytes x  6,  6 in use,  0 free\n"));
    EXPECT_TRUE(contains(example.output(), "after dropping them, the next loan succeeds\n"));
}

TEST(Examples, YamlConfigNamesFileAndLineOfAMistakeAndCreatesNothing)
{
    const TestDomain domain;
    const TestDirectory directory;
    const std::filesystem::path file = directory.path() / "bad.yaml";
    std::ofstream(file) << "pools:\n  lidars:\n    chunks: [{size: 0, count: 6}]\n";

    Program example(domain, "yaml_config", {file});

    EXPECT_TRUE(example.finish().exitedWith(1));
    EXPECT_TRUE(example.output().starts_with(file.native() + ":3: ")) << example.output();
    EXPECT_TRUE(domain.files().empty());
}

TEST(Examples, CameraListenersReceiveEveryFrameSinceTheirStart)
{
    const TestDomain domain;
    const TestDirectory directory;
    Program early(domain, "camera_listener", {"--name", "early", "--output", directory.path() / "early"});
    ASSERT_TRUE(early.waitFor("early: listening\n")) << early.output();
    // A third of the usual rate: sanitizers need their time.
    Program talker(domain, "camera_talker", {"--seconds", "2", "--rate", "10"});
    ASSERT_TRUE(talker.waitFor("1 s: ")) << talker.output();
    Program late(domain, "camera_listener", {"--name", "late", "--output", directory.path() / "late"});

    EXPECT_TRUE(talker.finish().succeeded()) << talker.output();
    EXPECT_TRUE(early.finish().succeeded()) << early.output();
    EXPECT_TRUE(late.finish().succeeded()) << late.output();
    for (const std::string eye : {"left", "right"})
    {
        const std::string begin = "report camera/" + eye + ": ";
        const std::size_t published = talker.output().find(begin + "published ");
        ASSERT_NE(published, std::string::npos) << talker.output();
        const int count = std::atoi(talker.output().c_str() + published + begin.size() + std::strlen("published "));
        EXPECT_GT(count, 0);
        EXPECT_TRUE(contains(early.output(), begin + "received " + std::to_string(count) + ", missed 0, corrupt 0, "));
        EXPECT_TRUE(contains(late.output(), "payload in the mapped data segment: yes\n"));
        const std::string header = "P6\n1024 768\n255\n";
        for (const char* name : {"early", "late"})
        {
            const std::filesystem::path ppm = directory.path() / name / ("camera_" + eye + ".ppm");
            std::error_code error;
            EXPECT_EQ(std::filesystem::file_size(ppm, error), header.size() + 1024 * 768 * 3) << ppm;
        }
    }
}

TEST(Examples, CameraTalkerRefusesADamagedPicture)
{
    const TestDomain domain;
    const TestDirectory directory;
    for (const char* name : {"0_left.jpg", "0_right.jpg"})
    {
        const std::filesystem::path copy = directory.path() / name;
        std::filesystem::copy_file(std::filesystem::path(kImages) / name, copy);
        std::filesystem::resize_file(copy, std::filesystem::file_size(copy) / 2);
    }

    Program talker(domain, "camera_talker", {"--images", directory.path()});

    EXPECT_TRUE(talker.finish().exitedWith(1));
    EXPECT_TRUE(contains(talker.output(), "0_left.jpg: Premature end of JPEG file"));
}

TEST(Examples, CameraTalkerSaysWhatItMissesInADirectoryWithoutPictures)
{
    const TestDomain domain;
    const TestDirectory directory;

    Program talker(domain, "camera_talker", {"--images", directory.path()});

    EXPECT_TRUE(talker.finish().exitedWith(1));
    EXPECT_TRUE(contains(talker.output(), "found 0 left and 0 right pictures"));
}

TEST(Examples, ATalkerWhoseReaderLeavesEndsCleanly)
{
    const TestDomain domain;
    Program talker(domain, "talker", {"--rate", "100"});
    ASSERT_TRUE(talker.waitFor("saying [hello 3]")) << talker.output();

    talker.stopReading();

    EXPECT_TRUE(talker.finish().succeeded());
}

TEST(Examples, WaitSetHearsItsTimerAndATalkerUntilCtrlC)
{
    const TestDomain domain;
    Program example(domain, "wait_set", {"--period", "5"});
    ASSERT_TRUE(example.waitFor("waiting\n")) << example.output();
    Program talker(domain, "talker", {"--count", "3", "--rate", "100", "--topic", "greetings"});
    EXPECT_TRUE(talker.finish().succeeded()) << talker.output();
    ASSERT_TRUE(example.waitFor("heard a greeting")) << example.output();
    ASSERT_TRUE(example.waitFor("temperature 20.2")) << example.output();

    example.signal(SIGINT);

    EXPECT_TRUE(example.finish().succeeded());
    EXPECT_TRUE(contains(example.output(), "stopped after "));
}

TEST(Examples, EpollHearsItsTimerAndATalkerUntilCtrlC)
{
    const TestDomain domain;
    Program example(domain, "epoll", {"--period", "5"});
    ASSERT_TRUE(example.waitFor("waiting\n")) << example.output();
    Program talker(domain, "talker", {"--count", "3", "--rate", "100", "--topic", "greetings"});
    EXPECT_TRUE(talker.finish().succeeded()) << talker.output();
    ASSERT_TRUE(example.waitFor("heard [hello 3]")) << example.output();
    ASSERT_TRUE(example.waitFor("heard [tick ")) << example.output();

    example.signal(SIGINT);

    EXPECT_TRUE(example.finish().succeeded());
    EXPECT_TRUE(contains(example.output(), "stopped after "));
}

TEST(Examples, CoroutineAwaitsItsSquares)
{
    const TestDomain domain;
    Program example(domain, "coroutine", {"--count", "3"});

    EXPECT_TRUE(example.finish().succeeded());
    EXPECT_EQ(example.output(), "1 squared is 1\n2 squared is 4\n3 squared is 9\n");
}

TEST(Examples, ExecutorHandlesWhatItsTimerMakesAndEndsByItself)
{
    const TestDomain domain;
    Program example(domain, "executor", {"--seconds", "1"});

    EXPECT_TRUE(example.finish().succeeded()) << example.output();
    EXPECT_TRUE(contains(example.output(), "spinning\n1 s: "));
    EXPECT_TRUE(contains(example.output(), "made "));
    EXPECT_TRUE(contains(example.output(), "missed 0\n"));
}

TEST(Examples, LidarListenerReceivesScansOfVaryingLength)
{
    const TestDomain domain;
    Program listener(domain, "lidar", {"listener", "--count", "5"});
    ASSERT_TRUE(listener.waitFor("listening\n")) << listener.output();
    Program talker(domain, "lidar", {"talker", "--count", "5", "--rate", "100"});

    EXPECT_TRUE(talker.finish().succeeded()) << talker.output();
    EXPECT_TRUE(listener.finish().succeeded()) << listener.output();
    EXPECT_TRUE(contains(talker.output(), "scan 1: 2841 points\n"));
    EXPECT_TRUE(contains(listener.output(), "scan 1: 2841 points, the farthest at 10.0 m\n"));
    EXPECT_TRUE(contains(listener.output(), "scan 5: 1041 points, the farthest at 10.0 m\n"));
    EXPECT_TRUE(contains(listener.output(), "received 5 scans, "));
    EXPECT_TRUE(contains(listener.output(), ", missed 0\n"));
}

TEST(Examples, LidarRefusesAnUnknownMode)
{
    const TestDomain domain;
    Program example(domain, "lidar", {"reader"});

    EXPECT_TRUE(example.finish().exitedWith(2));
    EXPECT_TRUE(contains(example.output(), "expected talker or listener"));
}

struct Endless
{
    std::string m_program;
    std::vector<std::string> m_arguments;
    std::string m_line; ///< once it has printed this, it is in its loop
    int m_signal;
};

class ExampleThatRunsForEver : public ::testing::TestWithParam<Endless>
{
};

TEST_P(ExampleThatRunsForEver, EndsCleanlyWhenASignalSaysSo)
{
    const TestDomain domain; // complains about files at its end
    Program program(domain, GetParam().m_program, GetParam().m_arguments);
    ASSERT_TRUE(program.waitFor(GetParam().m_line)) << program.output();
    EXPECT_FALSE(domain.files().empty());

    program.signal(GetParam().m_signal);

    EXPECT_TRUE(program.finish().succeeded()) << program.output();
    EXPECT_TRUE(domain.files().empty());
}

INSTANTIATE_TEST_SUITE_P(
    Signal, ExampleThatRunsForEver,
    ::testing::Values(
        Endless{"talker", {}, "saying [hello 2]", SIGINT}, Endless{"talker", {}, "saying [hello 2]", SIGTERM},
        Endless{"listener", {}, "listening", SIGINT}, Endless{"listener", {}, "listening", SIGTERM},
        Endless{"camera_talker", {"--seconds", "0", "--rate", "5"}, "1 s: ", SIGINT},
        Endless{"camera_talker", {"--seconds", "0", "--rate", "5"}, "1 s: ", SIGTERM},
        Endless{"camera_listener", {}, "listening", SIGINT}, Endless{"camera_listener", {}, "listening", SIGTERM},
        Endless{"wait_set", {}, "waiting", SIGTERM}, Endless{"epoll", {}, "waiting", SIGTERM},
        Endless{"coroutine", {"--count", "1000000000"}, "squared", SIGINT},
        Endless{"executor", {"--seconds", "0"}, "1 s: ", SIGINT},
        Endless{"executor", {"--seconds", "0"}, "1 s: ", SIGTERM}, Endless{"lidar", {"listener"}, "listening", SIGINT},
        Endless{"lidar", {"talker"}, "scan 2: ", SIGTERM}),
    [](const ::testing::TestParamInfo<Endless>& test)
    {
        std::string name = test.param.m_program + (test.param.m_signal == SIGINT ? "Int" : "Term");
        std::erase(name, '_');
        return name;
    });

class ExampleWithOptions : public ::testing::TestWithParam<std::string>
{
};

TEST_P(ExampleWithOptions, RefusesAnUnknownOneWithAUsageLine)
{
    const TestDomain domain;
    Program program(domain, GetParam(), {"--no-such-option"});

    EXPECT_TRUE(program.finish().exitedWith(2));
    EXPECT_TRUE(contains(program.output(), "unknown option '--no-such-option'"));
    EXPECT_TRUE(contains(program.output(), "usage: " + GetParam()));
}

TEST_P(ExampleWithOptions, ExplainsItself)
{
    const TestDomain domain;
    Program program(domain, GetParam(), {"--help"});

    EXPECT_TRUE(program.finish().succeeded());
    EXPECT_TRUE(contains(program.output(), "usage: " + GetParam()));
}

INSTANTIATE_TEST_SUITE_P(Every, ExampleWithOptions,
                         ::testing::Values("talker", "listener", "yaml_config", "camera_talker", "camera_listener",
                                           "wait_set", "epoll", "coroutine", "executor", "lidar"),
                         [](const ::testing::TestParamInfo<std::string>& test)
                         {
                             std::string name = test.param;
                             std::erase(name, '_');
                             return name;
                         });

} // namespace
} // namespace ZeroCP::test
