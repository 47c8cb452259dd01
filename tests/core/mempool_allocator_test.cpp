#include "zerocp/core/mempool_allocator.hpp"

#include <array>
#include <cstring>
#include <memory>
#include <set>
#include <vector>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "zerocp/core/segment_header.hpp"

#include "core/core_support.hpp"

namespace ZeroCP
{

namespace
{

constexpr const char* kName = "/pools";
constexpr std::uint64_t kHeaderBytes = sizeof(SegmentHeader);

MemPoolConfig twoPools()
{
    MemPoolConfig config;
    config.addMemPoolEntry(256, 16);
    config.addMemPoolEntry(4096, 4);
    return config;
}

MemPoolConfig otherPools()
{
    MemPoolConfig config;
    config.addMemPoolEntry(512, 16);
    return config;
}

/// An allocator and what its calls answered.
struct Attached
{
    explicit Attached(const test::ScopedRoot& root, const MemPoolConfig& config = twoPools(),
                      OpenMode mode = OpenMode::OPEN_OR_CREATE, AccessMode access = AccessMode::READ_WRITE)
        : m_allocator(config, root.path()), m_base(m_allocator.createSharedMemory(kName, access, mode, Perms(0600)))
    {
    }

    [[nodiscard]] MemPoolManager& manager() const { return *static_cast<MemPoolManager*>(m_base); }
    [[nodiscard]] MemPool& pool(std::uint64_t index) const { return manager().m_mempools[index]; }
    bool layOut() { return m_allocator.layoutMemory(m_base, manager().getTotalMemorySize()); }
    [[nodiscard]] const std::string& error() const { return m_allocator.lastError(); }
    [[nodiscard]] bool says(const std::string& text) const { return error().find(text) != std::string::npos; }

    MemPoolAllocator m_allocator;
    void* m_base;
};

/// A finished segment that stays after this call.
void makeSegment(const test::ScopedRoot& root, const MemPoolConfig& config = twoPools())
{
    Attached maker(root, config);
    ASSERT_NE(maker.m_base, nullptr) << maker.error();
    ASSERT_TRUE(maker.layOut()) << maker.error();
}

std::string segmentPath(const test::ScopedRoot& root)
{
    return (root.path() / "pools").string();
}

ino_t inodeOf(const test::ScopedRoot& root)
{
    struct stat status = {};
    EXPECT_EQ(::stat(segmentPath(root).c_str(), &status), 0);
    return status.st_ino;
}

void overwrite(const test::ScopedRoot& root, std::uint64_t offset, const void* bytes, std::size_t count)
{
    const int descriptor = ::open(segmentPath(root).c_str(), O_RDWR | O_CLOEXEC);
    EXPECT_EQ(::pwrite(descriptor, bytes, count, static_cast<off_t>(offset)), static_cast<ssize_t>(count));
    ::close(descriptor);
}

/// As if the machine had been booted since.
void makeStale(const test::ScopedRoot& root)
{
    const std::array<std::uint8_t, 16> earlier{1, 2, 3};
    overwrite(root, offsetof(SegmentHeader, m_bootId), earlier.data(), earlier.size());
}

TEST(MemPoolAllocator, BuildsASegmentWithEveryPoolOfItsConfiguration)
{
    const test::ScopedRoot root;
    Attached creator(root);

    ASSERT_NE(creator.m_base, nullptr) << creator.error();
    ASSERT_TRUE(creator.layOut()) << creator.error();

    EXPECT_EQ(creator.error(), "");
    ASSERT_EQ(creator.manager().getMemPools().size(), 2U);
    EXPECT_EQ(creator.pool(0).getChunkSize(), 256U);
    EXPECT_EQ(creator.pool(0).getFreeChunks(), 16U);
    EXPECT_EQ(creator.pool(1).getTotalChunks(), 4U);
    EXPECT_EQ(creator.manager().getChunkManagerPool()[0].getTotalChunks(), 20U);
}

TEST(MemPoolAllocator, ChunksLieInTheDataAreaBehindTheirHeaders)
{
    const test::ScopedRoot root;
    Attached creator(root);
    ASSERT_TRUE(creator.layOut());
    auto* const area = static_cast<std::byte*>(creator.m_allocator.chunkAddress());

    EXPECT_EQ(creator.pool(0).allocate(256), area + sizeof(ChunkHeader));
    EXPECT_EQ(creator.pool(0).allocate(256), area + 320 + sizeof(ChunkHeader));
    EXPECT_EQ(creator.pool(1).allocate(4096), area + 16 * 320 + sizeof(ChunkHeader));
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(area) % kPageBytes, 0U);
}

TEST(MemPoolAllocator, EveryByteOfTheSegmentIsReserved)
{
    const test::ScopedRoot root;
    makeSegment(root);

    struct stat status = {};
    ASSERT_EQ(::stat(segmentPath(root).c_str(), &status), 0);

    EXPECT_GE(status.st_blocks * 512, status.st_size);
    EXPECT_EQ(status.st_mode & 07777U, 0600U);
}

TEST(MemPoolAllocator, ASecondAttachSeesTheSamePools)
{
    const test::ScopedRoot root;
    Attached creator(root);
    ASSERT_TRUE(creator.layOut());
    void* chunk = creator.pool(0).allocate(256);
    std::strcpy(static_cast<char*>(chunk), "hello");

    Attached second(root);

    ASSERT_NE(second.m_base, nullptr) << second.error();
    EXPECT_NE(second.m_base, creator.m_base);
    EXPECT_EQ(second.pool(0).getUsedChunks(), 1U);
    const auto* header = second.manager().record(0, PoolRegistry::instance())->m_chunkHeader.get();
    EXPECT_STREQ(reinterpret_cast<const char*>(header + 1), "hello");
}

TEST(MemPoolAllocator, LayoutMemoryOnAFinishedSegmentChangesNothing)
{
    const test::ScopedRoot root;
    Attached creator(root);
    ASSERT_TRUE(creator.layOut());
    ASSERT_NE(creator.pool(0).allocate(256), nullptr);

    Attached second(root);
    EXPECT_TRUE(second.layOut()) << second.error();
    EXPECT_TRUE(creator.layOut());

    EXPECT_EQ(creator.pool(0).getUsedChunks(), 1U);
}

TEST(MemPoolAllocator, ASegmentThatIsNotLaidOutIsSeenByNobody)
{
    const test::ScopedRoot root;
    {
        Attached creator(root);
        ASSERT_NE(creator.m_base, nullptr);

        EXPECT_TRUE(root.empty());
        EXPECT_EQ(Attached(root, twoPools(), OpenMode::OPEN_EXISTING).m_base, nullptr);
    }
    EXPECT_TRUE(root.empty()) << "a creator that gives up leaves nothing";
}

TEST(MemPoolAllocator, ACreatorThatDiesBeforeLayoutMemoryLeavesNothing)
{
    const test::ScopedRoot root;

    const int ended = test::runInChild(
        [&]
        {
            const Attached creator(root);
            return ::raise(SIGKILL);
        });

    EXPECT_EQ(ended, -SIGKILL);
    EXPECT_TRUE(root.empty());
}

TEST(MemPoolAllocator, AnotherConfigurationIsRefusedAndBothAreShown)
{
    const test::ScopedRoot root;
    makeSegment(root);

    const Attached other(root, otherPools());

    EXPECT_EQ(other.m_base, nullptr);
    EXPECT_TRUE(other.says(segmentPath(root))) << other.error();
    EXPECT_TRUE(other.says("256 B x 16, 4096 B x 4")) << other.error();
    EXPECT_TRUE(other.says("512 B x 16")) << other.error();
}

TEST(MemPoolAllocator, TheSamePoolsInAnotherOrderAreAnotherConfiguration)
{
    const test::ScopedRoot root;
    makeSegment(root);
    MemPoolConfig reversed;
    reversed.addMemPoolEntry(4096, 4);
    reversed.addMemPoolEntry(256, 16);

    EXPECT_EQ(Attached(root, reversed).m_base, nullptr);
}

TEST(MemPoolAllocator, OpenExistingWantsASegment)
{
    const test::ScopedRoot root;
    const Attached tooEarly(root, twoPools(), OpenMode::OPEN_EXISTING);
    EXPECT_EQ(tooEarly.m_base, nullptr);
    EXPECT_TRUE(tooEarly.says("No such file")) << tooEarly.error();

    makeSegment(root);
    EXPECT_NE(Attached(root, twoPools(), OpenMode::OPEN_EXISTING).m_base, nullptr);
}

TEST(MemPoolAllocator, ExclusiveCreateWantsNone)
{
    const test::ScopedRoot root;
    Attached first(root, twoPools(), OpenMode::EXCLUSIVE_CREATE);
    Attached second(root, twoPools(), OpenMode::EXCLUSIVE_CREATE); // neither has a name yet
    ASSERT_TRUE(first.layOut()) << first.error();

    EXPECT_FALSE(second.layOut());
    EXPECT_TRUE(second.says("EXCLUSIVE_CREATE failed: File exists")) << second.error();
    const Attached third(root, twoPools(), OpenMode::EXCLUSIVE_CREATE);
    EXPECT_EQ(third.m_base, nullptr);
    EXPECT_TRUE(third.says("File exists")) << third.error();
}

TEST(MemPoolAllocator, ReadOnlyAttachesAndCannotLayOut)
{
    const test::ScopedRoot root;
    EXPECT_EQ(Attached(root, twoPools(), OpenMode::OPEN_OR_CREATE, AccessMode::READ_ONLY).m_base, nullptr);
    makeSegment(root);

    Attached reader(root, twoPools(), OpenMode::OPEN_OR_CREATE, AccessMode::READ_ONLY);

    ASSERT_NE(reader.m_base, nullptr) << reader.error();
    EXPECT_EQ(reader.pool(0).getFreeChunks(), 16U);
    EXPECT_FALSE(reader.layOut());
    EXPECT_TRUE(reader.says("READ_ONLY")) << reader.error();
}

TEST(MemPoolAllocator, LayoutMemoryChecksItsArguments)
{
    const test::ScopedRoot root;
    Attached creator(root);
    const std::uint64_t bytes = creator.manager().getTotalMemorySize();
    MemPoolAllocator fresh(twoPools(), root.path());

    EXPECT_FALSE(fresh.layoutMemory(nullptr, bytes));
    EXPECT_NE(fresh.lastError(), "");
    EXPECT_FALSE(creator.m_allocator.layoutMemory(static_cast<std::byte*>(creator.m_base) + 64, bytes));
    EXPECT_FALSE(creator.m_allocator.layoutMemory(nullptr, bytes));
    EXPECT_FALSE(creator.m_allocator.layoutMemory(creator.m_base, bytes - 1));
    EXPECT_TRUE(creator.says("needs " + std::to_string(bytes) + " bytes and got " + std::to_string(bytes - 1)));
    EXPECT_TRUE(root.empty());
    EXPECT_TRUE(creator.m_allocator.layoutMemory(creator.m_base, bytes + 1));
}

TEST(MemPoolAllocator, MapsOneSegmentInItsLife)
{
    const test::ScopedRoot root;
    Attached creator(root);

    EXPECT_EQ(
        creator.m_allocator.createSharedMemory("/more", AccessMode::READ_WRITE, OpenMode::OPEN_OR_CREATE, Perms(0600)),
        nullptr);
    EXPECT_TRUE(creator.says("/more")) << creator.error();
    EXPECT_TRUE(creator.layOut()) << "the first one is untouched";
}

TEST(MemPoolAllocator, ConfigurationsAndNamesThatCannotBeAreRefused)
{
    const test::ScopedRoot root;
    const Attached nothing(root, MemPoolConfig());
    EXPECT_EQ(nothing.m_base, nullptr);
    EXPECT_TRUE(nothing.says("pools are: none")) << nothing.error();

    MemPoolAllocator allocator(twoPools(), root.path());
    EXPECT_EQ(allocator.createSharedMemory("a/b", AccessMode::READ_WRITE, OpenMode::OPEN_OR_CREATE, Perms(0600)),
              nullptr);
    EXPECT_NE(allocator.lastError().find("\"a/b\": not a segment name"), std::string::npos);
}

TEST(MemPoolAllocator, AFullFileSystemIsSaidWithNumbers)
{
    const test::ScopedRoot root;
    const int exitCode = test::runInChild(
        [&]
        {
            if (::unshare(CLONE_NEWNS) != 0 || ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
                ::mount("tiny", root.path().c_str(), "tmpfs", 0, "size=16k") != 0)
            {
                return 77;
            }
            const Attached creator(root);
            const bool numbers = creator.says("needed ") && creator.says(" 16384 bytes free on ");
            return creator.m_base == nullptr && numbers && root.empty() ? 0 : 1;
        });

    if (exitCode == 77)
    {
        GTEST_SKIP() << "no right to mount";
    }
    EXPECT_EQ(exitCode, 0);
}

TEST(MemPoolAllocator, WhoIsLateTakesTheWinnersSegmentAtTheSameAddress)
{
    const test::ScopedRoot root;
    Attached winner(root);
    Attached late(root); // both unnamed
    void* const base = late.m_base;
    ASSERT_TRUE(winner.layOut());
    ASSERT_NE(winner.m_allocator.chunkAddress(), late.m_allocator.chunkAddress());
    PoolRegistry::instance().registerPool(MANAGEMENT_POOL_ID, winner.m_allocator.managementAddress());
    PoolRegistry::instance().registerPool(CHUNK_POOL_ID, winner.m_allocator.chunkAddress());
    void* chunk = winner.pool(0).allocate(256);
    ASSERT_NE(chunk, nullptr);
    std::strcpy(static_cast<char*>(chunk), "the winner's");

    ASSERT_TRUE(late.layOut()) << late.error();

    EXPECT_EQ(late.m_base, base);
    EXPECT_EQ(late.pool(0).getUsedChunks(), 1U);
    EXPECT_STREQ(static_cast<const char*>(late.m_allocator.chunkAddress()) + sizeof(ChunkHeader), "the winner's");
}

TEST(MemPoolAllocator, LayoutGoesIntoTheOwnSegmentWhateverTheRegistrySays)
{
    const test::ScopedRoot root;
    const test::ScopedRoot elsewhere;
    Attached first(root);
    Attached second(elsewhere); // the process's registry leads here now
    ASSERT_TRUE(second.layOut());
    ASSERT_NE(second.pool(0).allocate(256), nullptr);

    ASSERT_TRUE(first.layOut());

    const Attached third(root); // and now to the segment of `first`
    void* chunk = third.pool(0).allocate(256);
    EXPECT_NE(third.pool(0).allocate(256), chunk) << "it has a free list of its own";
    EXPECT_EQ(third.manager().record(7, PoolRegistry::instance())->m_number, 7U);
}

TEST(MemPoolAllocator, AWinnerWithOtherPoolsIsNotTaken)
{
    const test::ScopedRoot root;
    Attached winner(root);
    Attached late(root, otherPools());
    ASSERT_TRUE(winner.layOut());

    EXPECT_FALSE(late.layOut());

    EXPECT_TRUE(late.says("256 B x 16, 4096 B x 4") && late.says("512 B x 16")) << late.error();
}

TEST(MemPoolAllocator, AWinnerThatWasRemovedMeanwhileIsNoObstacle)
{
    const test::ScopedRoot root;
    makeSegment(root);
    Attached attached(root);
    ASSERT_TRUE(MemPoolAllocator::removeSharedMemory(kName, root.path()));

    Attached next(root);
    ASSERT_TRUE(next.layOut()) << next.error();

    EXPECT_NE(next.pool(0).allocate(1), nullptr);
    EXPECT_EQ(attached.pool(0).getUsedChunks(), 0U) << "another segment";
}

/// Eight processes want the same segment at once; each takes two chunks. Returns how many were content.
int racers(const test::ScopedRoot& root, bool waitBeforeLayout)
{
    constexpr std::uint32_t kRacers = 8;
    test::Gate start;
    test::Gate beforeLayout;
    std::vector<test::Child> children;
    for (std::uint32_t i = 0; i < kRacers; ++i)
    {
        children.emplace_back(
            [&]
            {
                start.arriveAndWait(kRacers);
                Attached racer(root);
                if (racer.m_base == nullptr)
                {
                    return 1;
                }
                if (waitBeforeLayout)
                {
                    beforeLayout.arriveAndWait(kRacers);
                }
                if (!racer.layOut())
                {
                    return 2;
                }
                return racer.pool(0).allocate(256) != nullptr && racer.pool(0).allocate(256) != nullptr ? 0 : 3;
            });
    }
    int content = 0;
    for (test::Child& child : children)
    {
        content += child.wait() == 0 ? 1 : 0;
    }
    return content;
}

TEST(MemPoolAllocator, OfManyProcessesOneLaysOutAndAllGetTheSame)
{
    for (int round = 0; round < 10; ++round)
    {
        const test::ScopedRoot root;

        EXPECT_EQ(racers(root, false), 8);

        const Attached judge(root, twoPools(), OpenMode::OPEN_EXISTING);
        ASSERT_NE(judge.m_base, nullptr) << judge.error();
        EXPECT_EQ(judge.pool(0).getUsedChunks(), 16U);
        EXPECT_EQ(judge.pool(0).allocate(1), nullptr) << "every chunk went to somebody";
    }
}

TEST(MemPoolAllocator, AllWhoBuiltOneTakeThatOfTheFirstToFinish)
{
    for (int round = 0; round < 10; ++round)
    {
        const test::ScopedRoot root;

        EXPECT_EQ(racers(root, true), 8);

        const Attached judge(root, twoPools(), OpenMode::OPEN_EXISTING);
        ASSERT_NE(judge.m_base, nullptr) << judge.error();
        EXPECT_EQ(judge.pool(0).getUsedChunks(), 16U);
    }
}

TEST(MemPoolAllocator, ASegmentFromBeforeTheLastBootIsReplaced)
{
    const test::ScopedRoot root;
    makeSegment(root, otherPools());
    makeStale(root);
    const ino_t before = inodeOf(root);
    const Attached existing(root, otherPools(), OpenMode::OPEN_EXISTING);
    EXPECT_EQ(existing.m_base, nullptr);
    EXPECT_TRUE(existing.says("before the machine was last booted")) << existing.error();

    makeSegment(root);

    EXPECT_NE(inodeOf(root), before);
}

TEST(MemPoolAllocator, ALeftoverIsReplacedByOneOfManyProcesses)
{
    for (int round = 0; round < 10; ++round)
    {
        const test::ScopedRoot root;
        makeSegment(root);
        makeStale(root);

        EXPECT_EQ(racers(root, false), 8);

        const Attached judge(root, twoPools(), OpenMode::OPEN_EXISTING);
        ASSERT_NE(judge.m_base, nullptr) << judge.error();
        EXPECT_EQ(judge.pool(0).getUsedChunks(), 16U) << "nobody removed the new one";
    }
}

TEST(MemPoolAllocator, FilesThatAreNoSegmentsAreRefusedAndKept)
{
    const test::ScopedRoot root;
    const std::string letter(20000, 'x');

    for (const std::string& bytes : {letter, letter.substr(0, 64), letter.substr(0, 10), std::string()})
    {
        root.write("pools", bytes);

        const Attached attached(root);

        EXPECT_EQ(attached.m_base, nullptr);
        EXPECT_TRUE(attached.says(segmentPath(root))) << attached.error();
        EXPECT_EQ(std::filesystem::file_size(segmentPath(root)), bytes.size());
    }
}

TEST(MemPoolAllocator, TruncatedAndExtendedSegmentsAreRefused)
{
    const test::ScopedRoot root;
    makeSegment(root);
    const std::uintmax_t bytes = std::filesystem::file_size(segmentPath(root));

    for (const std::uintmax_t length : {bytes + kPageBytes, bytes - 1, bytes - kPageBytes, std::uintmax_t{2000},
                                        std::uintmax_t{64}, std::uintmax_t{63}, std::uintmax_t{0}})
    {
        std::filesystem::resize_file(segmentPath(root), length);

        const Attached attached(root);

        EXPECT_EQ(attached.m_base, nullptr) << length;
        EXPECT_TRUE(attached.says(segmentPath(root))) << attached.error();
    }
}

TEST(MemPoolAllocator, ATruncatedSegmentWhoseHeaderAgreesIsRefusedToo)
{
    const test::ScopedRoot root;
    makeSegment(root);

    for (const std::uint64_t length : {std::uint64_t{64}, std::uint64_t{1000}, std::uint64_t{4096}})
    {
        std::filesystem::resize_file(segmentPath(root), length);
        overwrite(root, offsetof(SegmentHeader, m_segmentBytes), &length, sizeof length);

        const Attached attached(root);

        EXPECT_EQ(attached.m_base, nullptr) << length;
        EXPECT_TRUE(attached.says("MemPoolManager")) << attached.error();
    }
}

/// Offsets in the file of 8-byte words that may hold anything: figures, list heads, unused room, who made it.
std::set<std::uint64_t> freeWords()
{
    std::set<std::uint64_t> words{offsetof(SegmentHeader, m_creatorPid), offsetof(SegmentHeader, m_reserved)};
    const auto addPool = [&words](std::uint64_t pool)
    {
        words.insert(pool + offsetof(MemPool, m_highWater)); // with m_retired behind it
        words.insert(pool + offsetof(MemPool, m_freeIndices) + offsetof(MPMC_LockFree_List, m_head));
    };
    const std::uint64_t pools = kHeaderBytes + offsetof(MemPoolManager, m_mempools);
    addPool(pools);
    addPool(pools + sizeof(MemPool));
    addPool(kHeaderBytes + offsetof(MemPoolManager, m_chunkManagerPool));
    for (std::uint64_t unused = pools + 2 * sizeof(MemPool); unused < pools + kMaxPools * sizeof(MemPool); unused += 8)
    {
        words.insert(unused);
    }
    return words;
}

TEST(MemPoolAllocator, NoWordOfHeaderAndManagerIsTakenOnTrust)
{
    const test::ScopedRoot root;
    makeSegment(root);
    std::string good(kHeaderBytes + sizeof(MemPoolManager), '\0');
    std::ifstream(segmentPath(root)).read(good.data(), static_cast<std::streamsize>(good.size()));
    const std::set<std::uint64_t> mayChange = freeWords();

    for (std::uint64_t offset = 0; offset + 8 <= good.size(); offset += 8)
    {
        for (const std::uint64_t value : {0x0101010101010101ULL, 0x7FFFFFFFFFFFFFFFULL, ~0ULL})
        {
            overwrite(root, offset, &value, sizeof value);

            const Attached attached(root, twoPools(), OpenMode::OPEN_EXISTING);

            EXPECT_EQ(attached.m_base == nullptr, mayChange.count(offset) == 0) << "word at " << offset;
            EXPECT_EQ(attached.m_base == nullptr, attached.error() != "");
            if (attached.m_base != nullptr)
            {
                static_cast<void>(attached.pool(0).allocate(256)); // whatever it answers, nobody crashes
                static_cast<void>(attached.pool(0).getFreeChunks());
            }
        }
        overwrite(root, 0, good.data(), good.size());
    }
    EXPECT_NE(Attached(root).m_base, nullptr) << "and all words back make it good again";
}

TEST(MemPoolAllocator, ItsDestructorTakesTheBasesBack)
{
    const test::ScopedRoot root;
    PoolRegistry& registry = PoolRegistry::instance();
    {
        const Attached creator(root);

        EXPECT_EQ(registry.getBaseAddress(MANAGER_POOL_ID), creator.m_base);
        EXPECT_EQ(registry.getBaseAddress(MANAGEMENT_POOL_ID), creator.m_allocator.managementAddress());
        EXPECT_EQ(registry.getBaseAddress(CHUNK_POOL_ID), creator.m_allocator.chunkAddress());
        EXPECT_EQ(&MemPoolManager::getInstance(twoPools()), creator.m_base);
    }
    EXPECT_EQ(registry.getBaseAddress(MANAGER_POOL_ID), nullptr);
    EXPECT_EQ(registry.getBaseAddress(MANAGEMENT_POOL_ID), nullptr);
    EXPECT_EQ(registry.getBaseAddress(CHUNK_POOL_ID), nullptr);
}

TEST(MemPoolAllocator, OfTwoInOneProcessTheLaterIsTheInstance)
{
    const test::ScopedRoot root;
    auto earlier = std::make_unique<Attached>(root);
    ASSERT_TRUE(earlier->layOut());
    const Attached later(root);

    EXPECT_EQ(&MemPoolManager::getInstance(twoPools()), later.m_base);
    earlier.reset();

    EXPECT_EQ(&MemPoolManager::getInstance(twoPools()), later.m_base);
    EXPECT_EQ(PoolRegistry::instance().getBaseAddress(CHUNK_POOL_ID), later.m_allocator.chunkAddress());
}

TEST(MemPoolAllocator, RemoveSharedMemoryUnlinks)
{
    const test::ScopedRoot root;
    makeSegment(root);

    EXPECT_TRUE(MemPoolAllocator::removeSharedMemory(kName, root.path()));
    EXPECT_TRUE(root.empty());
    EXPECT_TRUE(MemPoolAllocator::removeSharedMemory(kName, root.path())) << "the name is free";
    EXPECT_FALSE(MemPoolAllocator::removeSharedMemory("a/b", root.path()));
}

TEST(MemPoolAllocator, LivesInDevShmUnlessToldOtherwise)
{
    const test::ScopedName name("default-root");
    MemPoolAllocator allocator(twoPools());
    void* base =
        allocator.createSharedMemory(name.name(), AccessMode::READ_WRITE, OpenMode::OPEN_OR_CREATE, Perms(0600));
    ASSERT_NE(base, nullptr) << allocator.lastError();
    ASSERT_TRUE(allocator.layoutMemory(base, MemPoolManager::getInstance(twoPools()).getTotalMemorySize()));

    EXPECT_TRUE(std::filesystem::exists(name.path()));
    EXPECT_TRUE(MemPoolAllocator::removeSharedMemory(name.name()));
}

} // namespace

} // namespace ZeroCP
