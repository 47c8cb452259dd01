/// What several test processes share beside the library that they test: a page of atomics inherited through fork(), a
/// way to wait for a value of it, and random numbers whose seed can be given again.
#pragma once

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <random>

#include <sched.h>
#include <sys/mman.h>

#include "support/sanitized.hpp"

namespace ZeroCP::test
{

/// One T, zero-initialised, in memory that children forked later share.
template <typename T>
class SharedBoard
{
  public:
    SharedBoard()
        : m_value(::new (::mmap(nullptr, sizeof(T), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)) T{})
    {
    }
    SharedBoard(const SharedBoard&) = delete;
    SharedBoard& operator=(const SharedBoard&) = delete;
    ~SharedBoard() { ::munmap(m_value, sizeof(T)); }

    [[nodiscard]] T* operator->() const { return m_value; }
    [[nodiscard]] T& operator*() const { return *m_value; }

  private:
    T* m_value;
};

/// Gives the CPU away until `condition` holds. The watchdog of every process ends a wait that never does.
template <typename Condition>
void await(Condition&& condition)
{
    while (!condition())
    {
        ::sched_yield();
    }
}

/// Arrives and waits until `count` have arrived.
inline void meet(std::atomic<int>& arrived, int count)
{
    arrived.fetch_add(1);
    await([&] { return arrived.load() >= count; });
}

/// splitmix64.
class Random
{
  public:
    explicit Random(std::uint64_t seed) : m_state(seed) {}

    std::uint64_t operator()()
    {
        m_state += 0x9E3779B97F4A7C15U;
        std::uint64_t z = m_state;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9U;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBU;
        return z ^ (z >> 31);
    }
    /// 0 .. limit - 1.
    std::uint64_t below(std::uint64_t limit) { return (*this)() % limit; }

  private:
    std::uint64_t m_state;
};

/// ZEROCP_TEST_SEED, or a new one; printed, so that a failure can be repeated.
inline std::uint64_t testSeed()
{
    const char* given = std::getenv("ZEROCP_TEST_SEED");
    const std::uint64_t seed = given != nullptr ? std::strtoull(given, nullptr, 0) : std::random_device{}();
    std::printf("seed: ZEROCP_TEST_SEED=%llu\n", static_cast<unsigned long long>(seed));
    return seed;
}

/// A number from the environment, for tests that can run longer than ctest lets them.
inline std::uint64_t numberFrom(const char* variable, std::uint64_t otherwise)
{
    const char* given = std::getenv(variable);
    return given == nullptr ? otherwise : std::strtoull(given, nullptr, 0);
}

} // namespace ZeroCP::test
