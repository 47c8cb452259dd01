#include "zerocp/pubsub/owner_gate.hpp"

#include <atomic>
#include <barrier>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace ZeroCP
{

TEST(OwnerGate, LetsNobodyInBeforeItIsAdopted)
{
    OwnerGate gate;

    EXPECT_EQ(gate.enter(), nullptr);
}

TEST(OwnerGate, LetsTheOwnerInAgainAndAgain)
{
    OwnerGate gate;
    static_cast<void>(gate.adopt());
    for (int i = 0; i < 3; ++i)
    {
        const OwnerGate::Pass pass = gate.enter();
        ASSERT_NE(pass, nullptr);
        gate.leave(pass);
    }
}

TEST(OwnerGate, LetsNobodyElseIn)
{
    OwnerGate gate;
    static_cast<void>(gate.adopt());
    bool inside = true;

    std::thread([&] { inside = gate.enter() != nullptr; }).join();

    EXPECT_FALSE(inside);
}

TEST(OwnerGate, LetsTheFormerOwnerInNoMore)
{
    OwnerGate gate;
    static_cast<void>(gate.adopt());
    std::thread([&] { static_cast<void>(gate.adopt()); }).join();

    EXPECT_EQ(gate.enter(), nullptr);
}

TEST(OwnerGate, BelongsAgainToAThreadThatAdoptsItAgain)
{
    OwnerGate gate;
    static_cast<void>(gate.adopt());
    std::thread([&] { static_cast<void>(gate.adopt()); }).join();
    static_cast<void>(gate.adopt());

    const OwnerGate::Pass pass = gate.enter();

    ASSERT_NE(pass, nullptr);
    gate.leave(pass);
}

TEST(OwnerGate, LetsNobodyInAfterItWasClosed)
{
    OwnerGate gate;
    static_cast<void>(gate.adopt());
    gate.close();
    static_cast<void>(gate.adopt());

    EXPECT_EQ(gate.enter(), nullptr);
}

TEST(OwnerGate, ANewOwnerWaitsUntilTheFormerOneIsOut)
{
    OwnerGate gate;
    static_cast<void>(gate.adopt());
    std::atomic<bool> out{false};
    std::atomic<bool> asked{false};
    bool wasOut = false;
    const OwnerGate::Pass pass = gate.enter();
    std::thread next(
        [&]
        {
            asked = true;
            static_cast<void>(gate.adopt());
            wasOut = out;
        });
    while (!asked)
    {
        std::this_thread::yield();
    }
    out = true;
    gate.leave(pass); // hangs if leaving needs what the new owner holds
    next.join();

    EXPECT_TRUE(wasOut);
}

// Two threads take the gate from each other while both keep dropping handles: never are two inside.
TEST(OwnerGate, NeverLetsTwoThreadsInAtOnce)
{
    constexpr int kSteps = 20000;
    OwnerGate gate;
    int plain = 0; // guarded by the gate: ThreadSanitizer watches it
    std::atomic<int> inside{0};
    std::atomic<int> together{0};
    std::atomic<int> turn{0};
    std::barrier start(2);
    const auto work = [&](int me)
    {
        start.arrive_and_wait();
        for (int i = 0; i < kSteps; ++i)
        {
            // Only the thread whose turn it is uses the port; both drop handles all the time.
            if (turn.load() == me)
            {
                static_cast<void>(gate.adopt());
                ++plain;
                turn = i % 16 == 0 ? 1 - me : me;
            }
            if (const OwnerGate::Pass pass = gate.enter(); pass != nullptr)
            {
                together += inside++ != 0 ? 1 : 0;
                --inside;
                gate.leave(pass);
            }
        }
        turn = 1 - me;
    };
    std::thread first(work, 0);
    std::thread second(work, 1);
    first.join();
    second.join();

    EXPECT_EQ(together.load(), 0);
}

} // namespace ZeroCP
