/// One pool set as this process sees it: the addresses of everything in it, decoded and checked once at attach. What
/// ports work with; a process may have several views of one set, at different addresses. Ordinary object, read-only
/// after of() but for refresh(), which the thread of its port calls; every port has a view of its own.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "zerocp/core/error.hpp"
#include "zerocp/core/pool_set_header.hpp"
#include "zerocp/core/waiter_record.hpp"

namespace ZeroCP
{

class PoolView
{
  public:
    /// One size class, decoded.
    struct Class
    {
        MemPool* m_pool{nullptr};
        MPMC_LockFree_List::View m_list;
        std::uint64_t m_chunkSize{0};
        std::uint64_t m_stride{0};
        std::uint64_t m_dataOffset{0}; ///< of its first chunk in the data area
        std::uint32_t m_firstChunk{0};
        std::uint32_t m_endChunk{0}; ///< one past the last number it can ever have
    };

    /// A mapped segment.
    struct Range
    {
        std::byte* m_base{nullptr};
        std::uint64_t m_bytes{0};
    };

    PoolView() noexcept = default;

    /// Checks every offset and count in the management segment against the sizes of the mappings; the bytes were written
    /// by another process. `dataRw` is empty in a process that only subscribes. Corrupt, naming `name`, if anything is off.
    [[nodiscard]] static Expected<PoolView, Error> of(std::string_view name, Range management, Range dataRw,
                                                      Range dataRo);

    /// Decodes classes that were added since. False if what is found is corrupt.
    bool refresh() noexcept;

    [[nodiscard]] PoolSetHeader& header() const noexcept { return *m_header; }
    [[nodiscard]] MemPoolManager& manager() const noexcept { return *m_manager; }
    [[nodiscard]] std::byte* managementBase() const noexcept { return m_base; }
    [[nodiscard]] std::byte* managementArea() const noexcept { return m_base + m_header->m_managementOffset; }
    [[nodiscard]] std::uint32_t holderWords() const noexcept { return m_holderWords; }
    [[nodiscard]] std::uint32_t classCount() const noexcept { return m_classCount; }
    [[nodiscard]] const Class& classAt(std::uint32_t index) const noexcept { return m_classes[index]; }
    [[nodiscard]] std::uint32_t maxChunks() const noexcept { return m_maxChunks; }
    [[nodiscard]] std::uint32_t portCapacity() const noexcept { return m_portCapacity; }
    [[nodiscard]] std::uint32_t pairCapacity() const noexcept { return m_pairCapacity; }

    /// Rows of the domain's waiters, through which ports are woken; set by who maps both.
    [[nodiscard]] const WaiterTable& waiters() const noexcept { return m_waiters; }
    void setWaiters(const WaiterTable& waiters) noexcept { m_waiters = waiters; }

    /// `index` is below portCapacity().
    [[nodiscard]] PortRecord& port(std::uint32_t index) const noexcept { return m_ports[index]; }
    /// `index` is below pairCapacity().
    [[nodiscard]] PairRecord& pair(std::uint32_t index) const noexcept { return m_pairs[index]; }

    /// The class that `chunk` belongs to; nothing if no class has that number.
    [[nodiscard]] const Class* classOf(std::uint32_t chunk) const noexcept
    {
        for (std::uint32_t i = 0; i < m_classCount; ++i)
        {
            if (chunk < m_classes[i].m_endChunk && chunk >= m_classes[i].m_firstChunk) [[likely]]
            {
                return &m_classes[i];
            }
        }
        return nullptr;
    }
    /// Index of the smallest class with payloads of `bytes`, or classCount().
    [[nodiscard]] std::uint32_t fittingClass(std::uint64_t bytes) const noexcept;

    /// `chunk` has a class.
    [[nodiscard]] ChunkManager& record(std::uint32_t chunk) const noexcept
    {
        return *reinterpret_cast<ChunkManager*>(m_records + m_recordStride * chunk);
    }
    [[nodiscard]] std::atomic<std::uint64_t>& word(std::uint32_t chunk, std::uint32_t index) const noexcept
    {
        return *reinterpret_cast<std::atomic<std::uint64_t>*>(m_records + m_recordStride * chunk + 80 + 8ULL * index);
    }

    [[nodiscard]] std::atomic<std::uint64_t>& joinerWord(std::uint32_t chunk, std::uint32_t index) const noexcept
    {
        return word(chunk, m_holderWords + index);
    }

    /// Header of a chunk of class `in`, through the writable mapping.
    [[nodiscard]] ChunkHeader* writable(const Class& in, std::uint32_t chunk) const noexcept
    {
        return reinterpret_cast<ChunkHeader*>(m_dataRw + placeOf(in, chunk));
    }
    /// The same through the read-only mapping.
    [[nodiscard]] const ChunkHeader* readable(const Class& in, std::uint32_t chunk) const noexcept
    {
        return reinterpret_cast<const ChunkHeader*>(m_dataRo + placeOf(in, chunk));
    }
    /// Whether `address` lies in the read-only mapping of the data area.
    [[nodiscard]] bool containsData(const void* address) const noexcept
    {
        const auto* byte = static_cast<const std::byte*>(address);
        return m_dataRo != nullptr && byte >= m_dataRo && byte < m_dataRo + m_dataBytes;
    }
    [[nodiscard]] bool canWrite() const noexcept { return m_dataRw != nullptr; }

    /// Addresses of a pair's block; nothing if the record's offsets or counts do not fit the segment.
    [[nodiscard]] std::optional<PairView> pairView(const PairRecord& record) const noexcept;

    /// The history of publisher `port`; nothing if it has none or its record does not fit the segment.
    [[nodiscard]] std::optional<HistoryView> historyOf(std::uint32_t port) const noexcept;

  private:
    [[nodiscard]] static std::uint64_t placeOf(const Class& in, std::uint32_t chunk) noexcept
    {
        return in.m_dataOffset + in.m_stride * (chunk - in.m_firstChunk);
    }
    [[nodiscard]] bool decode(std::uint32_t index) noexcept;

    std::byte* m_base{nullptr};
    std::byte* m_records{nullptr};
    std::uint64_t m_recordStride{0};
    std::byte* m_dataRw{nullptr};
    const std::byte* m_dataRo{nullptr};
    PortRecord* m_ports{nullptr};
    PairRecord* m_pairs{nullptr};
    std::uint32_t m_classCount{0};
    std::uint32_t m_holderWords{0};
    std::uint32_t m_maxChunks{0};
    std::uint32_t m_portCapacity{0};
    std::uint32_t m_pairCapacity{0};
    std::uint64_t m_managementBytes{0};
    std::uint64_t m_dataBytes{0}; ///< of the data area
    PoolSetHeader* m_header{nullptr};
    MemPoolManager* m_manager{nullptr};
    WaiterTable m_waiters{};
    std::array<Class, kMaxPools> m_classes{};
};

} // namespace ZeroCP
