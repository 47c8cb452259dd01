#include "zerocp/config/yaml_loader.hpp"

#include <chrono>
#include <cstdlib>
#include <fstream>

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "parse_support.hpp"

namespace ZeroCP
{

namespace
{

using namespace std::chrono_literals;

/// A directory of its own for one test; removed with all that is in it.
class TemporaryDirectory
{
  public:
    TemporaryDirectory()
    {
        std::string pattern = (std::filesystem::temp_directory_path() / "zerocp-config-XXXXXX").string();
        m_path = ::mkdtemp(pattern.data());
    }
    TemporaryDirectory(const TemporaryDirectory&) = delete;
    TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
    ~TemporaryDirectory() { std::filesystem::remove_all(m_path); }

    [[nodiscard]] const std::filesystem::path& path() const { return m_path; }
    [[nodiscard]] std::filesystem::path write(const std::string& name, std::string_view text) const
    {
        std::ofstream(m_path / name, std::ios::binary) << text;
        return m_path / name;
    }

  private:
    std::filesystem::path m_path;
};

std::string loadMessageOf(const std::filesystem::path& file)
{
    const auto config = loadConfig(file);
    return config ? "no error" : config.error().message();
}

// The example of design/api.md, word for word, therefore one line longer than the others may be.
constexpr std::string_view kExample = R"(domain: 0
access: {mode: "0600"}          # discovery and lock file; group: NAME
limits: {topics: 1024, endpoints: 4096, ports_per_topic: 128, processes: 256, max_loans: 4, max_held: 4, max_message_bytes: 1073741824}
queue: {keep_all_capacity: 1024, publish_timeout: 1s}
wait: {spin: 20us}
pools:
  default:                      # a pool set
    chunks: [{size: 128, count: 10000}, {size: 1024, count: 5000}, {size: 4096, count: 1000}]
  cameras:
    chunks: [{size: 6291456, count: 24}]
    access: {group: video, mode: "0660"}
    memory: {prefault: true}
topics:
  camera/front:
    pool: cameras
    qos: {history: keep_last, depth: 4, reliability: best_effort, durability: volatile}
)";

} // namespace

TEST(YamlLoader, ReadsTheExampleOfTheDocumentation)
{
    const Config config = parsed(kExample);

    ASSERT_EQ(config.pools.size(), 2U);
    EXPECT_EQ(config.pools[0].name, "default");
    EXPECT_EQ(config.pools[0].chunks, (std::vector<ChunkClass>{{128, 10000}, {1024, 5000}, {4096, 1000}}));
    EXPECT_EQ(config.pools[0].access, AccessConfig{});
    EXPECT_EQ(config.pools[0].memory, MemoryConfig{});
    EXPECT_EQ(config.pools[0].source, "f:7");
    EXPECT_EQ(config.pools[1].name, "cameras");
    EXPECT_EQ(config.pools[1].chunks, (std::vector<ChunkClass>{{6291456, 24}}));
    EXPECT_EQ(config.pools[1].access, (AccessConfig{0660, "video"}));
    EXPECT_EQ(config.pools[1].memory, (MemoryConfig{true, false, false, {}}));
    EXPECT_EQ(config.pools[1].source, "f:9");
    ASSERT_EQ(config.topics.size(), 1U);
    EXPECT_EQ(config.topics[0].name, "camera/front");
    EXPECT_EQ(config.topics[0].pool, "cameras");
    EXPECT_EQ(config.topics[0].qos, QoS{}.keepLast(4).bestEffort());
    EXPECT_EQ(config.topics[0].source, "f:14");
}

TEST(YamlLoader, ReadsWhatIsDoneWithThePagesOfAPool)
{
    const Config config = parsed("pools:\n"
                                 "  all: {chunks: [{size: 64, count: 1}], memory: {prefault: true, lock: true, "
                                 "huge_pages: true, numa_node: 3}}\n"
                                 "  none: {chunks: [{size: 64, count: 1}], memory: {lock: false, numa_node: 0}}\n");

    EXPECT_EQ(config.pools[0].memory, (MemoryConfig{true, true, true, 3}));
    EXPECT_EQ(config.pools[1].memory, (MemoryConfig{false, false, false, 0}));
}

TEST(YamlLoader, TheSimpleValuesOfTheExampleAreTheDefaults)
{
    const Config config = parsed(kExample);

    EXPECT_EQ(config.domain, Config{}.domain);
    EXPECT_EQ(config.access, Config{}.access);
    EXPECT_EQ(config.limits, Config{}.limits);
    EXPECT_EQ(config.queue, Config{}.queue);
    EXPECT_EQ(config.wait, Config{}.wait);
}

TEST(YamlLoader, EverySimpleKeyLandsInItsMember)
{
    const Config config = parsed("domain: 7\n"
                                 "access: {mode: \"0640\", group: robots}\n"
                                 "limits: {topics: 1, endpoints: 2, ports_per_topic: 3, processes: 4, max_loans: 5, "
                                 "max_held: 6, max_message_bytes: 7, pool_set_bytes: 8192}\n"
                                 "queue: {keep_all_capacity: 9, publish_timeout: 10ms}\n"
                                 "wait: {spin: 11ns}\n");

    EXPECT_EQ(config.domain, 7U);
    EXPECT_EQ(config.access, (AccessConfig{0640, "robots"}));
    EXPECT_EQ(config.limits, (Limits{1, 2, 3, 4, 5, 6, 7, 8192}));
    EXPECT_EQ(config.queue, (QueueConfig{9, 10ms}));
    EXPECT_EQ(config.wait, (WaitConfig{11ns}));
}

TEST(YamlLoader, AnEmptyTextMeansDefaults)
{
    for (const std::string_view text :
         {"", "\n \n", "# only a comment\n", "---\n", "{}", "null", "\xef\xbb\xbf", "..."})
    {
        EXPECT_EQ(parsed(text).limits, Limits{}) << text;
    }
}

TEST(YamlLoader, SectionsWithNothingInThemMeanDefaults)
{
    const Config config = parsed("limits:\npools:\ntopics:\n  a:\n  b:\n    qos:\n");

    EXPECT_EQ(config.limits, Limits{});
    EXPECT_TRUE(config.pools.empty());
    ASSERT_EQ(config.topics.size(), 2U);
    EXPECT_EQ(config.topics[0].qos, std::nullopt);
    EXPECT_EQ(config.topics[1].qos, QoS{});
}

TEST(YamlLoader, AByteOrderMarkAndWindowsLineEndsAreFine)
{
    EXPECT_EQ(parsed("\xef\xbb\xbf"
                     "domain: 3\r\nwait: {spin: 0}\r\n")
                  .domain,
              3U);
}

TEST(YamlLoader, ReadsEveryUnitOfDurations)
{
    EXPECT_EQ(parsed("queue: {publish_timeout: 7ns}").queue.publishTimeout, 7ns);
    EXPECT_EQ(parsed("queue: {publish_timeout: 7us}").queue.publishTimeout, 7us);
    EXPECT_EQ(parsed("queue: {publish_timeout: 7ms}").queue.publishTimeout, 7ms);
    EXPECT_EQ(parsed("queue: {publish_timeout: \"7s\"}").queue.publishTimeout, 7s);
}

TEST(YamlLoader, ReadsWhatATopicPromisesInTime)
{
    const Config config =
        parsed("topics:\n"
               "  a: {qos: {deadline: 100ms, lifespan: 2s, liveliness: manual_by_topic, lease: 500ms}}\n"
               "  b: {qos: {lease: 1s, liveliness: manual_by_topic}}\n"
               "  c: {qos: {liveliness: automatic, lease: 3us}}\n");

    EXPECT_EQ(config.topics[0].qos, QoS{}.deadline(100ms).lifespan(2s).liveliness(Liveliness::ManualByTopic, 500ms));
    EXPECT_EQ(config.topics[1].qos, QoS{}.liveliness(Liveliness::ManualByTopic, 1s)); // in any order
    EXPECT_EQ(config.topics[2].qos, QoS{}.liveliness(Liveliness::Automatic, 3us));
}

TEST(YamlLoader, ASpinOfZeroNeedsNoUnit)
{
    EXPECT_EQ(parsed("wait: {spin: 0us}").wait.spin, 0ns);
    EXPECT_EQ(parsed("wait: {spin: 0}").wait.spin, 0ns);
}

TEST(YamlLoader, AModeIsOctalWithAndWithoutQuotes)
{
    for (const std::string_view text : {"access: {mode: \"0660\"}", "access: {mode: '660'}", "access: {mode: 0660}"})
    {
        EXPECT_EQ(parsed(text).access.mode, 0660U) << text;
    }
}

TEST(YamlLoader, ReadsEveryWordOfQoS)
{
    const Config config = parsed("topics:\n"
                                 "  a: {qos: {history: keep_all, reliability: reliable, durability: transient_local}}\n"
                                 "  b: {qos: {depth: 3}}\n");

    EXPECT_EQ(config.topics[0].qos, QoS{}.keepAll().transientLocal());
    EXPECT_EQ(config.topics[1].qos, QoS{}.keepLast(3));
}

TEST(YamlLoader, StoresTopicsWithoutTheLeadingSlash)
{
    const Config config = parsed("topics: {/robot/pose: {}}");

    ASSERT_EQ(config.topics.size(), 1U);
    EXPECT_EQ(config.topics[0].name, "robot/pose");
}

TEST(YamlLoader, ATopicMayNameAPoolThatComesLater)
{
    EXPECT_EQ(messageOf("topics: {a: {pool: p}}\npools: {p: {chunks: [{size: 64, count: 1}]}}\n"), "no error");
}

TEST(YamlLoader, LoadsAFileAndNamesItInErrors)
{
    const TemporaryDirectory directory;

    const auto good = loadConfig(directory.write("good.yaml", kExample));
    const auto bad = directory.write("bad.yaml", "domain: 1\nx: 2\n");

    ASSERT_TRUE(good) << good.error().message();
    EXPECT_EQ(good->pools[0].source, (directory.path() / "good.yaml").string() + ":7");
    EXPECT_TRUE(contains(loadMessageOf(bad), bad.string() + ":2: key 'x': found an unknown key"));
}

TEST(YamlLoader, AMissingFileIsConfigInvalidWithTheTextOfErrno)
{
    const auto config = loadConfig("/nonexistent/zerocp.yaml");

    ASSERT_FALSE(config);
    EXPECT_EQ(config.error().code(), ErrorCode::ConfigInvalid);
    EXPECT_EQ(config.error().message(),
              "configuration file /nonexistent/zerocp.yaml: open failed: No such file or directory (errno 2)");
}

TEST(YamlLoader, ADirectoryIsRefused)
{
    const TemporaryDirectory directory;

    EXPECT_EQ(loadMessageOf(directory.path()),
              "configuration file " + directory.path().string() +
                  ": found a directory, expected a regular file of at most 1048576 bytes");
}

TEST(YamlLoader, APipeWithoutAWriterIsRefusedWithoutWaiting)
{
    const TemporaryDirectory directory;
    const auto pipe = directory.path() / "pipe";
    ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);

    EXPECT_TRUE(contains(loadMessageOf(pipe), "found a device, pipe or socket, expected a regular file"));
}

TEST(YamlLoader, AFileOfMoreThanOneMebibyteIsRefused)
{
    const TemporaryDirectory directory;

    EXPECT_TRUE(contains(loadMessageOf(directory.write("large.yaml", std::string(1048577, '#'))),
                         "large.yaml: found a larger file, expected a regular file of at most 1048576 bytes"));
}

TEST(YamlLoader, AnEmptyFileMeansDefaults)
{
    const TemporaryDirectory directory;

    EXPECT_EQ(loadMessageOf(directory.write("empty.yaml", "")), "no error");
}

TEST(YamlLoader, AFileWithoutReadPermissionIsPermissionDenied)
{
    if (::geteuid() == 0)
    {
        GTEST_SKIP() << "root may read everything";
    }
    const TemporaryDirectory directory;
    const auto file = directory.write("secret.yaml", "");
    std::filesystem::permissions(file, std::filesystem::perms::none);

    const auto config = loadConfig(file);

    ASSERT_FALSE(config);
    EXPECT_EQ(config.error().code(), ErrorCode::PermissionDenied);
}

} // namespace ZeroCP
