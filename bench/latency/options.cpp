#include "latency/options.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

namespace latency
{

namespace
{

using Outcome = tl::expected<void, std::string>;

tl::unexpected<std::string> wrong(std::string_view option, std::string_view found, std::string_view expected)
{
    std::string sentence{option};
    sentence.append(": found '").append(found).append("', expected ").append(expected);
    return tl::unexpected(sentence);
}

/// A whole number; with `takesUnit` also with K or M for 1024 and 1024 * 1024.
std::optional<std::uint64_t> numberIn(std::string_view text, bool takesUnit)
{
    std::uint64_t unit = 1;
    if (takesUnit && (text.ends_with('K') || text.ends_with('M')))
    {
        unit = text.back() == 'K' ? 1U << 10 : 1U << 20;
        text.remove_suffix(1);
    }
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (text.empty() || error != std::errc() || end != text.data() + text.size() || number > UINT64_MAX / unit)
    {
        return std::nullopt;
    }
    return number * unit;
}

std::vector<std::string_view> partsOf(std::string_view list)
{
    std::vector<std::string_view> parts;
    for (;;)
    {
        const std::size_t comma = list.find(',');
        parts.push_back(list.substr(0, comma));
        if (comma == std::string_view::npos)
        {
            return parts;
        }
        list.remove_prefix(comma + 1);
    }
}

/// Each once, however often it was named.
template <typename Value>
void addOnce(std::vector<Value>& values, Value value)
{
    if (std::find(values.begin(), values.end(), value) == values.end())
    {
        values.push_back(value);
    }
}

Outcome readPayloads(Options& options, std::string_view list)
{
    options.m_payloads.clear();
    for (const std::string_view part : partsOf(list))
    {
        const auto bytes = numberIn(part, true);
        if (!bytes || *bytes % 8 != 0 || *bytes < Options::kLeastPayload || *bytes > Options::kMostPayload)
        {
            return wrong("--payload", part, "multiples of 8 from 16 to 256M, for example 64,4K,1M");
        }
        addOnce(options.m_payloads, *bytes);
    }
    return {};
}

Outcome readModes(Options& options, std::string_view list)
{
    options.m_modes.clear();
    for (const std::string_view part : partsOf(list))
    {
        bool isKnown = false;
        for (const Mode mode : kModes)
        {
            if (part == toString(mode) || part == "all")
            {
                addOnce(options.m_modes, mode);
                isKnown = true;
            }
        }
        if (!isKnown)
        {
            std::string names;
            for (const Mode mode : kModes)
            {
                names.append(toString(mode)).append(", ");
            }
            return wrong("--mode", part, names + "all, or several with commas between them");
        }
    }
    return {};
}

Outcome readTouch(Options& options, std::string_view word)
{
    for (const Touch touch : {Touch::Ends, Touch::Full})
    {
        if (word == toString(touch))
        {
            options.m_touch = touch;
            return {};
        }
    }
    return wrong("--touch", word, "ends or full");
}

Outcome readCount(std::uint64_t& count, std::string_view option, std::string_view word, std::uint64_t most)
{
    const auto number = numberIn(word, false);
    if (!number || *number == 0 || *number > most)
    {
        return wrong(option, word, "a number from 1 to " + std::to_string(most));
    }
    count = *number;
    return {};
}

Outcome readFile(Options& options, std::string_view name)
{
    if (name.empty())
    {
        return wrong("--json", name, "the name of a file");
    }
    options.m_jsonFile = name;
    return {};
}

/// False if there is no such flag.
bool readFlag(Options& options, std::string_view flag)
{
    if (flag == "--awake" || flag == "--no-awake")
    {
        options.m_keepsAwake = flag == "--awake";
    }
    else if (flag == "--slices")
    {
        options.m_onlySlices = true;
    }
    else if (flag == "--help" || flag == "-h")
    {
        options.m_wantsHelp = true;
    }
    else
    {
        return false;
    }
    return true;
}

struct OptionWithValue
{
    std::string_view m_name;
    Outcome (*m_read)(Options& options, std::string_view value);
};

constexpr OptionWithValue kOptionsWithValue[] = {
    {"--payload", readPayloads},
    {"--mode", readModes},
    {"--touch", readTouch},
    {"--samples", [](Options& options, std::string_view word)
     { return readCount(options.m_samples, "--samples", word, Options::kMostSamples); }},
    {"--repeats", [](Options& options, std::string_view word)
     { return readCount(options.m_repeats, "--repeats", word, Options::kMostRepeats); }},
    {"--near-below", [](Options& options, std::string_view word)
     { return readCount(options.m_nearBelowNs, "--near-below", word, Options::kMostNearNs); }},
    {"--json", readFile},
};

} // namespace

tl::expected<Options, std::string> parseOptions(std::span<const char* const> arguments)
{
    Options options;
    for (std::size_t i = 0; i < arguments.size(); ++i)
    {
        const std::string_view name = arguments[i];
        if (readFlag(options, name))
        {
            continue;
        }
        const auto* known = std::find_if(std::begin(kOptionsWithValue), std::end(kOptionsWithValue),
                                         [name](const OptionWithValue& option) { return option.m_name == name; });
        if (known == std::end(kOptionsWithValue))
        {
            return tl::unexpected("unknown option '" + std::string(name) + "'; --help names those that there are");
        }
        if (++i == arguments.size())
        {
            return tl::unexpected(std::string(name) + " wants a value behind it; see --help");
        }
        if (const Outcome read = known->m_read(options, arguments[i]); !read)
        {
            return tl::unexpected(read.error());
        }
    }
    return options;
}

std::string helpText(std::string_view program)
{
    std::string text = "usage: ";
    text.append(program).append(R"( [OPTION...]

Latency between two processes, each on a CPU of its own (the first two that this process may use): a message goes there,
another comes back, and half of that time is one way. The raw hand-over through the same kind of memory and the systems
take turns; nothing else should run on the machine.

  --payload BYTES[,BYTES...]  sizes of messages, K and M allowed (64,4K,64K,1M,16M)
  --mode MODE[,MODE...]       how the receiver waits (all):
                                busy       looks again and again: raw, zerocp with take()
                                spin       zerocp with wait(), wait.spin = 20 us
                                blocking   sleeps at once: raw futex, zerocp with wait(), wait.spin = 0
                                fd         zerocp in poll() on Subscriber::fd()
  --touch ends|full           what both sides touch of a message: its first and last 8 bytes, or all of it (ends)
  --samples N                 round trips of a slice at most; it also ends after 50 ms (100000)
  --repeats N                 how often each is measured (5)
  --near-below NS             CPUs are 'near' each other if a cache line takes less one way (95)
  --awake, --no-awake         whether a SCHED_IDLE process on each CPU keeps it from being idle where a receiver may sleep;
                              without, what is measured is how fast a hypervisor wakes a CPU (--awake)
  --slices                    zerocp: messages of run-time length (Slice) instead of types of that size; where there is no
                              such type (sizes other than those above) it is a Slice anyway
  --json FILE                 writes the table there too

A slice of a few tens of milliseconds is two new processes. Before and after it one cache line goes back and forth ('line'):
if that is quick the CPUs are 'near' each other, threads of one core, else 'far'. Where the two disagree, the host moved a
CPU: the slice is dropped, counted, and tried again up to twice. Slices of different classes are never put together.

p50, p99, p99.9 and 'mid', the mean of the middle half, are medians over the repeats' own; max is that of all. 'x raw' is
the ratio of mid to that of the raw hand-over of the same class, payload and touch: busy and spin against raw busy,
blocking and fd against raw blocking. Mid, because the steps of the clock may be 10 ns. The clock is read once per round
trip, in all systems alike: the end of one is the start of the next. The read is part of the round trip, so half of it is
in every figure, and ratios are a little nearer to 1 than without it.
)");
    return text;
}

} // namespace latency
