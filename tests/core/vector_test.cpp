#include "zerocp/core/vector.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <type_traits>

#include <gtest/gtest.h>

namespace ZeroCP
{

namespace
{

static_assert(std::is_trivially_destructible_v<vector<int, 4>>, "may lie in shared memory");
static_assert(std::is_standard_layout_v<vector<int, 4>>, "may lie in shared memory");
static_assert(!std::is_trivially_destructible_v<vector<std::string, 4>>);

TEST(Vector, StartsEmpty)
{
    const vector<int, 3> numbers;

    EXPECT_TRUE(numbers.empty());
    EXPECT_EQ(numbers.size(), 0U);
    EXPECT_EQ(numbers.begin(), numbers.end());
    EXPECT_EQ(numbers.capacity(), 3U);
}

TEST(Vector, KeepsElementsInTheOrderOfTheirArrival)
{
    vector<int, 3> numbers;
    numbers.push_back(7);
    numbers.emplace_back(8);
    numbers.push_back(9);

    EXPECT_EQ(numbers.front(), 7);
    EXPECT_EQ(numbers[1], 8);
    EXPECT_EQ(numbers.back(), 9);
    EXPECT_EQ(numbers.end() - numbers.begin(), 3);
}

TEST(Vector, RefusesAnElementBeyondItsCapacityAndKeepsTheOthers)
{
    vector<int, 2> numbers;
    numbers.push_back(1);
    numbers.push_back(2);

    const bool added = numbers.push_back(3);

    EXPECT_FALSE(added);
    EXPECT_TRUE(numbers.full());
    EXPECT_EQ(numbers.size(), 2U);
    EXPECT_EQ(numbers.back(), 2);
}

TEST(Vector, ElementsLieInsideTheObject)
{
    struct alignas(64) Line
    {
        std::uint64_t m_value;
    };
    vector<Line, 4> lines;
    lines.emplace_back();
    lines.emplace_back();

    const auto start = reinterpret_cast<std::uintptr_t>(&lines);
    const auto second = reinterpret_cast<std::uintptr_t>(&lines[1]);

    EXPECT_EQ(second - start, 64U);
    EXPECT_LE(second + 64, start + sizeof lines);
    EXPECT_EQ(second % 64, 0U);
}

TEST(Vector, DestroysEveryElementOnce)
{
    const auto witness = std::make_shared<int>(0);
    {
        vector<std::shared_ptr<int>, 4> witnesses;
        witnesses.push_back(witness);
        witnesses.push_back(witness);
        witnesses.push_back(witness);
        witnesses.pop_back();

        EXPECT_EQ(witness.use_count(), 3);
    }
    EXPECT_EQ(witness.use_count(), 1);
}

TEST(Vector, PopFromAnEmptyOneAnswersFalse)
{
    vector<int, 2> numbers;

    EXPECT_FALSE(numbers.pop_back());
}

TEST(Vector, ACopyIsIndependent)
{
    vector<std::string, 2> words;
    words.push_back("one");
    vector<std::string, 2> copy(words);

    copy[0] = "two";
    const auto& same = words;
    words = same; // changes nothing

    EXPECT_EQ(words[0], "one");
    EXPECT_EQ(copy[0], "two");
}

TEST(Vector, MovingTakesTheElementsAndEmptiesTheSource)
{
    vector<std::unique_ptr<int>, 2> source;
    source.push_back(std::make_unique<int>(5));

    vector<std::unique_ptr<int>, 2> target(std::move(source));

    EXPECT_TRUE(source.empty()); // NOLINT: the promise under test
    ASSERT_EQ(target.size(), 1U);
    EXPECT_EQ(*target[0], 5);
}

TEST(Vector, AssignmentReplacesWhatWasThere)
{
    vector<std::string, 3> words;
    words.push_back("old");
    words.push_back("older");
    vector<std::string, 3> others;
    others.push_back("new");

    words = others;

    ASSERT_EQ(words.size(), 1U);
    EXPECT_EQ(words[0], "new");
}

TEST(VectorDeathTest, AnIndexBeyondTheSizeStopsTheProcess)
{
    vector<int, 4> numbers;
    numbers.push_back(1);

    EXPECT_DEATH(static_cast<void>(numbers[1]), "vector index beyond its size");
}

} // namespace

} // namespace ZeroCP
