#include "zerocp/config/config.hpp"

#include <cstdint>
#include <limits>

#include <gtest/gtest.h>

namespace ZeroCP
{

namespace
{

using std::chrono::nanoseconds;

std::string messageOf(const Config& config)
{
    const auto result = validate(config);
    return result ? "no error" : result.error().message();
}

PoolConfig poolOf(std::string name, std::vector<ChunkClass> chunks)
{
    PoolConfig pool;
    pool.name = std::move(name);
    pool.chunks = std::move(chunks);
    return pool;
}

TopicConfig topicOf(std::string name)
{
    TopicConfig topic;
    topic.name = std::move(name);
    return topic;
}

Config configWithChunks(std::vector<ChunkClass> chunks)
{
    Config config;
    config.pools = {poolOf("p", std::move(chunks))};
    return config;
}

Config configWithTopics(std::vector<TopicConfig> topics)
{
    Config config;
    config.topics = std::move(topics);
    return config;
}

/// One number of the configuration that has bounds.
template <typename Unsigned>
struct NumberCase
{
    const char* key;
    Unsigned& (*of)(Config&);
    Unsigned least;
    Unsigned most;
};

constexpr std::uint64_t k64TiB = std::uint64_t{64} << 40;

const NumberCase<std::uint32_t> kNumbers[] = {{"limits.topics", [](Config& c) -> auto& {return c.limits.topics;
} // namespace
, 1, 1000000
} // namespace ZeroCP
, {"limits.endpoints", [](Config& c) -> auto& {return c.limits.endpoints;
}
, 1, 1000000
}
, {"limits.ports_per_topic", [](Config& c) -> auto& {return c.limits.portsPerTopic;
}
, 1, 1024
}
, {"limits.processes", [](Config& c) -> auto& {return c.limits.processes;
}
, 1, 65536
}
, {"limits.max_loans", [](Config& c) -> auto& {return c.limits.maxLoans;
}
, 1, 65536
}
, {"limits.max_held", [](Config& c) -> auto& {return c.limits.maxHeld;
}
, 1, 65536
}
, {"queue.keep_all_capacity", [](Config& c) -> auto& {return c.queue.keepAllCapacity;
}
, 1, 65536
}
,
}
;

const NumberCase<std::uint64_t> kByteNumbers[] = {
    {"limits.max_message_bytes", [](Config& c) -> auto& {return c.limits.maxMessageBytes;
}
, 1, k64TiB
}
, {"limits.pool_set_bytes", [](Config& c) -> auto& {return c.limits.poolSetBytes;
}
, 4096, k64TiB
}
,
}
;

template <typename Unsigned>
void expectBounds(const NumberCase<Unsigned>& number)
{
    for (const Unsigned fine : {number.least, number.most})
    {
        Config config;
        number.of(config) = fine;
        EXPECT_EQ(messageOf(config), "no error") << number.key;
    }
    for (const Unsigned bad : {Unsigned{0}, static_cast<Unsigned>(number.least - 1),
                               static_cast<Unsigned>(number.most + 1), std::numeric_limits<Unsigned>::max()})
    {
        Config config;
        number.of(config) = bad;
        EXPECT_EQ(messageOf(config), "configuration: key '" + std::string(number.key) + "': found '" +
                                         std::to_string(bad) + "', expected a whole number from " +
                                         std::to_string(number.least) + " to " + std::to_string(number.most));
    }
}

} // namespace

TEST(Config, DefaultIsValid)
{
    EXPECT_EQ(messageOf(Config{}), "no error");
}

TEST(Config, DefaultHasTheDocumentedNumbers)
{
    const Config config;

    EXPECT_EQ(config.domain, 0U);
    EXPECT_EQ(config.access, (AccessConfig{0600, ""}));
    EXPECT_EQ(config.limits, (Limits{1024, 4096, 128, 256, 4, 4, 1073741824, 4294967296}));
    EXPECT_EQ(config.queue, (QueueConfig{1024, std::chrono::seconds{1}}));
    EXPECT_EQ(config.wait, (WaitConfig{std::chrono::microseconds{20}}));
}

TEST(Config, EveryNumberHasItsBounds)
{
    for (const auto& number : kNumbers)
    {
        expectBounds(number);
    }
    for (const auto& number : kByteNumbers)
    {
        expectBounds(number);
    }
}

TEST(Config, RefusesADomainAboveTheLimit)
{
    Config config;
    config.domain = 65535;
    EXPECT_EQ(messageOf(config), "no error");

    config.domain = 65536;

    EXPECT_EQ(messageOf(config), "configuration: key 'domain': found '65536', expected a whole number from 0 to 65535");
}

TEST(Config, DurationsMayBeZero)
{
    Config config;
    config.queue.publishTimeout = nanoseconds{0};
    config.wait.spin = nanoseconds{0};

    EXPECT_EQ(messageOf(config), "no error");
}

TEST(Config, RefusesANegativePublishTimeout)
{
    Config config;
    config.queue.publishTimeout = nanoseconds{-5};

    EXPECT_EQ(messageOf(config), "configuration: key 'queue.publish_timeout': found '-5ns', expected "
                                 "a duration such as 20us, 5ms or 1s, from 0 to 86400s");
}

TEST(Config, RefusesASpinAboveASecond)
{
    Config config;
    config.wait.spin = std::chrono::seconds{1} + nanoseconds{1};

    EXPECT_EQ(messageOf(config), "configuration: key 'wait.spin': found '1000000001ns', expected "
                                 "a duration such as 20us, 5ms or 1s, from 0 to 1s");
}

TEST(Config, AcceptsGroupBitsWithoutAGroup)
{
    Config config;
    config.access.mode = 0660;

    EXPECT_EQ(messageOf(config), "no error");
}

TEST(Config, RefusesAModeBeyondPermissionBits)
{
    Config config;
    config.access.mode = 01600;

    EXPECT_EQ(messageOf(config),
              "configuration: key 'access.mode': found '01600', expected an octal mode in quotes from "
              "\"0600\" to \"0777\" with read and write for the owner");
}

TEST(Config, RefusesAModeThatLocksTheOwnerOut)
{
    for (const std::uint32_t mode : {0U, 0400U, 0200U, 0577U})
    {
        Config config;
        config.access.mode = mode;

        EXPECT_NE(messageOf(config).find("key 'access.mode': found '0"), std::string::npos) << mode;
    }
}

TEST(Config, RefusesAGroupWithBlanks)
{
    Config config = configWithChunks({{64, 1}});
    config.pools[0].access.group = "video users";

    EXPECT_NE(messageOf(config).find("key 'pools.p.access.group': found 'video users'"), std::string::npos);
}

TEST(Config, RefusesANumaNodeThatNoKernelHas)
{
    Config config = configWithChunks({{64, 1}});
    config.pools[0].memory.numaNode = 1023;
    EXPECT_EQ(messageOf(config), "no error");

    config.pools[0].memory.numaNode = 1024;

    EXPECT_EQ(messageOf(config), "configuration: key 'pools.p.memory.numa_node': found '1024', "
                                 "expected a whole number from 0 to 1023");
}

TEST(Config, RefusesAPoolWithoutChunks)
{
    EXPECT_EQ(messageOf(configWithChunks({})), "configuration: key 'pools.p.chunks': found no size class, expected "
                                               "1 to 16 of them, each written as {size: BYTES, count: NUMBER}");
}

TEST(Config, RefusesSeventeenSizeClasses)
{
    std::vector<ChunkClass> chunks;
    for (std::uint64_t size = 1; size <= 16; ++size)
    {
        chunks.push_back({size * 64, 1});
    }
    EXPECT_EQ(messageOf(configWithChunks(chunks)), "no error");

    chunks.push_back({4096, 1});

    EXPECT_NE(messageOf(configWithChunks(chunks)).find("key 'pools.p.chunks': found 17 size classes"),
              std::string::npos);
}

TEST(Config, RefusesAChunkSizeOfZero)
{
    EXPECT_NE(messageOf(configWithChunks({{64, 1}, {0, 1}})).find("key 'pools.p.chunks[1].size': found '0'"),
              std::string::npos);
}

TEST(Config, RefusesAChunkCountOfZero)
{
    EXPECT_NE(messageOf(configWithChunks({{64, 0}})).find("key 'pools.p.chunks[0].count': found '0'"),
              std::string::npos);
}

TEST(Config, RefusesMoreChunksThanAnIndexCanName)
{
    EXPECT_EQ(messageOf(configWithChunks({{64, 1048573}, {128, 1}})), "no error");

    EXPECT_EQ(messageOf(configWithChunks({{64, 1048573}, {128, 2}})),
              "configuration: key 'pools.p.chunks[1].count': found '2', which makes 1048575 chunks, "
              "expected at most 1048574 chunks in one pool set");
}

TEST(Config, RefusesAPoolSetLargerThanTheAddressSpace)
{
    EXPECT_EQ(messageOf(configWithChunks({{k64TiB, 1}})), "no error");

    EXPECT_EQ(messageOf(configWithChunks({{k64TiB, 1}, {64, 1}})),
              "configuration: key 'pools.p.chunks[1]': found 1 x 64 bytes, "
              "expected at most 70368744177664 bytes in one pool set");
}

TEST(Config, RefusesAPoolSetWhoseSizeOverflows64Bits)
{
    EXPECT_NE(messageOf(configWithChunks({{k64TiB, 1048574}})).find("key 'pools.p.chunks[0]'"), std::string::npos);
}

TEST(Config, RefusesTheSameChunkSizeTwice)
{
    EXPECT_EQ(messageOf(configWithChunks({{64, 1}, {128, 1}, {64, 2}})),
              "configuration: key 'pools.p.chunks[2].size': found '64' as in chunks[0], expected each size once");
}

TEST(Config, ChunkSizesMayComeInAnyOrderAndKeepIt)
{
    Config config = configWithChunks({{4096, 1}, {64, 1}});

    EXPECT_EQ(messageOf(config), "no error");
    EXPECT_EQ(config.pools[0].chunks, (std::vector<ChunkClass>{{4096, 1}, {64, 1}}));
}

TEST(Config, RefusesTheSamePoolNameTwice)
{
    Config config;
    config.pools = {poolOf("a", {{64, 1}}), poolOf("a", {{128, 1}})};

    EXPECT_EQ(messageOf(config), "configuration: key 'pools.a': found 'a' a second time, expected each pool name once");
}

TEST(Config, RefusesPoolNamesThatCannotBePartOfAFileName)
{
    for (const std::string& name : {std::string(), std::string("a/b"), std::string("a.b"), std::string("a b"),
                                    std::string(65, 'x'), std::string("a\0b", 3)})
    {
        Config config;
        config.pools = {poolOf(name, {{64, 1}})};

        EXPECT_NE(messageOf(config).find("expected a pool name of 1 to 64 letters"), std::string::npos) << name;
    }
}

TEST(Config, AcceptsPoolNamesOfSixtyFourCharacters)
{
    Config config;
    config.pools = {poolOf(std::string(64, 'x'), {{64, 1}}), poolOf("A-z_09", {{64, 1}})};

    EXPECT_EQ(messageOf(config), "no error");
}

TEST(Config, RefusesATopicWhoseNameBreaksTheRules)
{
    EXPECT_EQ(
        messageOf(configWithTopics({topicOf("a//b")})),
        "configuration: key 'topics.a//b': found 'a//b', expected a topic name; topic name 'a//b': found '/' at byte "
        "3, but a '/' must stand alone between two tokens");
}

TEST(Config, RefusesTheSameTopicTwiceEvenIfOneHasALeadingSlash)
{
    EXPECT_EQ(messageOf(configWithTopics({topicOf("a"), topicOf("/a")})),
              "configuration: key 'topics./a': found '/a' a second time, "
              "expected each topic once; a leading '/' makes no difference");
}

TEST(Config, RefusesATopicThatNamesAnUnknownPool)
{
    Config config = configWithTopics({topicOf("camera/front")});
    config.pools = {poolOf("default", {{64, 1}}), poolOf("cameras", {{64, 1}})};
    config.topics[0].pool = "camera";

    EXPECT_EQ(messageOf(config), "configuration: key 'topics.camera/front.pool': found 'camera', "
                                 "expected one of the pool sets 'cameras', 'default'");
}

TEST(Config, SaysSoIfATopicNamesAPoolAndThereIsNone)
{
    Config config = configWithTopics({topicOf("a")});
    config.topics[0].pool = "p";

    EXPECT_NE(messageOf(config).find("expected the name of a pool set, but the configuration has none"),
              std::string::npos);
}

TEST(Config, RefusesABadQoSOfATopic)
{
    Config config = configWithTopics({topicOf("a")});
    config.topics[0].qos = QoS{}.keepLast(0);

    EXPECT_NE(messageOf(config).find("key 'topics.a.qos.depth': found '0'"), std::string::npos);
}

TEST(Config, ErrorsSayWhereTheValueCameFromIfItIsKnown)
{
    Config config = configWithChunks({});
    config.pools[0].source = "robot.yaml:12";

    EXPECT_EQ(messageOf(config).rfind("robot.yaml:12: key 'pools.p.chunks': ", 0), 0U) << messageOf(config);
}

TEST(Config, ErrorsAreConfigInvalid)
{
    const auto result = validate(configWithChunks({}));

    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code(), ErrorCode::ConfigInvalid);
}

TEST(Config, FindsPoolsByName)
{
    const Config config = configWithChunks({{64, 1}});

    EXPECT_EQ(config.findPool("p"), &config.pools[0]);
    EXPECT_EQ(config.findPool("q"), nullptr);
}

TEST(Config, FindsTopicsWithAndWithoutTheLeadingSlash)
{
    const Config config = configWithTopics({topicOf("a"), topicOf("b/c")});

    EXPECT_EQ(config.findTopic("b/c"), &config.topics[1]);
    EXPECT_EQ(config.findTopic("/b/c"), &config.topics[1]);
    EXPECT_EQ(config.findTopic("c"), nullptr);
}

} // namespace ZeroCP
