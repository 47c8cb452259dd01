/// Where the chunks of a pool set are while its ports live: each either in its free list, once and with no holder, or in
/// use and held by ports that exist, of which none has returned it to a publisher that is gone. To be asked when no port
/// is inside a call.
#pragma once

#include <string>

#include "zerocp/core/pool_view.hpp"

namespace ZeroCP::test
{

/// A line for everything that is wrong.
[[nodiscard]] std::string misplacedChunks(const PoolView& view);

} // namespace ZeroCP::test
