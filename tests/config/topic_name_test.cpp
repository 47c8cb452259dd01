#include "zerocp/config/topic_name.hpp"

#include <gtest/gtest.h>

namespace ZeroCP
{

namespace
{

/// The normalised name, or the sentence of the error.
std::string topicOrMessage(std::string_view name)
{
    const auto result = normaliseTopicName(name);
    return result ? *result : result.error().message();
}

std::string nodeOrMessage(std::string_view name)
{
    const auto result = checkNodeName(name);
    return result ? *result : result.error().message();
}

} // namespace

TEST(TopicName, ALeadingSlashMakesNoDifference)
{
    EXPECT_EQ(topicOrMessage("/robot/pose"), "robot/pose");
    EXPECT_EQ(topicOrMessage("robot/pose"), "robot/pose");
}

TEST(TopicName, AcceptsWhatRos2Accepts)
{
    for (const std::string_view name : {"a", "_", "A9", "_hidden/x", "a/b/c/d", "camera_1/image_raw", "a_/_b"})
    {
        EXPECT_EQ(topicOrMessage(name), name);
    }
}

TEST(TopicName, RefusesAnEmptyName)
{
    EXPECT_EQ(topicOrMessage(""), "topic name '': found 0 bytes, expected 1 to 255");
    EXPECT_EQ(topicOrMessage("/"), "topic name '/': found 0 bytes, expected 1 to 255");
}

TEST(TopicName, RefusesAnEmptyToken)
{
    EXPECT_EQ(topicOrMessage("robot//pose"),
              "topic name 'robot//pose': found '/' at byte 7, but a '/' must stand alone between two tokens");
    EXPECT_EQ(topicOrMessage("//a"),
              "topic name '//a': found '/' at byte 2, but a '/' must stand alone between two tokens");
}

TEST(TopicName, RefusesASlashAtTheEnd)
{
    EXPECT_EQ(topicOrMessage("robot/"),
              "topic name 'robot/': found '/' at byte 6, but a topic name must not end with '/'");
}

TEST(TopicName, RefusesATokenThatStartsWithADigit)
{
    EXPECT_EQ(topicOrMessage("/robot/1"),
              "topic name '/robot/1': found '1' at byte 8, but a name must not start with a digit");
    EXPECT_EQ(topicOrMessage("1"), "topic name '1': found '1' at byte 1, but a name must not start with a digit");
}

TEST(TopicName, RefusesRepeatedUnderscores)
{
    EXPECT_EQ(topicOrMessage("a__b"),
              "topic name 'a__b': found '_' at byte 3, but underscores must not be repeated in a topic name");
}

TEST(TopicName, RefusesTheSubstitutionsOfRos2)
{
    for (const std::string_view name : {"~", "~/a", "/~a", "a/{node}", "{ns}/a", "a}"})
    {
        EXPECT_NE(topicOrMessage(name).find("substitutions '~' and '{}' of ROS 2 are not supported"), std::string::npos)
            << name;
    }
}

TEST(TopicName, RefusesOtherCharactersAndSaysWhichAndWhere)
{
    EXPECT_EQ(topicOrMessage("a b"),
              "topic name 'a b': found ' ' at byte 2, but only letters, digits and underscores of ASCII are allowed");
    for (const std::string_view name : {"a-b", "a.b", "a\\b",
                                        "gr\xc3\xb6\xc3\x9f"
                                        "e",
                                        "a\n"})
    {
        EXPECT_NE(topicOrMessage(name).find("only letters, digits and underscores"), std::string::npos) << name;
    }
}

TEST(TopicName, RefusesAnEmbeddedNul)
{
    EXPECT_NE(topicOrMessage(std::string_view("a\0b", 3)).find("found '\\x00' at byte 2"), std::string::npos);
}

TEST(TopicName, LengthIsCountedWithoutTheLeadingSlash)
{
    const std::string longest(255, 'x');

    EXPECT_EQ(topicOrMessage("/" + longest), longest);
    EXPECT_NE(topicOrMessage(longest + "x").find("found 256 bytes, expected 1 to 255"), std::string::npos);
}

TEST(TopicName, AnswersWithInvalidName)
{
    const auto tooShort = normaliseTopicName("");
    const auto badCharacter = normaliseTopicName("a b");

    ASSERT_FALSE(tooShort || badCharacter);
    EXPECT_EQ(tooShort.error().code(), ErrorCode::InvalidName);
    EXPECT_EQ(badCharacter.error().code(), ErrorCode::InvalidName);
}

TEST(NodeName, AcceptsOneToken)
{
    for (const std::string_view name : {"driver", "_", "node_1", "a__b"})
    {
        EXPECT_EQ(nodeOrMessage(name), name);
    }
}

TEST(NodeName, RefusesAnEmptyOrTooLongName)
{
    EXPECT_EQ(nodeOrMessage(""), "node name '': found 0 bytes, expected 1 to 255");
    EXPECT_EQ(nodeOrMessage(std::string(255, 'x')), std::string(255, 'x'));
    EXPECT_NE(nodeOrMessage(std::string(256, 'x')).find("found 256 bytes"), std::string::npos);
}

TEST(NodeName, RefusesADigitAtTheStart)
{
    EXPECT_EQ(nodeOrMessage("1st"), "node name '1st': found '1' at byte 1, but a name must not start with a digit");
}

TEST(NodeName, RefusesASlash)
{
    EXPECT_EQ(nodeOrMessage("a/b"),
              "node name 'a/b': found '/' at byte 2, but only letters, digits and underscores of ASCII are allowed");
}

TEST(NodeName, AnswersWithInvalidName)
{
    const auto result = checkNodeName("a b");

    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code(), ErrorCode::InvalidName);
}

} // namespace ZeroCP
