/// Stops or kills the calling process behind its n-th change of what outlives it: a store that changes a byte of a segment
/// that has a name, or a system call that changes files or locks. The process does it to itself, in signal handlers: its
/// mappings are read-only, so a store faults, is let pass alone and is counted; a seccomp filter turns system calls into
/// signals. That is fifty times faster than ptrace, so every death can be a real one. x86-64; one thread.
#pragma once

#include <cstdint>
#include <string>

namespace ZeroCP::test
{

enum class AtChange
{
    Die,  ///< SIGKILL
    Stop, ///< SIGSTOP; the parent kills it
};

/// From now on changes are counted; `directory`: of the segments. 0: at once.
void trapChange(const std::string& directory, std::uint64_t number, AtChange what);

} // namespace ZeroCP::test
