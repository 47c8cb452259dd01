/// The untyped publisher: loans chunks, publishes them, collects what subscribers give back. Publisher<T> only casts.
///
/// One thread at a time uses it; loans may be dropped on any thread. Lives until its Publisher and all its loans are
/// gone. The fast path is in this header: no lock, no allocation, no system call unless a subscriber sleeps, and no
/// store to anything that a subscriber writes before it has answered.
///
/// Rule X (chunk_manager.hpp): this port keeps its own holder bit from popping a chunk until it gives it back, and
/// while it does, it alone sets bits and changes generation and state. So publishing is plain stores.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <memory>
#include <vector>

#include <boost/lockfree/queue.hpp>

#include "zerocp/core/fetch.hpp"
#include "zerocp/core/fork_guard.hpp"
#include "zerocp/core/holders.hpp"
#include "zerocp/core/notifier.hpp"
#include "zerocp/core/pair_queue.hpp"
#include "zerocp/discovery/domain.hpp"
#include "zerocp/pubsub/chunk_ledger.hpp"
#include "zerocp/pubsub/data_errors.hpp"
#include "zerocp/pubsub/handle_count.hpp"
#include "zerocp/pubsub/owner_gate.hpp"
#include "zerocp/pubsub/publisher_books.hpp"

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

    /// Sends a loaned chunk of which `bytes` bytes are filled. The sequence, from 1. Timeout: see PublishError.
    [[nodiscard]] Expected<std::uint64_t, PublishError> publish(const LoanedChunk& loan, std::uint64_t bytes) noexcept;

    /// Readers of directed queues that are dead get nothing any more, also before they can be recovered. Whether there was one.
    bool dropDeadReaders() noexcept;

    /// publish() to one reader of directedReaders(); who only listens in gets it too. Never waits. Timeout: that reader's
    /// queue is full; NoSubscriber: it is gone. On error the loan is untouched.
    [[nodiscard]] Expected<std::uint64_t, PublishError> publishTo(const LoanedChunk& loan, std::uint64_t bytes,
                                                                  std::uint64_t reader) noexcept;

    /// Endpoint ids of the readers that publishTo() reaches, if something has changed since `version`, which moves. Else
    /// false, and `ids` is untouched.
    [[nodiscard]] bool directedReaders(std::vector<std::uint64_t>& ids, std::uint64_t& version);

    /// Gives a loaned chunk back unpublished. Any thread; may end the port.
    void dropLoan(const LoanedChunk& loan) noexcept;

    /// The Publisher is gone. Ends the port now or with its last loan.
    void close() noexcept;

    [[nodiscard]] std::size_t subscriberCount();
    /// False if fewer than `count` subscribers were there within `timeout`.
    [[nodiscard]] bool waitForSubscribers(std::size_t count, std::chrono::nanoseconds timeout);

    /// See Publisher.
    [[nodiscard]] std::string whyExhausted() const;

    // QoS events, see Publisher and qos_events.hpp. The owner thread.
    void assertLiveliness() noexcept;
    [[nodiscard]] EventCount deadlineMissed();
    [[nodiscard]] EventCount livelinessLost();
    /// QosEvent bits of those whose count has moved since it was last read. Cheap, no system call, allocates nothing.
    [[nodiscard]] std::uint32_t newEvents();
    /// CLOCK_MONOTONIC time at which newEvents() may change though nobody does anything: the next deadline or lease to run
    /// out. The greatest number if there is none. As cheap.
    [[nodiscard]] std::int64_t nextEventNs() const;
    /// For readers of their own, on any thread.
    [[nodiscard]] const std::shared_ptr<PublisherBooks>& books() const noexcept { return m_books; }

    [[nodiscard]] std::uint64_t id() const noexcept { return m_grant.m_id; }
    [[nodiscard]] const std::string& topic() const noexcept { return m_grant.m_topic; }
    [[nodiscard]] const std::shared_ptr<Domain>& domain() const noexcept { return m_domain; }

  private:
    /// More lines than a core fetches at once are not worth asking for: 10 to 24 on x86-64 of the last ten years.
    static constexpr std::size_t kMostSlotsToFetch = 8;

    /// One subscriber.
    struct alignas(kCacheLineBytes) Connection
    {
        PairView m_pair;
        PortRecord* m_reader{nullptr};
        std::uint64_t m_roomUntil{0};  ///< places below have a slot: depth entries after what is known to be settled
        std::uint64_t m_dropped{0};    ///< DropNewest, or others' messages: message x stands in place x - m_dropped
        std::uint64_t m_returns{0};    ///< returns acted on
        std::uint64_t m_bit{0};        ///< the subscriber's holder bit
        std::uint64_t m_lastReader{0}; ///< bits of a word that only it and we hold
        std::uint32_t m_word{0};       ///< where m_bit is
        std::uint32_t m_holder{0};
        std::uint32_t m_record{0}; ///< of the pair
        bool m_full{false};        ///< DropNewest, or not meant: gets nothing of the message that is being published
        bool m_closed{false};      ///< nobody takes any more: gets nothing, keeps what it has
        std::uint64_t m_incarnation{0};

        [[nodiscard]] std::uint64_t place(std::uint64_t sequence) const noexcept { return sequence - m_dropped; }
        /// The deadline that it asked for; 0: none. In its record, so that the short way walks over two lines each.
        [[nodiscard]] std::uint64_t periodNs() const noexcept
        {
            return m_reader->m_deadlineNs.load(std::memory_order_relaxed); // fixed when it joined
        }
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
    void checkEpoch() noexcept;
    void onEpoch() noexcept;
    void dropGoneSubscribers() noexcept;
    void findNewSubscribers() noexcept;
    void rebuildMasks() noexcept;
    void updateBudgets() noexcept;

    [[nodiscard]] Expected<void, LoanError> prepareLoan(std::uint64_t bytes);
    [[nodiscard]] bool refill(std::uint32_t pool) noexcept;
    [[nodiscard]] Expected<void, LoanError> raiseShare(std::uint32_t pool);
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
    void takeBack(const Connection& from, std::uint64_t value) noexcept;
    void remember(std::uint64_t sequence, std::uint32_t chunk) noexcept;
    void meetNewcomers() noexcept;
    [[nodiscard]] bool isFree(std::uint32_t chunk) const noexcept;
    void keepIfFree(std::uint32_t chunk) noexcept
    {
        if (isFree(chunk))
        {
            keep(chunk);
        }
    }
    [[nodiscard]] bool isUnpinned(std::uint32_t chunk) const noexcept;
    void returned(std::uint32_t chunk, const Connection& from, std::uint64_t tag) noexcept;
    void keep(std::uint32_t chunk) noexcept;
    void backToStash(std::uint32_t chunk) noexcept
    {
        m_view.record(chunk).m_publication.store(0, std::memory_order_relaxed); // no longer "on loan"
        m_ledger.stash(chunk);
    }
    [[nodiscard]] std::uint64_t send(const LoanedChunk& loan, std::uint64_t bytes) noexcept;
    [[nodiscard]] Expected<std::uint64_t, PublishError> sendWithCare(const LoanedChunk& loan,
                                                                     std::uint64_t bytes) noexcept;
    void fetchSlots(std::uint64_t sequence) const noexcept;
    void fetchSlotsWithRoom(std::uint64_t sequence) const noexcept;
    std::uint64_t stamp(const LoanedChunk& loan, std::uint64_t bytes) noexcept;
    [[nodiscard]] static bool hasRoom(Connection& connection, std::uint64_t sequence) noexcept;
    [[nodiscard]] bool hasRoomEverywhere() noexcept;
    [[nodiscard]] bool waitForRoom() noexcept;
    bool closeDeadReaders() noexcept;
    [[nodiscard]] bool skipFull(std::uint64_t sequence) noexcept;
    [[nodiscard]] bool setKeptSlots(std::uint64_t sequence, std::uint32_t chunk) noexcept;
    void markReceivers(ChunkManager& record) noexcept;
    /// What is left to do once every slot is set.
    struct AfterSlots
    {
        std::uint32_t m_asleep; ///< not 0: somebody may be
        bool m_roomEnds;        ///< this message took the last slot known to be free somewhere, without an eviction
    };
    [[nodiscard]] AfterSlots setReceiverSlots(std::uint64_t sequence, std::uint32_t chunk) noexcept;
    void lookForRoom(std::uint64_t sequence) noexcept;
    void wakeReceivers() noexcept;
    void finish() noexcept;
    void keepBooks(std::uint64_t nowNs) noexcept;

    [[nodiscard]] std::uint64_t ownBit(std::uint32_t word) const noexcept { return m_ownWord == word ? m_ownBit : 0; }
    [[nodiscard]] std::uint64_t tagOf(std::uint64_t sequence) const noexcept
    {
        return m_loanTag | (sequence & kSequenceMask);
    }
    [[nodiscard]] bool isForked() const noexcept { return m_generation != fork_guard::generation(); }

    PoolView m_view;
    PortRecord* m_record;
    const std::atomic<std::uint64_t>* m_epochWord;
    HolderId m_me;
    std::uint64_t m_ownBit;
    std::uint32_t m_ownWord;
    std::uint64_t m_loanTag; ///< publicationTag() with sequence 0, which is never published: "on loan"
    std::uint64_t m_epoch{0};
    std::uint64_t m_fastEpoch{0};  ///< m_epoch; never the epoch where each look at it needs a fence before it
    std::uint64_t m_sequence;      ///< next, internal: unique in the life of the port record
    std::uint64_t m_firstSequence; ///< internal sequence of the first message
    std::uint64_t m_generation;
    /// Holder words that any receiver or this port has ever used: in the others this port's chunks have no bit.
    std::uint32_t m_usedWords;
    bool m_keepsAtOnce{false};       ///< one used word and no history: a chunk's last return makes it free
    bool m_isPlain{false};           ///< subscribers that take, no history, no books, every queue evicts: the short way
    bool m_keepsBooks{false};        ///< somebody counts deadlines or leases
    std::uint32_t m_slotsToFetch{0}; ///< of the first connections
    HistoryView m_history;           ///< transient-local publishers
    std::uint32_t m_lastClass{0};    ///< what the last loan took, for m_lastBytes bytes
    std::uint64_t m_lastBytes{~0ULL};
    std::byte* m_lastBase{nullptr}; ///< header of that class's first chunk, which is ...
    std::uint32_t m_lastFirst{0};   ///< ... this one
    std::uint32_t m_lastCount{0};   ///< chunks that it can ever have
    std::uint64_t m_lastStride{0};
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
    std::shared_ptr<PublisherBooks> m_books;
    PublisherBookReader m_events; ///< of the handle
};

inline void PublisherPort::enter() noexcept
{
    // [sync:busy] Odd first, then the epoch: whoever retires a subscriber moves the epoch, runs a barrier on every core
    // and then reads m_busy. Even: our next call sees the new epoch. Partner: recovery::Patience.
    m_record->m_busy.store(m_record->m_busy.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    std::atomic_signal_fence(std::memory_order_seq_cst);
    // [sync:epoch] Acquire: pairs that were made before the epoch moved are visible. Partner: notifier::moveEpoch().
    if (m_epochWord->load(std::memory_order_acquire) != m_fastEpoch) [[unlikely]]
    {
        checkEpoch();
    }
}

inline void PublisherPort::leave() noexcept
{
    // [sync:busy] Release: everything done to pairs comes before.
    m_record->m_busy.store(m_record->m_busy.load(std::memory_order_relaxed) + 1, std::memory_order_release);
}

inline Expected<PublisherPort::LoanedChunk, LoanError> PublisherPort::loan(std::uint64_t bytes)
{
    if (!m_gate.adopt()) [[unlikely]]
    {
        return tl::unexpected(LoanError::Forked);
    }
    if (m_loans.out() >= m_loanLimit || bytes != m_lastBytes || m_ledger.stashed(m_lastClass) == 0) [[unlikely]]
    {
        if (const auto ready = prepareLoan(bytes); !ready)
        {
            return tl::unexpected(ready.error());
        }
    }
    const std::uint32_t chunk = m_ledger.unstash(m_lastClass);
    m_loans.add();
    // For inspect(). Relaxed: nobody decides by it.
    m_view.record(chunk).m_publication.store(m_loanTag, std::memory_order_relaxed);
    return LoanedChunk{chunk, m_lastClass,
                       reinterpret_cast<ChunkHeader*>(m_lastBase + m_lastStride * (chunk - m_lastFirst))};
}

inline void PublisherPort::markReceivers(ChunkManager& record) noexcept
{
    const std::uint64_t* masks = m_masks.data();
    for (std::uint32_t x = m_usedWords - 1; x > 0; --x)
    {
        if (masks[x] != 0)
        {
            std::atomic<std::uint64_t>& word = record.word(x);
            // [sync:holder-word] Release: the tag comes before. Plain, by rule X: nobody else changes the word now.
            word.store(word.load(std::memory_order_relaxed) | masks[x], std::memory_order_release);
        }
    }
    std::atomic<std::uint64_t>& first = record.word(0);
    first.store(first.load(std::memory_order_relaxed) | masks[0], std::memory_order_release); // [sync:holder-word]
}

inline PublisherPort::AfterSlots PublisherPort::setReceiverSlots(std::uint64_t sequence, std::uint32_t chunk) noexcept
{
    const std::uint64_t value = entry::make(sequence, chunk);
    AfterSlots after{m_needsFence ? 1U : 0U, false}; // then the fence comes first, and the look is repeated
    for (Connection& connection : m_connections)
    {
        if (connection.m_roomUntil <= sequence + 1) [[unlikely]]
        {
            if (connection.m_roomUntil <= sequence)
            {
                makeRoom(connection, sequence);
            }
            else
            {
                after.m_roomEnds = true;
            }
        }
        // [sync:slot] Release: payload, header, tag and holder words are visible to whoever reads this slot.
        // Partner: the acquire load in SubscriberPort::poll().
        connection.m_pair.slot(sequence).store(value, std::memory_order_release);
        // [sync:sleep] After the slot: the sleeper announces itself, runs a barrier on this core and then looks at it.
        std::atomic_signal_fence(std::memory_order_seq_cst);
        after.m_asleep |= connection.m_reader->m_sleep.load(std::memory_order_relaxed);
    }
    return after;
}

inline Expected<std::uint64_t, PublishError> PublisherPort::publish(const LoanedChunk& loan,
                                                                    std::uint64_t bytes) noexcept
{
    if (!m_gate.adopt()) [[unlikely]]
    {
        return tl::unexpected(PublishError::Forked);
    }
    const Busy busy(*this);
    if (!m_isPlain) [[unlikely]]
    {
        return sendWithCare(loan, bytes);
    }
    return send(loan, bytes);
}

/// The next sequence, and the message's header. The number that users see.
inline std::uint64_t PublisherPort::stamp(const LoanedChunk& loan, std::uint64_t bytes) noexcept
{
    const std::uint64_t sequence = m_sequence;
    m_sequence = sequence + 1;
    // Relaxed: recovery reads it after the tag, whose release store follows.
    m_record->m_sequence.store(sequence + 1, std::memory_order_relaxed);
    const std::uint64_t answer = sequence - m_firstSequence + 1;
    timespec now;                           // filled in: this clock always exists
    ::clock_gettime(CLOCK_MONOTONIC, &now); // vDSO: no system call
    ChunkHeader& header = *loan.m_header;
    header.m_payloadBytes = bytes;
    header.m_sequence = answer;
    header.m_publishTimeNs =
        static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000U + static_cast<std::uint64_t>(now.tv_nsec);
    header.m_publisherId = m_grant.m_id;
    m_loans.remove();
    return answer;
}

/// Fetches the lines of this message's slots while its header is still to be written: a subscriber that polls has them.
inline void PublisherPort::fetchSlots(std::uint64_t sequence) const noexcept
{
    const Connection* const end = m_connections.data() + m_slotsToFetch;
    for (const Connection* connection = m_connections.data(); connection != end; ++connection)
    {
        fetchForWriting(&connection->m_pair.slot(connection->place(sequence)));
    }
}

/// Where nothing can be refused. The sequence as users see it.
inline std::uint64_t PublisherPort::send(const LoanedChunk& loan, std::uint64_t bytes) noexcept
{
    const std::uint64_t sequence = m_sequence;
    fetchSlots(sequence);
    const std::uint64_t answer = stamp(loan, bytes);
    const std::uint32_t chunk = loan.m_chunk;
    ChunkManager& record = m_view.record(chunk);
    // [sync:holder-word] Release: the sequence comes before.
    record.m_publication.store(tagOf(sequence), std::memory_order_release);
    markReceivers(record);
    const AfterSlots after = setReceiverSlots(sequence, chunk);
    m_ledger.startFlight(chunk);
    if (after.m_asleep != 0) [[unlikely]]
    {
        wakeReceivers();
    }
    if (after.m_roomEnds) [[unlikely]]
    {
        lookForRoom(sequence);
    }
    if (m_ledger.stashed(loan.m_class) == 0)
    {
        collect(); // after the hand-over, so that the next loan finds a chunk without waiting for a line
    }
    return answer;
}

} // namespace ZeroCP
