#include "zerocp/core/shared_memory.hpp"

#include <algorithm>
#include <atomic>
#include <barrier>
#include <cstdio>
#include <cstring>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "zerocp/core/align.hpp"

#include "core/core_support.hpp"

namespace ZeroCP
{

namespace
{

constexpr uid_t kNobody = 65534;
const Perms kMine(0600);

bool root() noexcept
{
    return ::geteuid() == 0;
}

SharedMemory unnamed(const test::ScopedRoot& root, std::uint64_t bytes = kPageBytes, Perms perms = kMine)
{
    auto memory = SharedMemory::createUnnamed(root.path(), "segment", bytes, perms);
    EXPECT_TRUE(memory) << memory.error().message();
    return std::move(*memory);
}

/// A committed and published segment whose first byte is `first`.
SharedMemory published(const test::ScopedRoot& root, std::byte first, std::uint64_t bytes = kPageBytes)
{
    SharedMemory memory = unnamed(root, bytes);
    EXPECT_TRUE(memory.commit(0, bytes));
    memory.base()[0] = first;
    EXPECT_TRUE(memory.publish().value());
    return memory;
}

struct stat statusOf(const SharedMemory& memory)
{
    struct stat status = {};
    EXPECT_EQ(::fstat(memory.descriptor(), &status), 0);
    return status;
}

ErrorCode openError(const test::ScopedRoot& root, const std::string& name, AccessMode access = AccessMode::READ_WRITE)
{
    const auto opened = SharedMemory::open(root.path(), name, access);
    EXPECT_FALSE(opened);
    return opened ? ErrorCode::Forked : opened.error().code();
}

TEST(SharedMemory, AnUnnamedSegmentLeavesNothing)
{
    const test::ScopedRoot root;
    {
        const SharedMemory memory = unnamed(root);

        EXPECT_TRUE(root.empty()) << "nobody sees it while it is built";
        EXPECT_FALSE(SharedMemory::exists(root.path(), "segment"));
    }
    EXPECT_TRUE(root.empty());
}

TEST(SharedMemory, IsZeroedSparseAndAWholeNumberOfPages)
{
    const test::ScopedRoot root;

    const SharedMemory memory = unnamed(root, (1ULL << 40) + 1);

    EXPECT_EQ(memory.bytes(), (1ULL << 40) + kPageBytes);
    EXPECT_EQ(statusOf(memory).st_blocks, 0);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(memory.base()) % kPageBytes, 0U);
}

TEST(SharedMemory, WhatWasWrittenBeforePublishIsThereAfterOpen)
{
    const test::ScopedRoot root;
    const SharedMemory writer = published(root, std::byte{42});

    const auto reader = SharedMemory::open(root.path(), "segment", AccessMode::READ_ONLY);

    ASSERT_TRUE(reader) << reader.error().message();
    EXPECT_EQ(reader->base()[0], std::byte{42});
    EXPECT_EQ(reader->bytes(), writer.bytes());
    EXPECT_NE(reader->base(), writer.base());
}

TEST(SharedMemory, TwoWhoAttachShareTheBytes)
{
    const test::ScopedRoot root;
    const SharedMemory first = published(root, std::byte{1});
    const auto second = SharedMemory::open(root.path(), "segment", AccessMode::READ_WRITE);
    ASSERT_TRUE(second);

    second->base()[100] = std::byte{9};

    EXPECT_EQ(first.base()[100], std::byte{9});
}

TEST(SharedMemory, PublishNeverReplacesAnotherFile)
{
    const test::ScopedRoot root;
    const SharedMemory winner = published(root, std::byte{1});
    SharedMemory loser = unnamed(root);

    const auto second = loser.publish();

    ASSERT_TRUE(second);
    EXPECT_FALSE(*second);
    EXPECT_EQ(SharedMemory::open(root.path(), "segment", AccessMode::READ_ONLY)->base()[0], std::byte{1});
}

TEST(SharedMemory, OfTwoWhoPublishAtTheSameTimeExactlyOneWins)
{
    constexpr int kRounds = 200;
    const test::ScopedRoot root;
    std::barrier gate(2);
    std::atomic<int> wins{0};
    const auto work = [&]
    {
        for (int round = 0; round < kRounds; ++round)
        {
            const std::string name = "segment" + std::to_string(round);
            auto memory = SharedMemory::createUnnamed(root.path(), name, kPageBytes, kMine);
            gate.arrive_and_wait();
            wins += memory->publish().value() ? 1 : 0;
        }
    };

    std::thread other(work);
    work();
    other.join();

    EXPECT_EQ(wins.load(), kRounds);
}

TEST(SharedMemory, AUserWithoutPrivilegesCanPublish)
{
    if (!root())
    {
        GTEST_SKIP() << "every other test runs without privileges already";
    }
    const test::ScopedRoot root;
    ASSERT_EQ(::chmod(root.path().c_str(), 01777), 0);

    const int exitCode = test::runInChild(
        [&]
        {
            if (::setresgid(kNobody, kNobody, kNobody) != 0 || ::setresuid(kNobody, kNobody, kNobody) != 0)
            {
                return 1;
            }
            auto memory = SharedMemory::createUnnamed(root.path(), "segment", kPageBytes, kMine);
            return memory && memory->publish().value_or(false) ? 0 : 2;
        });

    EXPECT_EQ(exitCode, 0);
    EXPECT_TRUE(SharedMemory::exists(root.path(), "segment"));
}

TEST(SharedMemory, OneLeadingSlashMeansTheSameFile)
{
    const test::ScopedRoot root;
    const SharedMemory memory = published(root, std::byte{3});

    EXPECT_TRUE(SharedMemory::exists(root.path(), "/segment"));
    const auto opened = SharedMemory::open(root.path(), "/segment", AccessMode::READ_ONLY);
    ASSERT_TRUE(opened);
    EXPECT_EQ(opened->name(), "segment");
    EXPECT_EQ(opened->path(), root.path() / "segment");
}

TEST(SharedMemory, NamesThatLeaveTheRootAreInvalid)
{
    const test::ScopedRoot root;
    const std::string tooLong(256, 'x');

    for (const std::string& name : {std::string(), std::string("/"), std::string("a/b"), std::string("//a"),
                                    std::string("."), std::string("/.."), std::string("a\0b", 3), tooLong})
    {
        const auto created = SharedMemory::createUnnamed(root.path(), name, kPageBytes, kMine);
        ASSERT_FALSE(created) << name;
        EXPECT_EQ(created.error().code(), ErrorCode::InvalidName);
        EXPECT_EQ(openError(root, name), ErrorCode::InvalidName);
        EXPECT_EQ(SharedMemory::remove(root.path(), name).error().code(), ErrorCode::InvalidName);
        EXPECT_FALSE(SharedMemory::exists(root.path(), name));
    }
}

TEST(SharedMemory, PermissionsAreExactWhateverTheUmask)
{
    const test::ScopedRoot root;
    const mode_t before = ::umask(077);

    const SharedMemory memory = unnamed(root, kPageBytes, Perms(0664));

    ::umask(before);
    EXPECT_EQ(statusOf(memory).st_mode & 07777U, 0664U);
}

TEST(SharedMemory, RefusesSizesThatNoFileCanHave)
{
    const test::ScopedRoot root;

    EXPECT_FALSE(SharedMemory::createUnnamed(root.path(), "segment", 0, kMine));
    EXPECT_FALSE(SharedMemory::createUnnamed(root.path(), "segment", ~0ULL, kMine));
    EXPECT_FALSE(SharedMemory::createUnnamed(root.path(), "segment", 1ULL << 63, kMine));
    EXPECT_FALSE(SharedMemory::createUnnamed(root.path(), "segment", (1ULL << 63) - 1, kMine));
}

TEST(SharedMemory, CommitReservesWholePagesAndKeepsWhatIsThere)
{
    const test::ScopedRoot root;
    SharedMemory memory = unnamed(root, 1 << 20);

    ASSERT_TRUE(memory.commit(kPageBytes + 5, 2));
    EXPECT_EQ(statusOf(memory).st_blocks * 512, static_cast<blkcnt_t>(kPageBytes));
    memory.base()[kPageBytes + 5] = std::byte{7};

    ASSERT_TRUE(memory.commit(0, 3 * kPageBytes));
    ASSERT_TRUE(memory.commit(0, 3 * kPageBytes));

    EXPECT_EQ(statusOf(memory).st_blocks * 512, static_cast<blkcnt_t>(3 * kPageBytes));
    EXPECT_EQ(memory.base()[kPageBytes + 5], std::byte{7});
    EXPECT_TRUE(memory.commit(0, 0));
}

TEST(SharedMemory, CommitBeyondTheEndIsRefusedAndDoesNotGrowTheFile)
{
    const test::ScopedRoot root;
    SharedMemory memory = unnamed(root, 2 * kPageBytes);

    const auto beyond = memory.commit(kPageBytes, kPageBytes + 1);

    ASSERT_FALSE(beyond);
    EXPECT_EQ(beyond.error().code(), ErrorCode::SystemError);
    EXPECT_NE(beyond.error().message().find("the file ends at 8192"), std::string::npos);
    EXPECT_FALSE(memory.commit(3 * kPageBytes, 0));
    EXPECT_FALSE(memory.commit(8, ~0ULL)) << "the sum wraps";
    EXPECT_EQ(statusOf(memory).st_size, static_cast<off_t>(2 * kPageBytes));
    EXPECT_TRUE(memory.commit(kPageBytes, kPageBytes));
}

/// In a child with a tmpfs of 64 KiB at `place` that nobody else sees. 77: not allowed to make one.
template <typename Body>
int onATinyFileSystem(const std::filesystem::path& place, Body body)
{
    return test::runInChild(
        [&]
        {
            if (::unshare(CLONE_NEWNS) != 0 || ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
                ::mount("tiny", place.c_str(), "tmpfs", 0, "size=64k") != 0)
            {
                return 77;
            }
            return body();
        });
}

TEST(SharedMemory, AFullFileSystemIsAnErrorWithNumbersAndNoSignal)
{
    const test::ScopedRoot root;
    const int exitCode = onATinyFileSystem(
        root.path(),
        [&]
        {
            auto memory = SharedMemory::createUnnamed(root.path(), "big", 1 << 20, kMine);
            if (!memory)
            {
                return 1;
            }
            const auto refused = memory->commit(0, 1 << 20);
            if (refused || refused.error().code() != ErrorCode::NoSpace)
            {
                return 2;
            }
            const std::string& text = refused.error().message();
            const std::string where = (root.path() / "big").string() + ": posix_fallocate of 1048576 bytes failed: ";
            const bool named =
                text.starts_with(where) &&
                text.find("needed 1048576 bytes, 65536 bytes free on " + root.path().string()) != std::string::npos &&
                text.find("enlarge it") != std::string::npos;
            if (!named)
            {
                std::fprintf(stderr, "%s\n", text.c_str());
                return 3;
            }
            if (!memory->commit(0, 32768)) // what fits can still be had
            {
                return 4;
            }
            std::memset(memory->base(), 1, 32768);
            return 0;
        });

    if (exitCode == 77)
    {
        GTEST_SKIP() << "no right to mount";
    }
    EXPECT_EQ(exitCode, 0);
}

TEST(SharedMemory, LinksAndOtherKindsOfFilesAreRefused)
{
    const test::ScopedRoot root;
    const SharedMemory target = published(root, std::byte{1});
    std::filesystem::create_symlink(root.path() / "segment", root.path() / "link");
    std::filesystem::create_directory(root.path() / "directory");
    ASSERT_EQ(::mkfifo((root.path() / "fifo").c_str(), 0600), 0);

    for (const AccessMode access : {AccessMode::READ_ONLY, AccessMode::READ_WRITE})
    {
        EXPECT_EQ(openError(root, "link", access), ErrorCode::PermissionDenied);
        EXPECT_EQ(openError(root, "directory", access), ErrorCode::PermissionDenied);
        EXPECT_EQ(openError(root, "fifo", access), ErrorCode::PermissionDenied) << "and does not wait for a writer";
    }
}

TEST(SharedMemory, ADanglingLinkDoesNotMisleadPublish)
{
    const test::ScopedRoot root;
    std::filesystem::create_symlink("/dev/shm/elsewhere", root.path() / "segment");
    SharedMemory memory = unnamed(root);

    const auto answer = memory.publish();

    ASSERT_TRUE(answer);
    EXPECT_FALSE(*answer);
    EXPECT_TRUE(SharedMemory::exists(root.path(), "segment"));
}

TEST(SharedMemory, AFileOfSomebodyElseIsRefused)
{
    if (!root())
    {
        GTEST_SKIP() << "only root can make a file of somebody else";
    }
    const test::ScopedRoot root;
    const SharedMemory memory = published(root, std::byte{1});
    ASSERT_EQ(::fchown(memory.descriptor(), kNobody, kNobody), 0);

    const auto opened = SharedMemory::open(root.path(), "segment", AccessMode::READ_ONLY);

    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code(), ErrorCode::PermissionDenied);
    EXPECT_NE(opened.error().message().find("belongs to user 65534, group 65534, mode 0600"), std::string::npos);
}

TEST(SharedMemory, AFileOfATrustedGroupIsTakenIfItHasExactlyTheMode)
{
    if (!root())
    {
        GTEST_SKIP() << "only root can make a file of somebody else";
    }
    const test::ScopedRoot root;
    const SharedMemory memory = published(root, std::byte{1});
    ASSERT_EQ(::fchown(memory.descriptor(), kNobody, kNobody), 0);
    const auto openWith = [&](const SharedMemory::Trust& trust)
    { return SharedMemory::open(root.path(), "segment", AccessMode::READ_WRITE, 0, trust).has_value(); };

    ASSERT_EQ(::fchmod(memory.descriptor(), 0660), 0);
    EXPECT_TRUE(openWith({"nogroup", 0660}));
    EXPECT_FALSE(openWith({"nogroup", 0666}));
    EXPECT_FALSE(openWith({"daemon", 0660}));
    EXPECT_FALSE(openWith({"no such group", 0660}));

    ASSERT_EQ(::fchmod(memory.descriptor(), 0666), 0);
    EXPECT_FALSE(openWith({"nogroup", 0660})) << "the whole world could write";
}

TEST(SharedMemory, AFileOfRootIsTakenByEverybodyWhoMayReadIt)
{
    if (!root())
    {
        GTEST_SKIP() << "only root can make a file of root";
    }
    const test::ScopedRoot root;
    ASSERT_EQ(::chmod(root.path().c_str(), 0755), 0);
    const SharedMemory memory = published(root, std::byte{1});
    ASSERT_EQ(::fchmod(memory.descriptor(), 0644), 0);

    const int exitCode = test::runInChild(
        [&]
        {
            if (::setresuid(kNobody, kNobody, kNobody) != 0)
            {
                return 1;
            }
            const auto written = SharedMemory::open(root.path(), "segment", AccessMode::READ_WRITE);
            if (written || written.error().code() != ErrorCode::PermissionDenied)
            {
                return 2;
            }
            return SharedMemory::open(root.path(), "segment", AccessMode::READ_ONLY) ? 0 : 3;
        });

    EXPECT_EQ(exitCode, 0);
}

TEST(SharedMemory, FilesThatAreTooShortAreCorrupt)
{
    const test::ScopedRoot root;
    root.write("empty", "");
    root.write("short", std::string(100, 'x'));

    EXPECT_EQ(openError(root, "empty"), ErrorCode::Corrupt);
    const auto opened = SharedMemory::open(root.path(), "short", AccessMode::READ_ONLY, 101);
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code(), ErrorCode::Corrupt);
    EXPECT_NE(opened.error().message().find("100 bytes long, at least 101"), std::string::npos);
    EXPECT_TRUE(SharedMemory::open(root.path(), "short", AccessMode::READ_ONLY, 100));
}

TEST(SharedMemory, AMissingFileIsASystemErrorThatNamesIt)
{
    const test::ScopedRoot root;

    const auto opened = SharedMemory::open(root.path(), "nothing", AccessMode::READ_WRITE);

    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code(), ErrorCode::SystemError);
    EXPECT_EQ(opened.error().message(),
              (root.path() / "nothing").string() + ": open failed: No such file or directory (errno 2)");
}

TEST(SharedMemory, ARootThatCannotHoldSegmentsIsNamed)
{
    const auto missing = SharedMemory::createUnnamed("/dev/shm/zerocp-no-such-root", "x", kPageBytes, kMine);
    ASSERT_FALSE(missing);
    EXPECT_NE(missing.error().message().find("/dev/shm/zerocp-no-such-root: open with O_TMPFILE failed"),
              std::string::npos);
}

TEST(SharedMemory, AFileSystemWithoutUnnamedFilesIsSaidToBeUnfit)
{
    const auto unfit = SharedMemory::createUnnamed("/proc", "x", kPageBytes, kMine);

    ASSERT_FALSE(unfit);
    if (unfit.error().code() == ErrorCode::PermissionDenied)
    {
        GTEST_SKIP() << "only root gets as far as that answer of /proc";
    }
    EXPECT_NE(unfit.error().message().find("must be a tmpfs"), std::string::npos) << unfit.error().message();
}

TEST(SharedMemory, RemoveUnlinksAndTheMappingStays)
{
    const test::ScopedRoot root;
    const SharedMemory memory = published(root, std::byte{5});

    EXPECT_TRUE(SharedMemory::remove(root.path(), "segment"));

    EXPECT_TRUE(root.empty());
    EXPECT_EQ(memory.base()[0], std::byte{5});
    EXPECT_TRUE(SharedMemory::remove(root.path(), "segment")) << "nothing to remove is no error";
}

TEST(SharedMemory, RemoveSaysWhyItCould)
{
    const test::ScopedRoot root;
    std::filesystem::create_directory(root.path() / "directory");

    const auto removed = SharedMemory::remove(root.path(), "directory");

    ASSERT_FALSE(removed);
    EXPECT_NE(removed.error().message().find("/directory: unlink failed: "), std::string::npos);
}

TEST(SharedMemory, ASecondMappingShowsTheSameBytesElsewhere)
{
    const test::ScopedRoot root;
    SharedMemory memory = published(root, std::byte{5});

    const auto again = memory.mapAgain(AccessMode::READ_ONLY);
    ASSERT_TRUE(again);
    memory.base()[77] = std::byte{6};

    EXPECT_NE(again->base(), memory.base());
    EXPECT_EQ(again->base()[77], std::byte{6});
    EXPECT_EQ(again->bytes(), memory.bytes());
}

TEST(SharedMemoryDeathTest, WritingToAReadOnlyMappingHitsTheOffender)
{
    const test::ScopedRoot root;
    const SharedMemory memory = published(root, std::byte{5});
    const auto reader = SharedMemory::open(root.path(), "segment", AccessMode::READ_ONLY);
    ASSERT_TRUE(reader);

    EXPECT_DEATH(reader->base()[0] = std::byte{1}, "");
    EXPECT_EQ(memory.base()[0], std::byte{5});
}

TEST(SharedMemory, ReplaceWithShowsTheOtherFileAtTheSameAddress)
{
    const test::ScopedRoot root;
    const SharedMemory winner = published(root, std::byte{1});
    SharedMemory loser = unnamed(root);
    loser.base()[0] = std::byte{2};
    std::byte* const address = loser.base();

    ASSERT_TRUE(loser.replaceWith(winner));
    winner.base()[9] = std::byte{9};

    EXPECT_EQ(loser.base(), address);
    EXPECT_EQ(address[0], std::byte{1});
    EXPECT_EQ(address[9], std::byte{9});
    EXPECT_EQ(statusOf(loser).st_ino, statusOf(winner).st_ino) << "the own file is gone";
}

TEST(SharedMemory, MovingLeavesAnEmptyHandle)
{
    const test::ScopedRoot root;
    SharedMemory first = published(root, std::byte{1});
    std::byte* const address = first.base();

    SharedMemory second(std::move(first));
    SharedMemory third;
    third = std::move(second);

    EXPECT_FALSE(first); // NOLINT: the promise under test
    EXPECT_FALSE(second);
    EXPECT_EQ(third.base(), address);
    EXPECT_EQ(address[0], std::byte{1});
    third = SharedMemory();
    EXPECT_FALSE(third);
}

} // namespace

} // namespace ZeroCP
