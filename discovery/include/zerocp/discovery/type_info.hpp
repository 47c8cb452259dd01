/// What two endpoints must agree on to share a topic. Process-local value.
#pragma once

#include <cstdint>
#include <string>

namespace ZeroCP
{

struct TypeInfo
{
    std::string name;                 ///< as compilers agree to spell it, or as TypeName<T> says
    std::uint64_t size{0};            ///< of one message; of one element if isSlice
    std::uint64_t alignment{1};       ///< up to 64
    std::uint64_t descriptionHash{0}; ///< 0: the type has no description
    bool isSlice{false};              ///< a run-time number of elements per message

    [[nodiscard]] bool operator==(const TypeInfo&) const = default;
};

/// "sensor::Frame (2359344 bytes, alignment 8)", for error sentences.
[[nodiscard]] std::string toString(const TypeInfo& type);

} // namespace ZeroCP
