#include "zerocp/discovery/type_info.hpp"

#include <gtest/gtest.h>

namespace ZeroCP
{

TEST(TypeInfo, SaysNameSizeAndAlignment)
{
    const TypeInfo type{.name = "sensor::Frame", .size = 16, .alignment = 8, .descriptionHash = 0, .isSlice = false};

    EXPECT_EQ(toString(type), "sensor::Frame (16 bytes, alignment 8)");
}

TEST(TypeInfo, SaysThatItIsASlice)
{
    const TypeInfo type{.name = "std::byte", .size = 1, .alignment = 1, .descriptionHash = 0, .isSlice = true};

    EXPECT_EQ(toString(type), "slice of std::byte (1 bytes, alignment 1)");
}

TEST(TypeInfo, SaysItsDescriptionIfItHasOne)
{
    const TypeInfo type{.name = "T", .size = 4, .alignment = 4, .descriptionHash = 77, .isSlice = false};

    EXPECT_EQ(toString(type), "T (4 bytes, alignment 4, description 77)");
}

} // namespace ZeroCP
