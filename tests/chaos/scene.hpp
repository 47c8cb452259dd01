/// What all processes of the chaos have in common: the domain, its topics, and a board on which each says what it does.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>

#include "support/shared_board.hpp"
#include "support/test_domain.hpp"
#include "zerocp/zerocp.hpp"

namespace ZeroCP::test::chaos
{

using Bytes = Slice<std::byte>;

inline constexpr std::uint32_t kWitness = 1'000'000; ///< the witness publisher's number in patterns
inline constexpr std::size_t kMostBytes = 8192;
inline constexpr std::uint32_t kDepth = 6;

/// Automatic pools, and one configured pool for two topics; the witness alone publishes on its own.
inline constexpr const char* kAutomatic = "chaos/automatic";
inline constexpr const char* kPooled = "chaos/pooled";
inline constexpr const char* kKeepAll = "chaos/keep_all";
inline constexpr const char* kLatched = "chaos/latched";
inline constexpr const char* kService = "chaos/service";
inline constexpr std::array kWitnessTopics{"witness/automatic", "witness/pooled"};

/// Where a process stands. Its texts are literals, which have the same address in every forked process.
struct Place
{
    std::atomic<const char*> m_doing;
    std::atomic<std::uint64_t> m_beats;
    std::atomic<bool> m_leave; ///< it is asked to end in order

    /// To be called more often than a process may hang.
    void at(const char* doing)
    {
        m_doing.store(doing, std::memory_order_relaxed);
        m_beats.fetch_add(1, std::memory_order_relaxed);
    }
};

struct Board
{
    static constexpr std::size_t kPlaces = 32;

    std::array<Place, kPlaces> m_places;
    std::atomic<bool> m_stop;                         ///< everybody but the witnesses ends
    std::atomic<bool> m_witnessIsThere;               ///< the subscriber: everything is owed to it
    std::atomic<bool> m_witnessStop;                  ///< the publisher ends
    std::atomic<bool> m_drain;                        ///< the subscriber takes what is left and ends
    std::array<std::atomic<std::uint64_t>, 2> m_sent; ///< by the witness, per topic
    std::atomic<std::uint64_t> m_witnessReceived;     ///< of its own messages, all topics
    std::atomic<std::uint64_t> m_witnessMissed;
    std::atomic<std::uint64_t> m_received; ///< by everybody, of everybody
    std::atomic<std::uint64_t> m_calls;    ///< settled by clients
    std::atomic<std::uint64_t> m_answers;
    std::atomic<std::uint64_t> m_recoveries;
};

struct Scene
{
    const TestDomain& m_domain;
    Board& m_board;

    [[nodiscard]] NodeOptions options() const;
    [[nodiscard]] bool mustLeave(const Place& place) const { return m_board.m_stop || place.m_leave; }
};

} // namespace ZeroCP::test::chaos
