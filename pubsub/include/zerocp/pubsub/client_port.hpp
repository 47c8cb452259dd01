/// The untyped client: sends requests to the servers of one service, matches what they answer with the calls that wait,
/// and gives every call exactly one outcome. Client<> only casts.
///
/// Kept by shared_ptr: the Client handle and, weakly, whoever drives it. Any thread; a mutex guards the ports and the
/// calls, and is never held while callbacks run or a thread sleeps.
///
/// A call has a place at its server from its request to its answer, also when the caller has given it up: as no client has
/// more than `depth` of them, the server's answer always finds room in the client's queue.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <vector>

#include "zerocp/pubsub/call_error.hpp"
#include "zerocp/pubsub/held_message.hpp"
#include "zerocp/pubsub/port_wait.hpp"
#include "zerocp/pubsub/publisher_port.hpp"
#include "zerocp/pubsub/subscriber_port.hpp"

namespace ZeroCP
{

struct ClientOptions
{
    /// Calls that may be under way with one server.
    std::uint32_t depth{16};
    /// Answers that may be held at a time, futures that are ready included; more wait in the queue, and their calls may
    /// time out there. 0: as many as `depth`.
    std::uint32_t maxHeld{0};
    /// Requests that may be on loan at a time. 0: limits.max_loans.
    std::uint32_t maxLoans{0};
};

class ClientPort : public std::enable_shared_from_this<ClientPort>
{
  public:
    using Result = Expected<HeldMessage, CallError>;

    /// Takes the outcome of one call, once.
    class Receiver
    {
      public:
        /// `runsUserCode`: receive() is called by runOne(), without the lock; else by whoever settles the call, under it.
        explicit Receiver(bool runsUserCode) noexcept : m_runsUserCode(runsUserCode) {}
        Receiver(const Receiver&) = delete;
        Receiver& operator=(const Receiver&) = delete;
        virtual ~Receiver() = default;
        virtual void receive(Result result) = 0;
        [[nodiscard]] bool runsUserCode() const noexcept { return m_runsUserCode; }

      private:
        const bool m_runsUserCode;
    };

    struct Loaned
    {
        PublisherPort* m_port;
        PublisherPort::LoanedChunk m_chunk;
    };

    /// Owns the ports from now on. `depth`: see ClientOptions.
    ClientPort(PublisherPort& requests, SubscriberPort& responses, std::uint32_t depth);
    ClientPort(const ClientPort&) = delete;
    ClientPort& operator=(const ClientPort&) = delete;
    ~ClientPort() { close(); }

    [[nodiscard]] Expected<Loaned, LoanError> loan(std::uint64_t bytes);
    /// Whether `port` is the one that loaned a request.
    [[nodiscard]] bool owns(const PublisherPort* port) const;

    /// Sends a loaned request to the server with the fewest calls. On error (NoServer, TooManyCalls, Closed, Forked) the loan
    /// and the receiver are untouched.
    [[nodiscard]] Expected<void, CallError> send(const PublisherPort::LoanedChunk& chunk, std::uint64_t bytes,
                                                 std::chrono::nanoseconds timeout, std::unique_ptr<Receiver>& receiver);

    /// Until the call that `isDone` looks for, under the lock, has its outcome; settles others' calls meanwhile, but runs no
    /// callback.
    template <typename IsDone>
    void runUntil(const IsDone& isDone)
    {
        const auto self = shared_from_this();
        std::unique_lock lock(m_mutex);
        while (!isDone() && !m_closed)
        {
            static_cast<void>(advanceOrWait(lock, INT64_MAX, isDone));
        }
        closePorts(lock);
    }

    /// Settles one answer or what has timed out or lost its server, and runs at most one callback, on the calling thread.
    /// False if there was nothing to do.
    /// `before` is called when there is a callback to run, before it.
    bool runOne(const std::function<void()>& before = {});

    /// runOne() until `timeout` has passed (negative: for ever) or the client is destroyed, asleep in between. How often
    /// there was something to do.
    std::size_t spinFor(std::chrono::nanoseconds timeout);

    /// Whether runOne() has something to do; None also promises that nothing comes before nextTimeNs() but data, or a call
    /// that says so. Any thread.
    [[nodiscard]] PortWork work();
    /// PortWatch::arm() with it, while the port is this client's.
    [[nodiscard]] bool arm(PortWatch& watch);
    /// Answers wake waiter number `waiter` from now on; 0: who is in call() or spinFor().
    void attachTo(std::uint32_t waiter);

    /// The port whose data makes runOne() do something. Until close().
    [[nodiscard]] SubscriberPort& subscriberPort() const noexcept { return *m_responses; }
    /// When runOne() will have something to do without data: the next time-out or look for dead servers, CLOCK_MONOTONIC.
    /// INT64_MAX if nothing is under way. Moves with every call; wakes who sleeps on the port if it comes earlier.
    [[nodiscard]] std::int64_t nextTimeNs() const;

    [[nodiscard]] std::size_t serverCount();
    [[nodiscard]] bool waitForService(std::chrono::nanoseconds timeout);
    /// Calls without an outcome yet.
    [[nodiscard]] std::size_t outstanding() const;
    /// Answers that came after their call had timed out; they were dropped.
    [[nodiscard]] std::uint64_t lateAnswers() const;

    /// The Client is gone: calls that are under way get Closed, callbacks are dropped and never run.
    void close() noexcept;

  private:
    struct Call
    {
        std::uint64_t m_server;
        std::int64_t m_deadlineNs;
        std::unique_ptr<Receiver> m_receiver; ///< null: given up, but its answer still has its place
    };
    struct Server
    {
        std::uint64_t m_id; ///< endpoint id of its request subscriber
        std::uint32_t m_calls;
    };
    struct Settled
    {
        std::unique_ptr<Receiver> m_receiver;
        Result m_result;
    };
    enum class Look
    {
        Settled, ///< a call
        Nothing, ///< waits
        Blocked, ///< too many answers are held
    };
    using Lock = std::unique_lock<std::mutex>;

    // All under the lock.
    [[nodiscard]] bool advance(Lock& lock);
    template <typename IsDone>
    bool advanceOrWait(Lock& lock, std::int64_t untilNs, const IsDone& isDone)
    {
        if (advance(lock))
        {
            m_spinUntilNs = 0;
            return true;
        }
        const std::int64_t now = steadyNowNs();
        if (now >= untilNs || isDone() || m_closed)
        {
            return false;
        }
        if (!spins(lock, now))
        {
            const std::int64_t wakeAtNs = std::min(untilNs, nextTime());
            bool advanced = false;
            m_wait.sleep(lock, std::chrono::nanoseconds(std::max<std::int64_t>(wakeAtNs - now, 0)),
                         [&]
                         {
                             advanced = advance(lock);
                             return advanced || isDone() || m_closed;
                         });
            return advanced;
        }
        return false;
    }
    [[nodiscard]] bool spins(Lock& lock, std::int64_t now);
    [[nodiscard]] Look takeAnswer();
    [[nodiscard]] PortWork openWork();
    [[nodiscard]] bool accept(HeldMessage message);
    void checkDeaths(Lock& lock);
    void refreshServers();
    void loseServer(std::uint64_t id);
    [[nodiscard]] bool failOrphans();
    [[nodiscard]] bool expire();
    [[nodiscard]] Server* findServer(std::uint64_t id) noexcept;
    [[nodiscard]] Server* leastBusyServer(const std::set<std::uint64_t>& full) noexcept;
    void settle(std::unique_ptr<Receiver> receiver, Result result);
    [[nodiscard]] std::int64_t nextTime() const noexcept;
    [[nodiscard]] bool hasWaitingCalls() const noexcept { return m_waiting != 0; }
    void closePorts(Lock& lock) noexcept;
    [[nodiscard]] bool isForked() const noexcept { return m_generation != fork_guard::generation(); }

    mutable std::mutex m_mutex;
    PublisherPort* m_requests;
    SubscriberPort* m_responses;
    const std::uint64_t m_id; ///< of m_responses: where answers go
    const std::uint32_t m_depth;
    const std::uint64_t m_generation;
    std::shared_ptr<Domain> m_domain;
    PortWait m_wait;
    std::map<std::uint64_t, Call> m_calls; ///< by id, so oldest first
    std::deque<Settled> m_settled;         ///< calls whose callback is to run
    std::vector<Server> m_servers;
    std::set<std::uint64_t> m_leaving; ///< servers that answer nothing any more, but still have their port
    std::uint64_t m_serversVersion{~0ULL};
    std::uint64_t m_nextCall{1};
    std::size_t m_turn{0};
    std::size_t m_waiting{0}; ///< calls with a receiver
    bool m_hasOrphans{false}; ///< there are calls whose server is gone
    std::int64_t m_nextCheckNs{0};
    std::int64_t m_spinUntilNs{0};
    std::uint64_t m_lateAnswers{0};
    bool m_closed{false};
};

} // namespace ZeroCP
