#include "zerocp/core/wake_pipe.hpp"

#include <cerrno>
#include <fstream>
#include <string>

#include <poll.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "support/test_domain.hpp"

namespace ZeroCP
{

namespace
{

bool isReadable(int descriptor)
{
    pollfd one{descriptor, POLLIN, 0};
    return ::poll(&one, 1, 0) == 1 && (one.revents & POLLIN) != 0;
}

/// Rows of waiters whose FIFOs lie in a directory of the test's own.
struct Rows
{
    Rows() : m_prefix(m_directory.path() / "wake.") {}
    ~Rows() { ::close(m_descriptor); }

    /// Number `number` of row 1.
    void open(std::uint32_t number)
    {
        m_descriptor = wake_pipe::make(wake_pipe::pathOf(m_prefix, 1, number)).value();
        ASSERT_GE(m_descriptor, 0);
    }
    [[nodiscard]] WaiterTable table() { return {m_rows, &m_count, m_prefix.c_str()}; }
    void ring(std::uint32_t number) { wake_pipe::ring(m_rows[1], table(), number); }

    test::TestDirectory m_directory;
    std::string m_prefix;
    WaiterRecord m_rows[2]{};
    std::atomic<std::uint32_t> m_count{2};
    int m_descriptor{-1};
};

TEST(WakePipe, IsReadableFromARingUntilItIsDrained)
{
    Rows rows;
    rows.open(7);
    EXPECT_FALSE(isReadable(rows.m_descriptor));

    rows.ring(7);

    EXPECT_TRUE(isReadable(rows.m_descriptor));
    EXPECT_EQ(rows.m_rows[1].m_rung, 1U);
    wake_pipe::drain(rows.m_descriptor);
    EXPECT_FALSE(isReadable(rows.m_descriptor));
}

TEST(WakePipe, TakesAnyNumberOfRings)
{
    Rows rows;
    rows.open(4294967295U);
    constexpr std::uint32_t kMoreThanItHolds = 70'000;

    for (std::uint32_t i = 0; i < kMoreThanItHolds; ++i)
    {
        rows.ring(4294967295U);
    }

    EXPECT_EQ(rows.m_rows[1].m_rung, kMoreThanItHolds);
    EXPECT_TRUE(isReadable(rows.m_descriptor));
    wake_pipe::drain(rows.m_descriptor);
    EXPECT_FALSE(isReadable(rows.m_descriptor));
}

TEST(WakePipe, IsForItsOwnerAlone)
{
    Rows rows;
    rows.open(1);
    struct stat status
    {
    };

    ASSERT_EQ(::fstat(rows.m_descriptor, &status), 0);

    EXPECT_TRUE(S_ISFIFO(status.st_mode));
    EXPECT_EQ(status.st_mode & 0777U, 0600U);
}

TEST(WakePipe, IsNotMadeWhereThereIsAFileAlready)
{
    const Rows rows;
    const std::string path = wake_pipe::pathOf(rows.m_prefix, 0, 1);
    std::ofstream(path) << "somebody's";

    EXPECT_EQ(wake_pipe::make(path).value(), -1);

    EXPECT_EQ(std::filesystem::file_size(path), 10U);
}

TEST(WakePipe, RingsNowhereWhenItIsGone)
{
    Rows rows;
    rows.open(1);
    wake_pipe::remove(rows.m_prefix, 1, 1);
    errno = EDOM;

    rows.ring(1);

    EXPECT_EQ(errno, EDOM) << "a signal handler may have come in between";
    EXPECT_EQ(rows.m_rows[1].m_rung, 0U);
    EXPECT_TRUE(std::filesystem::is_empty(rows.m_directory.path()));
}

TEST(WakePipe, RingsNowhereWithoutAPrefix)
{
    WaiterRecord row{};
    const WaiterTable table{&row, nullptr};

    wake_pipe::ring(row, table, 1);

    EXPECT_EQ(row.m_rung, 0U);
}

TEST(WakePipe, WithoutADescriptorLeftOwesTheRing)
{
    Rows rows;
    rows.open(1);
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    const rlimit none{0, limit.rlim_max};
    ::setrlimit(RLIMIT_NOFILE, &none);

    rows.ring(1);

    ::setrlimit(RLIMIT_NOFILE, &limit);
    EXPECT_EQ(rows.m_rows[1].m_rung, 0U);
    EXPECT_FALSE(isReadable(rows.m_descriptor));
}

TEST(WakePipe, RefusesAPathThatNoStackHasRoomFor)
{
    const std::string prefix(wake_pipe::kLongestPath, 'x');
    WaiterRecord row{};
    const WaiterTable table{&row, nullptr, prefix.c_str()};

    const auto made = wake_pipe::make(wake_pipe::pathOf(prefix, 0, 1));
    wake_pipe::ring(row, table, 1);
    wake_pipe::remove(prefix, 0, 1);

    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().code(), ErrorCode::ConfigInvalid);
    EXPECT_NE(made.error().message().find("at most 1023 are supported"), std::string::npos);
}

} // namespace

} // namespace ZeroCP
