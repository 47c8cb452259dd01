/// A publisher's private books: which chunks it has at hand and which are on their way. Ordinary memory; one thread.
///
///   stash    one chain per size class, last in first out: the chunk used last is the one whose lines are cached
///   flights  a dense list, so that it can be walked, and each chunk's place in it
///
/// Indexed by chunk number, in zeroed memory that the kernel provides page by page: nothing is allocated later.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "zerocp/core/align.hpp"
#include "zerocp/core/mempool_config.hpp"

namespace ZeroCP
{

class ChunkLedger
{
  public:
    /// For chunk numbers below `maxChunks` and `words` holder words each.
    ChunkLedger(std::uint32_t maxChunks, std::uint32_t words)
        : m_pages(std::uint64_t{maxChunks} * (4 * sizeof(std::uint32_t) + words * sizeof(std::uint64_t)) + 64),
          m_next(m_pages.take<std::uint32_t>(maxChunks)),
          m_place(m_pages.take<std::uint32_t>(maxChunks)),
          m_flights(m_pages.take<std::uint32_t>(maxChunks)),
          m_touched(m_pages.take<std::uint32_t>(maxChunks)),
          m_returned(m_pages.take<std::uint64_t>(std::uint64_t{maxChunks} * words)),
          m_words(words)
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
    /// Zeroed memory straight from the kernel, page by page as it is touched. calloc() would not do: once a block of
    /// this size was freed, glibc takes the next one from its heap and clears every byte of it.
    class Pages
    {
      public:
        explicit Pages(std::uint64_t bytes);
        Pages(const Pages&) = delete;
        Pages& operator=(const Pages&) = delete;
        ~Pages();

        template <typename T>
        [[nodiscard]] T* take(std::uint64_t count) noexcept
        {
            m_taken = alignUp(m_taken, alignof(T));
            T* first = reinterpret_cast<T*>(m_base + m_taken);
            m_taken += count * sizeof(T);
            return first;
        }

      private:
        std::byte* m_base;
        std::uint64_t m_bytes;
        std::uint64_t m_taken{0};
    };

    Pages m_pages;
    std::uint32_t* m_next;
    std::uint32_t* m_place;
    std::uint32_t* m_flights;
    std::uint32_t* m_touched;
    std::uint64_t* m_returned;
    std::uint32_t m_words;
    std::uint32_t m_flying{0};
    std::uint32_t m_touchedCount{0};
    std::array<std::uint32_t, kMaxPools> m_first{};
    std::array<std::uint32_t, kMaxPools> m_stashed{};
};

} // namespace ZeroCP
