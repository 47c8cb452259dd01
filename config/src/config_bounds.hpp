/// The bounds of single configuration values and the words that explain them, for code and YAML alike.
/// Inside config only.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "zerocp/config/config.hpp"
#include "zerocp/config/qos.hpp"

namespace ZeroCP
{

struct NumberBounds
{
    std::uint64_t least;
    std::uint64_t most;

    [[nodiscard]] constexpr bool contain(std::uint64_t value) const noexcept { return least <= value && value <= most; }
};

/// From `least` up to and including `most`.
struct DurationBounds
{
    std::chrono::seconds most;
    std::chrono::microseconds least{0};

    [[nodiscard]] constexpr bool contain(std::chrono::nanoseconds value) const noexcept
    {
        return least <= value && value <= most;
    }
};

/// The reasons are with the members they bound, in config.hpp and qos.hpp.
namespace Allowed
{
inline constexpr NumberBounds kDomain{0, 65535};
inline constexpr NumberBounds kTopics{1, 1000000};
inline constexpr NumberBounds kEndpoints{1, 1000000};
inline constexpr NumberBounds kPortsPerTopic{1, 1024};
inline constexpr NumberBounds kProcesses{1, 65536};
inline constexpr NumberBounds kOutstanding{1, kMaxOutstanding};
inline constexpr NumberBounds kDepth{1, kMaxDepth};
inline constexpr NumberBounds kMessageBytes{1, kMaxPoolSetBytes};
inline constexpr NumberBounds kPoolSetBytes{4096, kMaxPoolSetBytes};
inline constexpr NumberBounds kChunkSize{1, kMaxPoolSetBytes};
inline constexpr NumberBounds kChunkCount{1, kMaxChunksPerPool};
inline constexpr NumberBounds kNumaNode{0, 1023};
inline constexpr DurationBounds kPublishTimeout{std::chrono::hours{24}};
inline constexpr DurationBounds kSpin{std::chrono::seconds{1}};
inline constexpr DurationBounds kPeriod{std::chrono::duration_cast<std::chrono::seconds>(kLongestPeriod),
                                        std::chrono::duration_cast<std::chrono::microseconds>(kShortestPeriod)};
} // namespace Allowed

inline constexpr std::string_view kExpectedMode =
    "an octal mode in quotes from \"0600\" to \"0777\" with read and write for the owner";
inline constexpr std::string_view kExpectedGroup = "the name or number of a group, without blanks, up to 255 bytes";
inline constexpr std::string_view kExpectedPoolName = "a pool name of 1 to 64 letters, digits, '_' or '-'";

/// "a whole number from 1 to 1024".
[[nodiscard]] std::string toExpectedText(NumberBounds bounds);
/// "a duration such as 20us, 5ms or 1s, from 0 to 86400s".
[[nodiscard]] std::string toExpectedText(DurationBounds bounds);

[[nodiscard]] bool isModeAllowed(std::uint32_t mode) noexcept;
[[nodiscard]] bool isGroupName(std::string_view text) noexcept;
[[nodiscard]] bool isPoolName(std::string_view text) noexcept;

} // namespace ZeroCP
