#include "zerocp/pubsub/service_port.hpp"

#include <algorithm>
#include <thread>

namespace ZeroCP
{

ServicePort::ServicePort(SubscriberPort& requests, PublisherPort& responses, std::uint64_t answerBytes, Handler handler)
    : m_requests(&requests),
      m_responses(&responses),
      m_id(requests.id()),
      m_answerBytes(answerBytes),
      m_generation(fork_guard::generation()),
      m_domain(responses.domain()),
      m_handler(std::make_shared<const Handler>(std::move(handler))),
      m_wait(requests)
{
}

/// Under the lock.
std::optional<ServicePort::Request> ServicePort::next()
{
    while (!m_closed)
    {
        const auto taken = m_requests->take();
        if (!taken && taken.error() == TakeError::Corrupt)
        {
            continue; // was skipped
        }
        if (!taken)
        {
            return std::nullopt;
        }
        ++m_open;
        const ChunkHeader& header = *taken->m_header;
        return Request{HeldMessage(*m_requests, *taken), Ticket{header.m_callId, header.m_callPeer}, m_handler};
    }
    return std::nullopt;
}

void ServicePort::handle(Request request)
{
    (*request.m_handler)(shared_from_this(), std::move(request.m_message), request.m_ticket);
}

bool ServicePort::runOne(const std::function<void()>& before)
{
    if (isForked())
    {
        return false;
    }
    const auto self = shared_from_this(); // the handler may destroy the Service
    std::unique_lock lock(m_mutex);
    auto request = next();
    lock.unlock();
    if (request)
    {
        if (before)
        {
            before();
        }
        handle(std::move(*request));
    }
    return request.has_value();
}

PortWork ServicePort::work()
{
    if (isForked())
    {
        return PortWork::None;
    }
    const std::lock_guard guard(m_mutex);
    return m_closed ? PortWork::None : m_requests->work();
}

bool ServicePort::arm(PortWatch& watch)
{
    if (isForked())
    {
        return false;
    }
    const std::lock_guard guard(m_mutex);
    return !m_closed && watch.arm([this] { return m_requests->work(); }); // a closed port's record may be another's
}

void ServicePort::attachTo(std::uint32_t waiter)
{
    if (isForked())
    {
        return;
    }
    std::unique_lock lock(m_mutex);
    if (!m_closed)
    {
        m_wait.attachTo(waiter, lock);
    }
}

std::size_t ServicePort::spinFor(std::chrono::nanoseconds timeout)
{
    std::size_t handled = 0;
    if (isForked())
    {
        return handled;
    }
    const auto self = shared_from_this();
    const std::int64_t end = deadlineNs(timeout);
    std::int64_t spinUntil = 0;
    std::unique_lock lock(m_mutex);
    while (!m_closed)
    {
        auto request = next();
        const std::int64_t now = steadyNowNs();
        if (!request && now >= end)
        {
            break;
        }
        if (!request && spinUntil == 0)
        {
            spinUntil = now + m_requests->spinTime().count();
        }
        if (!request && now < spinUntil)
        {
            lock.unlock();
            std::this_thread::yield();
            lock.lock();
            continue;
        }
        if (!request)
        {
            m_wait.sleep(lock, std::chrono::nanoseconds(end - now),
                         [&]
                         {
                             request = next();
                             return request.has_value() || m_closed;
                         });
        }
        if (request)
        {
            lock.unlock();
            handle(std::move(*request));
            ++handled;
            spinUntil = 0;
            lock.lock();
        }
    }
    closePorts(lock);
    if (lock.owns_lock())
    {
        lock.unlock();
    }
    m_domain->recoverDeadSoon(); // clients that died give their places back
    return handled;
}

Expected<ServicePort::Loaned, LoanError> ServicePort::loan(std::uint64_t bytes)
{
    if (isForked())
    {
        return tl::unexpected(LoanError::Forked);
    }
    const std::lock_guard guard(m_mutex);
    if (m_closed)
    {
        return tl::unexpected(LoanError::Closed);
    }
    return m_responses->loan(bytes).map(
        [this](const PublisherPort::LoanedChunk& chunk) {
            return Loaned{m_responses, chunk};
        });
}

void ServicePort::stamp(const PublisherPort::LoanedChunk& chunk, const Ticket& ticket, CallStatus status) noexcept
{
    chunk.m_header->m_callId = ticket.m_call;
    chunk.m_header->m_callPeer = m_id;
    chunk.m_header->m_callStatus = static_cast<std::uint64_t>(status);
}

/// Under the lock.
Expected<void, PublishError> ServicePort::send(const Ticket& ticket, CallStatus status,
                                               const PublisherPort::LoanedChunk& chunk, std::uint64_t bytes)
{
    stamp(chunk, ticket, status);
    const auto sent = m_responses->publishTo(chunk, bytes, ticket.m_client);
    return sent ? Expected<void, PublishError>() : tl::unexpected(sent.error());
}

Expected<void, PublishError> ServicePort::answer(const Ticket& ticket, const PublisherPort::LoanedChunk& chunk,
                                                 std::uint64_t bytes)
{
    if (isForked())
    {
        return tl::unexpected(PublishError::Forked);
    }
    const std::lock_guard guard(m_mutex);
    --m_open;
    if (m_closed)
    {
        return tl::unexpected(PublishError::Closed);
    }
    m_wait.wakeAll(); // there may be requests that waited for this place
    return send(ticket, CallStatus::Answer, chunk, bytes);
}

void ServicePort::refuse(const Ticket& ticket) noexcept
{
    if (isForked())
    {
        return;
    }
    const std::lock_guard guard(m_mutex);
    --m_open;
    if (m_closed)
    {
        return;
    }
    m_wait.wakeAll(); // as above
    const auto chunk = m_responses->loan(m_answerBytes);
    if (chunk && !send(ticket, CallStatus::NoAnswer, *chunk, m_answerBytes)) // without a chunk the call times out
    {
        m_responses->dropLoan(*chunk);
    }
}

bool ServicePort::isClosed() const
{
    if (isForked())
    {
        return true;
    }
    const std::lock_guard guard(m_mutex);
    return m_closed;
}

void ServicePort::close() noexcept
{
    if (isForked())
    {
        return; // the parent's
    }
    std::shared_ptr<const Handler> handler; // what it captured goes when nobody holds the lock
    std::unique_lock lock(m_mutex);
    if (m_closed)
    {
        return;
    }
    m_closed = true;
    handler.swap(m_handler);
    if (m_open != 0)
    {
        sayGone();
    }
    m_wait.wakeAll();
    closePorts(lock);
}

/// Kept calls keep the request port, from whose end clients would learn that nobody answers any more: so they are told.
/// Every client's queue has one place more than it may have calls.
void ServicePort::sayGone() noexcept
{
    m_requests->retreat();
    const auto chunk = m_responses->loan(m_answerBytes);
    if (!chunk)
    {
        return; // then they learn it when the calls go, or time out
    }
    stamp(*chunk, Ticket{}, CallStatus::ServerGone);
    if (!m_responses->publish(*chunk, m_answerBytes))
    {
        m_responses->dropLoan(*chunk);
    }
}

/// Gives up the lock: leaving takes its time, and others ask us. Requests first: a client that sees the answers' port end
/// finds nobody to ask any more.
void ServicePort::closePorts(std::unique_lock<std::mutex>& lock) noexcept
{
    if (m_closed && m_requests != nullptr && !m_wait.hasSleeper())
    {
        SubscriberPort* requests = std::exchange(m_requests, nullptr);
        PublisherPort* responses = std::exchange(m_responses, nullptr);
        lock.unlock();
        requests->close();
        responses->close();
    }
}

} // namespace ZeroCP
