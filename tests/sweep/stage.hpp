/// One domain in which a victim meets survivors. All of them are set up in one process, each as a member of its own (own
/// process slot, own liveness lock, own mappings, through links to one directory), so that forks of that process can
/// play each of them from exactly the same moment.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "support/pool_audit.hpp"
#include "sweep/held_locks.hpp"
#include "sweep/participants.hpp"
#include "sweep/segment_image.hpp"

namespace ZeroCP::test
{

/// A process of the domain, as far as the domain can see.
class Member
{
  public:
    Member() = default;
    Member(const std::filesystem::path& directory, const std::string& name, const Config& config);

    [[nodiscard]] Node& node() { return m_node; }
    [[nodiscard]] const std::filesystem::path& root() const { return m_root; }
    [[nodiscard]] int lockDescriptor() const { return m_lockDescriptor; }

    /// As if all locks of the member had been dropped by its death.
    [[nodiscard]] HeldLocks locks() const { return HeldLocks::ofDescriptor(m_lockDescriptor); }
    /// In a fork that plays this member alone: it must not keep the others' locks alive.
    void closeLocksOfOthers() const;

  private:
    std::filesystem::path m_root;
    Node m_node;
    int m_lockDescriptor{-1};
};

/// How the topic is made.
struct StageShape
{
    std::uint32_t m_portsPerTopic{46}; ///< 46: one holder word; 138: three, with ports in each
    bool m_pooled{false};              ///< a configured pool: small stashes, so trimming comes early
    QoS m_quick{QoS{}.keepLast(4).maxHeld(4)};
    QoS m_slow{QoS{}.keepLast(2).maxHeld(2)};
    bool m_victimPublishes{false};
    bool m_victimSubscribes{false};
    QoS m_victim{QoS{}.keepLast(2).maxHeld(2)};
    bool m_hasGone{false};        ///< a publisher that dies before the victim, or with it
    bool m_transientLocal{false}; ///< publishers keep a history of two
    bool m_keepAll{false};        ///< publishers keep all, but do not wait; so may the listeners, four messages
    /// Publishers and listeners have agreed on messages in periods of this length and a lease that never runs out.
    std::optional<std::chrono::nanoseconds> m_deadline{};
};

class Stage
{
  public:
    static constexpr std::uint32_t kDomain = 0;
    static constexpr std::size_t kRecoverers = 3;

    Stage(const std::filesystem::path& directory, const StageShape& shape);
    Stage(const Stage&) = delete;
    Stage& operator=(const Stage&) = delete;

    /// The publisher that is to be gone dies and is recovered.
    void loseGone();
    [[nodiscard]] bool goneLives() const { return m_goneLives; }
    /// The victim makes an endpoint of its own.
    void joinAsPublisher() { m_speaker.become(publisher(m_victimMember)); }
    void joinAsSubscriber(const QoS& qos) { m_listener = Listener(subscriber(m_victimMember, qos)); }

    /// What publishers ask for.
    [[nodiscard]] const QoS& publisherQoS() const { return m_publisherQoS; }
    [[nodiscard]] std::optional<std::chrono::nanoseconds> deadline() const { return m_deadline; }
    /// The victim waits for its listener in a wait set.
    void makeWaitSet();
    /// A process that comes when everything is over; nothing of it existed before.
    [[nodiscard]] Member newcomer() const { return Member(m_directory, "newcomer", m_config); }
    [[nodiscard]] Said saidByGone() const { return {m_gone.id(), m_gone.said(), m_gone.said()}; }

    Member m_survivor;
    Member m_victimMember;
    Member m_doomed;                              ///< has the slow listener: a second one that can die
    std::array<Member, kRecoverers> m_recoverers; ///< have no endpoints
    Member m_goneMember;

    Listener m_quick; ///< the survivor's
    Speaker m_peer;   ///< the survivor's
    Listener m_slow;
    Speaker m_speaker;   ///< the victim's, or
    Listener m_listener; ///< the victim's
    WaitSet m_waitSet;   ///< the victim's
    Speaker m_gone;

  private:
    [[nodiscard]] Subscriber<Message> subscriber(Member& member, const QoS& qos);
    [[nodiscard]] Publisher<Message> publisher(Member& member);
    /// Ports that do nothing but have holder bits.
    [[nodiscard]] std::vector<Subscriber<Message>> fillHolderWord();

    std::filesystem::path m_directory;
    Config m_config;
    std::optional<std::chrono::nanoseconds> m_deadline;
    QoS m_publisherQoS;
    bool m_goneLives;
    bool m_spread; ///< listeners have their bits in different words
};

} // namespace ZeroCP::test
