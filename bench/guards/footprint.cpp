// Bytes of shared memory that endpoints and pairs take, by the layout: name and number, a line each, for scripts/guards.sh.
// Bookkeeping only; chunks come on top.
#include <cstddef>
#include <cstdio>

#include "zerocp/config/qos.hpp"
#include "zerocp/core/chunk_manager.hpp"
#include "zerocp/core/pair_queue.hpp"
#include "zerocp/core/port_record.hpp"
#include "zerocp/core/waiter_record.hpp"
#include "zerocp/discovery/discovery_layout.hpp"

int main()
{
    using namespace ZeroCP;
    const auto line = [](const char* name, std::size_t bytes) { std::printf("%s %zu\n", name, bytes); };
    constexpr std::uint32_t kDepth = 10; // what a user gets who says nothing
    constexpr std::uint32_t kHeld = 4;
    line("bytes.endpoint", sizeof(PortRecord) + sizeof(EndpointRecord));
    line("bytes.pair", sizeof(PairRecord) + PairShape::of(kDepth, kHeld).blockBytes());
    line("bytes.chunk", sizeof(ChunkHeader) + sizeof(ChunkManager)); // for 3 holder words: up to 138 ports
    line("bytes.topic", sizeof(TopicRecord) + sizeof(PoolSetRecord));
    line("bytes.process", sizeof(ProcessRecord) + sizeof(NodeRecord));
    line("bytes.waiter", sizeof(WaiterRecord));
    return 0;
}
