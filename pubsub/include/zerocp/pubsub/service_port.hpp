/// The untyped server: takes requests, hands them to a handler, sends each answer to the client that asked. Service<> and
/// ServiceCall<> only cast.
///
/// Kept by shared_ptr: the Service handle, every unanswered call and, weakly, whoever drives it. Any thread; a mutex guards
/// the two ports, and is never held while the handler runs or a thread sleeps.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>

#include "zerocp/pubsub/held_message.hpp"
#include "zerocp/pubsub/port_wait.hpp"
#include "zerocp/pubsub/publisher_port.hpp"
#include "zerocp/pubsub/subscriber_port.hpp"

namespace ZeroCP
{

struct ServiceOptions
{
    /// Requests of one client that can wait; a client with more calls than that under way gets TooManyCalls.
    std::uint32_t depth{16};
    /// Calls that may be kept to be answered later; more requests wait in their queues meanwhile.
    std::uint32_t maxOpen{16};
};

class ServicePort : public std::enable_shared_from_this<ServicePort>
{
  public:
    /// Where an answer goes. Read from a request, so possibly nonsense: then nobody gets it.
    struct Ticket
    {
        std::uint64_t m_call{0};
        std::uint64_t m_client{0}; ///< endpoint id of its response subscriber
    };
    using Handler = std::function<void(const std::shared_ptr<ServicePort>&, HeldMessage, const Ticket&)>;

    /// Owns the ports from now on. `answerBytes`: of an answer that says nothing; 0 for slices.
    ServicePort(SubscriberPort& requests, PublisherPort& responses, std::uint64_t answerBytes, Handler handler);
    ServicePort(const ServicePort&) = delete;
    ServicePort& operator=(const ServicePort&) = delete;
    ~ServicePort() { close(); }

    /// Handles one request on the calling thread. False if there is none, maxOpen calls are kept, or the service was
    /// closed. Several threads may call it; then the handler runs on several threads.
    /// `before` is called when there is a request, before the handler.
    bool runOne(const std::function<void()>& before = {});

    /// runOne() until `timeout` has passed (negative: for ever) or the service is closed, asleep in between. How many
    /// requests it has handled.
    std::size_t spinFor(std::chrono::nanoseconds timeout);

    /// Whether runOne() has something to do. Any thread.
    [[nodiscard]] PortWork work();
    /// PortWatch::arm() with it, while the port is this service's.
    [[nodiscard]] bool arm(PortWatch& watch);
    /// Requests wake waiter number `waiter` from now on; 0: who is in spinFor().
    void attachTo(std::uint32_t waiter);

    /// The port whose data makes runOne() do something. Until close().
    [[nodiscard]] SubscriberPort& subscriberPort() const noexcept { return *m_requests; }

    // What becomes of a call. Each ticket that the handler got is given to answer() or refuse() once.
    struct Loaned
    {
        PublisherPort* m_port;
        PublisherPort::LoanedChunk m_chunk;
    };
    [[nodiscard]] Expected<Loaned, LoanError> loan(std::uint64_t bytes);
    /// NoSubscriber if the client is gone, Timeout if it has more calls under way than it may: the answer is dropped;
    /// Closed, Forked. On error the loan is untouched.
    [[nodiscard]] Expected<void, PublishError> answer(const Ticket& ticket, const PublisherPort::LoanedChunk& chunk,
                                                      std::uint64_t bytes);
    /// There will be no answer; the client is told.
    void refuse(const Ticket& ticket) noexcept;

    /// The Service is gone: no handler starts any more, and every unanswered call ends with ServerGone.
    void close() noexcept;

    [[nodiscard]] bool isClosed() const;

  private:
    struct Request
    {
        HeldMessage m_message;
        Ticket m_ticket;
        std::shared_ptr<const Handler> m_handler;
    };

    [[nodiscard]] std::optional<Request> next();
    void handle(Request request);
    Expected<void, PublishError> send(const Ticket& ticket, CallStatus status, const PublisherPort::LoanedChunk& chunk,
                                      std::uint64_t bytes);
    void stamp(const PublisherPort::LoanedChunk& chunk, const Ticket& ticket, CallStatus status) noexcept;
    void sayGone() noexcept;
    void closePorts(std::unique_lock<std::mutex>& lock) noexcept;
    [[nodiscard]] bool isForked() const noexcept { return m_generation != fork_guard::generation(); }

    mutable std::mutex m_mutex;
    SubscriberPort* m_requests;
    PublisherPort* m_responses;
    const std::uint64_t m_id; ///< of m_requests: how clients know this server
    const std::uint64_t m_answerBytes;
    const std::uint64_t m_generation;
    std::shared_ptr<Domain> m_domain;
    std::shared_ptr<const Handler> m_handler; ///< shared with those who run it: it may close the service
    PortWait m_wait;
    std::uint32_t m_open{0}; ///< calls whose ticket is out
    bool m_closed{false};
};

} // namespace ZeroCP
