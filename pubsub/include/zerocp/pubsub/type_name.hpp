/// The name under which a message type is known to other processes. gcc and clang must agree on it, so the compilers'
/// spelling is normalised; where that is not enough, or two programs call one type by two names, specialise TypeName:
///
///     template <> struct ZeroCP::TypeName<my::Pose> { static std::string get() { return "robot/Pose"; } };
#pragma once

#include <string>
#include <string_view>

#include "zerocp/discovery/type_info.hpp"
#include "zerocp/pubsub/slice.hpp"

namespace ZeroCP
{

namespace detail
{

/// From what the compiler calls `rawTypeName() [with T = ...]`: one spelling for white space, integer types and
/// anonymous namespaces.
[[nodiscard]] std::string normaliseTypeName(std::string_view functionName);

template <typename T>
[[nodiscard]] constexpr const char* rawTypeName() noexcept
{
    return __PRETTY_FUNCTION__;
}

} // namespace detail

template <typename T>
struct TypeName
{
    [[nodiscard]] static std::string get() { return detail::normaliseTypeName(detail::rawTypeName<T>()); }
};

/// Identity of a message type: name, size, alignment; no description yet.
template <typename Message>
[[nodiscard]] TypeInfo typeInfoOf()
{
    using Element = typename MessageTraits<Message>::Element;
    static_assert(std::is_trivially_copyable_v<Element>, "a message is copied as bytes into shared memory");
    static_assert(std::is_standard_layout_v<Element>, "two programs must agree on where its members lie");
    static_assert(!std::is_pointer_v<Element>, "a pointer means nothing in another process");
    static_assert(alignof(Element) <= 64, "chunks are aligned to 64 bytes");
    return TypeInfo{.name = TypeName<Element>::get(),
                    .size = sizeof(Element),
                    .alignment = alignof(Element),
                    .descriptionHash = 0,
                    .isSlice = MessageTraits<Message>::kIsSlice};
}

} // namespace ZeroCP
