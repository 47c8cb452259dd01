#include "zerocp/core/notifier.hpp"

#include <atomic>
#include <barrier>
#include <cstdint>
#include <fstream>
#include <string>
#include <thread>

#include <gtest/gtest.h>
#include <linux/futex.h>
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

/// Two waiters' rows as a discovery segment has them.
struct Rows
{
    [[nodiscard]] WaiterTable table() { return {m_rows, &m_count}; }

    WaiterRecord m_rows[2]{};
    std::atomic<std::uint32_t> m_count{2};
};

/// A waiter that sleeps for several ports, without a slice.
struct ManyPorts
{
    void publish(std::size_t port, std::uint64_t value, const WaiterTable& waiters)
    {
        m_slots[port].store(value, std::memory_order_release);
        if (!notifier::registerProcess())
        {
            std::atomic_thread_fence(std::memory_order_seq_cst); // [sync:sleep] nobody else fences for us
        }
        notifier::wakeIfAsleep(m_ports[port], waiters);
    }

    [[nodiscard]] bool all(std::uint64_t value) const
    {
        return m_slots[0].load(std::memory_order_acquire) == value &&
               m_slots[1].load(std::memory_order_acquire) == value;
    }

    void waitForAll(std::uint64_t value, WaiterRecord& waiter)
    {
        while (!all(value))
        {
            const std::uint32_t seen = notifier::signalsOf(waiter);
            for (PortRecord& port : m_ports)
            {
                notifier::markAsleep(port);
            }
            static_cast<void>(notifier::afterMarking());
            if (!all(value))
            {
                notifier::sleep(waiter, seen, std::chrono::hours(1));
            }
            for (PortRecord& port : m_ports)
            {
                notifier::stayAwake(port);
            }
        }
    }

    PortRecord m_ports[2]{};
    std::atomic<std::uint64_t> m_slots[2]{};
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

// Who turned the word for the last sleep may be stopped before its system call, which then ends the next one.
TEST(Notifier, ASleepThatALateWakeEndsHasNotRunOutOfTime)
{
    PortRecord port{};
    static_cast<void>(notifier::announceSleep(port));
    std::atomic<bool> isBack{false};
    std::thread late(
        [&]
        {
            while (!isBack)
            {
                ::syscall(SYS_futex, &port.m_sleep, FUTEX_WAKE, 1, nullptr, nullptr, 0);
                std::this_thread::yield();
            }
        });

    EXPECT_TRUE(notifier::sleep(port, std::chrono::hours(1))) << "or it would count as a rescue of a lost wake-up";

    isBack = true;
    late.join();
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

TEST(Notifier, APortOfAWaiterWakesItsRowOnly)
{
    Rows rows;
    PortRecord port{};
    port.m_waiter.store(2);
    static_cast<void>(notifier::announceSleep(port));
    const std::uint32_t seen = notifier::signalsOf(rows.m_rows[1]);

    notifier::wakeIfAsleep(port, rows.table());

    EXPECT_TRUE(notifier::isWoken(port));
    EXPECT_EQ(notifier::signalsOf(rows.m_rows[0]), 0U);
    EXPECT_NE(notifier::signalsOf(rows.m_rows[1]), seen);
    notifier::sleep(rows.m_rows[1], seen, std::chrono::hours(1)); // returns at once
    EXPECT_EQ(rows.m_rows[1].m_asleep.load(), 0U);
}

TEST(Notifier, APortWhoseRowNobodyKnowsWakesItsOwnWord)
{
    Rows rows;
    const WaiterTable tables[] = {rows.table(), {}};
    for (const WaiterTable& table : tables)
    {
        for (const std::uint32_t number : {0U, 3U, ~0U})
        {
            PortRecord port{};
            port.m_waiter.store(number); // what a peer may have written
            static_cast<void>(notifier::announceSleep(port));

            notifier::wakeIfAsleep(port, table);

            EXPECT_TRUE(notifier::sleep(port, std::chrono::hours(1))) << "returns at once";
            EXPECT_EQ(notifier::signalsOf(rows.m_rows[0]) + notifier::signalsOf(rows.m_rows[1]), 0U);
        }
    }
}

TEST(Notifier, AWaiterThatWasWokenSinceItLookedDoesNotSleep)
{
    WaiterRecord waiter{};
    const std::uint32_t seen = notifier::signalsOf(waiter);

    notifier::wake(waiter, {});
    notifier::sleep(waiter, seen, std::chrono::hours(1));

    EXPECT_EQ(waiter.m_asleep.load(), 0U);
    notifier::sleep(waiter, notifier::signalsOf(waiter), std::chrono::nanoseconds(-1)); // nor for no time
    notifier::sleep(waiter, notifier::signalsOf(waiter), std::chrono::milliseconds(1));
    EXPECT_EQ(waiter.m_asleep.load(), 0U);
}

TEST(Notifier, NoWakeUpOfAWaiterIsLostInAHundredThousandPingPongs)
{
    constexpr std::uint64_t kRounds = 100000;
    const test::Watchdog watchdog(120);
    Rows rows;
    ManyPorts ping;
    ManyPorts pong;
    for (int port = 0; port < 2; ++port)
    {
        ping.m_ports[port].m_waiter.store(1);
        pong.m_ports[port].m_waiter.store(2);
    }

    std::thread echo(
        [&]
        {
            for (std::uint64_t round = 1; round <= kRounds; ++round)
            {
                ping.waitForAll(round, rows.m_rows[0]);
                pong.publish(0, round, rows.table());
                pong.publish(1, round, rows.table());
            }
        });
    for (std::uint64_t round = 1; round <= kRounds; ++round)
    {
        ping.publish(round % 2, round, rows.table());
        ping.publish((round + 1) % 2, round, rows.table());
        pong.waitForAll(round, rows.m_rows[1]);
    }
    echo.join();

    EXPECT_TRUE(pong.all(kRounds));
    EXPECT_EQ(rows.m_rows[0].m_asleep.load() + rows.m_rows[1].m_asleep.load(), 0U);
}

TEST(Notifier, AWakeOfAWaiterCrossesProcesses)
{
    void* memory = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    auto* waiter = ::new (memory) WaiterRecord{};
    test::Child sleeper(
        [waiter]
        {
            notifier::sleep(*waiter, 0, std::chrono::hours(1));
            return 0;
        });
    while (waiter->m_asleep.load() == 0)
    {
        std::this_thread::yield();
    }

    notifier::wake(*waiter, {});

    EXPECT_EQ(sleeper.wait(), 0);
    ::munmap(memory, 4096);
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
