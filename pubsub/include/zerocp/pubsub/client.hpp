/// Calls one service. Move-only handle. Any thread may call; answers are brought by whoever is in call(), spinFor() or
/// runOne(), or by an executor: a future becomes ready only while somebody is.
///
/// Every call that was sent has exactly one outcome: its answer, or an error. Answers are read in place, like every Sample,
/// and may outlive the client.
#pragma once

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstring>
#include <future>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>

#include "zerocp/pubsub/call_error.hpp"
#include "zerocp/pubsub/client_port.hpp"
#include "zerocp/pubsub/client_task.hpp"
#include "zerocp/pubsub/loan.hpp"
#include "zerocp/pubsub/sample.hpp"

namespace ZeroCP
{

template <typename Request, typename Response>
class [[nodiscard]] Client
{
    using Element = typename MessageTraits<Request>::Element;
    static constexpr bool kIsSlice = MessageTraits<Request>::kIsSlice;

  public:
    using Answer = Expected<Sample<Response>, CallError>;
    using Future = std::future<Answer>;

    Client() noexcept = default; ///< empty: every call answers Closed
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;
    Client(Client&& other) noexcept = default;
    Client& operator=(Client&& other) noexcept
    {
        Client old(std::move(other));
        std::swap(m_port, old.m_port);
        std::swap(m_task, old.m_task);
        return *this;
    }
    /// Futures and call()s that wait get Closed; callbacks that have not run never do. May be called from a callback; one
    /// that an executor runs on another thread is waited for. Control call.
    ~Client()
    {
        if (m_port != nullptr)
        {
            m_port->close();
        }
        if (m_task != nullptr)
        {
            m_task->close();
        }
    }

    /// Uninitialised memory for one request, to be written in place. As Publisher::loan().
    [[nodiscard]] Expected<Loan<Request>, LoanError> loan() requires(!kIsSlice)
    {
        return loanBytes(sizeof(Element), 1);
    }
    [[nodiscard]] Expected<Loan<Request>, LoanError> loan(std::size_t count) requires kIsSlice
    {
        if (count >= std::numeric_limits<std::size_t>::max() / sizeof(Element))
        {
            return tl::unexpected(LoanError::PayloadTooLarge);
        }
        return loanBytes(count * sizeof(Element), count);
    }

    /// Sends the request to the server with the fewest calls of this client and waits for the answer, at most `timeout`
    /// (negative: for ever). Settles other calls meanwhile, but runs no callback. On NoServer, TooManyCalls and NoChunk the
    /// loan is untouched.
    [[nodiscard]] Answer call(Loan<Request>&& request, std::chrono::nanoseconds timeout)
    {
        std::optional<ClientPort::Result> result;
        if (auto sent = send(request, timeout, std::make_unique<Slot>(result)); !sent)
        {
            return tl::unexpected(sent.error());
        }
        const std::shared_ptr<ClientPort> port = m_port;
        port->runUntil([&result] { return result.has_value(); });
        return result ? answerOf(std::move(*result)) : tl::unexpected(CallError::Closed);
    }
    /// loan(), copy, call(). NoChunk if the loan fails.
    [[nodiscard]] Answer call(const Element& request, std::chrono::nanoseconds timeout) requires(!kIsSlice)
    {
        auto loan = copyOf(&request, 1);
        return loan ? call(std::move(*loan), timeout) : tl::unexpected(loan.error());
    }
    [[nodiscard]] Answer call(std::span<const Element> request, std::chrono::nanoseconds timeout) requires kIsSlice
    {
        auto loan = copyOf(request.data(), request.size());
        return loan ? call(std::move(*loan), timeout) : tl::unexpected(loan.error());
    }

    /// Sends the request; the future has the outcome as soon as somebody brings it. It is ready at once with an error if
    /// nothing was sent; the loan is untouched then.
    [[nodiscard]] Future asyncCall(Loan<Request>&& request, std::chrono::nanoseconds timeout)
    {
        auto receiver = std::make_unique<Promise>();
        Future future = receiver->m_promise.get_future();
        auto sent = send(request, timeout, std::move(receiver));
        return sent ? std::move(future) : failed(sent.error());
    }
    [[nodiscard]] Future asyncCall(const Element& request, std::chrono::nanoseconds timeout) requires(!kIsSlice)
    {
        auto loan = copyOf(&request, 1);
        return loan ? asyncCall(std::move(*loan), timeout) : failed(loan.error());
    }
    [[nodiscard]] Future asyncCall(std::span<const Element> request, std::chrono::nanoseconds timeout) requires kIsSlice
    {
        auto loan = copyOf(request.data(), request.size());
        return loan ? asyncCall(std::move(*loan), timeout) : failed(loan.error());
    }

    /// Sends the request; `callback(Expected<Sample<Response>, CallError>)` runs once, in runOne() or spinFor() or on an
    /// executor. On error nothing was sent, the callback never runs and the loan is untouched.
    template <std::invocable<Answer> Callback>
    Expected<void, CallError> asyncCall(Loan<Request>&& request, std::chrono::nanoseconds timeout, Callback callback)
    {
        return send(request, timeout, std::make_unique<Run<Callback>>(std::move(callback)));
    }
    template <std::invocable<Answer> Callback>
    Expected<void, CallError> asyncCall(const Element& request, std::chrono::nanoseconds timeout,
                                        Callback callback) requires(!kIsSlice)
    {
        auto loan = copyOf(&request, 1);
        return loan ? asyncCall(std::move(*loan), timeout, std::move(callback)) : tl::unexpected(loan.error());
    }
    template <std::invocable<Answer> Callback>
    Expected<void, CallError> asyncCall(std::span<const Element> request, std::chrono::nanoseconds timeout,
                                        Callback callback) requires kIsSlice
    {
        auto loan = copyOf(request.data(), request.size());
        return loan ? asyncCall(std::move(*loan), timeout, std::move(callback)) : tl::unexpected(loan.error());
    }

    /// Waits until there is a server, at most `timeout` (negative: for ever). False if there is none.
    [[nodiscard]] bool waitForService(std::chrono::nanoseconds timeout)
    {
        return m_port != nullptr && m_port->waitForService(timeout);
    }
    [[nodiscard]] std::size_t serverCount() { return m_port == nullptr ? 0 : m_port->serverCount(); }
    /// Calls that have no outcome yet.
    [[nodiscard]] std::size_t outstanding() const { return m_port == nullptr ? 0 : m_port->outstanding(); }
    /// Answers that came after their call had timed out; they were dropped.
    [[nodiscard]] std::uint64_t lateAnswers() const { return m_port == nullptr ? 0 : m_port->lateAnswers(); }

    /// Settles one call, and runs at most one callback. False if there was nothing to do.
    bool runOne() { return m_port != nullptr && std::shared_ptr<ClientPort>(m_port)->runOne(); }
    /// Settles calls and runs callbacks until `timeout` has passed (negative: for ever) or the client is destroyed; sleeps
    /// in between. How often there was something to do.
    std::size_t spinFor(std::chrono::nanoseconds timeout)
    {
        return m_port == nullptr ? 0 : std::shared_ptr<ClientPort>(m_port)->spinFor(timeout);
    }

    /// For executors, which hold it weakly; null when empty.
    [[nodiscard]] const std::shared_ptr<ClientPort>& port() const noexcept { return m_port; }

  private:
    friend class Node;

    [[nodiscard]] static Answer answerOf(ClientPort::Result result)
    {
        if (!result)
        {
            return tl::unexpected(result.error());
        }
        const SubscriberPort::HeldChunk held = result->chunk();
        return Sample<Response>(result->detach(), held);
    }

    /// On the stack of call().
    struct Slot final : ClientPort::Receiver
    {
        explicit Slot(std::optional<ClientPort::Result>& result) noexcept : Receiver(false), m_result(result) {}
        void receive(ClientPort::Result result) override { m_result.emplace(std::move(result)); }
        std::optional<ClientPort::Result>& m_result;
    };
    struct Promise final : ClientPort::Receiver
    {
        Promise() : Receiver(false) {}
        void receive(ClientPort::Result result) override { m_promise.set_value(answerOf(std::move(result))); }
        std::promise<Answer> m_promise;
    };
    template <typename Callback>
    struct Run final : ClientPort::Receiver
    {
        explicit Run(Callback callback) : Receiver(true), m_callback(std::move(callback)) {}
        void receive(ClientPort::Result result) override { m_callback(answerOf(std::move(result))); }
        Callback m_callback;
    };

    explicit Client(std::shared_ptr<ClientPort> port, std::shared_ptr<Task> task) noexcept
        : m_port(std::move(port)), m_task(std::move(task))
    {
    }

    [[nodiscard]] static Future failed(CallError error)
    {
        std::promise<Answer> promise;
        promise.set_value(tl::unexpected(error));
        return promise.get_future();
    }

    [[nodiscard]] Expected<Loan<Request>, LoanError> loanBytes(std::uint64_t bytes, std::size_t count)
    {
        if (m_port == nullptr)
        {
            return tl::unexpected(LoanError::Closed);
        }
        const auto loaned = m_port->loan(bytes);
        if (!loaned)
        {
            return tl::unexpected(loaned.error());
        }
        return Loan<Request>(*loaned->m_port, loaned->m_chunk, count);
    }

    [[nodiscard]] Expected<Loan<Request>, CallError> copyOf(const Element* elements, std::size_t count)
    {
        auto loan = loanBytes(count * sizeof(Element), count);
        if (!loan)
        {
            switch (loan.error())
            {
            case LoanError::Closed: return tl::unexpected(CallError::Closed);
            case LoanError::Forked: return tl::unexpected(CallError::Forked);
            default: return tl::unexpected(CallError::NoChunk);
            }
        }
        if (count != 0)
        {
            std::memcpy(loan->data(), elements, count * sizeof(Element));
        }
        return std::move(*loan);
    }

    [[nodiscard]] Expected<void, CallError> send(Loan<Request>& request, std::chrono::nanoseconds timeout,
                                                 std::unique_ptr<ClientPort::Receiver> receiver)
    {
        if (m_port == nullptr)
        {
            return tl::unexpected(CallError::Closed);
        }
        if (!m_port->owns(request.m_port))
        {
            return tl::unexpected(CallError::NoChunk);
        }
        auto sent = m_port->send(request.m_chunk, request.m_count.value() * sizeof(Element), timeout, receiver);
        if (sent)
        {
            request.m_port = nullptr;
        }
        return sent;
    }

    std::shared_ptr<ClientPort> m_port;
    std::shared_ptr<Task> m_task; ///< the same in an executor
};

} // namespace ZeroCP
