#include "zerocp/pubsub/executor.hpp"

#include "executor_core.hpp"

namespace ZeroCP
{

namespace
{

/// The time of one caller in an executor.
class Visit
{
  public:
    explicit Visit(ExecutorCore& core) : m_core(core), m_result(core.enter()) {}
    Visit(const Visit&) = delete;
    Visit& operator=(const Visit&) = delete;
    ~Visit()
    {
        if (m_result)
        {
            m_core.takeStop(); // it was for us
            m_core.leave();
        }
    }
    [[nodiscard]] const Expected<void, Error>& result() const noexcept { return m_result; }

  private:
    ExecutorCore& m_core;
    Expected<void, Error> m_result;
};

} // namespace

std::string_view toString(SpinResult result) noexcept
{
    switch (result)
    {
    case SpinResult::Ready: return "Ready";
    case SpinResult::Timeout: return "Timeout";
    case SpinResult::Stopped: return "Stopped";
    }
    return "unknown";
}

Executor::Executor(const ExecutorOptions& options) : m_core(std::make_unique<ExecutorCore>(options.threads)) {}
Executor::~Executor() = default;

Expected<void, Error> Executor::add(const Node& node)
{
    const auto domain = node.sharedDomain();
    return domain == nullptr ? failure(ErrorCode::Closed, "this node was moved from or never created")
                             : m_core->add(domain, node.tasks());
}

Expected<void, Error> Executor::spin()
{
    const Visit visit(*m_core);
    if (visit.result())
    {
        m_core->spin();
    }
    return visit.result();
}

Expected<std::size_t, Error> Executor::spinSome()
{
    const Visit visit(*m_core);
    if (!visit.result())
    {
        return tl::unexpected(visit.result().error());
    }
    return m_core->spinSome();
}

Expected<SpinResult, Error> Executor::spinUntil(const IsReady& isReady, std::chrono::nanoseconds timeout)
{
    constexpr std::int64_t kLookNs = 10'000'000;
    const Visit visit(*m_core);
    if (!visit.result())
    {
        return tl::unexpected(visit.result().error());
    }
    const std::int64_t deadline = Waiter::after(timeout);
    while (!isReady())
    {
        const std::int64_t now = Waiter::now();
        if (now >= deadline)
        {
            return SpinResult::Timeout;
        }
        if (m_core->isStopped())
        {
            return SpinResult::Stopped;
        }
        m_core->step(true, std::min(deadline, now + kLookNs));
    }
    return SpinResult::Ready;
}

void Executor::stop() noexcept
{
    m_core->stop();
}

std::uint64_t Executor::callbackCount() const noexcept
{
    return m_core->callbackCount();
}

} // namespace ZeroCP
