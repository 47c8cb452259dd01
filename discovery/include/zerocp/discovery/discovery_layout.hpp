/// The discovery segment: who takes part in a domain, which topics exist, who publishes and subscribes them, and which
/// pool set carries each topic. Tables of records, changed under the control lock only; readers without the lock see
/// each record's m_state last when it appears and first when it goes, and check everything else.
///
///   SegmentHeader | DiscoveryHeader | (page) processes | (page) nodes | (page) topics | (page) endpoints |
///   (page) pool sets | (page) waiters
///
/// The segment has address space for the configured limits; rows are committed as they are first used.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>

#include "zerocp/core/segment_header.hpp"
#include "zerocp/core/waiter_record.hpp"

namespace ZeroCP
{

enum class RecordState : std::uint32_t
{
    Free,
    Used,
};

/// A zero-terminated name of at most Bytes - 1 bytes.
template <std::size_t Bytes>
struct FixedName
{
    std::array<char, Bytes> m_text;

    /// The name, cut at the end of the array whatever a peer wrote.
    [[nodiscard]] std::string_view view() const noexcept
    {
        std::size_t length = 0;
        while (length < Bytes && m_text[length] != '\0')
        {
            ++length;
        }
        return {m_text.data(), length};
    }
    /// `name` is cut if it is too long; callers that must not cut have checked before.
    void assign(std::string_view name) noexcept
    {
        m_text.fill('\0');
        name.substr(0, Bytes - 1).copy(m_text.data(), Bytes - 1);
    }
    [[nodiscard]] static constexpr std::size_t maxLength() noexcept { return Bytes - 1; }
};

struct Table
{
    std::uint64_t m_offset; ///< from the start of the segment
    std::uint32_t m_capacity;
    std::atomic<std::uint32_t> m_highWater; ///< rows below have been used and are committed
};

/// Ports that somebody had to leave Dying.
enum class PortsLeft : std::uint32_t
{
    None,
    Swept,     ///< they hold nothing; a publisher is stopped in a call: the next control call tries again
    Abandoned, ///< without the control lock, so they may hold chunks: also who only runs short of them looks
};

struct alignas(kCacheLineBytes) DiscoveryHeader
{
    std::atomic<std::uint64_t> m_controlSequence; ///< odd while somebody changes the tables
    std::atomic<std::uint64_t> m_graphVersion;    ///< moves with every node and endpoint that comes or goes
    std::uint64_t m_nextEndpointId;
    std::uint64_t m_nextPoolSet;

    alignas(kCacheLineBytes) Table m_processes;
    Table m_nodes;
    Table m_topics;
    Table m_endpoints;
    Table m_poolSets;
    Table m_waiters; ///< WaiterRecord

    alignas(kCacheLineBytes) std::uint64_t m_poolSetBytes; ///< limits of the process that made the domain
    std::uint64_t m_maxMessageBytes;
    std::uint32_t m_portsPerTopic;
    std::uint32_t m_domain;
    std::atomic<PortsLeft> m_portsLeft;
};

static_assert(std::atomic<PortsLeft>::is_always_lock_free && sizeof(std::atomic<PortsLeft>) == 4);
static_assert(sizeof(Table) == 16 && offsetof(DiscoveryHeader, m_processes) == 64);
static_assert(offsetof(DiscoveryHeader, m_poolSetBytes) == 192 && sizeof(DiscoveryHeader) == 256);
static_assert(std::is_standard_layout_v<DiscoveryHeader> && std::is_trivially_destructible_v<DiscoveryHeader>);

/// Row i belongs to the process that holds lock byte i; whether it lives, the lock says.
struct ProcessRecord
{
    std::atomic<std::uint32_t> m_state;
    std::uint32_t m_pid; ///< for people; pids are reused and differ between pid namespaces
    FixedName<56> m_name;
};

struct NodeRecord
{
    std::atomic<std::uint32_t> m_state;
    std::uint32_t m_process;
    FixedName<256> m_name;
};

struct TopicRecord
{
    std::atomic<std::uint32_t> m_state;
    std::uint32_t m_poolSet;
    std::uint64_t m_typeSize;
    std::uint64_t m_typeAlignment;
    std::uint64_t m_descriptionHash;
    std::uint32_t m_isSlice;
    std::uint32_t m_reserved;
    FixedName<256> m_name;
    FixedName<512> m_typeName;
};

struct EndpointRecord
{
    std::atomic<std::uint32_t> m_state;
    std::uint32_t m_kind; ///< PortKind
    std::uint32_t m_topic;
    std::uint32_t m_node;
    std::uint32_t m_process;
    std::uint32_t m_port; ///< record in the topic's pool set
    std::uint64_t m_id;
    std::uint32_t m_history;
    std::uint32_t m_depth;
    std::uint32_t m_reliability;
    std::uint32_t m_durability;
    std::uint32_t m_maxLoans; ///< or held samples
    std::uint32_t m_liveliness;
    std::uint64_t m_deadlineNs; ///< 0: none, as the next two
    std::uint64_t m_lifespanNs;
    std::uint64_t m_leaseNs;
};

struct PoolSetRecord
{
    std::atomic<std::uint32_t> m_state;
    std::uint32_t m_automatic;
    /// Not 0: a port of the set may be Dying, or be there although no row of an endpoint leads to it, so whoever recovers
    /// must look. Counts how often that was said, so that who has looked takes back no later word.
    std::atomic<std::uint64_t> m_unsettled;
    FixedName<72> m_name; ///< file names are zerocp.<domain>.<name>.mgmt and .data
};

static_assert(sizeof(ProcessRecord) == 64 && sizeof(NodeRecord) == 264 && sizeof(TopicRecord) == 808);
static_assert(sizeof(EndpointRecord) == 80 && sizeof(PoolSetRecord) == 88);
static_assert(std::is_standard_layout_v<TopicRecord> && std::is_trivially_destructible_v<TopicRecord>);

[[nodiscard]] constexpr std::uint64_t discoveryLayoutHash() noexcept
{
    constexpr std::uint64_t kNumbers[] = {sizeof(DiscoveryHeader),
                                          sizeof(ProcessRecord),
                                          sizeof(NodeRecord),
                                          sizeof(TopicRecord),
                                          sizeof(EndpointRecord),
                                          sizeof(PoolSetRecord),
                                          offsetof(TopicRecord, m_name),
                                          offsetof(EndpointRecord, m_id),
                                          offsetof(DiscoveryHeader, m_poolSetBytes),
                                          offsetof(EndpointRecord, m_deadlineNs),
                                          sizeof(WaiterRecord),
                                          offsetof(WaiterRecord, m_signal),
                                          offsetof(WaiterRecord, m_pipe),
                                          offsetof(DiscoveryHeader, m_waiters)};
    return hashNumbers(kNumbers, sizeof kNumbers / sizeof kNumbers[0]);
}

} // namespace ZeroCP
