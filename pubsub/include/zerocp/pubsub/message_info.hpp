/// What a sample tells about itself besides its bytes.
#pragma once

#include <cstdint>

namespace ZeroCP
{

struct MessageInfo
{
    std::uint64_t sequence;      ///< of this publisher, from 1; every publish counts, also to no subscriber
    std::uint64_t publishTimeNs; ///< CLOCK_MONOTONIC
    std::uint64_t publisherId;   ///< unique in the life of the domain
};

} // namespace ZeroCP
