/// Scenes of control calls: who lives in the domain already, and what the victim does there. The victim is a process of
/// its own with a node of its own; those who live there are members in the test's process.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "sweep/participants.hpp"
#include "sweep/service_participants.hpp"

namespace ZeroCP::test
{

/// What a victim, or whoever comes after it, has in the domain.
class Visitor
{
  public:
    static constexpr std::uint32_t kDomain = 0;

    /// `name`: of the node, and of its link to the directory of the segments.
    Visitor(const std::filesystem::path& directory, std::string name, const Config& config);

    void join();
    /// A second node of the same process, with which endpoints are made until it leaves.
    void joinAgain();
    void leaveSecondNode();
    void publish(const std::string& topic, const QoS& qos);
    void subscribe(const std::string& topic, const QoS& qos);
    void publishSlices(const std::string& topic);
    /// False if there is no chunk for it.
    bool saySlice(std::size_t words);
    void serve() { m_server = Server(m_node); }
    void call() { m_caller = Caller(m_node); }
    /// With the listener attached.
    void makeWaitSet();
    void waitInWaitSet();
    void makeWaitSetDescriptor();
    /// Arms the descriptor when there is nothing.
    void lookIntoWaitSet();
    void leaveWaitSet() { m_waitSet = {}; }
    /// Who lives in the domain does m_hostActs now, while this one stands still.
    void letHostAct() const { m_hostsTurn(); }
    void onHostsTurn(std::function<void()> hostsTurn) { m_hostsTurn = std::move(hostsTurn); }
    /// Leaves the domain as a process does that ends well.
    void leave();

    [[nodiscard]] bool isThere() const { return m_there; }
    [[nodiscard]] Node& node() { return m_node; }
    [[nodiscard]] const std::filesystem::path& root() const { return m_root; }

    Speaker m_speaker;
    Listener m_listener;
    Server m_server;
    Caller m_caller;

  private:
    [[nodiscard]] Node nodeCalled(const std::string& name) const;

    std::filesystem::path m_root;
    std::string m_name;
    Config m_config;
    Node m_first; ///< while there is a second one
    Node m_node;
    WaitSet m_waitSet;
    std::function<void()> m_hostsTurn;
    Publisher<Slice<std::uint64_t>> m_slices;
    bool m_there{false};
};

struct ControlScene
{
    std::string m_name;
    std::function<void(Visitor&)> m_setting{};  ///< who lives there, from joining on; empty: nobody
    std::function<void(Visitor&)> m_before{};   ///< the victim, at full speed
    std::function<void(Visitor&)> m_act{};      ///< the victim, killed behind every store and system call
    std::function<void(Visitor&)> m_hostActs{}; ///< who lives there, when the victim lets it, and between deaths
    std::string m_topic{"sweep"};               ///< that the scene is about
    QoS m_publisher{QoS{}.maxLoans(2)};         ///< of those who come after the death
    QoS m_subscriber{QoS{}.keepLast(4).maxHeld(4)};
    bool m_pooled{false};    ///< the topics' pool set is configured: its class cannot grow
    bool m_poolStays{false}; ///< the configured pool set that the victim makes stays until the domain ends
    bool m_givesBack{false}; ///< after recovery no chunk without memory has any
};

[[nodiscard]] Config configOf(const ControlScene& scene);

} // namespace ZeroCP::test
