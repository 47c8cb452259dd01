/// For loops that wait for a word to change.
#pragma once

namespace ZeroCP
{

/// Some ten nanoseconds in which a thread of the same core has it for itself.
inline void pauseBriefly() noexcept
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#endif
}

} // namespace ZeroCP
