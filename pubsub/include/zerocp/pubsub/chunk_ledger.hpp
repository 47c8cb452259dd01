/// A publisher's private books: which chunks it has at hand and which are on their way. Ordinary memory; one thread.
///
///   stash    one chain per size class, last in first out: the chunk used last is the one whose lines are cached
///   flights  a dense list, so that it can be walked, and each chunk's place in it
///
/// Indexed by chunk number, in zeroed memory that the kernel provides page by page: nothing is allocated later.
#pragma once

#include <array>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>

#include "zerocp/core/mempool_config.hpp"

namespace ZeroCP
{

class ChunkLedger
{
  public:
    /// For chunk numbers below `maxChunks` and `words` holder words each.
    ChunkLedger(std::uint32_t maxChunks, std::uint32_t words)
        : m_next(zeroed<std::uint32_t>(maxChunks)), m_place(zeroed<std::uint32_t>(maxChunks)),
          m_flights(zeroed<std::uint32_t>(maxChunks)), m_touched(zeroed<std::uint32_t>(maxChunks)),
          m_returned(zeroed<std::uint64_t>(std::uint64_t{maxChunks} * words)), m_words(words)
    {
    }

    void stash(std::uint32_t pool, std::uint32_t chunk) noexcept
    {
        m_next[chunk] = m_first[pool];
        m_first[pool] = chunk + 1; // 0 ends a chain
        ++m_stashed[pool];
    }
    [[nodiscard]] std::uint32_t stashed(std::uint32_t pool) const noexcept { return m_stashed[pool]; }
    /// stashed(pool) is not 0.
    [[nodiscard]] std::uint32_t unstash(std::uint32_t pool) noexcept
    {
        const std::uint32_t chunk = m_first[pool] - 1;
        m_first[pool] = m_next[chunk];
        --m_stashed[pool];
        return chunk;
    }

    void startFlight(std::uint32_t chunk) noexcept
    {
        m_flights[m_flying] = chunk;
        m_place[chunk] = ++m_flying; // place + 1; 0 means "not flying"
    }
    [[nodiscard]] bool isFlying(std::uint32_t chunk) const noexcept { return m_place[chunk] != 0; }
    void endFlight(std::uint32_t chunk) noexcept
    {
        const std::uint32_t place = m_place[chunk] - 1;
        const std::uint32_t last = m_flights[--m_flying];
        m_flights[place] = last;
        m_place[last] = place + 1;
        m_place[chunk] = 0;
    }
    [[nodiscard]] std::uint32_t flying() const noexcept { return m_flying; }
    [[nodiscard]] std::uint32_t flight(std::uint32_t index) const noexcept { return m_flights[index]; }

    /// Bits given back, gathered per chunk until they are applied together.
    void gather(std::uint32_t chunk, std::uint32_t word, std::uint64_t bit) noexcept
    {
        std::uint64_t any = 0;
        for (std::uint32_t x = 0; x < m_words; ++x)
        {
            any |= returned(chunk, x);
        }
        if (any == 0)
        {
            m_touched[m_touchedCount++] = chunk;
        }
        returned(chunk, word) |= bit;
    }
    [[nodiscard]] std::uint32_t touchedCount() const noexcept { return m_touchedCount; }
    [[nodiscard]] std::uint32_t touched(std::uint32_t index) const noexcept { return m_touched[index]; }
    [[nodiscard]] std::uint64_t& returned(std::uint32_t chunk, std::uint32_t word) noexcept
    {
        return m_returned[std::uint64_t{chunk} * m_words + word];
    }
    void clearTouched() noexcept { m_touchedCount = 0; }

  private:
    struct Release
    {
        void operator()(void* memory) const noexcept { std::free(memory); }
    };
    template <typename T>
    using Array = std::unique_ptr<T[], Release>;

    template <typename T>
    static Array<T> zeroed(std::uint64_t count)
    {
        void* memory = std::calloc(count, sizeof(T)); // large ones stay unbacked until they are touched
        if (memory == nullptr)
        {
            throw std::bad_alloc();
        }
        return Array<T>(static_cast<T*>(memory));
    }

    Array<std::uint32_t> m_next;
    Array<std::uint32_t> m_place;
    Array<std::uint32_t> m_flights;
    Array<std::uint32_t> m_touched;
    Array<std::uint64_t> m_returned;
    std::uint32_t m_words;
    std::uint32_t m_flying{0};
    std::uint32_t m_touchedCount{0};
    std::array<std::uint32_t, kMaxPools> m_first{};
    std::array<std::uint32_t, kMaxPools> m_stashed{};
};

} // namespace ZeroCP
