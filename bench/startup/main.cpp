// What it costs to begin: attaching to a domain, creating endpoints, the first message of a process, an idle domain's memory.
// Every process is a fresh one, started with exec as a user's would be. Prints medians and the most of all; bounds and
// figures: docs/performance.md.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "zerocp/zerocp.hpp"

namespace
{

using Message = std::uint64_t;

constexpr int kProcesses = 50; ///< per figure
constexpr int kEndpoints = 20; ///< per process

std::int64_t nowNs()
{
    return std::chrono::steady_clock::now().time_since_epoch().count();
}

ZeroCP::NodeOptions optionsFor(std::uint32_t domain)
{
    return {.domain = domain, .configFile = {}, .root = {}, .config = {}};
}

template <typename T>
T orEnd(ZeroCP::Expected<T, ZeroCP::Error> result)
{
    if (!result)
    {
        std::fprintf(stderr, "zerocp_startup: %s\n", result.error().message().c_str());
        std::exit(1);
    }
    return std::move(*result);
}

/// Figures of one fresh process, in nanoseconds.
struct Figures
{
    double m_attach;
    double m_publisher;
    double m_subscriber;
    double m_firstMessage; ///< from before exec until the message is taken
};

double medianOf(std::vector<double> values)
{
    std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2), values.end());
    return values[values.size() / 2];
}

/// The fresh process. `startNs`: when its parent began to start it.
int beOne(std::uint32_t domain, std::int64_t startNs)
{
    Figures figures{};
    const std::int64_t before = nowNs();
    ZeroCP::Node node = orEnd(ZeroCP::Node::create("starter", optionsFor(domain)));
    figures.m_attach = static_cast<double>(nowNs() - before);

    auto publisher = orEnd(node.createPublisher<Message>("startup"));
    auto subscriber = orEnd(node.createSubscriber<Message>("startup"));
    if (!publisher.publishCopy(1) || !subscriber.take())
    {
        std::fprintf(stderr, "zerocp_startup: the first message was not received\n");
        return 1;
    }
    figures.m_firstMessage = static_cast<double>(nowNs() - startNs);

    std::vector<double> publishers;
    std::vector<double> subscribers;
    for (int i = 0; i < kEndpoints; ++i)
    {
        const std::int64_t start = nowNs();
        const auto another = orEnd(node.createPublisher<Message>("startup"));
        const std::int64_t middle = nowNs();
        const auto reader = orEnd(node.createSubscriber<Message>("startup"));
        publishers.push_back(static_cast<double>(middle - start));
        subscribers.push_back(static_cast<double>(nowNs() - middle));
    }
    figures.m_publisher = medianOf(publishers);
    figures.m_subscriber = medianOf(subscribers);
    return std::fwrite(&figures, sizeof figures, 1, stdout) == 1 ? 0 : 1;
}

bool startOne(std::uint32_t domain, Figures& figures)
{
    int ends[2];
    if (::pipe(ends) != 0)
    {
        return false;
    }
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    ::posix_spawn_file_actions_addclose(&actions, ends[0]);
    const std::string number = std::to_string(domain);
    const std::string start = std::to_string(nowNs());
    std::string program = "/proc/self/exe";
    const char* arguments[] = {"zerocp_startup", "one", number.c_str(), start.c_str(), nullptr};
    pid_t child = 0;
    const int failed =
        ::posix_spawn(&child, program.c_str(), &actions, nullptr, const_cast<char* const*>(arguments), environ);
    ::posix_spawn_file_actions_destroy(&actions);
    ::close(ends[1]);
    const bool read = failed == 0 && ::read(ends[0], &figures, sizeof figures) == static_cast<ssize_t>(sizeof figures);
    ::close(ends[0]);
    int status = 1;
    return read && ::waitpid(child, &status, 0) == child && status == 0;
}

/// Memory that the files of the domain occupy, in KiB.
std::uint64_t residentKiB(std::uint32_t domain)
{
    const std::string prefix = "zerocp." + std::to_string(domain) + ".";
    std::uint64_t blocks = 0;
    for (const auto& entry : std::filesystem::directory_iterator("/dev/shm"))
    {
        struct stat about;
        if (entry.path().filename().native().starts_with(prefix) && ::stat(entry.path().c_str(), &about) == 0)
        {
            blocks += static_cast<std::uint64_t>(about.st_blocks);
        }
    }
    return blocks / 2;
}

/// Memory that this process has for itself and shares, in KiB.
std::uint64_t processKiB()
{
    std::ifstream statm("/proc/self/statm");
    std::uint64_t size = 0;
    std::uint64_t resident = 0;
    statm >> size >> resident;
    return resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)) / 1024;
}

void print(const char* name, std::vector<double> values, const char* bound)
{
    std::sort(values.begin(), values.end());
    std::printf("%-58s %9.1f %9.1f   %s\n", name, values[values.size() / 2] / 1000, values.back() / 1000, bound);
}

bool measure(const char* who, std::uint32_t domain)
{
    std::vector<double> attach;
    std::vector<double> publisher;
    std::vector<double> subscriber;
    std::vector<double> first;
    for (int i = 0; i < kProcesses; ++i)
    {
        Figures figures{};
        if (!startOne(domain, figures))
        {
            std::fprintf(stderr, "zerocp_startup: a process failed\n");
            return false;
        }
        attach.push_back(figures.m_attach);
        publisher.push_back(figures.m_publisher);
        subscriber.push_back(figures.m_subscriber);
        first.push_back(figures.m_firstMessage);
    }
    std::printf("%-58s %9s %9s\n", who, "median us", "most us");
    print("  Node::create", attach, "bound 500");
    print("  createPublisher, pool there", publisher, "bound 50");
    print("  createSubscriber, pool there", subscriber, "bound 50");
    print("  process start until the first message is taken", first, "bound 5000");
    return true;
}

} // namespace

int main(int argc, char** argv)
{
    if (argc == 4 && std::string_view(argv[1]) == "one")
    {
        return beOne(static_cast<std::uint32_t>(std::strtoul(argv[2], nullptr, 10)),
                     std::strtoll(argv[3], nullptr, 10));
    }
    const std::uint32_t domain = 40000 + static_cast<std::uint32_t>(::getpid()) % 10000;
    const bool alone = measure("alone in the domain, which each process makes", domain);

    const std::uint64_t without = processKiB();
    ZeroCP::Node node = orEnd(ZeroCP::Node::create("keeper", optionsFor(domain)));
    std::printf("idle domain: %lu KiB in its files, %lu KiB in the process (bound 2048)\n",
                static_cast<unsigned long>(residentKiB(domain)), static_cast<unsigned long>(processKiB() - without));
    const auto publisher = orEnd(node.createPublisher<Message>("startup"));
    const auto subscriber = orEnd(node.createSubscriber<Message>("startup"));
    std::printf("with one topic: %lu KiB in its files, %lu KiB in the process\n",
                static_cast<unsigned long>(residentKiB(domain)), static_cast<unsigned long>(processKiB() - without));
    return alone && measure("beside a process with both endpoints", domain) ? 0 : 1;
}
