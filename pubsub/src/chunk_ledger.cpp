#include "zerocp/pubsub/chunk_ledger.hpp"

#include <cstring>
#include <new>

#include <sys/mman.h>

namespace ZeroCP
{

ChunkLedger::Pages::Pages(std::uint64_t bytes, Fill fill) : m_base(nullptr), m_bytes(bytes)
{
    void* memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
    {
        throw std::bad_alloc();
    }
    if (fill == Fill::AtOnce)
    {
        std::memset(memory, 0, bytes);
    }
    else
    {
        ::madvise(memory, bytes, MADV_NOHUGEPAGE); // a few entries of a large table are used
    }
    m_base = static_cast<std::byte*>(memory);
}

ChunkLedger::Pages::~Pages()
{
    ::munmap(m_base, m_bytes);
}

} // namespace ZeroCP
