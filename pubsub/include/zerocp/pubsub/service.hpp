/// Answers requests of one service. Move-only handle. Its callback runs on the threads that drive it: runOne(), spinFor()
/// or an executor.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <type_traits>
#include <utility>

#include "zerocp/pubsub/service_call.hpp"
#include "zerocp/pubsub/service_port.hpp"
#include "zerocp/pubsub/service_task.hpp"

namespace ZeroCP
{

template <typename Request, typename Response>
class [[nodiscard]] Service
{
  public:
    Service() noexcept = default; ///< empty: does nothing
    Service(const Service&) = delete;
    Service& operator=(const Service&) = delete;
    Service(Service&& other) noexcept = default;
    Service& operator=(Service&& other) noexcept
    {
        Service old(std::move(other));
        std::swap(m_port, old.m_port);
        std::swap(m_task, old.m_task);
        return *this;
    }
    /// Leaves: calls that are under way end with ServerGone at their clients, kept ServiceCalls answer Closed. May be called
    /// from the callback; one that an executor runs on another thread is waited for, one in another spinFor() is not. Control
    /// call.
    ~Service()
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

    /// Handles one request if there is one. See ServicePort.
    bool runOne() { return m_port != nullptr && std::shared_ptr<ServicePort>(m_port)->runOne(); }
    /// Handles requests until `timeout` has passed (negative: for ever) or the service is destroyed; sleeps in between. How
    /// many it has handled.
    std::size_t spinFor(std::chrono::nanoseconds timeout)
    {
        return m_port == nullptr ? 0 : std::shared_ptr<ServicePort>(m_port)->spinFor(timeout);
    }

    /// For executors, which hold it weakly; null when empty.
    [[nodiscard]] const std::shared_ptr<ServicePort>& port() const noexcept { return m_port; }

  private:
    friend class Node;

    explicit Service(std::shared_ptr<ServicePort> port, std::shared_ptr<Task> task) noexcept
        : m_port(std::move(port)), m_task(std::move(task))
    {
    }

    /// `callback(ServiceCall<Request, Response>)`, or `callback(const Request&, Response&)` for types of fixed size, which
    /// answers when it returns. The Response is uninitialised.
    template <typename Callback>
    [[nodiscard]] static ServicePort::Handler handlerOf(Callback callback)
    {
        using Call = ServiceCall<Request, Response>;
        // Shared, since std::function copies: a callback may own what can only be moved.
        auto shared = std::make_shared<Callback>(std::move(callback));
        return
            [shared](const std::shared_ptr<ServicePort>& port, HeldMessage message, const ServicePort::Ticket& ticket)
        {
            Call call(port, std::move(message), ticket);
            if constexpr (std::is_invocable_v<Callback&, Call>)
            {
                (*shared)(std::move(call));
            }
            else
            {
                static_assert(std::is_invocable_v<Callback&, const Request&, Response&>,
                              "a service's callback takes a ServiceCall, or a request and a response of fixed size");
                if (const auto response = call.loan())
                {
                    (*shared)(call.request(), **response);
                    static_cast<void>(call.answer()); // dropped if the caller is gone
                }
            }
        };
    }

    std::shared_ptr<ServicePort> m_port;
    std::shared_ptr<Task> m_task; ///< the same in an executor
};

} // namespace ZeroCP
