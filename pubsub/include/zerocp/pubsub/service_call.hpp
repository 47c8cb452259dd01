/// One request that waits for its answer. Move-only; may be kept and answered later, by any thread that owns it. Dropped
/// unanswered it gives the caller NoAnswer. Keeps what it needs alive.
#pragma once

#include <cstddef>
#include <cstring>
#include <limits>
#include <memory>
#include <span>
#include <utility>

#include "zerocp/pubsub/loan.hpp"
#include "zerocp/pubsub/message_info.hpp"
#include "zerocp/pubsub/sample.hpp"
#include "zerocp/pubsub/service_port.hpp"

namespace ZeroCP
{

template <typename Request, typename Response>
class [[nodiscard]] ServiceCall
{
    using Asked = typename MessageTraits<Request>::Element;
    using Element = typename MessageTraits<Response>::Element;
    static constexpr bool kAsksSlice = MessageTraits<Request>::kIsSlice;
    static constexpr bool kIsSlice = MessageTraits<Response>::kIsSlice;

  public:
    ServiceCall() noexcept = default; ///< empty: every call answers Closed
    ServiceCall(std::shared_ptr<ServicePort> port, HeldMessage message, const ServicePort::Ticket& ticket) noexcept
        : m_port(std::move(port)), m_ticket(ticket)
    {
        const SubscriberPort::HeldChunk held = message.chunk();
        m_request = Sample<Request>(message.detach(), held);
    }
    ServiceCall(const ServiceCall&) = delete;
    ServiceCall& operator=(const ServiceCall&) = delete;
    ServiceCall(ServiceCall&& other) noexcept = default;
    ServiceCall& operator=(ServiceCall&& other) noexcept
    {
        ServiceCall old(std::move(other));
        std::swap(m_port, old.m_port);
        std::swap(m_ticket, old.m_ticket);
        std::swap(m_request, old.m_request);
        std::swap(m_loan, old.m_loan);
        return *this;
    }
    ~ServiceCall() { refuse(); }

    /// Whether it waits for an answer; false after a move, answer() and refuse().
    [[nodiscard]] explicit operator bool() const noexcept { return m_port != nullptr; }

    /// What was asked, in place, until the answer. A slice gives a span. Not of an empty call.
    [[nodiscard]] const Asked& request() const noexcept requires(!kAsksSlice) { return *m_request.get(); }
    [[nodiscard]] std::span<const Asked> request() const noexcept requires kAsksSlice { return m_request.get(); }
    [[nodiscard]] MessageInfo info() const noexcept { return m_request.info(); }

    /// The answer's memory, uninitialised, to be written in place; asked again it is the same (slices: another of `count`
    /// elements, the first is dropped). Belongs to the call. Errors as of Publisher::loan().
    [[nodiscard]] Expected<Element*, LoanError> loan() requires(!kIsSlice)
    {
        auto loaned = m_loan ? Expected<void, LoanError>() : loanBytes(sizeof(Element), 1);
        return loaned.map([this] { return m_loan.get(); });
    }
    [[nodiscard]] Expected<std::span<Element>, LoanError> loan(std::size_t count) requires kIsSlice
    {
        if (count >= std::numeric_limits<std::size_t>::max() / sizeof(Element))
        {
            return tl::unexpected(LoanError::PayloadTooLarge);
        }
        return loanBytes(count * sizeof(Element), count).map([this] { return m_loan.get(); });
    }

    /// Sends what was loaned to the caller; the request is released. The call is over, also on error, in which the answer is
    /// dropped: NoSubscriber (the caller is gone), Timeout (its queue is full, which a healthy client's never is), Closed
    /// (the Service was destroyed, or the call is empty), Forked. Only after NoChunk (nothing was loaned) it is not.
    Expected<void, PublishError> answer()
    {
        if (m_port == nullptr)
        {
            return tl::unexpected(PublishError::Closed);
        }
        if (!m_loan)
        {
            return tl::unexpected(PublishError::NoChunk);
        }
        m_request = {};
        const auto port = std::exchange(m_port, nullptr);
        auto sent = port->answer(m_ticket, m_loan.m_chunk, m_loan.m_count.value() * sizeof(Element));
        if (sent)
        {
            m_loan.m_port = nullptr;
        }
        m_loan = {};
        return sent;
    }

    /// loan(), copy, answer(). For small answers and convenience.
    Expected<void, PublishError> answer(const Element& response) requires(!kIsSlice)
    {
        return answerBytes(m_loan ? Expected<void, LoanError>() : loanBytes(sizeof response, 1), &response);
    }
    Expected<void, PublishError> answer(std::span<const Element> elements) requires kIsSlice
    {
        return answerBytes(loanBytes(elements.size_bytes(), elements.size()), elements.data());
    }

    /// Tells the caller that there is no answer. What the destructor does.
    void refuse() noexcept
    {
        m_request = {};
        m_loan = {};
        if (const auto port = std::exchange(m_port, nullptr); port != nullptr)
        {
            port->refuse(m_ticket);
        }
    }

  private:
    [[nodiscard]] Expected<void, LoanError> loanBytes(std::uint64_t bytes, std::size_t count)
    {
        m_loan = {};
        if (m_port == nullptr)
        {
            return tl::unexpected(LoanError::Closed);
        }
        const auto loaned = m_port->loan(bytes);
        if (!loaned)
        {
            return tl::unexpected(loaned.error());
        }
        m_loan = Loan<Response>(*loaned->m_port, loaned->m_chunk, count);
        return {};
    }
    [[nodiscard]] Expected<void, PublishError> answerBytes(const Expected<void, LoanError>& loaned, const void* source)
    {
        if (!loaned && loaned.error() == LoanError::Closed)
        {
            refuse(); // over: nobody waits for it any more
        }
        if (loaned && m_loan.m_count.value() != 0)
        {
            std::memcpy(m_loan.data(), source, m_loan.m_count.value() * sizeof(Element));
        }
        return answer(); // without a loan: NoChunk
    }

    std::shared_ptr<ServicePort> m_port; ///< null: over
    ServicePort::Ticket m_ticket{};
    Sample<Request> m_request;
    Loan<Response> m_loan;
};

} // namespace ZeroCP
