/// The untyped publisher: loans chunks, publishes them, collects what subscribers give back. Publisher<T> only casts.
///
/// One thread at a time uses it; loans may be dropped on any thread. Lives until its Publisher and all its loans are
/// gone. The fast path is in this header: no lock, no allocation, no system call unless a subscriber sleeps, and no
/// store to anything that a subscriber writes before it has answered.
///
/// Rule X (chunk_manager.hpp): this port keeps its own holder bit from popping a chunk until it gives it back, and
/// while it does, it alone sets bits and changes generation and state. So publishing is plain stores.
#pragma once

#include <cstdint>
#include <ctime>
#include <memory>
#include <vector>

#include <boost/lockfree/queue.hpp>

#include "zerocp/core/fork_guard.hpp"
#include "zerocp/core/holders.hpp"
#include "zerocp/core/notifier.hpp"
#include "zerocp/core/pair_queue.hpp"
#include "zerocp/discovery/domain.hpp"
#include "zerocp/pubsub/chunk_ledger.hpp"
#include "zerocp/pubsub/data_errors.hpp"
#include "zerocp/pubsub/handle_count.hpp"
#include "zerocp/pubsub/owner_gate.hpp"

namespace ZeroCP
{

class PublisherPort
{
  public:
    struct LoanedChunk
    {
        std::uint32_t m_chunk;
        std::uint32_t m_class;
        ChunkHeader* m_header; ///< the payload follows it
    };

    [[nodiscard]] static Expected<PublisherPort*, Error> create(std::shared_ptr<Domain> domain, EndpointGrant grant);

    PublisherPort(const PublisherPort&) = delete;
    PublisherPort& operator=(const PublisherPort&) = delete;

    /// A chunk for `bytes` bytes of payload. Errors as in LoanError.
    [[nodiscard]] Expected<LoanedChunk, LoanError> loan(std::uint64_t bytes);

    /// Sends a loaned chunk of which `bytes` bytes are filled. The sequence, from 1.
    [[nodiscard]] Expected<std::uint64_t, PublishError> publish(const LoanedChunk& loan, std::uint64_t bytes) noexcept;

    /// Gives a loaned chunk back unpublished. Any thread; may end the port.
    void dropLoan(const LoanedChunk& loan) noexcept;

    /// The Publisher is gone. Ends the port now or with its last loan.
    void close() noexcept;

    [[nodiscard]] std::size_t subscriberCount();
    /// False if fewer than `count` subscribers were there within `timeout`.
    [[nodiscard]] bool waitForSubscribers(std::size_t count, std::chrono::nanoseconds timeout);

    /// See Publisher.
    [[nodiscard]] std::string whyExhausted() const;

    [[nodiscard]] std::uint64_t id() const noexcept { return m_grant.m_id; }
    [[nodiscard]] const std::string& topic() const noexcept { return m_grant.m_topic; }

  private:
    /// One subscriber.
    struct Connection
    {
        PairView m_pair;
        PortRecord* m_reader{nullptr};
        std::uint64_t m_settled{0}; ///< entries below are taken or evicted, as far as known
        std::uint64_t m_returns{0}; ///< returns acted on
        std::uint64_t m_bit{0};     ///< the subscriber's holder bit ...
        std::uint32_t m_word{0};    ///< ... in this word
        std::uint32_t m_holder{0};
        std::uint32_t m_record{0}; ///< of the pair
        std::uint64_t m_incarnation{0};
    };

    /// Marks the port as inside a call that touches pairs, and acts on a moved epoch first.
    class Busy
    {
      public:
        explicit Busy(PublisherPort& port) noexcept : m_port(port) { port.enter(); }
        Busy(const Busy&) = delete;
        Busy& operator=(const Busy&) = delete;
        ~Busy() { m_port.leave(); }

      private:
        PublisherPort& m_port;
    };

    PublisherPort(std::shared_ptr<Domain> domain, EndpointGrant grant, const PoolView& view);
    ~PublisherPort() = default;

    void enter() noexcept;
    void leave() noexcept;
    void onEpoch() noexcept;
    void dropGoneSubscribers() noexcept;
    void findNewSubscribers() noexcept;
    void rebuildMasks() noexcept;
    void updateBudgets() noexcept;

    [[nodiscard]] bool refill(std::uint32_t pool) noexcept;
    [[nodiscard]] Expected<std::uint32_t, LoanError> chooseClass(std::uint64_t bytes);
    [[nodiscard]] Expected<std::uint32_t, LoanError> classFor(std::uint64_t bytes);
    /// Whether a chunk of half the size would do.
    [[nodiscard]] bool isWasteful(std::uint32_t pool, std::uint64_t bytes) const noexcept
    {
        const std::uint64_t size = m_view.classAt(pool).m_chunkSize;
        return size > kSmallestClass && bytes <= size / 2;
    }
    void collect() noexcept;
    void applyReturns() noexcept;
    void scan() noexcept;
    void trim() noexcept;
    void giveBack(std::uint32_t pool, std::uint32_t count) noexcept;
    void drainForeignDrops() noexcept;
    void makeRoom(Connection& connection, std::uint64_t sequence) noexcept;
    void returned(std::uint32_t chunk, const Connection& from, std::uint64_t tag) noexcept;
    void keep(std::uint32_t chunk) noexcept;
    void toStash(std::uint32_t chunk) noexcept;
    void backToStash(std::uint32_t pool, std::uint32_t chunk) noexcept
    {
        m_view.record(chunk).m_publication.store(0, std::memory_order_relaxed); // no longer "on loan"
        m_ledger.stash(pool, chunk);
    }
    void markReceivers(std::uint32_t chunk) noexcept;
    void setReceiverSlots(std::uint64_t sequence, std::uint32_t chunk) noexcept;
    void finish() noexcept;

    [[nodiscard]] std::uint64_t ownBit(std::uint32_t word) const noexcept
    {
        return holder::wordOf(m_me.m_holder) == word ? holder::bitOf(m_me.m_holder) : 0;
    }
    [[nodiscard]] bool isForked() const noexcept { return m_generation != fork_guard::generation(); }

    PoolView m_view;
    PortRecord* m_record;
    const std::atomic<std::uint64_t>* m_epochWord;
    HolderId m_me;
    std::uint64_t m_epoch{0};
    std::uint64_t m_sequence;      ///< next, internal: unique in the life of the port record
    std::uint64_t m_firstSequence; ///< internal sequence of the first message
    std::uint64_t m_generation;
    /// Holder words that any receiver or this port has ever used: in the others this port's chunks have no bit.
    std::uint32_t m_usedWords;
    std::uint32_t m_lastClass{0}; ///< what the last loan took, for m_lastBytes bytes
    std::uint64_t m_lastBytes{~0ULL};
    std::uint32_t m_loanLimit;
    bool m_addsClasses; ///< slices with automatic pools, until no more classes can be added
    const bool m_needsFence;
    std::vector<std::uint64_t> m_masks; ///< receivers' bits, per holder word
    std::vector<Connection> m_connections;
    ChunkLedger m_ledger;
    HandleCount m_loans;
    OwnerGate m_gate;
    std::array<std::uint32_t, kMaxPools> m_ownedOf{}; ///< chunks in stash, on loan or in flight, per class
    std::array<std::uint32_t, kMaxPools> m_budgets{};
    std::array<std::uint32_t, kMaxPools> m_stashes{};     ///< chunks to keep at hand, per class
    boost::lockfree::queue<std::uint32_t> m_foreignDrops; ///< chunks of loans that other threads have dropped
    std::shared_ptr<Domain> m_domain;
    EndpointGrant m_grant;
};

inline void PublisherPort::enter() noexcept
{
    // [sync:busy] Odd first, then the epoch: whoever retires a subscriber moves the epoch, runs a barrier on every core
    // and then reads m_busy. Even: our next call sees the new epoch. Partner: recovery's quiesce().
    m_record->m_busy.store(m_record->m_busy.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    if (m_needsFence) [[unlikely]]
    {
        std::atomic_thread_fence(std::memory_order_seq_cst);
    }
    std::atomic_signal_fence(std::memory_order_seq_cst);
    // [sync:epoch] Acquire: pairs that were made before the epoch moved are visible. Partner: notifier::moveEpoch().
    if (m_epochWord->load(std::memory_order_acquire) != m_epoch) [[unlikely]]
    {
        onEpoch();
    }
}

inline void PublisherPort::leave() noexcept
{
    // [sync:busy] Release: everything done to pairs comes before.
    m_record->m_busy.store(m_record->m_busy.load(std::memory_order_relaxed) + 1, std::memory_order_release);
}

inline Expected<std::uint32_t, LoanError> PublisherPort::chooseClass(std::uint64_t bytes)
{
    const std::uint32_t pool = m_view.fittingClass(bytes);
    if (pool == m_view.classCount() || m_budgets[pool] == 0 || (m_addsClasses && isWasteful(pool, bytes))) [[unlikely]]
    {
        return classFor(bytes);
    }
    return pool;
}

inline Expected<PublisherPort::LoanedChunk, LoanError> PublisherPort::loan(std::uint64_t bytes)
{
    if (isForked()) [[unlikely]]
    {
        return tl::unexpected(LoanError::Forked);
    }
    m_gate.adopt();
    if (m_loans.out() >= m_loanLimit) [[unlikely]]
    {
        drainForeignDrops();
        if (m_loans.out() >= m_loanLimit)
        {
            return tl::unexpected(LoanError::TooManyLoans);
        }
    }
    if (bytes != m_lastBytes) [[unlikely]]
    {
        const auto found = chooseClass(bytes);
        if (!found)
        {
            return tl::unexpected(found.error());
        }
        m_lastClass = *found;
        m_lastBytes = bytes;
    }
    const std::uint32_t pool = m_lastClass;
    if (m_ledger.stashed(pool) == 0 && !refill(pool)) [[unlikely]]
    {
        return tl::unexpected(LoanError::PoolExhausted);
    }
    const std::uint32_t chunk = m_ledger.unstash(pool);
    m_loans.add();
    m_record->m_loaned.store(m_loans.out(), std::memory_order_relaxed);
    // "On loan", for inspect(); sequence 0 is never published. Relaxed: nobody decides by it.
    m_view.record(chunk).m_publication.store(publicationTag(m_me.m_port, 0), std::memory_order_relaxed);
    return LoanedChunk{chunk, pool, m_view.writable(m_view.classAt(pool), chunk)};
}

inline void PublisherPort::markReceivers(std::uint32_t chunk) noexcept
{
    for (std::uint32_t x = m_usedWords; x-- > 0;)
    {
        if (m_masks[x] != 0)
        {
            std::atomic<std::uint64_t>& word = m_view.word(chunk, x);
            // [sync:holder-word] Release: the tag comes before. Plain, by rule X: nobody else changes the word now.
            word.store(word.load(std::memory_order_relaxed) | m_masks[x], std::memory_order_release);
        }
    }
}

inline void PublisherPort::setReceiverSlots(std::uint64_t sequence, std::uint32_t chunk) noexcept
{
    const std::uint64_t value = entry::make(sequence, chunk);
    for (Connection& connection : m_connections)
    {
        if (connection.m_settled + connection.m_pair.m_depth <= sequence) [[unlikely]]
        {
            makeRoom(connection, sequence);
        }
        // [sync:slot] Release: payload, header, tag and holder words are visible to whoever reads this slot.
        // Partner: the acquire load in SubscriberPort::poll().
        connection.m_pair.slot(sequence).store(value, std::memory_order_release);
    }
}

inline Expected<std::uint64_t, PublishError> PublisherPort::publish(const LoanedChunk& loan,
                                                                    std::uint64_t bytes) noexcept
{
    if (isForked()) [[unlikely]]
    {
        return tl::unexpected(PublishError::Forked);
    }
    m_gate.adopt();
    const Busy busy(*this);
    const std::uint64_t sequence = m_sequence++;
    const std::uint64_t answer = sequence - m_firstSequence + 1;
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now); // vDSO: no system call
    ChunkHeader& header = *loan.m_header;
    header.m_payloadBytes = bytes;
    header.m_sequence = answer;
    header.m_publishTimeNs =
        static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000U + static_cast<std::uint64_t>(now.tv_nsec);
    header.m_publisherId = m_grant.m_id;
    m_loans.remove();
    m_record->m_loaned.store(m_loans.out(), std::memory_order_relaxed);
    // Relaxed: recovery reads it after the tag, whose release store follows.
    m_record->m_sequence.store(m_sequence, std::memory_order_relaxed);
    m_record->m_messages.store(answer, std::memory_order_relaxed);
    if (m_connections.empty())
    {
        backToStash(loan.m_class, loan.m_chunk);
        return answer;
    }
    m_view.record(loan.m_chunk)
        .m_publication.store(publicationTag(m_me.m_port, sequence), std::memory_order_release); // [sync:holder-word]
    markReceivers(loan.m_chunk);
    setReceiverSlots(sequence, loan.m_chunk);
    m_ledger.startFlight(loan.m_chunk);
    if (m_needsFence) [[unlikely]]
    {
        std::atomic_thread_fence(std::memory_order_seq_cst); // [sync:sleep]
    }
    std::atomic_signal_fence(std::memory_order_seq_cst);
    for (const Connection& connection : m_connections)
    {
        notifier::wakeIfAsleep(*connection.m_reader);
    }
    if (m_ledger.stashed(loan.m_class) == 0)
    {
        collect(); // after the hand-over, so that the next loan finds a chunk without waiting for a line
    }
    return answer;
}

} // namespace ZeroCP
