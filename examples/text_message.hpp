/// What talker says and listener hears. Both programs compile this one definition: a topic is joined only by those who
/// agree on the type's full name, size and alignment.
#pragma once

#include <array>
#include <cstdint>

namespace example
{

/// No std::string in here: its characters live on the heap of one process, where no other can follow.
struct TextMessage
{
    std::uint64_t count;
    std::array<char, 56> text; ///< ends with '\0'
};

} // namespace example
