/// What most tests of the pubsub room begin with: a domain of their own, a node in it, small messages, and how many
/// chunks are in use as seen from outside.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "support/pool_audit.hpp"
#include "support/test_domain.hpp"
#include "zerocp/zerocp.hpp"

namespace ZeroCP::test
{

struct Number
{
    std::uint64_t value;
};

struct Page
{
    std::uint64_t words[512];
};

inline Node nodeIn(const TestDomain& domain, Config config = {}, const std::string& name = "node")
{
    NodeOptions options;
    options.domain = domain.number();
    options.root = domain.root();
    options.config = std::move(config);
    return Node::create(name, options).value();
}

/// A domain and a node. Everything else that a test makes comes after it and goes before it.
struct OneNode
{
    explicit OneNode(Config config = {}) : m_node(nodeIn(m_domain, std::move(config))) {}

    template <typename Message = Number>
    Publisher<Message> publisher(const QoS& qos = {}, const std::string& topic = "t")
    {
        return m_node.createPublisher<Message>(topic, qos).value();
    }
    template <typename Message = Number>
    Subscriber<Message> subscriber(const QoS& qos = {}, const std::string& topic = "t")
    {
        return m_node.createSubscriber<Message>(topic, qos).value();
    }
    DomainSnapshot inspect() const { return ZeroCP::inspect(m_domain.number(), m_domain.root()).value(); }

    TestDomain m_domain;
    Node m_node;
};

/// A configured pool set "pool" with one class, for topic "t".
inline Config pooled(std::uint64_t chunkBytes, std::uint32_t count)
{
    Config config;
    PoolConfig pool;
    pool.name = "pool";
    pool.chunks = {{chunkBytes, count}};
    config.pools = {pool};
    TopicConfig topic;
    topic.name = "t";
    topic.pool = "pool";
    config.topics = {topic};
    return config;
}

/// Chunks that somebody has: on loan, unread or held.
inline std::uint32_t usedChunks(const DomainSnapshot& snapshot)
{
    std::uint32_t used = 0;
    for (const PoolSetSnapshot& set : snapshot.poolSets)
    {
        for (const PoolSnapshot& pool : set.pools)
        {
            used += pool.total - pool.free;
        }
    }
    return used;
}

inline std::uint32_t totalChunks(const DomainSnapshot& snapshot)
{
    std::uint32_t total = 0;
    for (const PoolSetSnapshot& set : snapshot.poolSets)
    {
        for (const PoolSnapshot& pool : set.pools)
        {
            total += pool.total;
        }
    }
    return total;
}

/// Another name for the same directory: in one process, two memberships of one domain with mappings of their own, as
/// two processes would have them.
class TwoRoots
{
  public:
    TwoRoots() : m_alias(m_directory.path().native() + "-alias")
    {
        std::filesystem::create_directory_symlink(m_directory.path(), m_alias);
    }
    TwoRoots(const TwoRoots&) = delete;
    TwoRoots& operator=(const TwoRoots&) = delete;
    ~TwoRoots()
    {
        std::error_code ignored;
        std::filesystem::remove(m_alias, ignored);
    }

    [[nodiscard]] const std::filesystem::path& first() const { return m_directory.path(); }
    [[nodiscard]] const std::filesystem::path& second() const { return m_alias; }

  private:
    TestDirectory m_directory;
    std::filesystem::path m_alias;
};

} // namespace ZeroCP::test
