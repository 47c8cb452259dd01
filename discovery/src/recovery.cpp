#include "zerocp/discovery/recovery.hpp"

#include <algorithm>
#include <chrono>
#include <thread>
#include <vector>

#include "recovery_steps.hpp"
#include "zerocp/core/holders.hpp"
#include "zerocp/core/notifier.hpp"

namespace ZeroCP::recovery
{

namespace
{

bool retireSubscriber(const Victim& victim, const IsAlive& isAlive, Patience& patience)
{
    finishListOperation(victim);
    std::vector<std::uint32_t> publishers;
    forEachPair(victim.m_view,
                [&victim, &publishers](PairRecord& record)
                {
                    if (record.m_subscriberPort.load(std::memory_order_relaxed) == victim.m_port)
                    {
                        const std::uint32_t state = record.m_state.fetch_or(PairRecord::SubscriberGone,
                                                                            std::memory_order_acq_rel); // [sync:gone]
                        if ((state & PairRecord::PublisherGone) == 0)
                        {
                            publishers.push_back(record.m_publisherPort.load(std::memory_order_relaxed));
                        }
                    }
                });
    notifier::moveEpoch(victim.m_view.header().m_epoch);             // [sync:epoch]
    barrierEverywhere();                                             // [sync:busy]
    const auto deadline = Patience::Clock::now() + Patience::kGrace; // for all of them together
    bool quiet = true;
    for (const std::uint32_t index : publishers)
    {
        if (index < victim.m_view.portCapacity())
        {
            notifier::wakeIfAsleep(victim.m_view.port(index),
                                   victim.m_view.waiters()); // it may wait for room in the victim's queue
            const PortRecord& publisher = victim.m_view.port(index);
            const bool active =
                publisher.m_state.load(std::memory_order_acquire) == static_cast<std::uint32_t>(PortState::Active);
            quiet &= !active || patience.outlasts(publisher, deadline) ||
                     !isAlive(publisher.m_processSlot.load(std::memory_order_relaxed));
        }
    }
    sweepOwnBit(victim);
    if (!quiet)
    {
        return false;
    }
    forEachPair(victim.m_view,
                [&victim](PairRecord& record)
                {
                    if (record.m_subscriberPort.load(std::memory_order_relaxed) == victim.m_port)
                    {
                        record.m_state.store(0, std::memory_order_release);
                    }
                });
    return true;
}

} // namespace

bool Patience::outlasts(const PortRecord& publisher, Clock::time_point deadline)
{
    // [sync:busy] The epoch was moved, then barrierEverywhere() ran: a publisher whose m_busy is even now will load the
    // new epoch in its next call. Partner: PublisherPort::enter().
    const std::uint64_t busy = publisher.m_busy.load(std::memory_order_acquire);
    if ((busy & 1U) == 0)
    {
        return true;
    }
    if (isKnown(publisher, busy))
    {
        return false;
    }
    while (publisher.m_busy.load(std::memory_order_acquire) == busy)
    {
        if (Clock::now() > deadline)
        {
            if (m_stuck.size() == kMostRemembered)
            {
                m_stuck.clear();
            }
            m_stuck.emplace_back(publisher.m_endpointId.load(std::memory_order_relaxed), busy);
            return false;
        }
        std::this_thread::yield();
    }
    return true;
}

bool Patience::isKnown(const PortRecord& publisher, std::uint64_t busy) const noexcept
{
    const std::pair call(publisher.m_endpointId.load(std::memory_order_relaxed), busy);
    return std::find(m_stuck.begin(), m_stuck.end(), call) != m_stuck.end();
}

void barrierEverywhere()
{
    constexpr std::chrono::milliseconds kDrained{1};
    if (!notifier::barrierEverywhere())
    {
        std::this_thread::sleep_for(kDrained);
    }
}

bool retire(PoolView& view, std::uint32_t port, const IsAlive& isAlive, Patience& patience, const LastAct& lastAct)
{
    if (!view.refresh())
    {
        return false; // a class that we cannot see may hold what the port has
    }
    PortRecord& record = view.port(port);
    const Victim victim{view, port, record.m_holderIndex.load(std::memory_order_relaxed),
                        record.m_topic.load(std::memory_order_relaxed)};
    if (record.m_state.load(std::memory_order_relaxed) != static_cast<std::uint32_t>(PortState::Dying))
    {
        // Before the state: who repeats this, perhaps when the process's slot is another's, keeps to what was said first.
        const bool died = !isAlive(record.m_processSlot.load(std::memory_order_relaxed));
        record.m_died.store(died ? 1 : 0, std::memory_order_relaxed);
    }
    record.m_state.store(static_cast<std::uint32_t>(PortState::Dying), std::memory_order_release); // [sync:port]
    if (holder::wordOf(victim.m_holder) >= view.holderWords())
    {
        return false; // scribbled on: nothing can be said about what it holds
    }
    const auto kind = static_cast<PortKind>(record.m_kind.load(std::memory_order_relaxed));
    if (kind == PortKind::Publisher)
    {
        retirePublisher(victim);
    }
    else if (!retireSubscriber(victim, isAlive, patience))
    {
        return false;
    }
    if (lastAct)
    {
        lastAct(port); // Dying still: if we die in it, all of this is repeated
    }
    record.m_state.store(static_cast<std::uint32_t>(PortState::Off), std::memory_order_release); // [sync:port]
    return true;
}

std::uint32_t retireDying(PoolView& view, const IsAlive& isAlive, Patience& patience, const LastAct& lastAct)
{
    std::uint32_t left = 0;
    const std::uint32_t used =
        std::min(view.header().m_portHighWater.load(std::memory_order_acquire), view.portCapacity());
    for (std::uint32_t port = 1; port < used; ++port)
    {
        const bool dying =
            view.port(port).m_state.load(std::memory_order_acquire) == static_cast<std::uint32_t>(PortState::Dying);
        left += dying && !retire(view, port, isAlive, patience, lastAct) ? 1U : 0U;
    }
    return left;
}

} // namespace ZeroCP::recovery
