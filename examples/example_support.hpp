/// What every example needs around its one idea: options, Ctrl-C, a clock. Nothing in here belongs to ZeroCP.
#pragma once

#include <atomic>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace example
{

/// How an example ends. Ctrl-C is a way to end it, not a failure: 0.
inline constexpr int kSuccess = 0;
inline constexpr int kFailure = 1;
inline constexpr int kWrongUsage = 2;

/// Loops that wait look at stopRequested() this often.
inline constexpr std::chrono::milliseconds kPatience{100};

inline std::atomic<bool> g_stop{false};
static_assert(std::atomic<bool>::is_always_lock_free, "a signal handler may not wait for a lock");

/// From now on Ctrl-C, SIGTERM, a closed terminal and a reader that left (`talker | head -3`) only raise a flag: main()
/// returns as usual, so that destructors leave the domain and the last one out removes its files.
inline void stopOnSignals()
{
    for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGPIPE})
    {
        std::signal(number, [](int) { g_stop = true; });
    }
    std::setvbuf(stdout, nullptr, _IOLBF, 0); // each line at once, also into a pipe
}

[[nodiscard]] inline bool stopRequested()
{
    return g_stop;
}

/// The clock of MessageInfo::publishTimeNs: steady_clock is CLOCK_MONOTONIC on Linux, with gcc and with clang.
[[nodiscard]] inline std::uint64_t monotonicNs()
{
    const auto now = std::chrono::steady_clock::now().time_since_epoch();
    return static_cast<std::uint64_t>(std::chrono::nanoseconds(now).count());
}

/// `--rate N`, or a bare argument if the name has no dashes. The variable's value before parsing is the default.
struct Option
{
    std::string_view name;
    std::variant<std::uint32_t*, std::string*> target;
    std::string_view help;
    std::uint32_t lowest{0};
    std::uint32_t highest{1'000'000'000};
};

namespace detail
{

inline void printUsage(std::FILE* out, std::string_view program, std::span<const Option> options)
{
    std::string line = "usage: " + std::string(program);
    for (const Option& option : options)
    {
        const bool number = std::holds_alternative<std::uint32_t*>(option.target);
        const bool bare = !option.name.starts_with("--");
        line += " [" + std::string(option.name) + (bare ? "]" : number ? " N]" : " TEXT]");
    }
    std::fprintf(out, "%s [--help]\n", line.c_str());
}

inline void printHelp(std::string_view program, std::string_view summary, std::span<const Option> options)
{
    std::printf("%s\n\n", std::string(summary).c_str());
    printUsage(stdout, program, options);
    for (const Option& option : options)
    {
        const auto* number = std::get_if<std::uint32_t*>(&option.target);
        const std::string usual = number != nullptr ? std::to_string(**number) : *std::get<std::string*>(option.target);
        std::printf("  %-10s %s%s\n", std::string(option.name).c_str(), std::string(option.help).c_str(),
                    usual.empty() ? "" : (" (default: " + usual + ")").c_str());
    }
}

/// What is wrong with `text`, or nothing.
[[nodiscard]] inline std::optional<std::string> assign(const Option& option, std::string_view text)
{
    if (auto* const* target = std::get_if<std::string*>(&option.target))
    {
        **target = text;
        return std::nullopt;
    }
    std::uint32_t value = 0;
    const char* end = text.data() + text.size();
    const auto parsed = std::from_chars(text.data(), end, value);
    if (parsed.ec != std::errc{} || parsed.ptr != end || value < option.lowest || value > option.highest)
    {
        return std::string(option.name) + ": found '" + std::string(text) + "', expected a number from " +
               std::to_string(option.lowest) + " to " + std::to_string(option.highest);
    }
    *std::get<std::uint32_t*>(option.target) = value;
    return std::nullopt;
}

/// Takes one option off the front of `arguments`; what is wrong with it, or nothing.
[[nodiscard]] inline std::optional<std::string> parseNext(std::span<char* const>& arguments,
                                                          std::span<const Option> options)
{
    const std::string_view word = arguments.front();
    arguments = arguments.subspan(1);
    const bool bare = !word.starts_with("-");
    for (const Option& option : options)
    {
        if (bare && !option.name.starts_with("--"))
        {
            return assign(option, word);
        }
        if (word != option.name)
        {
            continue;
        }
        if (arguments.empty())
        {
            return std::string(word) + " needs a value";
        }
        const std::string_view value = arguments.front();
        arguments = arguments.subspan(1);
        return assign(option, value);
    }
    return "unknown " + std::string(bare ? "argument" : "option") + " '" + std::string(word) + "'";
}

} // namespace detail

/// Fills the targets. The exit code to leave with if there is nothing more to do: 0 after --help, 2 if an option is
/// unknown or its value cannot be used.
[[nodiscard]] inline std::optional<int> parseOptions(int argc, char** argv, std::string_view summary,
                                                     std::initializer_list<Option> list)
{
    const std::vector<Option> options(list);
    const std::string path = argc > 0 ? argv[0] : "example";
    const std::string program = path.substr(path.rfind('/') + 1);
    std::span<char* const> arguments(argv, static_cast<std::size_t>(argc));
    arguments = arguments.subspan(argc > 0 ? 1 : 0);
    for (const std::string_view argument : arguments)
    {
        if (argument == "--help" || argument == "-h")
        {
            detail::printHelp(program, summary, options);
            return kSuccess;
        }
    }
    while (!arguments.empty())
    {
        if (const auto wrong = detail::parseNext(arguments, options))
        {
            std::fprintf(stderr, "%s: %s\n", program.c_str(), wrong->c_str());
            detail::printUsage(stderr, program, options);
            return kWrongUsage;
        }
    }
    return std::nullopt;
}

/// For calls that answer with a sentence: prints it. `return fail(node.error().message());`
[[nodiscard]] inline int fail(std::string_view sentence)
{
    std::fprintf(stderr, "%s\n", std::string(sentence).c_str());
    return kFailure;
}

} // namespace example
