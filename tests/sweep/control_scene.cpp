#include "sweep/control_scene.hpp"

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

void Visitor::join()
{
    NodeOptions options;
    options.domain = kDomain;
    options.root = m_root;
    options.config = m_config;
    m_node = Node::create(m_name, options).value();
    m_there = true;
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
    m_listener.leave();
    m_speaker.leave();
    m_slices = {};
    m_node = {};
    m_there = false;
}

} // namespace ZeroCP::test
