/// What an endpoint asks of its topic, in ROS 2's words: history, reliability, durability, deadline, lifespan,
/// liveliness, and how many chunks it may hold.
/// Process-local value; copied freely; any thread; usable in constant expressions.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "zerocp/core/error.hpp"

namespace ZeroCP
{

/// Deepest history or queue: its slots exist once per (publisher, subscriber) pair, so a typing error costs gigabytes.
inline constexpr std::uint32_t kMaxDepth = 65536;
/// Most loans or samples one endpoint may hold at a time; more than the deepest queue can bring is never of use.
inline constexpr std::uint32_t kMaxOutstanding = kMaxDepth;

/// Shortest and longest deadline, lifespan and lease: below, the clock itself takes a noticeable part; above, it is none.
inline constexpr std::chrono::nanoseconds kShortestPeriod{1000};
inline constexpr std::chrono::nanoseconds kLongestPeriod{std::chrono::hours{24 * 365}};

enum class History : std::uint8_t
{
    KeepLast, ///< the newest depth() messages; older ones are evicted and counted
    KeepAll,  ///< nothing is evicted; capacity is queue.keep_all_capacity
};

enum class Reliability : std::uint8_t
{
    Reliable,   ///< with KeepAll, publish waits for room
    BestEffort, ///< publish never waits
};

enum class Durability : std::uint8_t
{
    Volatile,       ///< a subscriber sees what is published after it was created
    TransientLocal, ///< a late subscriber also reads the publisher's history
};

enum class Liveliness : std::uint8_t
{
    Automatic,     ///< a publisher is alive while its process is, which the kernel says
    ManualByTopic, ///< it is alive while it publishes or calls assertLiveliness() at least once per lease
};

/// The word that YAML uses: "keep_last", "reliable", "volatile" and so on.
[[nodiscard]] std::string_view toString(History history) noexcept;
[[nodiscard]] std::string_view toString(Reliability reliability) noexcept;
[[nodiscard]] std::string_view toString(Durability durability) noexcept;
[[nodiscard]] std::string_view toString(Liveliness liveliness) noexcept;

/// Default: keepLast(10), reliable, volatile, configured numbers of loans and held samples; no deadline, no lifespan,
/// automatic liveliness without a lease.
class QoS
{
  public:
    constexpr QoS() noexcept = default;

    /// For measurements, where a lost one does not matter: keepLast(5), best effort, volatile (as in ROS 2).
    [[nodiscard]] static constexpr QoS sensorData() noexcept { return QoS{}.keepLast(5).bestEffort(); }
    /// For a state that late subscribers need at once, such as a map: keepLast(1), reliable, transient local.
    [[nodiscard]] static constexpr QoS latched() noexcept { return QoS{}.keepLast(1).transientLocal(); }

    constexpr QoS& keepLast(std::uint32_t depth) noexcept
    {
        m_history = History::KeepLast;
        m_depth = depth;
        return *this;
    }

    /// Forgets the depth, so that equal policies compare equal.
    constexpr QoS& keepAll() noexcept
    {
        m_history = History::KeepAll;
        m_depth = 0;
        return *this;
    }

    constexpr QoS& reliable() noexcept { return set(m_reliability, Reliability::Reliable); }
    constexpr QoS& bestEffort() noexcept { return set(m_reliability, Reliability::BestEffort); }
    constexpr QoS& volatileDurability() noexcept { return set(m_durability, Durability::Volatile); }
    constexpr QoS& transientLocal() noexcept { return set(m_durability, Durability::TransientLocal); }

    /// A publisher offers, or a subscriber asks for, a message in each period of this length, per publisher and
    /// subscriber, from the first one on. Those that end without one are counted (deadlineMissed()).
    constexpr QoS& deadline(std::chrono::nanoseconds period) noexcept
    {
        m_deadline = period;
        return *this;
    }
    /// A message that is older when it would be taken is dropped and counted (expired()); of publisher's and subscriber's
    /// the shorter one counts.
    constexpr QoS& lifespan(std::chrono::nanoseconds longest) noexcept
    {
        m_lifespan = longest;
        return *this;
    }
    /// How a publisher, or one that the subscriber wants, shows that it is alive. A lease matters for what is compatible;
    /// with ManualByTopic it is also what is counted. Without a lease: for ever.
    constexpr QoS& liveliness(Liveliness kind, std::optional<std::chrono::nanoseconds> lease = std::nullopt) noexcept
    {
        m_lease = lease;
        m_liveliness = kind;
        return *this;
    }

    /// Loans a publisher may have out at a time; overrides limits.max_loans.
    constexpr QoS& maxLoans(std::uint32_t count) noexcept { return set(m_maxLoans, std::optional(count)); }
    /// Samples a subscriber may hold at a time; overrides limits.max_held.
    constexpr QoS& maxHeld(std::uint32_t count) noexcept { return set(m_maxHeld, std::optional(count)); }

    [[nodiscard]] constexpr History history() const noexcept { return m_history; }
    /// Messages kept with KeepLast; 0 with KeepAll.
    [[nodiscard]] constexpr std::uint32_t depth() const noexcept { return m_depth; }
    [[nodiscard]] constexpr Reliability reliability() const noexcept { return m_reliability; }
    [[nodiscard]] constexpr Durability durability() const noexcept { return m_durability; }
    /// Empty: none.
    [[nodiscard]] constexpr std::optional<std::chrono::nanoseconds> deadline() const noexcept { return m_deadline; }
    /// Empty: for ever.
    [[nodiscard]] constexpr std::optional<std::chrono::nanoseconds> lifespan() const noexcept { return m_lifespan; }
    [[nodiscard]] constexpr Liveliness liveliness() const noexcept { return m_liveliness; }
    /// Empty: for ever.
    [[nodiscard]] constexpr std::optional<std::chrono::nanoseconds> lease() const noexcept { return m_lease; }
    /// Empty: limits.max_loans applies.
    [[nodiscard]] constexpr std::optional<std::uint32_t> maxLoans() const noexcept { return m_maxLoans; }
    /// Empty: limits.max_held applies.
    [[nodiscard]] constexpr std::optional<std::uint32_t> maxHeld() const noexcept { return m_maxHeld; }

    [[nodiscard]] constexpr bool operator==(const QoS&) const noexcept = default;

  private:
    template <typename Policy>
    constexpr QoS& set(Policy& policy, Policy value) noexcept
    {
        policy = value;
        return *this;
    }

    History m_history{History::KeepLast};
    Reliability m_reliability{Reliability::Reliable};
    Durability m_durability{Durability::Volatile};
    Liveliness m_liveliness{Liveliness::Automatic};
    std::uint32_t m_depth{10};
    std::optional<std::uint32_t> m_maxLoans{};
    std::optional<std::uint32_t> m_maxHeld{};
    std::optional<std::chrono::nanoseconds> m_deadline{};
    std::optional<std::chrono::nanoseconds> m_lifespan{};
    std::optional<std::chrono::nanoseconds> m_lease{};
};

/// For people: "keep_last(10) reliable volatile", then what differs from the default: "deadline(100ms)", "lifespan(2s)",
/// "manual_by_topic", "lease(500ms)", "max_loans(n)" and "max_held(n)".
[[nodiscard]] std::string toString(const QoS& qos);

/// ConfigInvalid if a number is 0 or too large, a duration too short or too long; the message has what was found and what is allowed.
[[nodiscard]] Expected<void, Error> validate(const QoS& qos);

/// Why these two never match, or nothing if they do: a best-effort publisher cannot serve a reliable subscriber, nor a
/// volatile publisher a transient-local one, nor one that is alive by itself one that wants to be told; and the publisher's
/// deadline and lease may not be longer than the subscriber's. A sentence fragment that names both sides of each offending policy.
[[nodiscard]] std::optional<std::string> mismatch(const QoS& publisher, const QoS& subscriber);

} // namespace ZeroCP
