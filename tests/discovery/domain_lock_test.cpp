#include "zerocp/discovery/domain_lock.hpp"

#include <filesystem>
#include <fstream>
#include <thread>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "support/child_process.hpp"
#include "support/test_domain.hpp"

namespace ZeroCP
{

using test::ChildProcess;
using test::Peer;
using test::TestDirectory;

namespace
{

struct LockFile
{
    [[nodiscard]] DomainLock open() const { return DomainLock::open(path(), {}).value(); }
    [[nodiscard]] DomainLock openForInit() const { return DomainLock::openForInit(path(), {}).value(); }
    [[nodiscard]] std::filesystem::path path() const { return m_directory.path() / "lock"; }

    TestDirectory m_directory;
};

} // namespace

TEST(DomainLock, CreatesTheFileWithTheConfiguredModeWhateverTheUmask)
{
    const LockFile file;
    const mode_t before = ::umask(077);
    const DomainLock lock = DomainLock::openForInit(file.path(), {.mode = 0660, .group = {}}).value();
    ::umask(before);
    struct stat status
    {
    };

    ASSERT_EQ(::stat(file.path().c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777U, 0660U);
}

TEST(DomainLock, DoesNotOpenAFileThatDoesNotExist)
{
    const LockFile file;

    EXPECT_FALSE(DomainLock::open(file.path(), {}));
}

TEST(DomainLock, RefusesALink)
{
    const LockFile file;
    std::ofstream(file.m_directory.path() / "elsewhere");
    std::filesystem::create_symlink(file.m_directory.path() / "elsewhere", file.path());

    EXPECT_FALSE(DomainLock::openForInit(file.path(), {}));
}

TEST(DomainLock, NamesAGroupThatDoesNotExist)
{
    const LockFile file;

    const auto lock = DomainLock::openForInit(file.path(), {.mode = 0660, .group = "no-such-group"});

    ASSERT_FALSE(lock);
    EXPECT_EQ(lock.error().code(), ErrorCode::ConfigInvalid);
    EXPECT_NE(lock.error().message().find("no-such-group"), std::string::npos) << lock.error().message();
    EXPECT_FALSE(std::filesystem::exists(file.path()));
}

TEST(DomainLock, GivesASlotToOneDescriptionOnly)
{
    const LockFile file;
    DomainLock first = file.openForInit();
    DomainLock second = file.open();

    EXPECT_TRUE(first.tryLockSlot(3));
    EXPECT_FALSE(second.tryLockSlot(3));
    EXPECT_TRUE(second.tryLockSlot(4));
}

TEST(DomainLock, SeesTheSlotsOfOthersAlive)
{
    const LockFile file;
    DomainLock first = file.openForInit();
    DomainLock second = file.open();
    ASSERT_TRUE(first.tryLockSlot(3));

    EXPECT_TRUE(second.isAlive(3));
    EXPECT_FALSE(second.isAlive(2));
    EXPECT_FALSE(second.isAlive(4));
    EXPECT_TRUE(second.anyoneAlive());
    EXPECT_FALSE(first.anyoneAlive()) << "its own slot does not count";
}

TEST(DomainLock, FreesASlotThatItUnlocks)
{
    const LockFile file;
    DomainLock first = file.openForInit();
    DomainLock second = file.open();
    ASSERT_TRUE(first.tryLockSlot(3));

    first.unlockSlot(3);

    EXPECT_FALSE(second.isAlive(3));
    EXPECT_TRUE(second.tryLockSlot(3));
}

TEST(DomainLock, FreesItsSlotsWhenItGoes)
{
    const LockFile file;
    const DomainLock second = file.openForInit();
    {
        DomainLock first = file.open();
        ASSERT_TRUE(first.tryLockSlot(3));
    }

    EXPECT_FALSE(second.isAlive(3));
}

TEST(DomainLock, KeepsItsSlotsWhenItIsMoved)
{
    const LockFile file;
    DomainLock first = file.openForInit();
    const DomainLock second = file.open();
    ASSERT_TRUE(first.tryLockSlot(3));

    const DomainLock moved = std::move(first);

    EXPECT_TRUE(second.isAlive(3));
}

TEST(DomainLock, TheKernelFreesTheSlotOfAKilledProcessBeforeItsParentWaits)
{
    const LockFile file;
    const DomainLock mine = file.openForInit();
    ChildProcess child(
        [&](Peer& parent)
        {
            DomainLock lock = file.open();
            parent.tell(lock.tryLockSlot(5) ? "locked" : "refused");
            parent.pause();
            return true;
        });
    ASSERT_EQ(child.hear(), "locked");
    ASSERT_TRUE(mine.isAlive(5));

    child.signal(SIGKILL);
    EXPECT_EQ(child.hear(), "") << "gone, not waited for yet";
    while (mine.isAlive(5)) // the watchdog ends this
    {
        std::this_thread::yield();
    }

    EXPECT_FALSE(mine.isAlive(5));
}

TEST(DomainLock, AStoppedProcessKeepsItsSlot)
{
    const LockFile file;
    const DomainLock mine = file.openForInit();
    ChildProcess child(
        [&](Peer& parent)
        {
            DomainLock lock = file.open();
            parent.tell(lock.tryLockSlot(5) ? "locked" : "refused");
            parent.pause();
            return true;
        });
    ASSERT_EQ(child.hear(), "locked");
    child.signal(SIGSTOP);
    int status = 0;
    ASSERT_EQ(::waitpid(child.pid(), &status, WUNTRACED), child.pid());

    EXPECT_TRUE(mine.isAlive(5));
    child.kill(SIGKILL);
}

TEST(DomainLock, AForkedChildHasNoCopyThatWouldKeepItsSlotsAlive)
{
    const LockFile file;
    DomainLock first = file.openForInit();
    const DomainLock second = file.open();
    ASSERT_TRUE(first.tryLockSlot(3));

    ChildProcess child([&](Peer&) { return ::fcntl(first.descriptor(), F_GETFD) == -1; });

    EXPECT_TRUE(child.wait().succeeded());
    EXPECT_TRUE(second.isAlive(3)) << "closing the copy frees nothing of the parent's";
}

TEST(DomainLock, LetsOneAtATimeIntoTheInitSection)
{
    const LockFile file;
    DomainLock first = file.openForInit();
    std::atomic<bool> left{false};
    bool leftBefore = false;
    std::thread other(
        [&]
        {
            const DomainLock second = file.openForInit();
            leftBefore = left;
        });
    left = true;
    first.unlockInit();
    other.join();

    EXPECT_TRUE(leftBefore);
}

TEST(DomainLock, LetsOneAtATimeIntoTheControlSection)
{
    const LockFile file;
    DomainLock first = file.openForInit();
    first.unlockInit();
    ASSERT_TRUE(first.lockControl());
    std::atomic<bool> left{false};
    bool leftBefore = false;
    std::thread other(
        [&]
        {
            DomainLock second = file.open();
            ASSERT_TRUE(second.lockControl());
            leftBefore = left;
        });
    left = true;
    first.unlockControl();
    other.join();

    EXPECT_TRUE(leftBefore);
}

TEST(DomainLock, TheKernelFreesTheControlSectionOfAKilledProcess)
{
    const LockFile file;
    DomainLock mine = file.openForInit();
    ChildProcess child(
        [&](Peer& parent)
        {
            DomainLock lock = file.open();
            parent.tell(lock.lockControl() ? "locked" : "refused");
            parent.pause();
            return true;
        });
    ASSERT_EQ(child.hear(), "locked");

    child.kill(SIGKILL);

    EXPECT_TRUE(mine.lockControl());
}

TEST(DomainLock, KnowsWhetherItIsTheFileThatBearsTheName)
{
    const LockFile file;
    const DomainLock lock = file.openForInit();
    const bool before = lock.isCurrent();
    std::filesystem::remove(file.path());
    const bool removed = lock.isCurrent();
    std::ofstream(file.path()).put('x');

    EXPECT_TRUE(before);
    EXPECT_FALSE(removed);
    EXPECT_FALSE(lock.isCurrent()) << "another file of that name";
}

// Who waits for the init byte of a file that is removed meanwhile must not believe that it is alone with the new one.
TEST(DomainLock, StartsAgainIfTheFileWasReplacedWhileItWaited)
{
    const LockFile file;
    auto old = std::make_unique<DomainLock>(file.openForInit());
    std::atomic<bool> started{false};
    bool current = false;
    std::thread other(
        [&]
        {
            started = true;
            const DomainLock lock = file.openForInit();
            current = lock.isCurrent();
        });
    while (!started)
    {
        std::this_thread::yield();
    }
    std::filesystem::remove(file.path());
    old.reset();
    other.join();

    EXPECT_TRUE(current);
}

TEST(DomainLock, NeverGivesTheInitSectionOfTwoFilesToTwoThreadsThatReplaceIt)
{
    const LockFile file;
    std::atomic<int> inside{0};
    std::atomic<int> together{0};
    const auto work = [&]
    {
        for (int i = 0; i < 2000; ++i)
        {
            const DomainLock lock = file.openForInit();
            together += inside++ != 0 ? 1 : 0;
            --inside;
            if (i % 3 == 0)
            {
                ::unlink(lock.file().c_str()); // the last thing that the last one to leave does
            }
        }
    };
    std::thread first(work);
    std::thread second(work);
    first.join();
    second.join();

    EXPECT_EQ(together.load(), 0);
}

} // namespace ZeroCP
