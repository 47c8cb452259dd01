/// What an administrator may decide about a domain: plain values, made by code or by the YAML loader, then validated.
/// Process-local; lives as long as whoever created a Node needs it; any number of threads may read it.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "zerocp/config/qos.hpp"
#include "zerocp/core/error.hpp"

namespace ZeroCP
{

/// Size classes of one pool set: MemPoolManager has this many pools.
inline constexpr std::size_t kMaxChunkClasses = 16;
/// Chunks of one pool set, all size classes together: an index has 20 bits and two values are reserved.
inline constexpr std::uint64_t kMaxChunksPerPool = 1048574;
/// Largest pool set, 64 TiB: half of the address space of a process on x86-64, because files are mapped whole.
inline constexpr std::uint64_t kMaxPoolSetBytes = std::uint64_t{64} << 40;

/// Who may open a file of the domain.
struct AccessConfig
{
    std::uint32_t mode = 0600; ///< at least rw for the owner, at most 0777
    std::string group;         ///< name or number; empty: the group of the process

    [[nodiscard]] bool operator==(const AccessConfig&) const = default;
};

/// Sizes of the tables in shared memory. They are sparse: unused rows cost address space, not memory.
struct Limits
{
    std::uint32_t topics = 1024;                ///< up to 1000000, so that a scan of the table stays below a second
    std::uint32_t endpoints = 4096;             ///< up to 1000000, likewise
    std::uint32_t portsPerTopic = 128;          ///< up to 1024: every chunk has one holder bit per port
    std::uint32_t processes = 256;              ///< up to 65536: one lock byte and one table row each
    std::uint32_t maxLoans = 4;                 ///< per publisher, up to kMaxOutstanding; QoS::maxLoans overrides it
    std::uint32_t maxHeld = 4;                  ///< per subscriber, up to kMaxOutstanding; QoS::maxHeld overrides it
    std::uint64_t maxMessageBytes = 1073741824; ///< of a Slice whose topic has automatic pools; up to kMaxPoolSetBytes
    std::uint64_t poolSetBytes = 4294967296;    ///< address space of a pool set; one page up to kMaxPoolSetBytes

    [[nodiscard]] bool operator==(const Limits&) const = default;
};

struct QueueConfig
{
    std::uint32_t keepAllCapacity = 1024;                              ///< slots per pair with keepAll; up to kMaxDepth
    std::chrono::nanoseconds publishTimeout = std::chrono::seconds{1}; ///< 0: never wait; up to 24 h

    [[nodiscard]] bool operator==(const QueueConfig&) const = default;
};

struct WaitConfig
{
    std::chrono::nanoseconds spin = std::chrono::microseconds{20}; ///< before sleeping; 0: sleep at once; up to 1 s

    [[nodiscard]] bool operator==(const WaitConfig&) const = default;
};

/// `count` chunks with room for `size` bytes of payload each; headers come on top.
struct ChunkClass
{
    std::uint64_t size = 0;
    std::uint32_t count = 0;

    [[nodiscard]] bool operator==(const ChunkClass&) const = default;
};

/// What is done with the pages of a pool set, so that a real-time process pays for them before it runs: docs/real-time.md.
struct MemoryConfig
{
    bool prefault = false;                 ///< mapped before the first message, in every process with an endpoint in it
    bool lock = false;                     ///< the same, and never swapped out
    bool hugePages = false;                ///< chunks in pages of 2 MiB where the kernel provides them
    std::optional<std::uint32_t> numaNode; ///< chunks in this node's memory; empty: where the kernel likes

    [[nodiscard]] bool operator==(const MemoryConfig&) const = default;
};

/// One pool set: a name of [A-Za-z0-9_-]{1,64} (it becomes part of a file name) and 1 to 16 size classes in any order.
struct PoolConfig
{
    std::string name;
    std::vector<ChunkClass> chunks;
    AccessConfig access;
    MemoryConfig memory;
    std::string source; ///< "file:line", or empty if it was made by code
};

struct TopicConfig
{
    std::string name;                ///< normalised, see topic_name.hpp
    std::optional<std::string> pool; ///< a pool set of Config::pools; empty: automatic
    std::optional<QoS> qos;
    std::string source; ///< "file:line", or empty if it was made by code
};

struct Config
{
    std::uint32_t domain = 0; ///< up to 65535
    AccessConfig access;      ///< of the discovery segment and the lock file
    Limits limits;
    QueueConfig queue;
    WaitConfig wait;
    std::vector<PoolConfig> pools;
    std::vector<TopicConfig> topics;

    /// Null if there is none. Borrowed until `pools` changes.
    [[nodiscard]] const PoolConfig* findPool(std::string_view name) const noexcept;
    /// Null if there is none; a leading '/' makes no difference. Borrowed until `topics` changes.
    [[nodiscard]] const TopicConfig* findTopic(std::string_view name) const noexcept;
};

/// ConfigInvalid for the first value that cannot be used; the message has the key as YAML spells it, what was found and
/// what was expected. Changes and reorders nothing.
[[nodiscard]] Expected<void, Error> validate(const Config& config);

} // namespace ZeroCP
