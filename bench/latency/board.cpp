#include "latency/board.hpp"

#include <new>

#include <sys/mman.h>

namespace latency
{

Board::Board(std::uint64_t payloadBytes)
    : m_stride((payloadBytes + kApart - 1) / kApart * kApart), m_bytes(sizeof(BoardHead) + 2 * m_stride)
{
    void* memory = ::mmap(nullptr, m_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory != MAP_FAILED)
    {
        m_head = ::new (memory) BoardHead;
    }
}

Board::~Board()
{
    if (m_head != nullptr)
    {
        ::munmap(m_head, m_bytes);
    }
}

std::uint64_t* Board::payloadOf(Side sender) const noexcept
{
    auto* bytes = reinterpret_cast<std::byte*>(m_head) + sizeof(BoardHead) + (sender == Side::Serving ? 0 : m_stride);
    return reinterpret_cast<std::uint64_t*>(bytes);
}

} // namespace latency
