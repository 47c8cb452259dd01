/// The seed's one-file set of pools: creates or attaches to a segment and lays the pools out in it. Belongs to one
/// process and, while a call is under way, to one thread; the pools that it leads to are for any thread and process.
///
///   byte 0               64               page                  page
///        | SegmentHeader | MemPoolManager | management area ... | data area ...
///
/// Both areas start on a page of the file, so another process may map them separately and at other addresses.
///
/// The process-wide conveniences, PoolRegistry::instance() and MemPoolManager::getInstance(), know one set at a time:
/// of two allocators in a process the one that was mapped last. What they led to ends with the allocator's life.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "zerocp/core/mempool_config.hpp"
#include "zerocp/core/mempool_manager.hpp"
#include "zerocp/core/shared_memory.hpp"

namespace ZeroCP
{

class MemPoolAllocator
{
  public:
    /// `root` is the directory of the segment, a tmpfs.
    explicit MemPoolAllocator(const MemPoolConfig& config, std::filesystem::path root = kDefaultRoot);
    MemPoolAllocator(const MemPoolAllocator&) = delete;
    MemPoolAllocator& operator=(const MemPoolAllocator&) = delete;
    /// Unmaps; registered bases and the instance of MemPoolManager go back if they are still this allocator's.
    /// The segment stays; a segment that layoutMemory() has not finished leaves nothing.
    ~MemPoolAllocator();

    /// Attaches to the finished segment `name`, or builds a new one that nobody else can see before layoutMemory().
    /// All its memory is reserved here. Gives the address of the MemPoolManager, or nullptr: then lastError() has the
    /// reason. An existing segment must have exactly the pools of this allocator's configuration; one from before the
    /// last boot is replaced. READ_ONLY attaches only. Once per allocator; `perms` are for a new segment. May block.
    [[nodiscard]] void* createSharedMemory(const std::string& name, AccessMode access, OpenMode mode, Perms perms);

    /// Builds all pools and gives the segment its name. `base` is what createSharedMemory() gave, `bytes` at least
    /// MemPoolManager::getTotalMemorySize(). If another process was faster, its segment takes this one's place at the
    /// same address. Changes nothing in a finished segment. False: lastError() has the reason.
    bool layoutMemory(void* base, std::uint64_t bytes);

    /// Unlinks `name`; who has it mapped keeps it. True if the name is free afterwards; else a log line says why.
    static bool removeSharedMemory(const std::string& name, const std::filesystem::path& root = kDefaultRoot);

    /// Why the last call answered nullptr or false, as a sentence; empty after a success.
    [[nodiscard]] const std::string& lastError() const noexcept { return m_lastError; }

    /// Bases of the two areas in this process; nullptr while nothing is mapped.
    [[nodiscard]] void* managementAddress() const noexcept;
    [[nodiscard]] void* chunkAddress() const noexcept;

  private:
    enum class Stage : std::uint8_t
    {
        Empty,    ///< nothing is mapped
        Unnamed,  ///< built here, seen by nobody else
        Finished, ///< has its name and all its pools
    };

    [[nodiscard]] Expected<void, Error> obtain(const std::string& name, Perms perms);
    [[nodiscard]] Expected<SharedMemory, Error> find(const std::string& name) const;
    [[nodiscard]] bool mayBuild() const noexcept;
    [[nodiscard]] Expected<void, Error> checkFinished(const SharedMemory& memory) const;
    [[nodiscard]] Expected<void, Error> build(const std::string& name, Perms perms);
    [[nodiscard]] Expected<void, Error> makeKnown(SharedMemory memory, Stage stage);
    [[nodiscard]] Expected<void, Error> finish(const void* base, std::uint64_t bytes);
    [[nodiscard]] Expected<void, Error> publishOrAdopt();
    [[nodiscard]] Expected<void, Error> adopt(const SharedMemory& winner);
    [[nodiscard]] std::uint64_t segmentBytes() const noexcept;
    void release() noexcept;
    bool answer(const Expected<void, Error>& result);

    MemPoolConfig m_config;
    MemPoolManager m_plan; ///< sizes and places that the configuration asks for
    std::filesystem::path m_root;
    std::string m_lastError;
    SharedMemory m_memory;
    MemPoolManager* m_manager{nullptr}; ///< in m_memory
    AccessMode m_access{AccessMode::READ_WRITE};
    OpenMode m_openMode{OpenMode::OPEN_OR_CREATE};
    Stage m_stage{Stage::Empty};
};

} // namespace ZeroCP
