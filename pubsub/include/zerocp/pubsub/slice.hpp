/// The message type for a run-time number of elements: Publisher<Slice<Point>>. Never instantiated; it only names.
#pragma once

#include <cstddef>
#include <type_traits>

namespace ZeroCP
{

/// Elements are trivially copyable, have standard layout and hold no pointers. Slice<std::byte> is raw bytes.
template <typename Element>
struct Slice
{
    using value_type = Element;
};

template <typename Message>
struct MessageTraits
{
    static constexpr bool kIsSlice = false;
    using Element = Message;
};

template <typename E>
struct MessageTraits<Slice<E>>
{
    static constexpr bool kIsSlice = true;
    using Element = E;
};

template <typename Message>
concept SliceMessage = MessageTraits<Message>::kIsSlice;

namespace detail
{

/// Elements of a message: a member for slices, a constant for everything else.
template <bool IsSlice>
struct ElementCount
{
    explicit ElementCount(std::size_t count = 0) noexcept : m_value(count) {}
    [[nodiscard]] std::size_t value() const noexcept { return m_value; }
    std::size_t m_value;
};
template <>
struct ElementCount<false>
{
    explicit ElementCount(std::size_t = 1) noexcept {}
    [[nodiscard]] static constexpr std::size_t value() noexcept { return 1; }
};

} // namespace detail

} // namespace ZeroCP
