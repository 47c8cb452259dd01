/// Asks for a cache line before it is needed. Changes nothing that a program can see, and never faults.
#pragma once

namespace ZeroCP
{

/// The line at `place`, to be written: taken from whoever has it. __builtin_prefetch(place, 1) would only read it, since compilers
/// use this instruction for -mprfchw alone; processors of x86-64 that do not know it take it for a nop.
inline void fetchForWriting(const void* place) noexcept
{
#if defined(__x86_64__)
    asm volatile("prefetchw %0" : : "m"(*static_cast<const char*>(place)));
#else
    __builtin_prefetch(place, 1);
#endif
}

/// The line at `place`, to be read.
inline void fetchForReading(const void* place) noexcept
{
    __builtin_prefetch(place);
}

} // namespace ZeroCP
