#include "zerocp/pubsub/wait_set.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include "subscriber_waitable.hpp"
#include "zerocp/pubsub/wake_descriptor.hpp"

namespace ZeroCP
{

namespace
{

class TimerWaitable final : public Waitable
{
  public:
    explicit TimerWaitable(std::shared_ptr<TimerCore> core) noexcept : m_core(std::move(core)) {}

    bool attach(const std::shared_ptr<Waiter>& waiter) override
    {
        if (m_core->link().isSet())
        {
            return false;
        }
        m_core->link().set(waiter);
        return true;
    }
    void detach() noexcept override { m_core->link().set(nullptr); }
    bool isGone() const noexcept override { return m_core.use_count() == 1; }
    bool poll() override { return m_core->nextNs() != Waiter::kNever && m_core->fire(Waiter::now()); }
    std::int64_t nextNs() noexcept override { return m_core->nextNs(); }

  private:
    std::shared_ptr<TimerCore> m_core;
};

template <typename Core>
class EventWaitable final : public Waitable
{
  public:
    explicit EventWaitable(std::shared_ptr<Core> core) noexcept : m_core(std::move(core)) {}

    bool attach(const std::shared_ptr<Waiter>& waiter) override
    {
        if (m_core->m_link.isSet())
        {
            return false;
        }
        m_core->m_link.set(waiter);
        return true;
    }
    void detach() noexcept override { m_core->m_link.set(nullptr); }
    /// Who had the last handle may have triggered it before he went.
    bool isGone() const noexcept override
    {
        return m_core.use_count() == 1 && !m_core->m_triggered.load(std::memory_order_relaxed);
    }
    // [sync:user-event] Acquire. Partner: UserEvent::trigger().
    bool poll() override
    {
        return m_core->m_triggered.load(std::memory_order_relaxed) &&
               m_core->m_triggered.exchange(false, std::memory_order_acquire);
    }

  private:
    std::shared_ptr<Core> m_core;
};

/// A publisher's events come by the clock, so nobody wakes for them.
class PublisherWaitable final : public Waitable
{
  public:
    explicit PublisherWaitable(PublisherPort& port) noexcept : m_port(port), m_books(port.books()) {}

    bool attach(const std::shared_ptr<Waiter>&) override { return true; }
    void detach() noexcept override {}
    bool isGone() const noexcept override { return m_books->isClosed(); }
    bool poll() override { return m_port.newEvents() != 0; }
    std::int64_t nextNs() noexcept override { return m_port.nextEventNs(); }

  private:
    PublisherPort& m_port; ///< as long as the books are not closed
    std::shared_ptr<const PublisherBooks> m_books;
};

class GraphWaitable final : public Waitable
{
  public:
    explicit GraphWaitable(const Domain& domain) noexcept : m_domain(domain) {}

    bool attach(const std::shared_ptr<Waiter>& waiter) override
    {
        waiter->wantGraph();
        m_seen = m_domain.graphVersion();
        return true;
    }
    void detach() noexcept override {}
    bool poll() override
    {
        const std::uint64_t now = m_domain.graphVersion();
        return std::exchange(m_seen, now) != now;
    }

  private:
    const Domain& m_domain; ///< the waiter's
    std::uint64_t m_seen{0};
};

} // namespace

class WaitSet::Members
{
  public:
    explicit Members(std::shared_ptr<Waiter> waiter) noexcept : m_waiter(std::move(waiter)) {}
    Members(const Members&) = delete;
    Members& operator=(const Members&) = delete;
    ~Members()
    {
        for (const Member& member : m_all) // a forked child's do nothing
        {
            member.m_what->detach();
        }
    }

    [[nodiscard]] const std::shared_ptr<Waiter>& waiter() const noexcept { return m_waiter; }

    void add(std::unique_ptr<Waitable> what, std::uint64_t id)
    {
        m_all.push_back({std::move(what), id});
        m_ready.reserve(m_all.size());
        if (m_descriptor != nullptr)
        {
            m_descriptor->ring(); // it has not been looked at yet
        }
    }
    void remove(std::uint64_t id)
    {
        std::erase_if(m_all,
                      [id](const Member& member)
                      {
                          if (member.m_id == id)
                          {
                              member.m_what->detach();
                          }
                          return member.m_id == id;
                      });
    }

    std::span<const std::uint64_t> wait(std::chrono::nanoseconds timeout)
    {
        const std::int64_t deadline = Waiter::after(timeout);
        if (look())
        {
            return m_ready; // what has made the descriptor readable still does
        }
        if (timeout != std::chrono::nanoseconds::zero() && !spin(deadline))
        {
            sleep(deadline);
        }
        if (m_descriptor != nullptr && !m_waiter->domain().isForked())
        {
            m_ready.empty() ? arm() : m_descriptor->ring();
        }
        return m_ready;
    }

    /// See WaitSet::fd().
    Expected<int, Error> descriptor()
    {
        if (m_descriptor == nullptr)
        {
            auto made = WakeDescriptor::create(m_waiter);
            if (!made)
            {
                return tl::unexpected(made.error());
            }
            m_descriptor = std::move(*made);
        }
        return m_descriptor->number();
    }

  private:
    struct Member
    {
        std::unique_ptr<Waitable> m_what;
        std::uint64_t m_id;
    };

    void forgetGone()
    {
        std::erase_if(m_all,
                      [](const Member& member)
                      {
                          const bool gone = member.m_what->isGone();
                          if (gone)
                          {
                              member.m_what->detach();
                          }
                          return gone;
                      });
    }

    /// Fills m_ready; false if there is nothing.
    bool look()
    {
        forgetGone();
        m_ready.clear();
        for (const Member& member : m_all)
        {
            if (member.m_what->poll())
            {
                m_ready.push_back(member.m_id);
            }
        }
        return !m_ready.empty();
    }

    /// After the look, which may have met a publisher with a deadline.
    [[nodiscard]] std::int64_t nextNs(std::int64_t until) const
    {
        for (const Member& member : m_all)
        {
            until = std::min(until, member.m_what->nextNs());
        }
        return until;
    }

    bool spin(std::int64_t deadline)
    {
        const std::chrono::nanoseconds longest = m_waiter->domain().config().wait.spin;
        for (const std::int64_t until = std::min(deadline, Waiter::now() + longest.count()); Waiter::now() < until;)
        {
            if (look())
            {
                return true;
            }
        }
        return false;
    }

    void sleep(std::int64_t deadline)
    {
        while (!m_waiter->domain().isForked())
        {
            if (sleepOnce(deadline) || Waiter::now() >= deadline)
            {
                break;
            }
        }
    }

    /// Marks everything, looks once more, sleeps, looks.
    bool sleepOnce(std::int64_t deadline)
    {
        const std::uint32_t seen = m_waiter->signals();
        const std::chrono::nanoseconds slice = mark();
        const bool found = look();
        if (!found)
        {
            m_waiter->sleepUntil(seen, nextNs(deadline), slice);
        }
        unmark();
        recoverDeadNowAndThen();
        return found || look();
    }

    /// Then a look at everything; the longest sleep after it.
    std::chrono::nanoseconds mark()
    {
        for (const Member& member : m_all)
        {
            member.m_what->mark();
        }
        return notifier::afterMarking(); // [sync:sleep]
    }
    void unmark()
    {
        for (const Member& member : m_all)
        {
            member.m_what->unmark();
        }
    }

    /// Nothing was found, and an event loop may be told so. Leaves everything marked; or something comes meanwhile.
    void arm()
    {
        const std::int64_t now = Waiter::now();
        const auto isMarked = [](const Member& member) { return member.m_what->isMarked(); };
        if (std::all_of(m_all.begin(), m_all.end(), isMarked) && m_descriptor->isArmed(now))
        {
            return;
        }
        if (m_descriptor->isDue(now))
        {
            recoverDeadNowAndThen();
        }
        m_descriptor->disarm();
        const std::chrono::nanoseconds slice = mark();
        if (look())
        {
            unmark();
            m_descriptor->ring(); // there may be more
            return;
        }
        m_descriptor->arm(now, nextNs(now + slice.count()));
    }

    /// Somebody may have died before it could wake us; how often others do has nothing to do with it.
    void recoverDeadNowAndThen()
    {
        const std::int64_t now = Waiter::now();
        if (now - m_lastRecoveryNs >= std::chrono::nanoseconds(notifier::kSlice).count())
        {
            m_lastRecoveryNs = now;
            m_waiter->domain().recoverDeadSoon();
        }
    }

    std::shared_ptr<Waiter> m_waiter; ///< outlives what wakes it
    std::int64_t m_lastRecoveryNs{0};
    std::unique_ptr<WakeDescriptor> m_descriptor; ///< made when somebody asks
    std::vector<Member> m_all;
    std::vector<std::uint64_t> m_ready;
};

WaitSet::WaitSet() noexcept = default;
WaitSet::WaitSet(std::unique_ptr<Members> members) noexcept : m_members(std::move(members)) {}
WaitSet::WaitSet(WaitSet&& other) noexcept = default;
WaitSet& WaitSet::operator=(WaitSet&& other) noexcept = default;
WaitSet::~WaitSet() = default;

Expected<WaitSet, Error> WaitSet::create(const Node& node)
{
    auto waiter = node.makeWaiter();
    if (!waiter)
    {
        return tl::unexpected(waiter.error());
    }
    return WaitSet(std::make_unique<Members>(std::move(*waiter)));
}

Expected<void, Error> WaitSet::checkPort(const SubscriberPort* port) const
{
    if (port == nullptr)
    {
        return failure(ErrorCode::Closed, "the subscriber was moved from or never created");
    }
    if (m_members != nullptr && !m_members->waiter()->isOf(port->domain()))
    {
        return failure(ErrorCode::ConfigInvalid,
                       "topic '" + port->topic() + "': the subscriber belongs to another domain than the wait set");
    }
    if (port->hasDescriptor())
    {
        return failure(ErrorCode::ConfigInvalid,
                       "topic '" + port->topic() +
                           "': the subscriber has a file descriptor of its own; use WaitSet::fd() "
                           "instead of Subscriber::fd(), or wait for that descriptor");
    }
    return {};
}

Expected<void, Error> WaitSet::attachPort(SubscriberPort* port, std::uint64_t id)
{
    const auto fits = checkPort(port);
    return fits ? attach(std::make_unique<SubscriberWaitable>(*port, SubscriberWaitable::For::Messages), id) : fits;
}

Expected<void, Error> WaitSet::attachPortEvents(SubscriberPort* port, std::uint64_t id)
{
    const auto fits = checkPort(port);
    return fits ? attach(std::make_unique<SubscriberWaitable>(*port, SubscriberWaitable::For::Events), id) : fits;
}

Expected<void, Error> WaitSet::attachPortEvents(PublisherPort* port, std::uint64_t id)
{
    return port == nullptr ? failure(ErrorCode::Closed, "the publisher was moved from or never created")
                           : attach(std::make_unique<PublisherWaitable>(*port), id);
}

Expected<void, Error> WaitSet::attach(const Timer& timer, std::uint64_t id)
{
    if (timer.m_core == nullptr)
    {
        return failure(ErrorCode::Closed, "the timer was moved from or never created");
    }
    if (timer.m_task != nullptr)
    {
        return failure(ErrorCode::ConfigInvalid, "what was to be attached with id " + std::to_string(id) +
                                                     " is a timer with a callback, which its node's executor calls; "
                                                     "create one without for a wait set");
    }
    return attach(std::make_unique<TimerWaitable>(timer.m_core), id);
}

Expected<void, Error> WaitSet::attach(const UserEvent& event, std::uint64_t id)
{
    return attach(std::make_unique<EventWaitable<UserEvent::Core>>(event.m_core), id);
}

Expected<void, Error> WaitSet::attachGraph(std::uint64_t id)
{
    return m_members == nullptr ? failure(ErrorCode::Closed, "this wait set was moved from or never created")
                                : attach(std::make_unique<GraphWaitable>(m_members->waiter()->domain()), id);
}

Expected<void, Error> WaitSet::attach(std::unique_ptr<Waitable> what, std::uint64_t id)
{
    if (m_members == nullptr)
    {
        return failure(ErrorCode::Closed, "this wait set was moved from or never created");
    }
    if (m_members->waiter()->domain().isForked())
    {
        return failure(ErrorCode::Forked, "this wait set was created before fork(); create a new one in the child");
    }
    if (!what->attach(m_members->waiter()))
    {
        return failure(ErrorCode::ConfigInvalid, "what was to be attached with id " + std::to_string(id) +
                                                     " is attached to a wait set already; detach it there first");
    }
    m_members->add(std::move(what), id);
    return {};
}

void WaitSet::detach(std::uint64_t id)
{
    if (m_members != nullptr)
    {
        m_members->remove(id);
    }
}

Expected<int, Error> WaitSet::fd()
{
    if (m_members == nullptr)
    {
        return failure(ErrorCode::Closed, "this wait set was moved from or never created");
    }
    if (m_members->waiter()->domain().isForked())
    {
        return failure(ErrorCode::Forked, "this wait set was created before fork(); create a new one in the child");
    }
    return m_members->descriptor();
}

std::span<const std::uint64_t> WaitSet::wait(std::chrono::nanoseconds timeout)
{
    return m_members == nullptr ? std::span<const std::uint64_t>() : m_members->wait(timeout);
}

} // namespace ZeroCP
