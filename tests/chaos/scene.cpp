#include "chaos/scene.hpp"

#include <chrono>

namespace ZeroCP::test::chaos
{

NodeOptions Scene::options() const
{
    Config config;
    config.queue.publishTimeout = std::chrono::milliseconds(20);
    config.queue.keepAllCapacity = 64;
    PoolConfig pool;
    pool.name = "shared";
    pool.chunks = {{256, 192}, {2048, 192}, {kMostBytes, 192}}; // less than all could ask for
    config.pools = {pool};
    for (const char* name : {kPooled, kWitnessTopics[1]})
    {
        TopicConfig topic;
        topic.name = name;
        topic.pool = pool.name;
        config.topics.push_back(topic);
    }
    return {.domain = m_domain.number(), .configFile = {}, .root = m_domain.root(), .config = config};
}

} // namespace ZeroCP::test::chaos
