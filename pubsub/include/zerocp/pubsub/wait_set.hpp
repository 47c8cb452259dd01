/// Waits for many things at once: messages of subscribers, timers, user events, changes of the graph. Move-only handle;
/// the wait set and the endpoints attached to it are used by one thread at a time.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <span>

#include "zerocp/core/error.hpp"
#include "zerocp/pubsub/node.hpp"
#include "zerocp/pubsub/publisher.hpp"
#include "zerocp/pubsub/subscriber.hpp"
#include "zerocp/pubsub/timer.hpp"
#include "zerocp/pubsub/user_event.hpp"
#include "zerocp/pubsub/waitable.hpp"

namespace ZeroCP
{

class [[nodiscard]] WaitSet
{
  public:
    /// A wait set for endpoints of `node`'s domain. Control call: LimitReached, Timeout, Closed, Forked.
    [[nodiscard]] static Expected<WaitSet, Error> create(const Node& node);

    WaitSet() noexcept; ///< empty: attaching answers Closed, wait() answers nothing at once
    WaitSet(const WaitSet&) = delete;
    WaitSet& operator=(const WaitSet&) = delete;
    WaitSet(WaitSet&& other) noexcept;
    WaitSet& operator=(WaitSet&& other) noexcept;
    ~WaitSet(); ///< detaches everything. Control call.

    /// Binds the endpoint, not the handle: the handle may be moved, and when it is destroyed the wait set forgets it. `id`
    /// is what wait() answers; several things may share one. While it is attached take() and wait() of the subscriber work
    /// as before. Allocates.
    ///
    /// ConfigInvalid if it belongs to another domain, is attached to a wait set already or has a descriptor of its own
    /// (Subscriber::fd()); Closed if either is empty; Forked.
    template <typename Message>
    Expected<void, Error> attach(Subscriber<Message>& subscriber, std::uint64_t id)
    {
        return attachPort(subscriber.m_port, id);
    }
    /// Ready while one of the subscriber's newEvents() has not been read: a missed deadline, a publisher that comes, leaves,
    /// dies or lets its lease run out, lost or expired messages. The messages themselves are attached with attach(). Errors
    /// as above.
    template <typename Message>
    Expected<void, Error> attachEvents(Subscriber<Message>& subscriber, std::uint64_t id)
    {
        return attachPortEvents(subscriber.m_port, id);
    }
    /// The same of a publisher: a deadline that it has missed, a lease that it has lost.
    template <typename Message>
    Expected<void, Error> attachEvents(Publisher<Message>& publisher, std::uint64_t id)
    {
        return attachPortEvents(publisher.m_port, id);
    }
    /// Ready once per moment of the timer's grid that has come, or for several that have passed. ConfigInvalid also for a
    /// timer with a callback, which an executor waits for.
    Expected<void, Error> attach(const Timer& timer, std::uint64_t id);
    /// Ready once after trigger().
    Expected<void, Error> attach(const UserEvent& event, std::uint64_t id);
    /// Ready once after nodes or endpoints of the domain came or went since attaching.
    Expected<void, Error> attachGraph(std::uint64_t id);

    /// Everything with that id.
    void detach(std::uint64_t id);

    /// Waits until something is ready, at most `timeout` (negative: for ever), and answers the ids of all that is ready;
    /// none after the time-out. A subscriber is ready as long as it has something to take. Spins for wait.spin before it
    /// sleeps; one wake for many messages. The span is valid until the next call. Allocates nothing. May answer none before
    /// the time-out in a forked child.
    [[nodiscard]] std::span<const std::uint64_t> wait(std::chrono::nanoseconds timeout);

    /// For epoll, poll or select, to wait for this wait set among other things: becomes readable when there may be something
    /// ready. Then call wait() with a timeout of zero, do what it says, and again until it answers nothing; only that makes it
    /// not readable again. It may be readable without reason, and is at first. Nothing is to be read from it, nor is it to be
    /// closed: it ends with this wait set. Works edge-triggered too, as Subscriber::fd(). wait() with a timeout works as before.
    ///
    /// Made by the first call: three descriptors. Who wakes the wait set then pays three more system calls. Control call, same
    /// thread as wait(): NoSpace, SystemError (too many open files), Timeout, Closed, Forked.
    [[nodiscard]] Expected<int, Error> fd();

  private:
    class Members;

    explicit WaitSet(std::unique_ptr<Members> members) noexcept;

    Expected<void, Error> attachPort(SubscriberPort* port, std::uint64_t id);
    Expected<void, Error> attachPortEvents(SubscriberPort* port, std::uint64_t id);
    Expected<void, Error> attachPortEvents(PublisherPort* port, std::uint64_t id);
    [[nodiscard]] Expected<void, Error> checkPort(const SubscriberPort* port) const;
    Expected<void, Error> attach(std::unique_ptr<Waitable> what, std::uint64_t id);

    std::unique_ptr<Members> m_members;
};

} // namespace ZeroCP
