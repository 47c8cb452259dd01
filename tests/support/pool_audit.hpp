/// Reads the pool sets of a domain from outside, as ZeroCP::inspect() does, but trusts nothing: walks every free list
/// and compares it with the holder words. To be used when no publisher of the set is alive: then every chunk must be
/// free, exactly once.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "support/test_domain.hpp"
#include "zerocp/core/chunk_manager.hpp"
#include "zerocp/core/pool_view.hpp"
#include "zerocp/core/shared_memory.hpp"

namespace ZeroCP::test
{

/// Both files of a pool set, mapped read-only, unless a test wants to write to the management file.
class MappedSet
{
  public:
    /// `baseName`: "zerocp.<domain>.<set>".
    MappedSet(const std::filesystem::path& root, const std::string& baseName, AccessMode access = AccessMode::READ_ONLY)
    {
        auto management = SharedMemory::open(root, baseName + ".mgmt", access);
        auto data = SharedMemory::open(root, baseName + ".data", AccessMode::READ_ONLY);
        if (!management || !data)
        {
            ADD_FAILURE() << (!management ? management : data).error().message();
            return;
        }
        m_management = std::move(*management);
        m_data = std::move(*data);
        auto view =
            PoolView::of(baseName, {m_management.base(), m_management.bytes()}, {}, {m_data.base(), m_data.bytes()});
        EXPECT_TRUE(view) << view.error().message();
        m_valid = view.has_value();
        m_view = m_valid ? *view : PoolView();
    }

    [[nodiscard]] explicit operator bool() const { return m_valid; }
    [[nodiscard]] const PoolView& view() const { return m_view; }

  private:
    SharedMemory m_management;
    SharedMemory m_data;
    PoolView m_view;
    bool m_valid{false};
};

/// The pool sets of a domain that exist now.
inline std::vector<std::string> poolSetsOf(std::uint32_t domain, const std::filesystem::path& root = "/dev/shm")
{
    std::vector<std::string> sets;
    for (const std::string& name : filesOf(domain, root))
    {
        if (name.ends_with(".mgmt"))
        {
            sets.push_back(name.substr(0, name.size() - 5));
        }
    }
    return sets;
}

/// Chunks of class `in` whose memory was given back.
inline std::uint32_t retiredChunks(const PoolView& view, const PoolView::Class& in)
{
    std::uint32_t retired = 0;
    for (std::uint32_t i = 0; i < in.m_pool->getTotalChunks(); ++i)
    {
        retired += holder::stateOf(view.word(in.m_firstChunk + i, 0).load()) == ChunkState::Retired ? 1U : 0U;
    }
    return retired;
}

/// What is wrong with class `in`, a line each; empty if all its chunks are free, each once in the list, or given back and
/// not in the list.
inline std::string auditClass(const PoolView& view, const PoolView::Class& in)
{
    std::string wrong;
    const auto complain = [&wrong](std::uint32_t chunk, const std::string& what)
    { wrong += "  chunk " + std::to_string(chunk) + " " + what + "\n"; };
    const std::uint32_t total = in.m_pool->getTotalChunks();
    std::vector<bool> listed(total, false);
    std::uint32_t count = 0;
    std::uint32_t number = static_cast<std::uint32_t>(in.m_list.m_head->load() & MPMC_LockFree_List::kEndOfList);
    while (number < total && !listed[number])
    {
        listed[number] = true;
        ++count;
        number = in.m_list.m_links[number].load();
    }
    if (number != MPMC_LockFree_List::kEndOfList)
    {
        complain(number, "ends the free list or stands in it twice");
    }
    for (std::uint32_t i = 0; i < total; ++i)
    {
        const std::uint32_t chunk = in.m_firstChunk + i;
        const bool retired = holder::stateOf(view.word(chunk, 0).load()) == ChunkState::Retired;
        for (std::uint32_t x = 0; x < view.holderWords(); ++x)
        {
            const std::uint64_t word = view.word(chunk, x).load();
            const ChunkState expected = retired && x == 0 ? ChunkState::Retired : ChunkState::Free;
            if (holder::stateOf(word) != expected || (word & holder::kBits) != 0)
            {
                complain(chunk, "holder word " + std::to_string(x) + ": state " +
                                    std::to_string(static_cast<int>(holder::stateOf(word))) + ", bits " +
                                    std::to_string(word & holder::kBits) + ", owner port " +
                                    std::to_string(view.record(chunk).m_owner.load() & 0xFFFFFFFFU) + ", publication " +
                                    std::to_string(portOfTag(view.record(chunk).m_publication.load())) + "/" +
                                    std::to_string(sequenceOfTag(view.record(chunk).m_publication.load())));
            }
        }
        for (std::uint32_t x = 0; x < view.holderWords(); ++x)
        {
            if (joiner::bitsOf(view.joinerWord(chunk, x).load()) != 0)
            {
                complain(chunk, "is pinned by a joiner");
            }
        }
        if (listed[i] == retired)
        {
            complain(chunk, retired ? "was given back and is in the free list" : "is not in the free list");
        }
    }
    return wrong.empty() ? wrong
                         : "class of " + std::to_string(in.m_chunkSize) + " bytes: free " + std::to_string(count) +
                               " of " + std::to_string(total) + "\n" + wrong;
}

/// The ports of a set, for people who look for the cause.
inline std::string describePorts(const PoolView& view)
{
    std::string text;
    for (std::uint32_t i = 1; i < view.header().m_portHighWater.load(); ++i)
    {
        const PortRecord& port = view.port(i);
        text += "  port " + std::to_string(i) + ": state " + std::to_string(port.m_state.load()) + ", kind " +
                std::to_string(port.m_kind.load()) + ", bit " + std::to_string(port.m_holderIndex.load()) +
                ", process slot " + std::to_string(port.m_processSlot.load()) + ", note " +
                std::to_string(port.m_note.load()) + ", next sequence " + std::to_string(port.m_sequence.load()) + "\n";
    }
    return text;
}

/// Chunks that a domain's pool sets have; fails the test unless all are free.
inline std::uint32_t expectAllChunksFree(std::uint32_t domain, const std::filesystem::path& root = "/dev/shm")
{
    std::uint32_t total = 0;
    for (const std::string& name : poolSetsOf(domain, root))
    {
        const MappedSet set(root, name);
        for (std::uint32_t c = 0; set && c < set.view().classCount(); ++c)
        {
            const std::string wrong = auditClass(set.view(), set.view().classAt(c));
            EXPECT_EQ(wrong, "") << name << "\n" << describePorts(set.view());
            const PoolView::Class& in = set.view().classAt(c);
            total += in.m_pool->getTotalChunks() - retiredChunks(set.view(), in);
        }
    }
    return total;
}

} // namespace ZeroCP::test
