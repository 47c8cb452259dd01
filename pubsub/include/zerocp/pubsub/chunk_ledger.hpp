/// A publisher's private books: which chunks it has at hand and which are on their way. Ordinary memory; one thread.
///
///   stash    one chain per size class, last in first out: the chunk used last is the one whose lines are cached
///   flights  a list that can be walked. A chunk that has landed stays in it until the next walk, since most fly again
///            soon; so a flight is begun and ended with one store.
///
/// Indexed by chunk number, in zeroed memory that the kernel provides page by page as it is touched, or all at once for a
/// pool set that is prefaulted: nothing is allocated later.
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
    enum class Fill : std::uint8_t
    {
        AsTouched,
        AtOnce,
    };

    /// For chunk numbers below `maxChunks` and `words` holder words each.
    ChunkLedger(std::uint32_t maxChunks, std::uint32_t words, Fill fill = Fill::AsTouched)
        : m_pages(std::uint64_t{maxChunks} * (sizeof(Entry) + sizeof(std::uint32_t) +
                                              words * (sizeof(std::uint32_t) + sizeof(std::uint64_t))) +
                      64,
                  fill),
          m_entries(m_pages.take<Entry>(maxChunks)),
          m_flights(m_pages.take<std::uint32_t>(maxChunks)),
          m_touched(m_pages.take<std::uint32_t>(std::uint64_t{maxChunks} * words)),
          m_returned(m_pages.take<std::uint64_t>(std::uint64_t{maxChunks} * words)),
          m_words(words)
    {
    }

    /// A chunk of class `pool` that was popped.
    void stash(std::uint32_t pool, std::uint32_t chunk) noexcept
    {
        m_entries[chunk].m_class = static_cast<std::uint16_t>(pool);
        stash(chunk);
    }
    /// One that has been stashed before.
    void stash(std::uint32_t chunk) noexcept
    {
        Entry& entry = m_entries[chunk];
        Chain& chain = m_stashes[entry.m_class];
        entry.m_next = chain.m_first;
        chain.m_first = chunk + 1; // 0 ends a chain
        ++chain.m_length;
    }
    [[nodiscard]] std::uint32_t stashed(std::uint32_t pool) const noexcept { return m_stashes[pool].m_length; }
    /// stashed(pool) is not 0.
    [[nodiscard]] std::uint32_t unstash(std::uint32_t pool) noexcept
    {
        Chain& chain = m_stashes[pool];
        const std::uint32_t chunk = chain.m_first - 1;
        chain.m_first = m_entries[chunk].m_next;
        --chain.m_length;
        return chunk;
    }

    void startFlight(std::uint32_t chunk) noexcept
    {
        Entry& entry = m_entries[chunk];
        if (entry.m_flight == Flight::Unlisted) [[unlikely]]
        {
            m_flights[m_listed++] = chunk;
        }
        entry.m_flight = Flight::Flying;
    }
    [[nodiscard]] bool isFlying(std::uint32_t chunk) const noexcept
    {
        return m_entries[chunk].m_flight == Flight::Flying;
    }
    /// Whether it stands in the history.
    void remember(std::uint32_t chunk, bool remembered) noexcept { m_entries[chunk].m_remembered = remembered; }
    [[nodiscard]] bool isRemembered(std::uint32_t chunk) const noexcept { return m_entries[chunk].m_remembered; }

    /// Everybody has given it back: from its flight into the stash.
    void landed(std::uint32_t chunk) noexcept
    {
        m_entries[chunk].m_flight = Flight::Landed;
        stash(chunk);
    }
    /// Calls `action(chunk)` for all that fly; it may call landed() for its chunk.
    template <typename Action>
    void forEachFlight(Action&& action)
    {
        std::uint32_t kept = 0;
        for (std::uint32_t i = 0; i < m_listed; ++i)
        {
            const std::uint32_t chunk = m_flights[i];
            if (isFlying(chunk))
            {
                action(chunk);
            }
            if (isFlying(chunk))
            {
                m_flights[kept++] = chunk;
                continue;
            }
            m_entries[chunk].m_flight = Flight::Unlisted;
        }
        m_listed = kept;
    }

    /// Bits given back, gathered per chunk until they are applied together. A chunk may be touched once per word.
    void gather(std::uint32_t chunk, std::uint32_t word, std::uint64_t bit) noexcept
    {
        std::uint64_t& bits = returned(chunk, word);
        if (bits == 0)
        {
            m_touched[m_touchedCount++] = chunk;
        }
        bits |= bit;
    }
    [[nodiscard]] std::uint32_t touchedCount() const noexcept { return m_touchedCount; }
    [[nodiscard]] std::uint32_t touched(std::uint32_t index) const noexcept { return m_touched[index]; }
    [[nodiscard]] std::uint64_t& returned(std::uint32_t chunk, std::uint32_t word) noexcept
    {
        return m_returned[std::uint64_t{chunk} * m_words + word];
    }
    void clearTouched() noexcept { m_touchedCount = 0; }

  private:
    enum class Flight : std::uint8_t
    {
        Unlisted,
        Flying,
        Landed, ///< still in the list
    };
    struct Entry
    {
        std::uint32_t m_next; ///< in its stash
        std::uint16_t m_class;
        Flight m_flight;
        bool m_remembered;
    };
    struct Chain
    {
        std::uint32_t m_first;
        std::uint32_t m_length;
    };

    /// Zeroed memory straight from the kernel, page by page as it is touched. calloc() would not do: once a block of
    /// this size was freed, glibc takes the next one from its heap and clears every byte of it.
    class Pages
    {
      public:
        Pages(std::uint64_t bytes, Fill fill);
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
    Entry* m_entries;
    std::uint32_t* m_flights;
    std::uint32_t* m_touched;
    std::uint64_t* m_returned;
    std::uint32_t m_words;
    std::uint32_t m_listed{0};
    std::uint32_t m_touchedCount{0};
    std::array<Chain, kMaxPools> m_stashes{};
};

} // namespace ZeroCP
