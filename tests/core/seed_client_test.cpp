// The client steps of the note 000_730ee4ada855c560: point s_instance at the manager in shared memory, register the two
// bases, use the pools. No container is filled again, whatever the addresses.
#include <cstring>
#include <optional>
#include <string>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include "zerocp/core/mempool_allocator.hpp"
#include "zerocp/core/segment_header.hpp"

#include "core/core_support.hpp"

namespace ZeroCP
{

namespace
{

MemPoolConfig seedConfig()
{
    MemPoolConfig config;
    config.addMemPoolEntry(256, 10);
    config.addMemPoolEntry(1024, 5);
    return config;
}

/// Where the creator has the segment, for the client to see that it has it elsewhere.
struct Creator
{
    void* m_manager;
    void* m_chunks;
    std::uint64_t m_managementOffset; ///< in the file
    std::uint64_t m_chunkOffset;      ///< in the file
    std::uint64_t m_fileBytes;
};

/// What the client answers.
struct Answer
{
    std::uint64_t m_chunkOffset; ///< of its payload, from the start of the data area
    std::uint32_t m_freeChunks;  ///< that it saw afterwards
};

struct Pipe
{
    Pipe() { EXPECT_EQ(::pipe(m_ends), 0); }
    Pipe(const Pipe&) = delete;
    Pipe& operator=(const Pipe&) = delete;
    ~Pipe()
    {
        ::close(m_ends[0]);
        ::close(m_ends[1]);
    }

    template <typename T>
    void send(const T& value) const
    {
        EXPECT_EQ(::write(m_ends[1], &value, sizeof value), static_cast<ssize_t>(sizeof value));
    }
    template <typename T>
    [[nodiscard]] std::optional<T> receive() const
    {
        T value{};
        return ::read(m_ends[0], &value, sizeof value) == static_cast<ssize_t>(sizeof value) ? std::optional(value)
                                                                                             : std::nullopt;
    }

    int m_ends[2]{-1, -1};
};

void* mapRange(int descriptor, std::uint64_t offset, std::uint64_t bytes)
{
    return ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, static_cast<off_t>(offset));
}

/// The client process. It knows the name and the creator's figures, and has nothing mapped yet.
int client(const std::string& name, const Pipe& fromCreator, const Pipe& toCreator)
{
    const auto creator = fromCreator.receive<Creator>();
    const int file = ::shm_open(name.c_str(), O_RDWR, 0);
    if (!creator || file < 0)
    {
        return 1;
    }
    // The addresses where the creator, a relative of this process, has the segment are taken here.
    void* segmentThere = static_cast<std::byte*>(creator->m_manager) - sizeof(SegmentHeader);
    static_cast<void>(::mmap(segmentThere, creator->m_fileBytes, PROT_NONE,
                             MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0));
    void* chunkAddress = mapRange(file, creator->m_chunkOffset, creator->m_fileBytes - creator->m_chunkOffset);
    void* segment = mapRange(file, 0, creator->m_chunkOffset);
    if (segment == MAP_FAILED || chunkAddress == MAP_FAILED)
    {
        return 2;
    }
    void* managerAddress = static_cast<std::byte*>(segment) + sizeof(SegmentHeader);
    void* managementAddress = static_cast<std::byte*>(segment) + creator->m_managementOffset;
    if (managerAddress == creator->m_manager || chunkAddress == creator->m_chunks)
    {
        return 3;
    }

    // The note's steps.
    MemPoolManager* s_instance = static_cast<MemPoolManager*>(managerAddress);
    PoolRegistry::instance().registerPool(MANAGEMENT_POOL_ID, managementAddress);
    PoolRegistry::instance().registerPool(CHUNK_POOL_ID, chunkAddress);
    MemPool& pool = s_instance->m_mempools[0];
    void* chunk = pool.allocate(256);

    if (chunk == nullptr)
    {
        return 4;
    }
    std::strcpy(static_cast<char*>(chunk), "from the client");
    const auto offset = static_cast<std::byte*>(chunk) - static_cast<std::byte*>(chunkAddress);
    toCreator.send(Answer{static_cast<std::uint64_t>(offset), pool.getFreeChunks()});
    return 0;
}

TEST(SeedClient, AnotherProcessWithBothAreasAtOtherAddressesUsesThePools)
{
    const test::ScopedName name("seed-client");
    const Pipe toClient;
    const Pipe fromClient;
    test::Child process([&] { return client(name.name(), toClient, fromClient); }); // before anything is mapped
    MemPoolAllocator allocator(seedConfig());
    void* base =
        allocator.createSharedMemory(name.name(), AccessMode::READ_WRITE, OpenMode::OPEN_OR_CREATE, Perms(0600));
    ASSERT_NE(base, nullptr) << allocator.lastError();
    auto& manager = MemPoolManager::getInstance(seedConfig());
    ASSERT_TRUE(allocator.layoutMemory(base, manager.getTotalMemorySize())) << allocator.lastError();
    ASSERT_NE(manager.getMemPools()[0].allocate(256), nullptr);

    constexpr std::uint64_t kHeader = sizeof(SegmentHeader);
    toClient.send(Creator{base, allocator.chunkAddress(), kHeader + MemPoolManager::managementOffset(),
                          kHeader + manager.chunkOffset(), kHeader + manager.getTotalMemorySize()});
    ASSERT_EQ(process.wait(), 0);
    const auto answer = fromClient.receive<Answer>();

    ASSERT_TRUE(answer);
    auto* const payload = static_cast<std::byte*>(allocator.chunkAddress()) + answer->m_chunkOffset;
    EXPECT_EQ(answer->m_freeChunks, 8U);
    EXPECT_EQ(manager.getMemPools()[0].getUsedChunks(), 2U);
    EXPECT_STREQ(reinterpret_cast<const char*>(payload), "from the client");
    EXPECT_TRUE(manager.getMemPools()[0].deallocate(payload)) << "a chunk is a chunk, whoever took it";
}

TEST(SeedClient, TwoMappingsAtDifferentAddressesLeadToTheSameChunks)
{
    const test::ScopedRoot root;
    MemPoolAllocator creator(seedConfig(), root.path());
    void* base = creator.createSharedMemory("two", AccessMode::READ_WRITE, OpenMode::OPEN_OR_CREATE, Perms(0600));
    ASSERT_NE(base, nullptr) << creator.lastError();
    auto* manager = static_cast<MemPoolManager*>(base);
    ASSERT_TRUE(creator.layoutMemory(base, manager->getTotalMemorySize())) << creator.lastError();
    const auto second = SharedMemory::open(root.path(), "two", AccessMode::READ_WRITE);
    ASSERT_TRUE(second);
    auto* const otherBase = second->base() + sizeof(SegmentHeader);
    auto* otherManager = reinterpret_cast<MemPoolManager*>(otherBase);
    PoolRegistry other;
    other.registerPool(MANAGER_POOL_ID, otherBase);
    other.registerPool(MANAGEMENT_POOL_ID, otherBase + MemPoolManager::managementOffset());
    other.registerPool(CHUNK_POOL_ID, otherBase + otherManager->chunkOffset());
    const PoolRegistry& here = PoolRegistry::instance();

    for (std::uint32_t number = 0; number < seedConfig().totalChunks(); ++number)
    {
        ChunkHeader* mine = manager->record(number, here)->m_chunkHeader.get();
        ChunkHeader* yours = otherManager->record(number, other)->m_chunkHeader.get(other);
        ASSERT_NE(mine, yours);
        mine->m_sequence = 100 + number;

        EXPECT_EQ(yours->m_sequence, 100 + number);
        EXPECT_EQ(otherManager->record(number, other)->m_mempool.get(other),
                  &otherManager->m_mempools[number < 10 ? 0 : 1]);
        EXPECT_EQ(otherManager->record(number, other)->m_number, number);
    }
    EXPECT_EQ(otherManager->m_mempools[0].m_freeIndices.view(other).m_links,
              static_cast<void*>(otherBase + MemPoolManager::managementOffset()));
}

} // namespace

} // namespace ZeroCP
