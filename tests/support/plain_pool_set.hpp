/// A pool set in anonymous memory of this process, without files and without a domain: for tests of what works on a
/// PoolView. Two views of the data area at different addresses need files and are tested in the discovery room.
#pragma once

#include <cstdint>
#include <new>

#include <sys/mman.h>

#include "zerocp/core/holders.hpp"
#include "zerocp/core/pool_view.hpp"

namespace ZeroCP::testing
{

class PlainPoolSet
{
  public:
    PlainPoolSet(const MemPoolConfig& config, std::uint32_t holderWords, std::uint32_t ports = 8)
        : m_layout(MemPoolLayout::fixed(config, holderWords).value())
    {
        m_managementBytes = kAreaOffset + m_layout.m_managementBytes + kTableBytes * 2 + kPairAreaBytes;
        m_dataBytes = kPageBytes + m_layout.m_dataBytes;
        m_management = map(m_managementBytes);
        m_data = map(m_dataBytes);
        auto* header = ::new (m_management + sizeof(SegmentHeader)) PoolSetHeader{};
        header->m_managerOffset = sizeof(SegmentHeader) + sizeof(PoolSetHeader);
        header->m_managementOffset = kAreaOffset;
        header->m_portsOffset = kAreaOffset + m_layout.m_managementBytes;
        header->m_portCapacity = ports + 1;
        header->m_pairsOffset = header->m_portsOffset + kTableBytes;
        header->m_pairCapacity = 16;
        header->m_pairAreaOffset = header->m_pairsOffset + kTableBytes;
        header->m_pairAreaBytes = kPairAreaBytes;
        header->m_dataOffset = kPageBytes;
        header->m_portHighWater = ports + 1;
        m_manager = ::new (m_management + header->m_managerOffset) MemPoolManager(m_layout);
        m_registry.registerPool(MANAGER_POOL_ID, m_manager);
        m_registry.registerPool(MANAGEMENT_POOL_ID, m_management + kAreaOffset);
        m_registry.registerPool(CHUNK_POOL_ID, m_data + kPageBytes);
        m_laidOut = m_manager->layOut(config, m_registry, false);
    }
    PlainPoolSet(const PlainPoolSet&) = delete;
    PlainPoolSet& operator=(const PlainPoolSet&) = delete;
    ~PlainPoolSet()
    {
        ::munmap(m_management, m_managementBytes);
        ::munmap(m_data, m_dataBytes);
    }

    [[nodiscard]] Expected<PoolView, Error> tryView() const
    {
        return PoolView::of("plain", {m_management, m_managementBytes}, {m_data, m_dataBytes}, {m_data, m_dataBytes});
    }
    [[nodiscard]] PoolView view() const { return tryView().value(); }
    [[nodiscard]] PoolSetHeader& header() const
    {
        return *reinterpret_cast<PoolSetHeader*>(m_management + sizeof(SegmentHeader));
    }
    [[nodiscard]] MemPoolManager& manager() const { return *m_manager; }
    [[nodiscard]] bool isLaidOut() const { return m_laidOut; }

  private:
    static constexpr std::uint64_t kAreaOffset = 4 * kPageBytes;
    static constexpr std::uint64_t kTableBytes = 16 * kPageBytes;
    static constexpr std::uint64_t kPairAreaBytes = 64 * kPageBytes;

    static std::byte* map(std::uint64_t bytes)
    {
        void* memory =
            ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (memory == MAP_FAILED)
        {
            throw std::bad_alloc();
        }
        return static_cast<std::byte*>(memory);
    }

    MemPoolLayout m_layout;
    std::uint64_t m_managementBytes{0};
    std::uint64_t m_dataBytes{0};
    std::byte* m_management{nullptr};
    std::byte* m_data{nullptr};
    MemPoolManager* m_manager{nullptr};
    PoolRegistry m_registry;
    bool m_laidOut{false};
};

} // namespace ZeroCP::testing
