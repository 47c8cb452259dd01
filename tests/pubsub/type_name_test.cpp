#include "zerocp/pubsub/type_name.hpp"

#include <array>
#include <cstdint>
#include <string>

#include <gtest/gtest.h>

namespace sensor
{
struct Frame
{
    std::int32_t width;
    double stamp;
};
template <typename T, unsigned N>
struct Grid
{
    T cells[N];
};
struct Renamed
{
    int value;
};
} // namespace sensor

template <>
struct ZeroCP::TypeName<sensor::Renamed>
{
    static std::string get() { return "robot/Renamed"; }
};

namespace ZeroCP
{

using detail::normaliseTypeName;

/// What the two compilers say for one T.
struct Spelling
{
    const char* what;
    const char* gcc;
    const char* clang;
    const char* name;
};

void PrintTo(const Spelling& spelling, std::ostream* out)
{
    *out << spelling.what;
}

class TypeNameSpelling : public ::testing::TestWithParam<Spelling>
{
  protected:
    static std::string fromGcc(const std::string& type)
    {
        return normaliseTypeName("constexpr const char* ZeroCP::detail::rawTypeName() [with T = " + type + "]");
    }
    static std::string fromClang(const std::string& type)
    {
        return normaliseTypeName("const char *ZeroCP::detail::rawTypeName() [T = " + type + "]");
    }
};

TEST_P(TypeNameSpelling, IsTheSameFromGccAndClang)
{
    EXPECT_EQ(fromGcc(GetParam().gcc), GetParam().name);
    EXPECT_EQ(fromClang(GetParam().clang), GetParam().name);
}

INSTANTIATE_TEST_SUITE_P(
    Types, TypeNameSpelling,
    ::testing::Values(
        Spelling{"Struct", "sensor::Frame", "sensor::Frame", "sensor::Frame"},
        Spelling{"UnsignedLong", "long unsigned int", "unsigned long", "uint64"},
        Spelling{"Long", "long int", "long", "int64"}, Spelling{"LongLong", "long long int", "long long", "int64"},
        Spelling{"UnsignedLongLong", "long long unsigned int", "unsigned long long", "uint64"},
        Spelling{"Int", "int", "int", "int32"}, Spelling{"Unsigned", "unsigned int", "unsigned int", "uint32"},
        Spelling{"Short", "short int", "short", "int16"},
        Spelling{"UnsignedShort", "short unsigned int", "unsigned short", "uint16"},
        Spelling{"UnsignedChar", "unsigned char", "unsigned char", "uint8"},
        Spelling{"SignedChar", "signed char", "signed char", "int8"}, Spelling{"Char", "char", "char", "char"},
        Spelling{"Double", "double", "double", "double"},
        Spelling{"LongDouble", "long double", "long double", "long double"},
        Spelling{"Byte", "std::byte", "std::byte", "std::byte"},
        Spelling{"Array", "std::array<long unsigned int, 3>", "std::array<unsigned long, 3>", "std::array<uint64,3>"},
        Spelling{"Nested", "Box<Box<short int> >", "Box<Box<short>>", "Box<Box<int16>>"},
        Spelling{"Grid", "sensor::Grid<double, 3>", "sensor::Grid<double, 3>", "sensor::Grid<double,3>"},
        Spelling{"Int128", "__int128", "__int128", "int128"},
        Spelling{"UnsignedInt128", "__int128 unsigned", "unsigned __int128", "uint128"},
        Spelling{"BuiltInArray", "sensor::Frame [4]", "sensor::Frame[4]", "sensor::Frame[4]"},
        Spelling{"Anonymous", "{anonymous}::Hidden", "(anonymous namespace)::Hidden", "anonymous::Hidden"},
        Spelling{"OlderGccAnonymous", "<unnamed>::Hidden", "(anonymous namespace)::Hidden", "anonymous::Hidden"},
        Spelling{"NameThatContainsAWord", "printer::longest", "printer::longest", "printer::longest"},
        Spelling{"Const", "const short int", "const short", "const int16"}),
    [](const auto& param) { return std::string(param.param.what); });

TEST(TypeName, OfACompiledTypeIsItsQualifiedName)
{
    EXPECT_EQ(TypeName<sensor::Frame>::get(), "sensor::Frame");
    EXPECT_EQ((TypeName<sensor::Grid<std::uint64_t, 3>>::get()), "sensor::Grid<uint64,3>");
    EXPECT_EQ((TypeName<std::array<std::int16_t, 2>>::get()), "std::array<int16,2>");
}

TEST(TypeName, CanBeSpecialised)
{
    EXPECT_EQ(typeInfoOf<sensor::Renamed>().name, "robot/Renamed");
}

TEST(TypeName, TypeInfoHasSizeAndAlignment)
{
    const TypeInfo info = typeInfoOf<sensor::Frame>();

    EXPECT_EQ(info.size, 16U);
    EXPECT_EQ(info.alignment, 8U);
    EXPECT_EQ(info.descriptionHash, 0U);
    EXPECT_FALSE(info.isSlice);
}

TEST(TypeName, TypeInfoOfASliceIsThatOfItsElement)
{
    const TypeInfo info = typeInfoOf<Slice<sensor::Frame>>();

    EXPECT_EQ(info.name, "sensor::Frame");
    EXPECT_EQ(info.size, 16U);
    EXPECT_TRUE(info.isSlice);
}

} // namespace ZeroCP
