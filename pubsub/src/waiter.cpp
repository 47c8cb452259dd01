#include "zerocp/pubsub/waiter.hpp"

#include <algorithm>

namespace ZeroCP
{

Expected<std::shared_ptr<Waiter>, Error> Waiter::create(const std::shared_ptr<Domain>& domain)
{
    const auto row = domain->addWaiter();
    return row ? Expected<std::shared_ptr<Waiter>, Error>(std::make_shared<Waiter>(domain, *row))
               : tl::unexpected(row.error());
}

Waiter::~Waiter()
{
    m_domain->removeWaiter(m_row);
}

void Waiter::wake() noexcept
{
    if (!m_domain->isForked())
    {
        notifier::wake(record(), m_domain->waiterTable());
    }
}

void Waiter::sleepUntil(std::uint32_t seen, std::int64_t untilNs, std::chrono::nanoseconds slice) noexcept
{
    const std::chrono::nanoseconds left = untilNs == kNever ? slice : std::chrono::nanoseconds(untilNs - now());
    notifier::sleep(record(), seen, std::min(left, slice));
}

void Waiter::wantGraph() noexcept
{
    record().m_wantsGraph.store(1, std::memory_order_seq_cst); // [sync:graph] then the caller looks at the version
}

std::int64_t Waiter::after(std::chrono::nanoseconds timeout) noexcept
{
    const std::int64_t start = now();
    return timeout < std::chrono::nanoseconds::zero() || timeout.count() > kNever - start ? kNever
                                                                                          : start + timeout.count();
}

} // namespace ZeroCP
