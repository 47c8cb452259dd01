/// The untyped subscriber: takes chunks from its publishers' queues, gives them back. Subscriber<T> only casts.
///
/// One thread at a time uses it; samples may be dropped on any thread. Lives until its Subscriber and all its samples
/// are gone. The fast path is in this header: per message one exchange on its own line, made before the message is
/// waited for, and one plain store when the chunk goes back.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "zerocp/core/fetch.hpp"
#include "zerocp/core/fork_guard.hpp"
#include "zerocp/core/history.hpp"
#include "zerocp/core/holders.hpp"
#include "zerocp/core/notifier.hpp"
#include "zerocp/core/pair_queue.hpp"
#include "zerocp/core/pause.hpp"
#include "zerocp/discovery/domain.hpp"
#include "zerocp/pubsub/data_errors.hpp"
#include "zerocp/pubsub/event_books.hpp"
#include "zerocp/pubsub/handle_count.hpp"
#include "zerocp/pubsub/owner_gate.hpp"
#include "zerocp/pubsub/port_watch.hpp"
#include "zerocp/pubsub/wake_descriptor.hpp"

namespace ZeroCP
{

class SubscriberPort
{
  public:
    /// A chunk that this port holds, and where it came from.
    struct HeldChunk
    {
        static constexpr std::uint64_t kPinned = ~0ULL; ///< instead of an incarnation: out of a history

        std::uint64_t m_entry;       ///< as it stood in the slot
        std::uint64_t m_incarnation; ///< of the pair it came through
        std::uint32_t m_connection;
        std::uint32_t m_publisherPort;
        const ChunkHeader* m_header; ///< in the read-only mapping; the payload follows it
    };

    /// Messages have at least `payloadBytes` bytes (slices: 0).
    [[nodiscard]] static Expected<SubscriberPort*, Error> create(std::shared_ptr<Domain> domain, EndpointGrant grant,
                                                                 std::uint64_t payloadBytes);

    SubscriberPort(const SubscriberPort&) = delete;
    SubscriberPort& operator=(const SubscriberPort&) = delete;

    /// The oldest message of the next publisher in turn. NoData, TooManyHeld, Corrupt, Forked.
    [[nodiscard]] Expected<HeldChunk, TakeError> take();

    /// The message with the latest publish time; older ones are released and not counted as missed.
    [[nodiscard]] Expected<HeldChunk, TakeError> takeLatest();

    /// take(), waiting for a message: spins for wait.spin, then sleeps. Timeout instead of NoData; a negative or huge
    /// timeout waits for ever.
    [[nodiscard]] Expected<HeldChunk, TakeError> wait(std::chrono::nanoseconds timeout);

    /// Whether take() has something, or something to count as lost. The owner's thread, like take(); takes nothing.
    [[nodiscard]] bool hasNext();
    /// The same, and whether it may be taken now.
    [[nodiscard]] PortWork work();

    /// What others hold to know whether the port still has its Subscriber: m_port is null when not. The owner's thread.
    struct Link
    {
        explicit Link(SubscriberPort* port) noexcept : m_port(port) {}
        SubscriberPort* m_port;
    };
    [[nodiscard]] std::shared_ptr<Link> link();

    /// Publishers wake waiter number `waiter` (1 + its row) for this port; 0: the port itself, as at first. The owner's
    /// thread, while the port is not marked as asleep.
    void attachTo(std::uint32_t waiter) noexcept;
    /// What a wait set may want of the port; each is attached at most once, both to the same waiter.
    enum class Interest : std::uint32_t
    {
        Messages = 1,
        Events = 2,
    };
    /// False if the port, or this interest, is attached already.
    [[nodiscard]] bool attachFor(Interest interest, std::uint32_t waiter) noexcept;
    void detachFor(Interest interest) noexcept;
    [[nodiscard]] bool isAttached() const noexcept { return m_record->m_waiter.load(std::memory_order_relaxed) != 0; }
    /// See Subscriber::fd(). The owner's thread.
    [[nodiscard]] Expected<int, Error> descriptor();
    [[nodiscard]] bool hasDescriptor() const noexcept { return m_descriptor != nullptr; }
    /// For who sleeps for the port: marks it with notifier.hpp. Stays mapped as long as poolSet() is held.
    [[nodiscard]] PortRecord& record() const noexcept { return *m_record; }
    [[nodiscard]] const std::shared_ptr<PoolSet>& poolSet() const noexcept { return m_grant.m_set; }
    [[nodiscard]] const std::shared_ptr<Domain>& domain() const noexcept { return m_domain; }

    /// Gives a chunk back. Any thread; may end the port.
    void release(const HeldChunk& held) noexcept;

    /// The Subscriber is gone. Ends the port now or with its last sample.
    void close() noexcept;

    /// Messages lost to overflow since each publisher matched. The thread that takes.
    [[nodiscard]] std::uint64_t missed();

    /// Publishers whose messages can still come. The thread that takes.
    [[nodiscard]] std::size_t publisherCount();

    // QoS events, see Subscriber and qos_events.hpp. The thread that takes.
    [[nodiscard]] EventCount deadlineMissed();
    [[nodiscard]] LivelinessStatus livelinessChanged();
    [[nodiscard]] EventCount messageLost();
    [[nodiscard]] EventCount expired();
    /// QosEvent bits of those whose count has moved since it was last read. Cheap, no system call; allocates only to meet a
    /// publisher that came, as take() does.
    [[nodiscard]] std::uint32_t newEvents();
    /// CLOCK_MONOTONIC time at which newEvents() may change without a message or a call: the next deadline or lease to run
    /// out. The greatest number if there is none. As cheap. A publisher that comes, leaves or is found dead moves the epoch
    /// and may bring an earlier one.
    [[nodiscard]] std::int64_t nextEventNs() const;
    /// Reads one of newEvents(). False: there is none.
    [[nodiscard]] bool readEvent(QosEventInfo& info);

    /// From now on publishers that join do not take this port for one that answers. Services, when they close.
    void retreat() noexcept;
    /// How long to look before sleeping.
    [[nodiscard]] std::chrono::nanoseconds spinTime() const noexcept { return m_spin; }

    [[nodiscard]] std::uint64_t id() const noexcept { return m_grant.m_id; }
    [[nodiscard]] const std::string& topic() const noexcept { return m_grant.m_topic; }
    [[nodiscard]] const PoolView& view() const noexcept { return m_view; }

  private:
    /// Who spins looks at the slot this often before it asks for the time.
    static constexpr int kLooksPerClock = 32;

    /// The size class of the last message: chunks m_first to m_first + m_count - 1 are known to exist.
    struct Hot
    {
        std::uint32_t m_first{0};
        std::uint32_t m_count{0};
        std::uint64_t m_stride{0};
        const std::byte* m_base{nullptr}; ///< header of chunk m_first
    };

    /// One publisher.
    struct alignas(kCacheLineBytes) Connection
    {
        PairView m_pair;
        std::uint64_t m_position{0}; ///< next sequence; 0: the publisher has not seen us yet
        std::uint64_t m_announced{~0ULL};
        std::uint64_t m_returns{0};     ///< returns written
        std::uint64_t m_returnsEnd{0};  ///< the ring has room for returns below, as far as known
        std::uint64_t m_incarnation{0}; ///< of the pair
        std::uint64_t m_reachable{0};   ///< the same while the publisher is there to see returns, else 0
        std::uint32_t m_publisherPort{0};
        std::uint32_t m_record{0};           ///< of the pair
        std::vector<std::uint64_t> m_pins{}; ///< entries of its history that we have pinned, oldest last
        HistoryView m_history{};
        std::uint64_t m_historyNext{0};    ///< after the pinned ones
        bool m_historyPending{false};      ///< messages from before m_join are still to come
        std::uint64_t m_dropped{0};        ///< DropNewest, or others' messages: place x has message x + m_dropped
        std::uint64_t m_droppedCounted{0}; ///< of the publisher's count, in m_missed
        std::uint64_t m_lifespanNs{0};     ///< older messages have expired; 0: none
        PortRecord* m_writer{nullptr};     ///< of the publisher, which may sleep until its queue has room
        bool m_used{false};
        bool m_gone{false}; ///< the publisher left or died; what it published can still be taken
    };

    class SleepsItself;
    class WithoutArming;
    struct Life;

    SubscriberPort(std::shared_ptr<Domain> domain, EndpointGrant grant, const PoolView& view,
                   std::uint64_t payloadBytes);
    ~SubscriberPort() = default;

    [[nodiscard]] bool poll(Connection& connection, std::uint64_t& value) noexcept
    {
        return look<true>(connection, value);
    }
    template <bool Consume>
    [[nodiscard]] bool look(Connection& connection, std::uint64_t& value) noexcept;
    [[nodiscard]] static bool isKept(const Connection& connection, std::uint64_t value) noexcept;
    [[nodiscard]] bool hasHistory() noexcept;
    void closeHistory(Connection& connection) noexcept;
    [[nodiscard]] bool join(Connection& connection) noexcept;
    void joinHistory(Connection& connection);
    [[nodiscard]] bool pin(const Connection& connection, std::uint64_t sequence, std::uint64_t& value);
    [[nodiscard]] bool nextOfHistory(Connection& connection, std::uint64_t& value);
    [[nodiscard]] Expected<HeldChunk, TakeError> takeHistory();
    void dropPin(std::uint32_t chunk) noexcept;
    [[nodiscard]] bool skipLost(Connection& connection) noexcept;
    [[nodiscard]] bool takeKept(Connection& connection, std::uint64_t& value) noexcept;
    void countDropped(Connection& connection) noexcept;
    void countLost(std::uint64_t count) noexcept;
    [[nodiscard]] Expected<HeldChunk, TakeError> takeAny();
    [[nodiscard]] Expected<HeldChunk, TakeError> takeNext();
    [[nodiscard]] Expected<HeldChunk, TakeError> takeFresh();
    [[nodiscard]] Expected<HeldChunk, TakeError> takeRound();
    [[nodiscard]] Expected<HeldChunk, TakeError> takeOther();
    [[nodiscard]] Expected<HeldChunk, TakeError> accept(std::uint32_t index, std::uint64_t value);
    void fetchNext(const Connection& connection) const noexcept;
    [[nodiscard]] bool mayHoldMore() noexcept;
    [[nodiscard]] bool lookUp(std::uint32_t chunk);
    [[nodiscard]] static std::chrono::steady_clock::time_point deadlineAfter(std::chrono::nanoseconds timeout) noexcept;
    [[nodiscard]] Expected<HeldChunk, TakeError> spin(std::chrono::steady_clock::time_point until);
    [[nodiscard]] Expected<HeldChunk, TakeError> sleepUntil(std::chrono::steady_clock::time_point deadline);
    [[nodiscard]] Expected<HeldChunk, TakeError> nap(std::chrono::nanoseconds longest);
    [[nodiscard]] Expected<HeldChunk, TakeError> armDescriptor();
    void noticeRescue();
    void closeDescriptor() noexcept;
    void giveBack(Connection& connection, std::uint64_t value) noexcept;
    [[nodiscard]] bool hasRoom(Connection& connection) noexcept;
    void dropOwnBit(std::uint32_t publisherPort, std::uint64_t value) noexcept;
    void releaseToNobody(const HeldChunk& held) noexcept;
    void releaseElsewhere(const HeldChunk& held) noexcept;
    void dropOwnBitForeign(const HeldChunk& held) noexcept;
    void checkEpoch();
    void onEpoch();
    void checkReturns() noexcept;
    void noticeGonePublishers() noexcept;
    void findNewPublishers();
    [[nodiscard]] bool isDrained(const Connection& connection) const noexcept;
    void forgetDrained() noexcept;
    void stopTaking() noexcept;
    void finish() noexcept;
    [[nodiscard]] bool lookAround();
    [[nodiscard]] Deadlines deadlinesOf(const Connection& connection, std::uint64_t nowNs) const noexcept;
    [[nodiscard]] Deadlines deadlinesAt(std::uint64_t nowNs) const noexcept;
    [[nodiscard]] Life lifeOf(const Connection& connection, std::uint64_t nowNs) const noexcept;
    [[nodiscard]] LivelinessStatus livelinessAt(std::uint64_t nowNs, std::uint64_t& nextNs) const noexcept;
    void settleBooks(const Connection& connection) noexcept;
    [[nodiscard]] Connection& freeConnection(std::uint32_t& index);
    [[nodiscard]] bool isKnown(std::uint32_t pair, std::uint64_t incarnation) const noexcept;
    [[nodiscard]] bool isForked() const noexcept { return m_generation != fork_guard::generation(); }

    PoolView m_view;
    PortRecord* m_record;
    const std::atomic<std::uint64_t>* m_epochWord;
    HolderId m_me;
    std::uint64_t m_epoch{0};
    std::uint64_t m_fastEpoch{0}; ///< m_epoch; never the epoch where each look at it needs a fence before it
    std::uint64_t m_generation;
    std::uint64_t m_payloadBytes;
    std::uint64_t m_fetchOffset; ///< in a chunk, of what a take reads first: a slice's length, or else the payload
    std::uint32_t m_heldLimit;
    const bool m_wantsHistory;
    bool m_hasLifespan{false}; ///< some publisher's messages may expire: each take looks at what it got
    std::uint32_t m_historiesPending{0};
    const bool m_needsFence;
    std::uint32_t m_next{0};            ///< connection whose turn it is
    std::uint32_t m_connectionCount{0}; ///< 0 where messages may expire: then nobody's turn is on the short way
    std::uint32_t m_goneCount{0};       ///< connections to publishers that are gone
    std::uint64_t m_missed{0};
    std::vector<Connection> m_connections;
    std::vector<std::uint32_t> m_connectionOfPair; ///< by pair record: the last connection that was made of it
    Hot m_hot;
    HandleCount m_samples;
    OwnerGate m_gate;
    /// Free-list operations in this port's name, which only happen when a publisher is gone: the owner and threads that
    /// drop samples take turns; so do those and the owner's look for new size classes.
    std::mutex m_listMutex;
    std::chrono::nanoseconds m_spin;
    std::shared_ptr<Link> m_link;                 ///< made when somebody asks
    std::uint32_t m_interests{0};                 ///< Interest bits that are attached
    bool m_arms{false};                           ///< a take that finds nothing arms the descriptor
    std::unique_ptr<WakeDescriptor> m_descriptor; ///< made when somebody asks
    std::shared_ptr<Domain> m_domain;
    EndpointGrant m_grant;
    SubscriberEvents m_events;
};

/// The next entry of one publisher, if there is one. The position is announced before the slot is looked at, so the exchange
/// overlaps with the wait for a message; nothing shared is written between the slot and the caller's answer.
/// Without Consume it stays there.
template <bool Consume>
inline bool SubscriberPort::look(Connection& connection, std::uint64_t& value) noexcept
{
    for (;;)
    {
        const std::uint64_t position = connection.m_position;
        if (position != connection.m_announced)
        {
            if (position == 0 && join(connection)) [[unlikely]]
            {
                continue;
            }
            if (position == 0) [[unlikely]]
            {
                return false;
            }
            // [sync:position] seq_cst exchange, seq_cst load: the position first, then the slot. Dekker with the fence
            // in PublisherPort::makeRoom().
            connection.m_pair.m_head->m_position.exchange(position, std::memory_order_seq_cst);
            connection.m_announced = position;
        }
        // [sync:slot] Acquire at least: payload, header, tag and holder words come with the entry. Partner: publish.
        value = connection.m_pair.slot(position).load(std::memory_order_seq_cst);
        if (value >> 20 == (position & kSequenceMask)) [[likely]]
        {
            connection.m_position = position + (Consume ? 1 : 0);
            return true;
        }
        if (entry::distance(value, position) < 0) [[likely]]
        {
            return false;
        }
        if (connection.m_pair.m_policy != QueuePolicy::EvictOldest)
        {
            return Consume ? takeKept(connection, value) : isKept(connection, value);
        }
        if (!skipLost(connection))
        {
            return false;
        }
    }
}

/// The first line of the next message, if it is in the queue already: it comes while the caller is busy with this one. Only
/// then: a chunk of an earlier lap may be in its publisher's hands.
inline void SubscriberPort::fetchNext(const Connection& connection) const noexcept
{
    // Relaxed: nothing is read through it.
    const std::uint64_t next = connection.m_pair.slot(connection.m_position).load(std::memory_order_relaxed);
    const std::uint64_t sequence = (connection.m_position + connection.m_dropped) & kSequenceMask;
    const std::uint32_t place = entry::chunkOf(next) - m_hot.m_first;
    if ((next & ~entry::kKept) >> 20 == sequence && place < m_hot.m_count) // not evicted either
    {
        fetchForReading(m_hot.m_base + m_hot.m_stride * place + m_fetchOffset);
    }
}

inline Expected<SubscriberPort::HeldChunk, TakeError> SubscriberPort::accept(std::uint32_t index, std::uint64_t value)
{
    const Connection& connection = m_connections[index];
    const std::uint32_t chunk = entry::chunkOf(value);
    if (chunk - m_hot.m_first >= m_hot.m_count && !lookUp(chunk)) [[unlikely]]
    {
        return tl::unexpected(TakeError::Corrupt); // the entry names no chunk of this topic: nothing to give back
    }
    m_samples.add();
    const std::byte* header = m_hot.m_base + m_hot.m_stride * (chunk - m_hot.m_first);
    return HeldChunk{value, connection.m_incarnation, index, connection.m_publisherPort,
                     reinterpret_cast<const ChunkHeader*>(header)};
}

inline Expected<SubscriberPort::HeldChunk, TakeError> SubscriberPort::take()
{
    if (!m_gate.adopt()) [[unlikely]]
    {
        return tl::unexpected(TakeError::Forked);
    }
    if (m_samples.out() >= m_heldLimit && !mayHoldMore()) [[unlikely]]
    {
        return tl::unexpected(TakeError::TooManyHeld);
    }
    return takeAny();
}

inline Expected<SubscriberPort::HeldChunk, TakeError> SubscriberPort::takeAny()
{
    // [sync:epoch] Acquire: pairs that were made before the epoch moved are visible. Partner: notifier::moveEpoch().
    if (m_epochWord->load(std::memory_order_acquire) != m_fastEpoch) [[unlikely]]
    {
        checkEpoch();
    }
    const std::uint32_t index = m_next;
    if (index < m_connectionCount) [[likely]]
    {
        Connection& connection = m_connections[index];
        std::uint64_t value = 0;
        if (connection.m_used && poll(connection, value)) [[likely]]
        {
            m_next = index + 1 < m_connectionCount ? index + 1 : 0;
            fetchNext(connection);
            return accept(index, value);
        }
    }
    return takeOther();
}

inline Expected<SubscriberPort::HeldChunk, TakeError> SubscriberPort::spin(std::chrono::steady_clock::time_point until)
{
    do
    {
        for (int i = 0; i < kLooksPerClock; ++i)
        {
            auto taken = takeAny();
            if (taken || taken.error() != TakeError::NoData)
            {
                return taken;
            }
            pauseBriefly();
        }
    } while (std::chrono::steady_clock::now() < until);
    return tl::unexpected(TakeError::NoData);
}

/// Inlined as far as it spins: a message that was taken goes to the caller in registers, not through memory.
inline Expected<SubscriberPort::HeldChunk, TakeError> SubscriberPort::wait(std::chrono::nanoseconds timeout)
{
    auto taken = take();
    if (taken || taken.error() != TakeError::NoData)
    {
        return taken;
    }
    const std::chrono::steady_clock::time_point deadline = deadlineAfter(timeout);
    if (m_spin > std::chrono::nanoseconds::zero())
    {
        auto spun = spin(std::min(deadline, std::chrono::steady_clock::now() + m_spin));
        if (spun || spun.error() != TakeError::NoData)
        {
            return spun;
        }
    }
    return sleepUntil(deadline);
}

inline void SubscriberPort::giveBack(Connection& connection, std::uint64_t value) noexcept
{
    const std::uint64_t count = connection.m_returns;
    if (count >= connection.m_returnsEnd && !hasRoom(connection)) [[unlikely]]
    {
        dropOwnBit(connection.m_publisherPort, value);
        return;
    }
    // [sync:return] Release: our reads of the payload are done. Partner: PublisherPort::collect().
    connection.m_pair.returned(count).store(value | connection.m_pair.parityOf(count), std::memory_order_release);
    connection.m_returns = count + 1;
}

inline void SubscriberPort::release(const HeldChunk& held) noexcept
{
    const OwnerGate::Pass pass = m_gate.enter();
    if (pass == nullptr) [[unlikely]]
    {
        releaseElsewhere(held);
        return;
    }
    Connection& connection = m_connections[held.m_connection];
    if (connection.m_reachable == held.m_incarnation) [[likely]]
    {
        giveBack(connection, held.m_entry);
    }
    else
    {
        releaseToNobody(held);
    }
    // [sync:late-return] The ring first, then the epoch: whoever retires a publisher moves the epoch, runs a barrier on
    // every core and then looks at the rings again. A return that it does not see, we see to ourselves.
    std::atomic_signal_fence(std::memory_order_seq_cst);
    if (m_epochWord->load(std::memory_order_acquire) != m_fastEpoch) [[unlikely]]
    {
        checkReturns();
    }
    m_samples.remove();
    m_gate.leave(pass);
}

} // namespace ZeroCP
