#include "zerocp/core/notifier.hpp"

#include <atomic>
#include <barrier>
#include <cstdint>
#include <fstream>
#include <string>
#include <thread>

#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/core_support.hpp"

namespace ZeroCP
{

namespace
{

using notifier::Sleep;

Sleep stateOf(const PortRecord& port)
{
    return static_cast<Sleep>(port.m_sleep.load());
}

/// Whether the thread `tid` of this process waits in the kernel.
bool isAsleep(pid_t tid)
{
    std::ifstream file("/proc/self/task/" + std::to_string(tid) + "/stat");
    std::string text;
    std::getline(file, text);
    const std::size_t name = text.rfind(')');
    return name != std::string::npos && text.size() > name + 2 && text[name + 2] == 'S';
}

/// One slot with a waiter and a publisher, as a pair queue has it.
struct Channel
{
    void publish(std::uint64_t value)
    {
        m_slot.store(value, std::memory_order_release);
        if (!notifier::registerProcess())
        {
            std::atomic_thread_fence(std::memory_order_seq_cst); // [sync:sleep] nobody else fences for us
        }
        notifier::wakeIfAsleep(m_port);
    }

    /// Sleeps without a slice: a wake-up that gets lost is never rescued, and the watchdog ends the test.
    void waitFor(std::uint64_t value)
    {
        while (m_slot.load(std::memory_order_acquire) != value)
        {
            static_cast<void>(notifier::announceSleep(m_port));
            if (m_slot.load(std::memory_order_acquire) == value)
            {
                notifier::stayAwake(m_port);
                return;
            }
            notifier::sleep(m_port, std::chrono::hours(1));
        }
    }

    PortRecord m_port{};
    std::atomic<std::uint64_t> m_slot{0};
};

TEST(Notifier, AnnouncedSleepEndsByStayingAwake)
{
    PortRecord port{};

    const std::chrono::nanoseconds slice = notifier::announceSleep(port);
    EXPECT_EQ(stateOf(port), Sleep::Asleep);
    EXPECT_TRUE(slice == notifier::kSlice || slice == notifier::kFallbackSlice);

    notifier::stayAwake(port);
    EXPECT_EQ(stateOf(port), Sleep::Awake);
}

TEST(Notifier, NobodyIsWokenWhoIsAwake)
{
    PortRecord port{};

    notifier::wakeIfAsleep(port);
    notifier::wake(port, {});

    EXPECT_EQ(stateOf(port), Sleep::Awake);
}

TEST(Notifier, AWakeBetweenAnnouncementAndSleepIsNotLost)
{
    PortRecord port{};
    static_cast<void>(notifier::announceSleep(port));

    notifier::wakeIfAsleep(port);

    EXPECT_EQ(stateOf(port), Sleep::Woken);
    EXPECT_TRUE(notifier::sleep(port, std::chrono::hours(1))) << "returns at once";
    EXPECT_EQ(stateOf(port), Sleep::Awake);
    EXPECT_EQ(port.m_naps.load(), 1U);
}

TEST(Notifier, ASleepThatNobodyEndsReturnsUnwoken)
{
    PortRecord port{};
    static_cast<void>(notifier::announceSleep(port));

    EXPECT_FALSE(notifier::sleep(port, std::chrono::milliseconds(1)));

    EXPECT_EQ(stateOf(port), Sleep::Awake);
}

TEST(Notifier, NoWakeUpIsLostInAHundredThousandPingPongs)
{
    constexpr std::uint64_t kRounds = 100000;
    const test::Watchdog watchdog(120);
    Channel ping;
    Channel pong;

    std::thread echo(
        [&]
        {
            for (std::uint64_t round = 1; round <= kRounds; ++round)
            {
                ping.waitFor(round);
                pong.publish(round);
            }
        });
    for (std::uint64_t round = 1; round <= kRounds; ++round)
    {
        ping.publish(round);
        pong.waitFor(round);
    }
    echo.join();

    EXPECT_EQ(pong.m_slot.load(), kRounds);
    EXPECT_EQ(stateOf(ping.m_port), Sleep::Awake);
    EXPECT_EQ(stateOf(pong.m_port), Sleep::Awake);
}

TEST(Notifier, OfSeveralPublishersOneWakesTheWaiter)
{
    const test::Watchdog watchdog(60);
    for (int round = 0; round < 1000; ++round)
    {
        Channel channel;
        std::barrier start(3);
        const auto publish = [&]
        {
            start.arrive_and_wait();
            channel.publish(1);
        };
        std::thread first(publish);
        std::thread second(publish);

        start.arrive_and_wait();
        channel.waitFor(1);
        first.join();
        second.join();

        ASSERT_NE(stateOf(channel.m_port), Sleep::Asleep);
    }
}

TEST(Notifier, TheSliceRescuesAWaiterWhosePublisherDiedBeforeItsSystemCall)
{
    const test::Watchdog watchdog(60);
    Channel channel;
    std::atomic<pid_t> sleeper{0};
    std::atomic<bool> woken{false};
    std::thread waiter(
        [&]
        {
            const std::chrono::nanoseconds slice = notifier::announceSleep(channel.m_port);
            sleeper = static_cast<pid_t>(::syscall(SYS_gettid));
            woken = notifier::sleep(channel.m_port, slice);
        });
    while (sleeper.load() == 0)
    {
        std::this_thread::yield();
    }
    while (stateOf(channel.m_port) == Sleep::Asleep && !isAsleep(sleeper.load()))
    {
        std::this_thread::yield();
    }

    channel.m_slot.store(1); // all that the dead one did: slot and exchange, no FUTEX_WAKE
    std::uint32_t asleep = static_cast<std::uint32_t>(Sleep::Asleep);
    const bool exchanged =
        channel.m_port.m_sleep.compare_exchange_strong(asleep, static_cast<std::uint32_t>(Sleep::Woken));
    waiter.join();

    EXPECT_EQ(woken.load(), exchanged);
    EXPECT_EQ(channel.m_slot.load(), 1U) << "the waiter goes on and finds the data";
}

TEST(Notifier, AWakeCrossesProcesses)
{
    void* memory = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    auto* channel = ::new (memory) Channel;
    test::Child waiter(
        [channel]
        {
            channel->waitFor(1);
            return 0;
        });
    while (stateOf(channel->m_port) != Sleep::Asleep)
    {
        std::this_thread::yield();
    }

    channel->publish(1);

    EXPECT_EQ(waiter.wait(), 0);
    ::munmap(memory, 4096);
}

} // namespace

} // namespace ZeroCP
