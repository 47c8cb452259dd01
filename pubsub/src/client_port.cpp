#include "zerocp/pubsub/client_port.hpp"

#include <algorithm>
#include <thread>

namespace ZeroCP
{

namespace
{

/// While calls are under way, this often a look whether processes have died.
constexpr std::int64_t kCheckNs = 15'000'000;

} // namespace

ClientPort::ClientPort(PublisherPort& requests, SubscriberPort& responses, std::uint32_t depth)
    : m_requests(&requests),
      m_responses(&responses),
      m_id(responses.id()),
      m_depth(depth),
      m_generation(fork_guard::generation()),
      m_domain(requests.domain()),
      m_wait(responses)
{
}

Expected<ClientPort::Loaned, LoanError> ClientPort::loan(std::uint64_t bytes)
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
    return m_requests->loan(bytes).map(
        [this](const PublisherPort::LoanedChunk& chunk) {
            return Loaned{m_requests, chunk};
        });
}

bool ClientPort::owns(const PublisherPort* port) const
{
    if (isForked())
    {
        return true; // send() says what is wrong
    }
    const std::lock_guard guard(m_mutex);
    return port != nullptr && port == m_requests;
}

ClientPort::Server* ClientPort::findServer(std::uint64_t id) noexcept
{
    const auto found =
        std::find_if(m_servers.begin(), m_servers.end(), [id](const Server& server) { return server.m_id == id; });
    return found == m_servers.end() ? nullptr : &*found;
}

/// With room for a call; of several the next in turn.
ClientPort::Server* ClientPort::leastBusyServer(const std::set<std::uint64_t>& full) noexcept
{
    Server* best = nullptr;
    for (std::size_t i = 0; i < m_servers.size(); ++i)
    {
        Server& server = m_servers[(m_turn + i) % m_servers.size()];
        if (server.m_calls < m_depth && !full.contains(server.m_id) &&
            (best == nullptr || server.m_calls < best->m_calls))
        {
            best = &server;
        }
    }
    return best;
}

Expected<void, CallError> ClientPort::send(const PublisherPort::LoanedChunk& chunk, std::uint64_t bytes,
                                           std::chrono::nanoseconds timeout, std::unique_ptr<Receiver>& receiver)
{
    if (isForked())
    {
        return tl::unexpected(CallError::Forked);
    }
    Lock lock(m_mutex);
    std::set<std::uint64_t> full; // servers with shorter queues than ours
    bool cleared = false;
    while (!m_closed)
    {
        refreshServers();
        Server* server = leastBusyServer(full);
        if (server == nullptr && !m_servers.empty() && !cleared)
        {
            cleared = true;
            while (advance(lock)) // late answers and dead servers give places back
            {
            }
            continue;
        }
        if (server == nullptr)
        {
            return tl::unexpected(m_servers.empty() ? CallError::NoServer : CallError::TooManyCalls);
        }
        chunk.m_header->m_callId = m_nextCall;
        chunk.m_header->m_callPeer = m_id;
        chunk.m_header->m_callStatus = static_cast<std::uint64_t>(CallStatus::Request);
        const auto sent = m_requests->publishTo(chunk, bytes, server->m_id);
        if (!sent && sent.error() == PublishError::Timeout)
        {
            full.insert(server->m_id);
        }
        if (!sent)
        {
            continue; // if it is gone the next look tells
        }
        m_turn = static_cast<std::size_t>(server - m_servers.data()) + 1;
        ++server->m_calls;
        const std::int64_t deadline = deadlineNs(timeout);
        const std::int64_t before = nextTime();
        if (!hasWaitingCalls())
        {
            m_nextCheckNs = steadyNowNs() + kCheckNs;
        }
        m_calls.emplace(m_nextCall++, Call{server->m_id, deadline, std::move(receiver)});
        ++m_waiting;
        m_spinUntilNs = 0;
        if (nextTime() < before)
        {
            m_wait.wakeAll(); // who sleeps does so for too long
        }
        return {};
    }
    return tl::unexpected(CallError::Closed);
}

void ClientPort::refreshServers()
{
    std::vector<std::uint64_t> ids;
    if (!m_requests->directedReaders(ids, m_serversVersion))
    {
        return;
    }
    const std::vector<Server> former = std::exchange(m_servers, {});
    std::erase_if(m_leaving, [&ids](std::uint64_t id) { return std::find(ids.begin(), ids.end(), id) == ids.end(); });
    for (const std::uint64_t id : ids)
    {
        if (!m_leaving.contains(id))
        {
            const auto known =
                std::find_if(former.begin(), former.end(), [id](const Server& server) { return server.m_id == id; });
            m_servers.push_back({id, known == former.end() ? 0 : known->m_calls});
        }
    }
    m_hasOrphans = m_hasOrphans || std::any_of(former.begin(), former.end(),
                                               [this](const Server& server)
                                               { return server.m_calls != 0 && findServer(server.m_id) == nullptr; });
}

void ClientPort::loseServer(std::uint64_t id)
{
    if (findServer(id) != nullptr)
    {
        std::erase_if(m_servers, [id](const Server& server) { return server.m_id == id; });
        m_leaving.insert(id);
        m_hasOrphans = true;
    }
}

void ClientPort::settle(std::unique_ptr<Receiver> receiver, Result result)
{
    --m_waiting;
    m_spinUntilNs = 0; // more may come soon
    if (receiver->runsUserCode())
    {
        m_settled.push_back({std::move(receiver), std::move(result)});
    }
    else
    {
        receiver->receive(std::move(result));
    }
    m_wait.wakeAll();
}

/// Everything in the header was written by somebody else, and may be nonsense. True if a call was settled or ended.
bool ClientPort::accept(HeldMessage message)
{
    const ChunkHeader header = message.header();
    const auto status = static_cast<CallStatus>(header.m_callStatus);
    if (status == CallStatus::ServerGone)
    {
        loseServer(header.m_callPeer);
        return m_hasOrphans;
    }
    const auto found = m_calls.find(header.m_callId);
    if (found == m_calls.end() || found->second.m_server != header.m_callPeer ||
        (status != CallStatus::Answer && status != CallStatus::NoAnswer))
    {
        return false; // its outcome has been given, or nobody healthy wrote it
    }
    Call call = std::move(found->second);
    m_calls.erase(found);
    if (Server* server = findServer(call.m_server); server != nullptr)
    {
        --server->m_calls;
    }
    if (call.m_receiver == nullptr)
    {
        ++m_lateAnswers;
        return true;
    }
    settle(std::move(call.m_receiver),
           status == CallStatus::Answer ? Result(std::move(message)) : tl::unexpected(CallError::NoAnswer));
    return true;
}

ClientPort::Look ClientPort::takeAnswer()
{
    for (;;)
    {
        const auto taken = m_responses->take();
        if (!taken && taken.error() == TakeError::Corrupt)
        {
            continue; // was skipped
        }
        if (!taken)
        {
            return taken.error() == TakeError::TooManyHeld ? Look::Blocked : Look::Nothing;
        }
        if (accept(HeldMessage(*m_responses, *taken)))
        {
            return Look::Settled;
        }
    }
}

/// Without the lock for a moment: freeing what the dead had takes its time.
void ClientPort::checkDeaths(Lock& lock)
{
    const std::int64_t now = steadyNowNs();
    if (m_calls.empty() || now < m_nextCheckNs)
    {
        return;
    }
    m_nextCheckNs = now + kCheckNs;
    lock.unlock();
    m_domain->recoverDeadSoon();
    lock.lock();
    if (!m_closed && m_requests->dropDeadReaders())
    {
        m_serversVersion = ~0ULL; // somebody who is stopped in a control call keeps them from being recovered
    }
}

bool ClientPort::failOrphans()
{
    m_hasOrphans = false;
    bool any = false;
    for (auto at = m_calls.begin(); at != m_calls.end();)
    {
        if (findServer(at->second.m_server) != nullptr)
        {
            ++at;
            continue;
        }
        std::unique_ptr<Receiver> receiver = std::move(at->second.m_receiver);
        at = m_calls.erase(at);
        any = true;
        if (receiver != nullptr)
        {
            settle(std::move(receiver), tl::unexpected(CallError::ServerGone));
        }
    }
    return any;
}

bool ClientPort::expire()
{
    const std::int64_t now = hasWaitingCalls() ? steadyNowNs() : 0;
    bool any = false;
    for (auto at = m_calls.begin(); at != m_calls.end() && hasWaitingCalls(); ++at)
    {
        if (at->second.m_receiver != nullptr && at->second.m_deadlineNs <= now)
        {
            settle(std::move(at->second.m_receiver), tl::unexpected(CallError::Timeout));
            any = true;
        }
    }
    return any;
}

/// One step; whether something was settled.
bool ClientPort::advance(Lock& lock)
{
    checkDeaths(lock);
    if (m_closed)
    {
        return false;
    }
    Look look = takeAnswer();
    if (look == Look::Settled)
    {
        return true;
    }
    refreshServers();
    if (m_hasOrphans)
    {
        // Once more: what a server published before it was seen to be gone is in the queue now, and counts.
        look = takeAnswer();
        if (look == Look::Settled || (look == Look::Nothing && failOrphans()))
        {
            return true;
        }
    }
    return expire();
}

/// Spins for a while before the caller sleeps.
bool ClientPort::spins(Lock& lock, std::int64_t now)
{
    if (m_spinUntilNs == 0)
    {
        m_spinUntilNs = now + m_responses->spinTime().count();
    }
    if (now >= m_spinUntilNs)
    {
        return false;
    }
    lock.unlock();
    std::this_thread::yield();
    lock.lock();
    return true;
}

bool ClientPort::runOne(const std::function<void()>& before)
{
    if (isForked())
    {
        return false;
    }
    const auto self = shared_from_this(); // the callback may destroy the Client
    Lock lock(m_mutex);
    const bool advanced = m_settled.empty() && !m_closed && advance(lock);
    if (m_settled.empty())
    {
        return advanced;
    }
    Settled next = std::move(m_settled.front());
    m_settled.pop_front();
    lock.unlock();
    if (before)
    {
        before();
    }
    next.m_receiver->receive(std::move(next.m_result));
    return true;
}

/// Under the lock, not closed.
PortWork ClientPort::openWork()
{
    const PortWork work = m_responses->work();
    const bool due = m_hasOrphans || steadyNowNs() >= nextTime();
    return work == PortWork::None && due ? PortWork::Ready : work;
}

bool ClientPort::arm(PortWatch& watch)
{
    if (isForked())
    {
        return false;
    }
    const std::lock_guard guard(m_mutex);
    return !m_closed && watch.arm([this] { return openWork(); }); // a closed port's record may be another's
}

PortWork ClientPort::work()
{
    if (isForked())
    {
        return PortWork::None;
    }
    const std::lock_guard guard(m_mutex);
    if (m_closed)
    {
        return PortWork::None;
    }
    return openWork();
}

void ClientPort::attachTo(std::uint32_t waiter)
{
    if (isForked())
    {
        return;
    }
    Lock lock(m_mutex);
    if (!m_closed)
    {
        m_wait.attachTo(waiter, lock);
    }
}

std::size_t ClientPort::spinFor(std::chrono::nanoseconds timeout)
{
    std::size_t handled = 0;
    if (isForked())
    {
        return handled;
    }
    const auto self = shared_from_this();
    const std::int64_t end = deadlineNs(timeout);
    for (;;)
    {
        while (runOne())
        {
            ++handled;
        }
        Lock lock(m_mutex);
        const auto hasCallback = [this] { return !m_settled.empty(); };
        if (m_closed || (steadyNowNs() >= end && !hasCallback()))
        {
            closePorts(lock);
            return handled;
        }
        handled += !hasCallback() && advanceOrWait(lock, end, hasCallback) && !hasCallback() ? 1U : 0U;
    }
}

/// Under the lock.
std::int64_t ClientPort::nextTime() const noexcept
{
    if (!m_settled.empty())
    {
        return 0;
    }
    if (!hasWaitingCalls())
    {
        return INT64_MAX;
    }
    std::int64_t next = m_nextCheckNs;
    for (const auto& [id, call] : m_calls)
    {
        next = call.m_receiver != nullptr ? std::min(next, call.m_deadlineNs) : next;
    }
    return next;
}

std::int64_t ClientPort::nextTimeNs() const
{
    if (isForked())
    {
        return INT64_MAX;
    }
    const std::lock_guard guard(m_mutex);
    return nextTime();
}

std::size_t ClientPort::serverCount()
{
    if (isForked())
    {
        return 0;
    }
    m_domain->recoverDeadSoon(); // those who died do not count
    const std::lock_guard guard(m_mutex);
    if (m_closed)
    {
        return 0;
    }
    refreshServers();
    return m_servers.size();
}

bool ClientPort::waitForService(std::chrono::nanoseconds timeout)
{
    const std::int64_t end = deadlineNs(timeout);
    while (!isForked())
    {
        const std::uint64_t seen = m_domain->graphVersion();
        if (serverCount() != 0)
        {
            return true;
        }
        const std::int64_t now = steadyNowNs();
        if (now >= end)
        {
            return false;
        }
        static_cast<void>(m_domain->waitForGraphChange(
            seen, std::min<std::chrono::nanoseconds>(std::chrono::nanoseconds(end - now), notifier::kSlice)));
    }
    return false;
}

std::size_t ClientPort::outstanding() const
{
    if (isForked())
    {
        return 0;
    }
    const std::lock_guard guard(m_mutex);
    return m_waiting;
}

std::uint64_t ClientPort::lateAnswers() const
{
    if (isForked())
    {
        return 0;
    }
    const std::lock_guard guard(m_mutex);
    return m_lateAnswers;
}

void ClientPort::close() noexcept
{
    if (isForked())
    {
        return; // the parent's
    }
    std::map<std::uint64_t, Call> calls; // callbacks, and what they captured, go when nobody holds the lock
    std::deque<Settled> settled;
    Lock lock(m_mutex);
    if (m_closed)
    {
        return;
    }
    m_closed = true;
    calls.swap(m_calls);
    settled.swap(m_settled);
    m_waiting = 0;
    for (auto& [id, call] : calls)
    {
        if (call.m_receiver != nullptr && !call.m_receiver->runsUserCode())
        {
            call.m_receiver->receive(tl::unexpected(CallError::Closed));
        }
    }
    m_wait.wakeAll();
    closePorts(lock);
}

/// Gives up the lock: leaving takes its time, and others ask us. Requests first: no server takes a call whose answer nobody
/// waits for.
void ClientPort::closePorts(Lock& lock) noexcept
{
    if (m_closed && m_requests != nullptr && !m_wait.hasSleeper())
    {
        PublisherPort* requests = std::exchange(m_requests, nullptr);
        SubscriberPort* responses = std::exchange(m_responses, nullptr);
        lock.unlock();
        requests->close();
        responses->close();
    }
}

} // namespace ZeroCP
