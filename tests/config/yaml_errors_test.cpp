/// What the YAML loader says about bad files: line, key, what was found, what was expected.
#include <cstddef>

#include "parse_support.hpp"

namespace ZeroCP
{

namespace
{

std::string repeated(std::string_view part, std::size_t times)
{
    std::string text;
    for (std::size_t i = 0; i < times; ++i)
    {
        text.append(part);
    }
    return text;
}

} // namespace

// ---- keys

TEST(YamlErrors, AnUnknownKeyGetsTheOneThatWasMeant)
{
    EXPECT_EQ(messageOf("domain: 1\nlimits:\n  topics: 3\n  max_lones: 4\n"),
              "f:4: key 'limits.max_lones': found an unknown key, expected one of the keys topics, endpoints, "
              "ports_per_topic, processes, max_loans, max_held, max_message_bytes, pool_set_bytes "
              "(did you mean 'max_loans'?)");
}

TEST(YamlErrors, AnUnknownKeyThatResemblesNothingGetsTheList)
{
    EXPECT_EQ(messageOf("\ncolour: red\n"), "f:2: key 'colour': found an unknown key, expected one of the keys domain, "
                                            "access, limits, queue, wait, pools, topics");
}

TEST(YamlErrors, UnknownKeysAreFoundAtEveryDepth)
{
    EXPECT_TRUE(contains(messageOf("access: {x: 1}"), "f:1: key 'access.x': found an unknown key"));
    EXPECT_TRUE(contains(messageOf("queue: {x: 1}"), "f:1: key 'queue.x': found an unknown key"));
    EXPECT_TRUE(contains(messageOf("wait: {x: 1}"), "f:1: key 'wait.x': found an unknown key, expected the key spin"));
    EXPECT_TRUE(contains(messageOf("pools:\n  p:\n    x: 1"), "f:3: key 'pools.p.x': found an unknown key"));
    EXPECT_TRUE(contains(messageOf("pools: {p: {memory: {x: 1}}}"), "key 'pools.p.memory.x': found an unknown key"));
    EXPECT_TRUE(contains(messageOf("pools: {p: {access: {x: 1}}}"), "key 'pools.p.access.x': found an unknown key"));
    EXPECT_TRUE(contains(messageOf("pools:\n  p:\n    chunks:\n      - {size: 1, count: 1}\n      - {site: 1}"),
                         "f:5: key 'pools.p.chunks[1].site': found an unknown key"));
    EXPECT_TRUE(contains(messageOf("topics: {a: {x: 1}}"), "key 'topics.a.x': found an unknown key"));
    EXPECT_TRUE(contains(messageOf("topics: {a: {qos: {x: 1}}}"), "key 'topics.a.qos.x': found an unknown key"));
}

TEST(YamlErrors, ADuplicateKeyIsRefusedAndBothLinesAreNamed)
{
    EXPECT_EQ(messageOf("limits:\n  topics: 3\n  processes: 4\n  topics: 5\n"),
              "f:4: key 'limits.topics': found a key that line 2 already has, expected each key once");
    EXPECT_TRUE(
        contains(messageOf("domain: 1\ndomain: 1\n"), "f:2: key 'domain': found a key that line 1 already has"));
    EXPECT_TRUE(contains(messageOf("pools:\n  p: {chunks: [{size: 1, count: 1}]}\n  p: {}\n"),
                         "f:3: key 'pools.p': found a key that line 2 already has"));
}

TEST(YamlErrors, AKeyThatIsNotAWordIsRefused)
{
    EXPECT_EQ(messageOf("limits:\n  ? [a]\n  : 1\n"),
              "f:2: key 'limits': found a list as a key, expected a word as a key");
    EXPECT_EQ(messageOf("topics: {~: {}}\n"), "f:1: key 'topics': found nothing as a key, expected a word as a key");
}

// ---- types and ranges

TEST(YamlErrors, ANumberMustBeAWholeNumberWithinItsBounds)
{
    for (const std::string_view bad : {"many", "0", "-4", "+4", "1.5", "1e3", "0x10", "010", "1000001", "4294967297",
                                       "99999999999999999999", "1 000"})
    {
        EXPECT_EQ(messageOf("domain: 1\nlimits:\n  topics: " + std::string(bad)),
                  "f:3: key 'limits.topics': found '" + std::string(bad) +
                      "', expected a whole number from 1 to 1000000");
    }
}

TEST(YamlErrors, AQuotedNumberIsText)
{
    EXPECT_EQ(messageOf("domain: \"1\"\n"),
              "f:1: key 'domain': found the quoted text '1', expected a whole number from 0 to 65535");
}

TEST(YamlErrors, ANumberMustNotBeAListAMapOrMissing)
{
    EXPECT_EQ(messageOf("domain: [1]"), "f:1: key 'domain': found a list, expected a whole number from 0 to 65535");
    EXPECT_EQ(messageOf("domain: {a: 1}"), "f:1: key 'domain': found a map, expected a whole number from 0 to 65535");
    EXPECT_EQ(messageOf("wait: {}\ndomain:\n\n\n"),
              "f:2: key 'domain': found nothing, expected a whole number from 0 to 65535");
}

TEST(YamlErrors, AMissingValueIsReportedAtItsOwnKeyNotAtTheNext)
{
    EXPECT_TRUE(contains(messageOf("limits:\n  topics:\n\nwait: {}\n"), "f:2: key 'limits.topics': found nothing"));
}

TEST(YamlErrors, AByteCountThatOverflows64BitsIsRefused)
{
    EXPECT_EQ(messageOf("pools:\n  cameras:\n    chunks:\n      - size: 99999999999999999999\n        count: 1\n"),
              "f:4: key 'pools.cameras.chunks[0].size': found '99999999999999999999', "
              "expected a whole number from 1 to 70368744177664");
}

TEST(YamlErrors, ASectionMustBeAMap)
{
    for (const std::string section : {"access", "limits", "queue", "wait", "pools", "topics"})
    {
        EXPECT_EQ(messageOf("domain: 1\n" + section + ": [1]"),
                  "f:2: key '" + section +
                      "': found a list, expected a map, written as 'key: value' lines or {key: value}");
    }
    EXPECT_TRUE(contains(messageOf("limits: 5"), "f:1: key 'limits': found '5', expected a map"));
    EXPECT_TRUE(contains(messageOf("topics:\n  a: cameras"), "f:2: key 'topics.a': found 'cameras', expected a map"));
    EXPECT_TRUE(contains(messageOf("pools:\n  p: [1]"), "f:2: key 'pools.p': found a list, expected a map"));
}

TEST(YamlErrors, TheDocumentItselfMustBeAMap)
{
    EXPECT_EQ(messageOf("hello"), "f:1: found 'hello', expected a map, written as 'key: value' lines or {key: value}");
    EXPECT_EQ(messageOf("\n- 1"), "f:2: found a list, expected a map, written as 'key: value' lines or {key: value}");
}

TEST(YamlErrors, ChunksMustBeAListOfMaps)
{
    EXPECT_EQ(messageOf("pools:\n  p:\n    chunks: {size: 1, count: 1}"),
              "f:3: key 'pools.p.chunks': found a map, expected a list of {size: BYTES, count: NUMBER}");
    EXPECT_TRUE(contains(messageOf("pools:\n  p:\n    chunks:\n      - 128"),
                         "f:4: key 'pools.p.chunks[0]': found '128', expected a map"));
}

TEST(YamlErrors, AChunkClassNeedsSizeAndCount)
{
    EXPECT_EQ(messageOf("pools:\n  p:\n    chunks:\n      - {size: 64}\n"),
              "f:4: key 'pools.p.chunks[0].count': found no such key, expected a whole number from 1 to 1048574");
    EXPECT_TRUE(contains(messageOf("pools:\n  p:\n    chunks:\n      - {count: 1}\n"),
                         "f:4: key 'pools.p.chunks[0].size': found no such key"));
}

TEST(YamlErrors, ADurationNeedsAUnitAndMustStayInItsBounds)
{
    for (const std::string_view bad :
         {"1", "1m", "20 us", "-1s", "1.5s", "us", "2s", "01ms", "soon", "9223372036854775808ns",
          "99999999999999999999s", "18446744073709551615s", "18446744073709552us"})
    {
        EXPECT_EQ(messageOf("wait:\n  spin: " + std::string(bad)),
                  "f:2: key 'wait.spin': found '" + std::string(bad) +
                      "', expected a duration such as 20us, 5ms or 1s, from 0 to 1s");
    }
    EXPECT_TRUE(contains(messageOf("queue: {publish_timeout: 86401s}"),
                         "key 'queue.publish_timeout': found '86401s', expected a duration such as 20us, 5ms or 1s, "
                         "from 0 to 86400s"));
    EXPECT_TRUE(contains(messageOf("wait: {spin: [1s]}"), "key 'wait.spin': found a list"));
}

TEST(YamlErrors, ADeadlineLifespanOrLeaseNeedsATimeFromAMicrosecondToAYear)
{
    for (const std::string key : {"deadline", "lifespan", "lease"})
    {
        for (const std::string_view bad : {"0", "999ns", "100", "-1s", "1m", "31536001s", "soon"})
        {
            EXPECT_EQ(messageOf("topics:\n  a:\n    qos:\n      depth: 1\n      " + key + ": " + std::string(bad)),
                      "f:5: key 'topics.a.qos." + key + "': found '" + std::string(bad) +
                          "', expected a duration such as 20us, 5ms or 1s, from 1us to 31536000s");
        }
    }
}

TEST(YamlErrors, LivelinessIsOneOfTwoWords)
{
    const std::string message = messageOf("topics:\n  a: {qos: {liveliness: manual}}");

    EXPECT_TRUE(contains(message, "f:2: key 'topics.a.qos.liveliness': found 'manual'")) << message;
    EXPECT_TRUE(contains(message, "automatic")) << message;
    EXPECT_TRUE(contains(message, "manual_by_topic")) << message;
}

TEST(YamlErrors, AModeMustBeOctalAndLeaveTheOwnerReadAndWrite)
{
    for (const std::string_view bad : {"0o600", "384", "0800", "1777", "00600", "0400", "rw-------", "60", "-600"})
    {
        EXPECT_EQ(
            messageOf("domain: 1\naccess: {mode: " + std::string(bad) + "}"),
            "f:2: key 'access.mode': found '" + std::string(bad) +
                "', expected an octal mode in quotes from \"0600\" to \"0777\" with read and write for the owner");
    }
    EXPECT_TRUE(contains(messageOf("access: {mode: [1]}"), "key 'access.mode': found a list"));
}

TEST(YamlErrors, AGroupMustBeOneWord)
{
    EXPECT_TRUE(contains(messageOf("access: {group: \"\"}"),
                         "key 'access.group': found the quoted text '', expected the name or number of a group"));
    EXPECT_TRUE(contains(messageOf("access: {group: a b}"), "key 'access.group': found 'a b'"));
    EXPECT_TRUE(
        contains(messageOf("access: {group: \"a\\0b\"}"), "key 'access.group': found the quoted text 'a\\x00b'"));
    EXPECT_TRUE(contains(messageOf("access: {group: {}}"), "key 'access.group': found a map"));
    EXPECT_TRUE(contains(messageOf("access: {group: }"), "key 'access.group': found nothing"));
}

TEST(YamlErrors, AFlagIsTrueOrFalse)
{
    for (const std::string key : {"prefault", "lock", "huge_pages"})
    {
        for (const std::string bad : {"yes", "1", "True"})
        {
            EXPECT_EQ(messageOf("pools: {p: {memory: {" + key + ": " + bad + "}}}"),
                      "f:1: key 'pools.p.memory." + key + "': found '" + bad + "', expected true or false");
        }
    }
    EXPECT_TRUE(contains(messageOf("pools: {p: {memory: {prefault: \"true\"}}}"), "found the quoted text 'true'"));
}

TEST(YamlErrors, ANumaNodeIsANumberInItsBounds)
{
    for (const std::string bad : {"1024", "-1", "any"})
    {
        EXPECT_EQ(messageOf("pools:\n  p:\n    memory: {numa_node: " + bad + "}"),
                  "f:3: key 'pools.p.memory.numa_node': found '" + bad + "', expected a whole number from 0 to 1023");
    }
}

TEST(YamlErrors, AnUnknownKeyOfMemoryIsAnsweredWithTheKnownOnes)
{
    EXPECT_EQ(messageOf("pools: {p: {memory: {prefalt: true}}}"),
              "f:1: key 'pools.p.memory.prefalt': found an unknown key, expected one of the keys prefault, lock, "
              "huge_pages, numa_node (did you mean 'prefault'?)");
}

TEST(YamlErrors, AQoSWordMustBeKnown)
{
    EXPECT_EQ(messageOf("topics:\n  a:\n    qos: {history: keeplast}"),
              "f:3: key 'topics.a.qos.history': found 'keeplast', expected one of the words keep_last, keep_all");
    EXPECT_EQ(
        messageOf("topics: {a: {qos: {reliability: best effort}}}"),
        "f:1: key 'topics.a.qos.reliability': found 'best effort', expected one of the words reliable, best_effort");
    EXPECT_EQ(messageOf("topics: {a: {qos: {durability: []}}}"),
              "f:1: key 'topics.a.qos.durability': found a list, expected one of the words volatile, transient_local");
}

TEST(YamlErrors, ADepthMustBeInItsBounds)
{
    EXPECT_EQ(messageOf("topics: {a: {qos: {depth: 65537}}}"),
              "f:1: key 'topics.a.qos.depth': found '65537', expected a whole number from 1 to 65536");
}

TEST(YamlErrors, ADepthWithKeepAllIsRefused)
{
    EXPECT_EQ(
        messageOf("topics:\n  a:\n    qos:\n      depth: 4\n      history: keep_all\n"),
        "f:4: key 'topics.a.qos.depth': found '4' with history keep_all, expected no depth, or history keep_last");
}

// ---- rules about names and about several values

TEST(YamlErrors, APoolNameMustBeFitForAFileName)
{
    EXPECT_EQ(messageOf("pools:\n  ../etc:\n    chunks: []\n"),
              "f:2: key 'pools': found '../etc', expected a pool name of 1 to 64 letters, digits, '_' or '-'");
}

TEST(YamlErrors, ATopicNameMustKeepTheRulesOfRos2)
{
    EXPECT_EQ(messageOf("topics:\n  a: {}\n  camera/1: {}\n"),
              "f:3: key 'topics': found 'camera/1', expected a topic name; topic name 'camera/1': found '1' at byte 8, "
              "but a name must not start with a digit");
}

TEST(YamlErrors, TheSameTopicWithAndWithoutSlashIsADuplicate)
{
    EXPECT_EQ(messageOf("topics:\n  a: {}\n  /a: {}\n"),
              "f:3: key 'topics./a': found the topic that line 2 already has, "
              "expected each topic once; a leading '/' makes no difference");
}

TEST(YamlErrors, AnUnknownPoolIsReportedWhereTheTopicNamesIt)
{
    EXPECT_EQ(messageOf("pools:\n  cameras: {chunks: [{size: 1, count: 1}]}\ntopics:\n  /camera/front:\n    qos: {}\n"
                        "    pool: camera\n"),
              "f:6: key 'topics.camera/front.pool': found 'camera', expected one of the pool sets 'cameras'");
}

TEST(YamlErrors, ADuplicateChunkSizeIsReportedWhereItStands)
{
    EXPECT_EQ(
        messageOf("pools:\n  p:\n    chunks:\n      - {size: 64, count: 1}\n      - {count: 2,\n         size: 64}\n"),
        "f:6: key 'pools.p.chunks[1].size': found '64' as in chunks[0], expected each size once");
}

TEST(YamlErrors, APoolWithoutChunksIsReportedAtThePool)
{
    EXPECT_EQ(messageOf("pools:\n\n  p: {}\n"),
              "f:3: key 'pools.p.chunks': found no size class, expected 1 to 16 of them, "
              "each written as {size: BYTES, count: NUMBER}");
}

TEST(YamlErrors, TooManyChunksAreReportedAtTheLineThatIsTooMuch)
{
    EXPECT_TRUE(contains(messageOf("pools:\n  p:\n    chunks:\n      - {size: 64, count: 1048574}\n"
                                   "      - {size: 128, count: 1}\n"),
                         "f:5: key 'pools.p.chunks[1].count': found '1', which makes 1048575 chunks"));
}

// ---- YAML itself

TEST(YamlErrors, SyntaxErrorsHaveTheirLine)
{
    EXPECT_EQ(messageOf("domain: 1\nlimits: {topics: 1\nwait: {}\n"),
              "f:3: found a syntax error (end of map flow not found), expected one document of plain YAML");
    EXPECT_TRUE(contains(messageOf("domain: 1\n\tdomain: 2\n"), "f:2: found a syntax error"));
    EXPECT_TRUE(contains(messageOf("domain: 1\n domain: 2\n"), "f:2: found a syntax error (illegal map value)"));
    EXPECT_TRUE(contains(messageOf("a: 1\nb: @x\n"), "f:2: found a syntax error (unknown token)"));
}

TEST(YamlErrors, AQuoteThatIsNeverClosedIsASyntaxError)
{
    EXPECT_TRUE(
        contains(messageOf("access: {mode: \"0600\"}\ntopics: {a: {pool: \"cameras\n"), "f:2: found a syntax error"));
    EXPECT_TRUE(
        contains(messageOf("access:\n  group: \"video\n"), "f:2: found a syntax error (illegal EOF in scalar)"));
}

TEST(YamlErrors, ASecondDocumentIsRefused)
{
    EXPECT_EQ(messageOf("domain: 1\n---\ndomain: 2\n"),
              "f:2: found a second document or text after the end of the first, expected one document of plain YAML");
    EXPECT_TRUE(contains(messageOf("{domain: 1} rest"), "f:1: found a second document or text after the end"));
}

TEST(YamlErrors, AliasesAreRefusedWhereTheyAreUsed)
{
    EXPECT_EQ(messageOf("pools:\n  a: {chunks: &c [{size: 1, count: 1}]}\n  b: {chunks: *c}\n"),
              "f:3: key 'pools.b.chunks': found an alias, which is not supported, "
              "expected a list of {size: BYTES, count: NUMBER}");
    EXPECT_TRUE(
        contains(messageOf("domain: &d 1\nlimits: {topics: *d}\n"), "f:2: key 'limits.topics': found an alias"));
    EXPECT_TRUE(contains(messageOf("limits: &l {}\nwait: {<<: *l}\n"), "f:2: key 'wait.<<': found an unknown key"));
}

TEST(YamlErrors, TagsAreRefused)
{
    EXPECT_TRUE(contains(messageOf("domain: !!int 1\n"), "f:1: key 'domain': found a tag, which is not supported"));
    EXPECT_TRUE(
        contains(messageOf("domain: 1\nlimits: !mine {}\n"), "f:2: found the tag !mine, which has no meaning here"));
}

TEST(YamlErrors, AnAliasBombIsRefusedAtOnce)
{
    std::string bomb = "a: &a [x]\n";
    for (char c = 'b'; c <= 'z'; ++c)
    {
        bomb += std::string(1, c) + ": &" + c + " [" + repeated(std::string("*") + static_cast<char>(c - 1) + ",", 9) +
                "]\n";
    }

    EXPECT_TRUE(contains(messageOf(bomb), "f:1: key 'a': found an unknown key"));
}

TEST(YamlErrors, DeepNestingIsRefused)
{
    for (const std::string_view part : {"[", "{", "- ", "? ", "a: {"})
    {
        EXPECT_TRUE(contains(messageOf(repeated(part, 100000)), "found more than 16 nested lists and maps")) << part;
    }
}

TEST(YamlErrors, ControlCharactersAreRefused)
{
    EXPECT_EQ(messageOf(std::string_view("domain: 1\nwait: {}\0\n", 20)),
              "f:2: found the byte '\\x00', expected UTF-8 text without control characters");
    EXPECT_TRUE(contains(messageOf("domain: 1\x04\nnonsense"), "f:1: found the byte '\\x04'"))
        << "yaml-cpp stops at it";
}

TEST(YamlErrors, Utf16IsRefused)
{
    EXPECT_TRUE(contains(messageOf("\xff\xfe"
                                   "a"),
                         "f:1: found the byte order mark of UTF-16"));
}

TEST(YamlErrors, ATextOfMoreThanOneMebibyteIsRefused)
{
    EXPECT_EQ(messageOf(std::string(1048576, '#')), "no error");

    EXPECT_EQ(messageOf(std::string(1048577, '#')), "f:1: found a text of 1048577 bytes, expected at most 1048576");
}

TEST(YamlErrors, MessagesStayShortAndPrintable)
{
    const std::string message = messageOf("\"\\e[31m" + std::string(1000, 'x') + "\": 1\n");

    EXPECT_TRUE(contains(message, "\\x1b[31mxxx"));
    EXPECT_LT(message.size(), 300U);
}

TEST(YamlErrors, ErrorsOfTheTextAreConfigInvalid)
{
    for (const std::string_view text : {"x: 1", "domain: x", "a: [", "pools: {p: {}}", "domain: \x01", "--- 1\n--- 2"})
    {
        const auto config = parseConfig(text, "f");

        ASSERT_FALSE(config) << text;
        EXPECT_EQ(config.error().code(), ErrorCode::ConfigInvalid) << text;
    }
}

} // namespace ZeroCP
