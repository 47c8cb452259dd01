/// Scenes of control calls: who lives in the domain already, and what the victim does there. The victim is a process of
/// its own with a node of its own; those who live there are members in the test's process.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "sweep/participants.hpp"

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
    void publish(const std::string& topic, const QoS& qos);
    void subscribe(const std::string& topic, const QoS& qos);
    void publishSlices(const std::string& topic);
    /// False if there is no chunk for it.
    bool saySlice(std::size_t words);
    /// Leaves the domain as a process does that ends well.
    void leave();

    [[nodiscard]] bool isThere() const { return m_there; }
    [[nodiscard]] Node& node() { return m_node; }
    [[nodiscard]] const std::filesystem::path& root() const { return m_root; }

    Speaker m_speaker;
    Listener m_listener;

  private:
    std::filesystem::path m_root;
    std::string m_name;
    Config m_config;
    Node m_node;
    Publisher<Slice<std::uint64_t>> m_slices;
    bool m_there{false};
};

struct ControlScene
{
    std::string m_name;
    std::function<void(Visitor&)> m_setting{}; ///< who lives there, from joining on; empty: nobody
    std::function<void(Visitor&)> m_before{};  ///< the victim, at full speed
    std::function<void(Visitor&)> m_act{};     ///< the victim, killed behind every store and system call
    std::string m_topic{"sweep"};              ///< that the scene is about
    QoS m_publisher{QoS{}.maxLoans(2)};        ///< of those who come after the death
    QoS m_subscriber{QoS{}.keepLast(4).maxHeld(4)};
    bool m_pooled{false};    ///< the topics' pool set is configured: its class cannot grow
    bool m_poolStays{false}; ///< the configured pool set that the victim makes stays until the domain ends
    bool m_givesBack{false}; ///< after recovery no chunk without memory has any
};

[[nodiscard]] Config configOf(const ControlScene& scene);

} // namespace ZeroCP::test
