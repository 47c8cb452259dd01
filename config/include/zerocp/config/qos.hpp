/// What an endpoint asks of its topic, in ROS 2's words: history, reliability, durability, and how many chunks it may
/// hold.
/// Process-local value; copied freely; any thread; usable in constant expressions.
#pragma once

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

/// The word that YAML uses: "keep_last", "reliable", "volatile" and so on.
[[nodiscard]] std::string_view toString(History history) noexcept;
[[nodiscard]] std::string_view toString(Reliability reliability) noexcept;
[[nodiscard]] std::string_view toString(Durability durability) noexcept;

/// Default: keepLast(10), reliable, volatile, configured numbers of loans and held samples.
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

    /// Loans a publisher may have out at a time; overrides limits.max_loans.
    constexpr QoS& maxLoans(std::uint32_t count) noexcept { return set(m_maxLoans, std::optional(count)); }
    /// Samples a subscriber may hold at a time; overrides limits.max_held.
    constexpr QoS& maxHeld(std::uint32_t count) noexcept { return set(m_maxHeld, std::optional(count)); }

    [[nodiscard]] constexpr History history() const noexcept { return m_history; }
    /// Messages kept with KeepLast; 0 with KeepAll.
    [[nodiscard]] constexpr std::uint32_t depth() const noexcept { return m_depth; }
    [[nodiscard]] constexpr Reliability reliability() const noexcept { return m_reliability; }
    [[nodiscard]] constexpr Durability durability() const noexcept { return m_durability; }
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
    std::uint32_t m_depth{10};
    std::optional<std::uint32_t> m_maxLoans{};
    std::optional<std::uint32_t> m_maxHeld{};
};

/// For people: "keep_last(10) reliable volatile", then "max_loans(n)" and "max_held(n)" if they are set.
[[nodiscard]] std::string toString(const QoS& qos);

/// ConfigInvalid if a number is 0 or too large; the message has what was found and what is allowed.
[[nodiscard]] Expected<void, Error> validate(const QoS& qos);

/// Why these two never match, or nothing if they do: a best-effort publisher cannot serve a reliable subscriber, nor a
/// volatile publisher a transient-local one. A sentence fragment that names both sides of each offending policy.
[[nodiscard]] std::optional<std::string> mismatch(const QoS& publisher, const QoS& subscriber);

} // namespace ZeroCP
