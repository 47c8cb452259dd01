/// The lock file of a domain: who is alive, who may join or leave, who may change the tables. Byte-range locks of one
/// open file description (F_OFD_SETLK), which the kernel drops when the process ends, whatever the cause:
///
///   byte 0   init: joining and leaving        byte 1   control: changing the tables
///   byte 2+i process slot i is alive
///
/// Locks of one description never conflict, so a process cannot ask about itself. A description survives in a forked
/// child, which therefore closes it at once (fork_guard.hpp). Any thread; calls may block.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "zerocp/config/config.hpp"
#include "zerocp/core/error.hpp"
#include "zerocp/core/fork_guard.hpp"

namespace ZeroCP
{

class [[nodiscard]] DomainLock
{
  public:
    DomainLock() noexcept = default;
    DomainLock(const DomainLock&) = delete;
    DomainLock& operator=(const DomainLock&) = delete;
    DomainLock(DomainLock&& other) noexcept;
    DomainLock& operator=(DomainLock&& other) noexcept;
    /// Closes the description: every lock it holds is gone.
    ~DomainLock();

    /// Opens or creates the file and takes the init byte, waiting for whoever has it. When this returns, the file
    /// is the one that bears the name now.
    [[nodiscard]] static Expected<DomainLock, Error> openForInit(const std::filesystem::path& file,
                                                                 const AccessConfig& access);
    /// A second description of the same file, without any lock; used by recovery.
    [[nodiscard]] static Expected<DomainLock, Error> open(const std::filesystem::path& file,
                                                          const AccessConfig& access);

    /// How long a control call of another process may take: gigabytes may be committed in it. More means that it is
    /// stopped.
    static constexpr std::chrono::seconds kPatience{10};

    /// Wait for the byte, at most `longest`; then Timeout.
    Expected<void, Error> lockInit(std::chrono::nanoseconds longest = kPatience);
    void unlockInit() noexcept;
    Expected<void, Error> lockControl(std::chrono::nanoseconds longest = kPatience);
    void unlockControl() noexcept;

    /// Takes slot's byte if nobody else has it.
    [[nodiscard]] bool tryLockSlot(std::uint32_t slot) noexcept;
    void unlockSlot(std::uint32_t slot) noexcept;

    /// Whether another description holds slot's byte. 0.2 us.
    [[nodiscard]] bool isAlive(std::uint32_t slot) const noexcept;
    /// Whether another description holds any slot's byte.
    [[nodiscard]] bool anyoneAlive() const noexcept;

    /// Whether this still is the file that bears the name.
    [[nodiscard]] bool isCurrent() const noexcept;

    [[nodiscard]] int descriptor() const noexcept { return m_descriptor; }
    [[nodiscard]] const std::filesystem::path& file() const noexcept { return m_file; }

  private:
    /// Takes over `descriptor`, whose file must belong to somebody to be trusted.
    [[nodiscard]] static Expected<DomainLock, Error> own(const std::filesystem::path& file, int descriptor,
                                                         const AccessConfig& access);

    Expected<void, Error> waitFor(std::int64_t byte, std::string_view what, std::chrono::nanoseconds longest);

    DomainLock(std::filesystem::path file, int descriptor)
        : m_file(std::move(file)), m_descriptor(descriptor), m_generation(fork_guard::generation())
    {
    }

    std::filesystem::path m_file;
    int m_descriptor{-1};
    std::uint64_t m_generation{0};
};

/// Gives a new file the mode and group of `access`, whatever the umask. `name` is for the sentence.
Expected<void, Error> applyAccess(int descriptor, std::string_view name, const AccessConfig& access);

} // namespace ZeroCP
