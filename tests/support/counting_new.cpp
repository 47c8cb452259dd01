#include "support/counting_new.hpp"

#include <cstddef>
#include <cstdlib>
#include <new>

namespace
{

thread_local std::uint64_t t_allocations = 0;

void* counted(std::size_t bytes, std::size_t alignment)
{
    ++t_allocations;
    // aligned_alloc wants a multiple of the alignment.
    const std::size_t rounded = (bytes + alignment - 1) / alignment * alignment;
    void* memory = alignment > alignof(std::max_align_t) ? std::aligned_alloc(alignment, rounded)
                                                         : std::malloc(bytes == 0 ? 1 : bytes);
    if (memory == nullptr)
    {
        throw std::bad_alloc();
    }
    return memory;
}

} // namespace

namespace ZeroCP::test
{

std::uint64_t allocationsOfThisThread() noexcept
{
    return t_allocations;
}

} // namespace ZeroCP::test

void* operator new(std::size_t bytes)
{
    return counted(bytes, 1);
}
void* operator new[](std::size_t bytes)
{
    return counted(bytes, 1);
}
void* operator new(std::size_t bytes, std::align_val_t alignment)
{
    return counted(bytes, static_cast<std::size_t>(alignment));
}
void* operator new[](std::size_t bytes, std::align_val_t alignment)
{
    return counted(bytes, static_cast<std::size_t>(alignment));
}
void operator delete(void* memory) noexcept
{
    std::free(memory);
}
void operator delete[](void* memory) noexcept
{
    std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept
{
    std::free(memory);
}
void operator delete[](void* memory, std::size_t) noexcept
{
    std::free(memory);
}
void operator delete(void* memory, std::align_val_t) noexcept
{
    std::free(memory);
}
void operator delete[](void* memory, std::align_val_t) noexcept
{
    std::free(memory);
}
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept
{
    std::free(memory);
}
void operator delete[](void* memory, std::size_t, std::align_val_t) noexcept
{
    std::free(memory);
}
