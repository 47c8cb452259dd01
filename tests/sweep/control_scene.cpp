#include "sweep/control_scene.hpp"

#include <utility>

namespace ZeroCP::test
{

Config configOf(const ControlScene& scene)
{
    Config config;
    config.limits.portsPerTopic = 46;
    config.limits.endpoints = 64;
    config.limits.topics = 16;
    config.limits.processes = 8;
    config.limits.poolSetBytes = 1U << 20;
    if (scene.m_pooled)
    {
        PoolConfig pool;
        pool.name = "pool";
        pool.chunks = {{sizeof(Message), 48}};
        config.pools = {pool};
        for (const char* name : {"sweep", "new"})
        {
            TopicConfig topic;
            topic.name = name;
            topic.pool = "pool";
            config.topics.push_back(topic);
        }
    }
    return config;
}

Visitor::Visitor(const std::filesystem::path& directory, std::string name, const Config& config)
    : m_root(directory / name), m_name(std::move(name)), m_config(config)
{
    std::filesystem::create_directories(directory / "shm");
    if (!std::filesystem::is_symlink(m_root))
    {
        std::filesystem::create_directory_symlink(directory / "shm", m_root);
    }
}

Node Visitor::nodeCalled(const std::string& name) const
{
    NodeOptions options;
    options.domain = kDomain;
    options.root = m_root;
    options.config = m_config;
    return Node::create(name, options).value();
}

void Visitor::join()
{
    m_node = nodeCalled(m_name);
    m_there = true;
}

void Visitor::joinAgain()
{
    m_first = std::exchange(m_node, nodeCalled(m_name + "_again"));
}

void Visitor::leaveSecondNode()
{
    m_speaker.leave();
    m_listener.leave();
    m_node = std::exchange(m_first, {});
}

void Visitor::makeWaitSet()
{
    m_waitSet = WaitSet::create(m_node).value();
    m_listener.attachTo(m_waitSet);
}

void Visitor::waitInWaitSet()
{
    static_cast<void>(m_waitSet.wait(std::chrono::microseconds(100)));
}

void Visitor::makeWaitSetDescriptor()
{
    static_cast<void>(m_waitSet.fd().value());
}

void Visitor::lookIntoWaitSet()
{
    static_cast<void>(m_waitSet.wait(std::chrono::nanoseconds(0)));
}

void Visitor::publish(const std::string& topic, const QoS& qos)
{
    m_speaker = Speaker(m_node.createPublisher<Message>(topic, qos).value());
}

void Visitor::subscribe(const std::string& topic, const QoS& qos)
{
    m_listener = Listener(m_node.createSubscriber<Message>(topic, qos).value());
}

void Visitor::publishSlices(const std::string& topic)
{
    m_slices = m_node.createPublisher<Slice<std::uint64_t>>(topic).value();
}

bool Visitor::saySlice(std::size_t words)
{
    auto loan = m_slices.loan(words);
    return loan && m_slices.publish(std::move(*loan));
}

void Visitor::leave()
{
    m_waitSet = {};
    m_caller.leave();
    m_server.leave();
    m_listener.leave();
    m_speaker.leave();
    m_slices = {};
    m_node = {};
    m_first = {};
    m_there = false;
}

} // namespace ZeroCP::test
