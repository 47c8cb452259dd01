/// The domain locks that a stopped process holds, which its death would drop: dropped for it, and taken again when it is
/// to go on. A lock belongs to an open file description; the kernel lists them per descriptor.
#pragma once

#include <vector>

#include <sys/types.h>

namespace ZeroCP::test
{

/// Descriptors of lock files that process `pid` has open.
[[nodiscard]] std::vector<int> lockDescriptors(pid_t pid);

class HeldLocks
{
  public:
    /// All that `pid` holds through any descriptor.
    explicit HeldLocks(pid_t pid);
    /// What the calling process holds through `descriptor`.
    [[nodiscard]] static HeldLocks ofDescriptor(int descriptor);

    HeldLocks(const HeldLocks&) = delete;
    HeldLocks& operator=(const HeldLocks&) = delete;
    HeldLocks(HeldLocks&&) noexcept = default;
    HeldLocks& operator=(HeldLocks&&) = delete;
    ~HeldLocks();

    void drop() const;
    void takeAgain() const;
    /// Whether the init or the control byte is among them: others may have to wait.
    [[nodiscard]] bool hasControl() const;

  private:
    struct Lock
    {
        int m_descriptor;
        off_t m_first;
        off_t m_last;
    };

    HeldLocks() = default;
    void add(pid_t pid, int theirs, int ours);

    std::vector<int> m_borrowed; ///< descriptors of ours for descriptions of theirs
    std::vector<Lock> m_locks;
};

/// Whatever is locked through `descriptor` below byte `end` is not any more.
void unlockBelow(int descriptor, off_t end);

} // namespace ZeroCP::test
