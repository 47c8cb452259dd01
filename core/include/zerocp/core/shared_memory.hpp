/// One file on a tmpfs, mapped whole. Built without a name and published when finished, so nobody ever attaches to a
/// half-made one, and a creator that dies leaves nothing. Sparse: bytes exist once they are committed.
/// A handle belongs to one thread at a time; the mapping itself is shared. Control path: every call may block.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include <sys/types.h>

#include "zerocp/core/error.hpp"

namespace ZeroCP
{

enum class AccessMode : std::uint8_t
{
    READ_ONLY,
    READ_WRITE,
};

enum class OpenMode : std::uint8_t
{
    EXCLUSIVE_CREATE, ///< the name must not exist
    OPEN_EXISTING,    ///< the name must exist
    OPEN_OR_CREATE,   ///< attach, or create if nobody has
};

/// Permission bits of a segment, as in chmod(2); applied exactly, whatever the umask.
class Perms
{
  public:
    explicit constexpr Perms(mode_t bits) noexcept : m_bits(bits & 0777U) {}
    [[nodiscard]] constexpr mode_t bits() const noexcept { return m_bits; }

  private:
    mode_t m_bits;
};

/// Where segments live if nobody says otherwise.
inline constexpr const char* kDefaultRoot = "/dev/shm";

/// Who may own a file that SharedMemory::open() attaches to, beside the caller and root.
struct SegmentTrust
{
    std::string m_group; ///< empty: nobody else
    mode_t m_mode{0};    ///< the exact mode that a file of this group must have
};

class [[nodiscard]] SharedMemory
{
  public:
    using Trust = SegmentTrust;

    SharedMemory() noexcept = default;
    SharedMemory(const SharedMemory&) = delete;
    SharedMemory& operator=(const SharedMemory&) = delete;
    SharedMemory(SharedMemory&& other) noexcept;
    SharedMemory& operator=(SharedMemory&& other) noexcept;
    /// Unmaps and closes; the file stays.
    ~SharedMemory();

    /// A sparse file of `bytes` bytes (rounded up to a page) in `root` without a name, mapped read-write, all zero.
    /// Nothing is committed yet. Errors: PermissionDenied, NoSpace, SystemError, with root and call in the sentence.
    [[nodiscard]] static Expected<SharedMemory, Error>
    createUnnamed(const std::filesystem::path& root, std::string_view name, std::uint64_t bytes, Perms perms);

    /// Attaches to a published file, mapped whole. Refused: links, other file types, owners other than the caller,
    /// root and `trust` (PermissionDenied), files below `minimumBytes` (Corrupt). A missing file is SystemError; ask
    /// exists() first where that is expected.
    [[nodiscard]] static Expected<SharedMemory, Error> open(const std::filesystem::path& root, std::string_view name,
                                                            AccessMode access, std::uint64_t minimumBytes = 0,
                                                            const Trust& trust = {});

    /// Whether `root`/`name` exists now, whatever it is.
    [[nodiscard]] static bool exists(const std::filesystem::path& root, std::string_view name) noexcept;

    /// Unlinks `root`/`name`. A file that does not exist is no error. Who has it mapped keeps it.
    static Expected<void, Error> remove(const std::filesystem::path& root, std::string_view name);

    /// Reserves the bytes [offset, offset + bytes) so that using them can never raise SIGBUS. Idempotent; bytes that
    /// exist stay as they are. NoSpace says what was needed and what was free. About 0.13 ms per new MiB.
    Expected<void, Error> commit(std::uint64_t offset, std::uint64_t bytes);

    /// The opposite: gives the whole pages inside [offset, offset + bytes) back to the file system. They read as zeros
    /// and must be committed before they are written again. Idempotent.
    Expected<void, Error> release(std::uint64_t offset, std::uint64_t bytes);

    /// Gives the file its name. False if another process was faster: then open() that one and drop this.
    Expected<bool, Error> publish();

    /// Maps the committed pages of the range into this process, so that the first message does not pay for page faults.
    /// Page tables are a process's own: every process that maps the file does this for itself.
    void prefault(std::uint64_t offset, std::uint64_t bytes) noexcept;

    /// Has the kernel map the range, committed or not, as far as there is memory. False if it cannot do that (before Linux
    /// 5.14): then nothing was touched.
    bool populate(std::uint64_t offset, std::uint64_t bytes) noexcept;

    /// As prefault(), and the pages stay in memory while this mapping exists. The error names the bytes, RLIMIT_MEMLOCK and
    /// the way out; no page is locked then that holds nothing but the range.
    Expected<void, Error> lock(std::uint64_t offset, std::uint64_t bytes);

    /// Pages that are committed from now on, by any process, lie in `node`'s memory. ConfigInvalid if there is no such
    /// node: the sentence lists those that there are.
    Expected<void, Error> bindToNode(std::uint32_t node);

    /// Moves the mapping to a multiple of 2 MiB and asks for huge pages. Its addresses change.
    Expected<void, Error> useHugePages();

    /// Why the kernel gives no huge pages to files of this file system, and what to change; empty if it does.
    [[nodiscard]] std::string whyNoHugePages() const;

    /// A second mapping of the same file at another address.
    [[nodiscard]] Expected<SharedMemory, Error> mapAgain(AccessMode access) const;

    /// Puts the file of `other`, equally long, at this mapping's address, so that pointers to it stay valid while what
    /// they point at changes; the own file is closed. On an error nothing has changed.
    Expected<void, Error> replaceWith(const SharedMemory& other);

    [[nodiscard]] std::byte* base() const noexcept { return m_base; }
    [[nodiscard]] std::uint64_t bytes() const noexcept { return m_bytes; }
    [[nodiscard]] int descriptor() const noexcept { return m_descriptor; }
    [[nodiscard]] const std::string& name() const noexcept { return m_name; }
    [[nodiscard]] std::filesystem::path path() const { return m_root / m_name; }
    [[nodiscard]] explicit operator bool() const noexcept { return m_base != nullptr; }

  private:
    SharedMemory(std::filesystem::path root, std::string name, int descriptor, std::byte* base, std::uint64_t bytes);

    std::filesystem::path m_root;
    std::string m_name;
    int m_descriptor{-1};
    std::byte* m_base{nullptr};
    std::uint64_t m_bytes{0};
};

} // namespace ZeroCP
