#include "sweep/places.hpp"

#include <vector>

#include "zerocp/core/chunk_manager.hpp"

namespace ZeroCP::test
{

namespace
{

using holder::kBits;
using holder::stateOf;

/// Holder bits of the ports that exist, per word. All are of one topic.
std::vector<std::uint64_t> bitsOfPorts(const PoolView& view, std::string& wrong)
{
    std::vector<std::uint64_t> bits(view.holderWords(), 0);
    for (std::uint32_t i = 1; i < view.header().m_portHighWater.load(); ++i)
    {
        const PortRecord& port = view.port(i);
        const auto state = static_cast<PortState>(port.m_state.load());
        const std::uint32_t index = port.m_holderIndex.load();
        if (state == PortState::Active)
        {
            bits[holder::wordOf(index)] |= holder::bitOf(index);
        }
        else if (state != PortState::Off)
        {
            wrong += "  port " + std::to_string(i) + " is neither there nor gone\n";
        }
        if (port.m_note.load() != 0)
        {
            wrong += "  port " + std::to_string(i) + " is still in a list operation\n";
        }
    }
    return bits;
}

std::vector<bool> listedIn(const PoolView::Class& in, std::string& wrong)
{
    const std::uint32_t total = in.m_pool->getTotalChunks();
    std::vector<bool> listed(total, false);
    auto number = static_cast<std::uint32_t>(in.m_list.m_head->load() & MPMC_LockFree_List::kEndOfList);
    while (number < total && !listed[number])
    {
        listed[number] = true;
        number = in.m_list.m_links[number].load();
    }
    if (number != MPMC_LockFree_List::kEndOfList)
    {
        wrong += "  number " + std::to_string(number) + " ends the free list or stands in it twice\n";
    }
    return listed;
}

std::string whatIsWrong(const PoolView& view, std::uint32_t chunk, bool listed, const std::vector<std::uint64_t>& ports)
{
    bool held = false;
    bool heldByNobody = false;
    for (std::uint32_t x = 0; x < view.holderWords(); ++x)
    {
        const std::uint64_t bits = view.word(chunk, x).load() & kBits;
        held = held || bits != 0;
        heldByNobody = heldByNobody || (bits & ~ports[x]) != 0;
    }
    switch (stateOf(view.word(chunk, 0).load()))
    {
    case ChunkState::Free: return !listed ? "is Free and not in the list" : held ? "is Free and held" : "";
    case ChunkState::InUse:
        return listed         ? "is in use and in the free list"
               : !held        ? "is in use and nobody holds it"
               : heldByNobody ? "is held by a port that does not exist"
                              : "";
    case ChunkState::Retired:
        return listed ? "was given back and is in the list" : held ? "was given back and is held" : "";
    default: return "is Freeing and nobody frees it";
    }
}

/// What stands in the return ring of a publisher that is gone and still has the bit of the subscriber that wrote it.
std::string heldThoughReturned(const PoolView& view, const PairRecord& record)
{
    const auto pair = view.pairView(record);
    if (!pair || (record.m_state.load() & ~PairRecord::PublisherDied) != (PairRecord::Used | PairRecord::PublisherGone))
    {
        return "";
    }
    std::string wrong;
    const std::uint32_t receiver = view.port(record.m_subscriberPort.load()).m_holderIndex.load();
    std::uint64_t count = pair->m_head->m_ringHead.load();
    for (std::uint64_t i = 0; i <= pair->m_returnMask; ++i, ++count)
    {
        const std::uint64_t value = pair->returned(count).load();
        const std::uint32_t chunk = entry::chunkOf(value);
        if (!pair->isReturn(value, count))
        {
            break;
        }
        const std::uint64_t tag = publicationTag(record.m_publisherPort.load(), entry::sequenceOf(value));
        const std::uint64_t word = view.word(chunk, holder::wordOf(receiver)).load();
        if (view.record(chunk).m_publication.load() == tag && (word & holder::bitOf(receiver)) != 0)
        {
            wrong +=
                "  chunk " + std::to_string(chunk) + " was returned to a publisher that is gone, and is still held\n";
        }
    }
    return wrong;
}

} // namespace

std::string misplacedChunks(const PoolView& view)
{
    std::string wrong;
    for (std::uint32_t i = 0; i < view.header().m_pairHighWater.load(); ++i)
    {
        wrong += heldThoughReturned(view, view.pair(i));
    }
    const std::vector<std::uint64_t> ports = bitsOfPorts(view, wrong);
    for (std::uint32_t c = 0; c < view.classCount(); ++c)
    {
        const PoolView::Class& in = view.classAt(c);
        const std::vector<bool> listed = listedIn(in, wrong);
        for (std::uint32_t i = 0; i < listed.size(); ++i)
        {
            const std::string what = whatIsWrong(view, in.m_firstChunk + i, listed[i], ports);
            const ChunkManager& record = view.record(in.m_firstChunk + i);
            wrong += what.empty() ? ""
                                  : "  chunk " + std::to_string(in.m_firstChunk + i) + " " + what + ", publication " +
                                        std::to_string(sequenceOfTag(record.m_publication.load())) + " of port " +
                                        std::to_string(portOfTag(record.m_publication.load())) + "\n";
        }
    }
    return wrong;
}

} // namespace ZeroCP::test
