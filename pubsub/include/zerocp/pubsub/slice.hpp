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

} // namespace ZeroCP
