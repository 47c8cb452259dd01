/// Receives messages of one type from every publisher of one topic. Move-only handle; one thread at a time.
#pragma once

#include <chrono>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>

#include "zerocp/core/error.hpp"
#include "zerocp/pubsub/data_errors.hpp"
#include "zerocp/pubsub/sample.hpp"
#include "zerocp/pubsub/subscriber_port.hpp"

namespace ZeroCP
{

template <typename Message>
class [[nodiscard]] Subscriber
{
  public:
    Subscriber() noexcept = default; ///< empty: every call answers Closed
    Subscriber(const Subscriber&) = delete;
    Subscriber& operator=(const Subscriber&) = delete;
    Subscriber(Subscriber&& other) noexcept : m_port(std::exchange(other.m_port, nullptr)) {}
    Subscriber& operator=(Subscriber&& other) noexcept
    {
        Subscriber old(std::move(other));
        std::swap(m_port, old.m_port);
        return *this;
    }
    /// Leaves the topic, now or with the last Sample. Control call.
    ~Subscriber()
    {
        if (m_port != nullptr)
        {
            m_port->close();
        }
    }

    /// The oldest message of the next publisher in turn; order is kept per publisher. Never blocks.
    ///
    /// Errors: NoData; TooManyHeld if max_held samples are out, until one is dropped; Corrupt if a peer wrote nonsense,
    /// which is skipped; Closed, Forked.
    [[nodiscard]] Expected<Sample<Message>, TakeError> take()
    {
        return m_port == nullptr ? closed() : sample(m_port->take());
    }

    /// The message with the latest publish time of all that wait; the others are dropped and do not count as missed.
    [[nodiscard]] Expected<Sample<Message>, TakeError> takeLatest()
    {
        return m_port == nullptr ? closed() : sample(m_port->takeLatest());
    }

    /// take(), waiting up to `timeout` (negative: for ever): spins for wait.spin, then sleeps. Timeout if nothing came.
    [[nodiscard]] Expected<Sample<Message>, TakeError> wait(std::chrono::nanoseconds timeout)
    {
        return m_port == nullptr ? closed() : sample(m_port->wait(timeout));
    }

    /// For epoll, poll or select, to wait for this subscriber among other things: becomes readable when there may be
    /// something to take, and also when newEvents() may have changed. Then call take() until it answers NoData; only that
    /// makes it not readable again. It may be readable without reason, and is at first. Nothing is to be read from it, nor is
    /// it to be closed: it ends with this subscriber. Works edge-triggered too (Linux 5.5 to 5.13 without later updates: a
    /// message may wait up to 0.5 s, decision 0022). take(), wait() and takeLatest() work as before. After TooManyHeld it
    /// stays readable, and nobody says when a sample is dropped: look again afterwards.
    ///
    /// Made by the first call: three descriptors, one waiter. Publishers then pay for a wake with three more system calls.
    /// Control call, same thread as take(): ConfigInvalid if attached to a wait set, LimitReached, NoSpace, SystemError (too
    /// many open files), Timeout, Closed, Forked.
    [[nodiscard]] Expected<int, Error> fd()
    {
        return m_port == nullptr ? failure(ErrorCode::Closed, "the subscriber was moved from or never created")
                                 : m_port->descriptor();
    }

    /// Messages lost because this subscriber was too slow, exactly: for every publisher, what it published since both
    /// matched is what was received, skipped by takeLatest(), still waits, or is counted here. Messages that were evicted
    /// are counted by the take that passes them.
    [[nodiscard]] std::uint64_t missed() const { return m_port == nullptr ? 0 : m_port->missed(); }

    /// missed(), and when it last grew.
    [[nodiscard]] EventCount messageLost() { return m_port == nullptr ? EventCount{} : m_port->messageLost(); }

    /// Messages that were older than QoS::lifespan(), this one's or their publisher's, when they would have been taken:
    /// dropped, and neither received nor missed.
    [[nodiscard]] EventCount expired() { return m_port == nullptr ? EventCount{} : m_port->expired(); }

    /// Periods of this subscriber's QoS::deadline() that have ended without a message, summed over its publishers: for each
    /// from the first message on that was published for this subscriber, received or not, until the publisher left or was
    /// found dead.
    [[nodiscard]] EventCount deadlineMissed() { return m_port == nullptr ? EventCount{} : m_port->deadlineMissed(); }

    /// Which publishers are alive, and how often one ceased to be. Looks for dead processes, at most once per 10 ms.
    [[nodiscard]] LivelinessStatus livelinessChanged()
    {
        return m_port == nullptr ? LivelinessStatus{} : m_port->livelinessChanged();
    }

    /// Bits (QosEvent) of the events that have happened since their status was last read here; cheap.
    [[nodiscard]] std::uint32_t newEvents() { return m_port == nullptr ? 0 : m_port->newEvents(); }

    /// CLOCK_MONOTONIC time of the next deadline or lease to run out, until which newEvents() changes only by calls or messages;
    /// the greatest number if there is none.
    [[nodiscard]] std::int64_t nextEventNs() const
    {
        return m_port == nullptr ? std::numeric_limits<std::int64_t>::max() : m_port->nextEventNs();
    }

    /// Publishers that exist or have left something to take.
    [[nodiscard]] std::size_t publisherCount() { return m_port == nullptr ? 0 : m_port->publisherCount(); }

    /// Whether `address` lies in this subscriber's read-only mapping of the topic's data segment.
    [[nodiscard]] bool isInDataSegment(const void* address) const noexcept
    {
        return m_port != nullptr && m_port->view().containsData(address);
    }

    /// Normalised; empty when empty.
    [[nodiscard]] std::string topic() const { return m_port == nullptr ? std::string() : m_port->topic(); }

  private:
    friend class Node;
    friend class WaitSet;

    explicit Subscriber(SubscriberPort& port) noexcept : m_port(&port) {}

    [[nodiscard]] static Expected<Sample<Message>, TakeError> closed() { return tl::unexpected(TakeError::Closed); }

    [[nodiscard]] Expected<Sample<Message>, TakeError>
    sample(const Expected<SubscriberPort::HeldChunk, TakeError>& held)
    {
        if (!held)
        {
            return tl::unexpected(held.error());
        }
        return Sample<Message>(*m_port, *held);
    }

    SubscriberPort* m_port{nullptr};
};

} // namespace ZeroCP
