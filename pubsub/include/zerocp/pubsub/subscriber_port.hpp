/// The untyped subscriber: takes chunks from its publishers' queues, gives them back. Subscriber<T> only casts.
///
/// One thread at a time uses it; samples may be dropped on any thread. Lives until its Subscriber and all its samples
/// are gone. The fast path is in this header: per message one exchange on its own line, made before the message is
/// waited for, and one plain store when the chunk goes back.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "zerocp/core/fork_guard.hpp"
#include "zerocp/core/holders.hpp"
#include "zerocp/core/notifier.hpp"
#include "zerocp/core/pair_queue.hpp"
#include "zerocp/discovery/domain.hpp"
#include "zerocp/pubsub/data_errors.hpp"
#include "zerocp/pubsub/handle_count.hpp"
#include "zerocp/pubsub/owner_gate.hpp"

namespace ZeroCP
{

class SubscriberPort
{
  public:
    /// A chunk that this port holds, and where it came from.
    struct HeldChunk
    {
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

    /// Gives a chunk back. Any thread; may end the port.
    void release(const HeldChunk& held) noexcept;

    /// The Subscriber is gone. Ends the port now or with its last sample.
    void close() noexcept;

    /// Messages lost to overflow since each publisher matched. The thread that takes.
    [[nodiscard]] std::uint64_t missed() const noexcept { return m_missed; }

    /// Publishers whose messages can still come. The thread that takes.
    [[nodiscard]] std::size_t publisherCount();

    [[nodiscard]] std::uint64_t id() const noexcept { return m_grant.m_id; }
    [[nodiscard]] const std::string& topic() const noexcept { return m_grant.m_topic; }
    [[nodiscard]] const PoolView& view() const noexcept { return m_view; }

  private:
    /// One publisher.
    struct Connection
    {
        PairView m_pair;
        std::uint64_t m_position{0}; ///< next sequence; 0: the publisher has not seen us yet
        std::uint64_t m_announced{~0ULL};
        std::uint64_t m_returns{0};     ///< returns written
        std::uint64_t m_returnsSeen{0}; ///< returns that the publisher has acted on, as far as known
        std::uint64_t m_incarnation{0};
        std::uint32_t m_publisherPort{0};
        std::uint32_t m_record{0}; ///< of the pair
        bool m_used{false};
        bool m_gone{false}; ///< the publisher left or died; what it published can still be taken
    };

    SubscriberPort(std::shared_ptr<Domain> domain, EndpointGrant grant, const PoolView& view,
                   std::uint64_t payloadBytes);
    ~SubscriberPort() = default;

    [[nodiscard]] std::uint64_t poll(Connection& connection) noexcept;
    [[nodiscard]] bool announce(Connection& connection) noexcept;
    [[nodiscard]] bool skipLost(Connection& connection) noexcept;
    [[nodiscard]] Expected<HeldChunk, TakeError> takeAny();
    [[nodiscard]] Expected<HeldChunk, TakeError> accept(std::uint32_t index, std::uint64_t value);
    [[nodiscard]] bool mayHoldMore() noexcept;
    void refreshClasses();
    [[nodiscard]] bool knows(const PoolView::Class& in, std::uint32_t chunk) noexcept;
    [[nodiscard]] Expected<HeldChunk, TakeError> spin(std::chrono::steady_clock::time_point until);
    [[nodiscard]] Expected<HeldChunk, TakeError> nap(std::chrono::nanoseconds longest);
    void giveBack(Connection& connection, std::uint64_t value) noexcept;
    void dropOwnBit(std::uint32_t publisherPort, std::uint64_t value) noexcept;
    void dropOwnBitForeign(const HeldChunk& held) noexcept;
    void onEpoch();
    void noticeGonePublishers();
    void findNewPublishers();
    [[nodiscard]] bool isDrained(const Connection& connection) const noexcept;
    void forgetDrained() noexcept;
    void finish() noexcept;
    [[nodiscard]] Connection& freeConnection();
    [[nodiscard]] bool isForked() const noexcept { return m_generation != fork_guard::generation(); }

    PoolView m_view;
    PortRecord* m_record;
    const std::atomic<std::uint64_t>* m_epochWord;
    HolderId m_me;
    std::uint64_t m_epoch{0};
    std::uint64_t m_generation;
    std::uint64_t m_payloadBytes;
    std::uint32_t m_heldLimit;
    const bool m_needsFence;
    std::uint32_t m_next{0};      ///< connection whose turn it is
    std::uint32_t m_goneCount{0}; ///< connections to publishers that are gone
    std::uint64_t m_missed{0};
    std::uint64_t m_taken{0};
    std::vector<Connection> m_connections;
    std::array<std::uint32_t, kMaxPools> m_known{}; ///< chunks that exist, as far as known, per class
    HandleCount m_samples;
    OwnerGate m_gate;
    /// Free-list operations in this port's name, which only happen when a publisher is gone: the owner and threads that
    /// drop samples take turns; so do those and the owner's look for new size classes.
    std::mutex m_listMutex;
    std::chrono::nanoseconds m_spin;
    std::shared_ptr<Domain> m_domain;
    EndpointGrant m_grant;
};

/// The next entry of one publisher, or 0. The position is announced before the slot is looked at, so the exchange
/// overlaps with the wait for a message; nothing shared is written between the slot and the caller's answer.
inline std::uint64_t SubscriberPort::poll(Connection& connection) noexcept
{
    for (;;)
    {
        if (connection.m_position != connection.m_announced && !announce(connection))
        {
            return 0;
        }
        // [sync:slot] Acquire: payload, header, tag and holder words come with the entry. Partner: publish.
        const std::uint64_t value = connection.m_pair.slot(connection.m_position).load(std::memory_order_acquire);
        if (value >> 20 == (connection.m_position & kSequenceMask)) [[likely]]
        {
            ++connection.m_position;
            return value;
        }
        if (entry::distance(value, connection.m_position) < 0 || !skipLost(connection)) [[likely]]
        {
            return 0;
        }
    }
}

inline Expected<SubscriberPort::HeldChunk, TakeError> SubscriberPort::accept(std::uint32_t index, std::uint64_t value)
{
    Connection& connection = m_connections[index];
    const std::uint32_t chunk = entry::chunkOf(value);
    const PoolView::Class* in = m_view.classOf(chunk);
    if (in == nullptr) [[unlikely]]
    {
        refreshClasses();
        in = m_view.classOf(chunk); // perhaps of a class that was added after our last look
    }
    if (in == nullptr || !knows(*in, chunk) || in->m_chunkSize < m_payloadBytes) [[unlikely]]
    {
        return tl::unexpected(TakeError::Corrupt); // the entry names no chunk of this topic: nothing to give back
    }
    m_samples.add();
    m_record->m_messages.store(++m_taken, std::memory_order_relaxed);
    return HeldChunk{value, connection.m_incarnation, index, connection.m_publisherPort, m_view.readable(*in, chunk)};
}

inline bool SubscriberPort::knows(const PoolView::Class& in, std::uint32_t chunk) noexcept
{
    const std::uint32_t number = chunk - in.m_firstChunk;
    std::uint32_t& known = m_known[in.m_list.m_pool];
    if (number >= known) [[unlikely]]
    {
        known = in.m_pool->getTotalChunks(); // the class may have grown
    }
    return number < known;
}

inline Expected<SubscriberPort::HeldChunk, TakeError> SubscriberPort::take()
{
    if (isForked()) [[unlikely]]
    {
        return tl::unexpected(TakeError::Forked);
    }
    m_gate.adopt();
    if (m_samples.out() >= m_heldLimit && !mayHoldMore()) [[unlikely]]
    {
        return tl::unexpected(TakeError::TooManyHeld);
    }
    return takeAny();
}

inline Expected<SubscriberPort::HeldChunk, TakeError> SubscriberPort::takeAny()
{
    // [sync:epoch] Acquire: pairs that were made before the epoch moved are visible. Partner: notifier::moveEpoch().
    if (m_epochWord->load(std::memory_order_acquire) != m_epoch) [[unlikely]]
    {
        onEpoch();
    }
    const auto count = static_cast<std::uint32_t>(m_connections.size());
    for (std::uint32_t i = 0; i < count; ++i)
    {
        const std::uint32_t index = m_next < count ? m_next : 0;
        m_next = index + 1;
        if (!m_connections[index].m_used)
        {
            continue;
        }
        if (const std::uint64_t value = poll(m_connections[index]); value != 0)
        {
            return accept(index, value);
        }
    }
    if (m_goneCount != 0) [[unlikely]]
    {
        forgetDrained();
    }
    return tl::unexpected(TakeError::NoData);
}

inline void SubscriberPort::giveBack(Connection& connection, std::uint64_t value) noexcept
{
    const std::uint64_t room = connection.m_pair.m_returnMask + 1;
    if (connection.m_returns - connection.m_returnsSeen == room)
    {
        // [sync:ring-head] Acquire: the publisher has read those entries. Partner: PublisherPort::collect().
        connection.m_returnsSeen = connection.m_pair.m_head->m_ringHead.load(std::memory_order_acquire);
    }
    if (connection.m_returns - connection.m_returnsSeen < room) [[likely]]
    {
        // [sync:return] Release: our reads of the payload are done. Partner: PublisherPort::collect().
        connection.m_pair.returned(connection.m_returns)
            .store(value | connection.m_pair.parityOf(connection.m_returns), std::memory_order_release);
        ++connection.m_returns;
        return;
    }
    dropOwnBit(connection.m_publisherPort, value);
}

inline void SubscriberPort::release(const HeldChunk& held) noexcept
{
    if (isForked()) [[unlikely]]
    {
        return; // the parent's
    }
    const OwnerGate::Pass pass = m_gate.enter();
    if (pass == nullptr) [[unlikely]]
    {
        dropOwnBitForeign(held);
        if (m_samples.removeForeign())
        {
            finish();
        }
        return;
    }
    Connection& connection = m_connections[held.m_connection];
    if (connection.m_incarnation == held.m_incarnation && connection.m_used && !connection.m_gone) [[likely]]
    {
        giveBack(connection, held.m_entry);
    }
    else
    {
        dropOwnBit(held.m_publisherPort, held.m_entry);
    }
    // [sync:late-return] The ring first, then the epoch: whoever retires a publisher moves the epoch, runs a barrier on
    // every core and then looks at the rings again. A return that it does not see, we see to ourselves.
    if (m_needsFence) [[unlikely]]
    {
        std::atomic_thread_fence(std::memory_order_seq_cst);
    }
    std::atomic_signal_fence(std::memory_order_seq_cst);
    if (m_epochWord->load(std::memory_order_acquire) != m_epoch) [[unlikely]]
    {
        onEpoch();
    }
    m_samples.remove();
    m_gate.leave(pass);
}

} // namespace ZeroCP
