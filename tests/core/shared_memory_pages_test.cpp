#include "zerocp/core/shared_memory.hpp"

#include <fstream>
#include <string>

#include <gtest/gtest.h>
#include <linux/mempolicy.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/core_support.hpp"
#include "support/child_process.hpp"
#include "support/few_rights.hpp"
#include "support/mapping_of.hpp"
#include "support/sanitized.hpp"
#include "support/small_tmpfs.hpp"
#include "zerocp/core/align.hpp"

namespace ZeroCP
{

using test::ChildProcess;
using test::MappingOf;
using test::Peer;

namespace
{

constexpr std::uint64_t kHugePageBytes = 2U << 20;

SharedMemory unnamed(const std::filesystem::path& root, std::uint64_t bytes)
{
    return SharedMemory::createUnnamed(root, "segment", bytes, Perms(0600)).value();
}

SharedMemory committed(const std::filesystem::path& root, std::uint64_t bytes)
{
    SharedMemory memory = unnamed(root, bytes);
    EXPECT_TRUE(memory.commit(0, bytes));
    return memory;
}

std::uint64_t committedBytes(const SharedMemory& memory)
{
    struct stat status = {};
    EXPECT_EQ(::fstat(memory.descriptor(), &status), 0);
    return static_cast<std::uint64_t>(status.st_blocks) * 512;
}

/// Of the file behind a mapping, since files without a name have a number in their place.
MappingOf mappingOf(const SharedMemory& memory)
{
    struct stat status = {};
    EXPECT_EQ(::fstat(memory.descriptor(), &status), 0);
    return MappingOf("#" + std::to_string(status.st_ino) + " (deleted)");
}

bool contains(const std::string& text, const std::string& part)
{
    return text.find(part) != std::string::npos;
}

} // namespace

TEST(SharedMemoryPages, PrefaultSparesTheFirstMessageItsPageFaults)
{
    constexpr std::uint64_t kPages = 64;
    const test::ScopedRoot root;
    SharedMemory memory = committed(root.path(), kPages * kPageBytes);
    ASSERT_EQ(mappingOf(memory).m_bytes, memory.bytes());
    ASSERT_EQ(mappingOf(memory).m_residentBytes, 0U);

    memory.prefault(kPageBytes - 1, 2); // two pages, wherever the range starts in them
    EXPECT_EQ(mappingOf(memory).m_residentBytes, 2 * kPageBytes);
    memory.prefault(memory.bytes(), 1); // behind the end: nothing
    EXPECT_EQ(mappingOf(memory).m_residentBytes, 2 * kPageBytes);
    memory.prefault(0, ~0ULL); // cut at the end

    EXPECT_EQ(mappingOf(memory).m_residentBytes, memory.bytes());
}

TEST(SharedMemoryPages, PrefaultWorksOnAMappingForReading)
{
    const test::ScopedRoot root;
    const SharedMemory writer = committed(root.path(), 8 * kPageBytes);
    SharedMemory reader = writer.mapAgain(AccessMode::READ_ONLY).value();

    reader.prefault(0, reader.bytes());

    EXPECT_EQ(mappingOf(writer).m_residentBytes, 8 * kPageBytes);
}

TEST(SharedMemoryPages, PrefaultOfWhatAFullFileSystemCannotCommitIsNoSignal)
{
    if (!test::mayMount())
    {
        GTEST_SKIP() << "needs root: a tmpfs of its own";
    }
    const test::ScopedRoot root;
    ChildProcess child(
        [&](Peer&)
        {
            EXPECT_EQ(test::mountSmallTmpfs(root.path(), "64k"), "");
            SharedMemory memory = unnamed(root.path(), 1U << 20);

            memory.prefault(0, memory.bytes());

            return true;
        });

    EXPECT_TRUE(child.wait().succeeded());
}

TEST(SharedMemoryPages, LockKeepsTheRangeInMemory)
{
    const test::ScopedRoot root;
    SharedMemory memory = committed(root.path(), 16 * kPageBytes);

    const auto locked = memory.lock(kPageBytes, 4 * kPageBytes);

    ASSERT_TRUE(locked) << locked.error().message();
    if (test::kSanitized)
    {
        GTEST_SKIP() << "a sanitizer makes mlock() do nothing";
    }
    EXPECT_EQ(mappingOf(memory).m_lockedBytes, 4 * kPageBytes);
    EXPECT_EQ(mappingOf(memory).m_residentBytes, 4 * kPageBytes);
}

TEST(SharedMemoryPages, ALockThatFailsLeavesThePageThatItSharesWithAnEarlierOneLocked)
{
    if (test::kSanitized)
    {
        GTEST_SKIP() << "a sanitizer makes mlock() do nothing";
    }
    const test::ScopedRoot root;
    ChildProcess child(
        [&](Peer&)
        {
            EXPECT_TRUE(test::limitLockedMemory(32 * kPageBytes));
            SharedMemory memory = committed(root.path(), 64 * kPageBytes);
            EXPECT_TRUE(memory.lock(0, kPageBytes / 2));

            const auto locked = memory.lock(kPageBytes / 2, memory.bytes() - kPageBytes / 2);

            return !locked && mappingOf(memory).m_lockedBytes == kPageBytes;
        });

    EXPECT_TRUE(child.wait().succeeded());
}

TEST(SharedMemoryPages, LockAboveTheLimitNamesBytesLimitAndWayOutAndLocksNothing)
{
    if (test::kSanitized)
    {
        GTEST_SKIP() << "a sanitizer makes mlock() do nothing";
    }
    const test::ScopedRoot root;
    ChildProcess child(
        [&](Peer& parent)
        {
            EXPECT_TRUE(test::limitLockedMemory(32 * kPageBytes));
            SharedMemory memory = committed(root.path(), 64 * kPageBytes);

            const auto locked = memory.lock(0, memory.bytes());

            parent.tell(locked ? "locked" : locked.error().message());
            return !locked && mappingOf(memory).m_lockedBytes == 0 && memory.lock(0, 8 * kPageBytes);
        });
    const std::string message = child.hear();

    EXPECT_TRUE(child.wait().succeeded());
    for (const char* part : {"segment: mlock of 262144 bytes failed: ", "RLIMIT_MEMLOCK is 131072 bytes, 0 kB",
                             "ulimit -l", "CAP_IPC_LOCK", "memory.lock"})
    {
        EXPECT_PRED2(contains, message, part);
    }
}

TEST(SharedMemoryPages, ASparseFileStaysSparseInAProcessThatLocksAllItsMemory)
{
    if (test::kSanitized)
    {
        GTEST_SKIP() << "a sanitizer makes mlockall() do nothing";
    }
    const test::ScopedRoot root;
    ChildProcess child(
        [&](Peer&)
        {
            EXPECT_EQ(::mlockall(MCL_CURRENT | MCL_FUTURE), 0);

            const SharedMemory memory = unnamed(root.path(), 4U << 20);

            EXPECT_EQ(committedBytes(memory), 0U);
            EXPECT_EQ(mappingOf(memory).m_lockedBytes, 0U);
            memory.base()[0] = std::byte{1};
            return committedBytes(memory) == kPageBytes;
        });

    EXPECT_TRUE(child.wait().succeeded());
}

TEST(SharedMemoryPages, PagesAreCommittedOnTheNodeThatTheFileIsBoundTo)
{
    const test::ScopedRoot root;
    SharedMemory memory = unnamed(root.path(), 4 * kPageBytes);

    const auto bound = memory.bindToNode(0);

    ASSERT_TRUE(bound) << bound.error().message();
    ASSERT_TRUE(memory.commit(0, memory.bytes()));
    const SharedMemory other = memory.mapAgain(AccessMode::READ_ONLY).value();
    int policy = -1;
    int node = -1;
    EXPECT_EQ(::syscall(SYS_get_mempolicy, &policy, nullptr, 0, other.base(), MPOL_F_ADDR), 0);
    EXPECT_EQ(::syscall(SYS_get_mempolicy, &node, nullptr, 0, other.base(), MPOL_F_ADDR | MPOL_F_NODE), 0);
    EXPECT_EQ(policy, MPOL_BIND); // the file's: also through a mapping that nobody bound
    EXPECT_EQ(node, 0);
}

TEST(SharedMemoryPages, ANodeThatDoesNotExistIsAnsweredWithThoseThatDo)
{
    std::string nodes;
    std::getline(std::ifstream("/sys/devices/system/node/has_memory"), nodes);
    const test::ScopedRoot root;
    SharedMemory memory = unnamed(root.path(), kPageBytes);

    const auto bound = memory.bindToNode(1023);

    ASSERT_FALSE(bound);
    EXPECT_EQ(bound.error().code(), ErrorCode::ConfigInvalid);
    EXPECT_PRED2(contains, bound.error().message(),
                 "segment: node 1023 does not exist; nodes: " + (nodes.empty() ? "0" : nodes) + ";");
}

TEST(SharedMemoryPages, AMappingForHugePagesBeginsAtAMultipleOfTheirSize)
{
    const test::ScopedRoot root;
    SharedMemory memory = committed(root.path(), kHugePageBytes + kPageBytes);
    memory.base()[kHugePageBytes] = std::byte{7};

    ASSERT_TRUE(memory.useHugePages());

    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(memory.base()) % kHugePageBytes, 0U);
    EXPECT_EQ(memory.base()[kHugePageBytes], std::byte{7});
    EXPECT_EQ(mappingOf(memory).m_bytes, memory.bytes());
}

TEST(SharedMemoryPages, AFileSystemMountedWithoutHugePagesIsNamedWithTheCommandThatChangesIt)
{
    if (!test::mayMount())
    {
        GTEST_SKIP() << "needs root: a tmpfs of its own";
    }
    const test::ScopedRoot root;
    ChildProcess child(
        [&](Peer& parent)
        {
            EXPECT_EQ(test::mountSmallTmpfs(root.path(), "16m,huge=never"), "");
            parent.tell(unnamed(root.path(), kPageBytes).whyNoHugePages());
            return true;
        });
    const std::string why = child.hear();

    EXPECT_TRUE(child.wait().succeeded());
    if (contains(why, "transparent_hugepage"))
    {
        GTEST_SKIP() << why;
    }
    EXPECT_EQ(why,
              root.path().string() + " is mounted without them; mount -o remount,huge=advise " + root.path().string());
}

TEST(SharedMemoryPages, AFileSystemMountedWithHugePagesGivesThemWhenTheyAreTouchedFirst)
{
    if (!test::mayMount())
    {
        GTEST_SKIP() << "needs root: a tmpfs of its own";
    }
    const test::ScopedRoot root;
    ChildProcess child(
        [&](Peer& parent)
        {
            EXPECT_EQ(test::mountSmallTmpfs(root.path(), "16m,huge=advise"), "");
            SharedMemory memory = unnamed(root.path(), 2 * kHugePageBytes);
            parent.tell(memory.whyNoHugePages());
            EXPECT_TRUE(memory.useHugePages());

            memory.prefault(0, memory.bytes());

            parent.tell(std::to_string(mappingOf(memory).m_hugeBytes));
            return true;
        });
    const std::string why = child.hear();
    const std::string hugeBytes = child.hear();

    EXPECT_TRUE(child.wait().succeeded());
    if (!why.empty())
    {
        GTEST_SKIP() << why;
    }
    EXPECT_NE(hugeBytes, "0"); // how many there are depends on how fragmented memory is
}

} // namespace ZeroCP
