// PoolSet gives memory back that its endpoints no longer need.
#include "class_need.hpp"
#include "pool_set_tables.hpp"
#include "zerocp/discovery/pool_set.hpp"

namespace ZeroCP
{

namespace
{

/// While there are subscribers, less is not worth the system calls: one of them may only be restarting.
constexpr std::uint64_t kLeastSurplusBytes = 65536;

struct Population
{
    bool m_anybody{false};
    bool m_subscribers{false};
    /// Every publisher has seen the last epoch or will before it takes a chunk: its budget is what we take it for.
    bool m_current{true};
};

Population populationOf(const PoolView& view) noexcept
{
    Population found;
    const std::uint64_t epoch = view.header().m_epoch.load(std::memory_order_acquire);
    for (std::uint32_t i = 1; i < portsInUse(view); ++i)
    {
        const PortRecord& port = view.port(i);
        const std::uint32_t topic = port.m_topic.load(std::memory_order_relaxed);
        const bool publishes = isOpen(port, PortKind::Publisher, topic);
        const bool subscribes = isOpen(port, PortKind::Subscriber, topic);
        found.m_anybody |= publishes || subscribes;
        found.m_subscribers |= subscribes;
        // [sync:busy] Every endpoint that leaves moves the epoch and runs a barrier on every core: since the last one did,
        // a publisher whose m_busy is even loads that epoch in its next call. Partner: PublisherPort::enter().
        const bool outside = (port.m_busy.load(std::memory_order_acquire) & 1U) == 0;
        found.m_current &=
            !publishes || outside || port.m_epochSeen.load(std::memory_order_acquire) == epoch; // [sync:epoch]
    }
    return found;
}

} // namespace

void PoolSet::giveBack(std::uint32_t port)
{
    if (m_control.header().m_automatic == 0 || !m_control.refresh())
    {
        return;
    }
    const Population population = populationOf(m_control);
    if (!population.m_anybody || !population.m_current)
    {
        return; // nobody: the whole set goes
    }
    for (std::uint32_t c = 0; c < m_control.classCount(); ++c)
    {
        const PoolView::Class& in = m_control.classAt(c);
        const ClassNeed need = needOf(m_control, c);
        const std::uint64_t surplus = need.m_present - std::min<std::uint64_t>(need.m_present, need.m_needed);
        const bool worthIt = !population.m_subscribers || surplus * in.m_stride >= kLeastSurplusBytes;
        if (surplus > 0 && worthIt)
        {
            retireChunks(in, static_cast<std::uint32_t>(surplus), port);
        }
        else if (need.m_retired != in.m_pool->getRetiredChunks())
        {
            releasePages(in); // somebody died before this, or before chunks that had memory again were put to use
        }
    }
}

void PoolSet::retireChunks(const PoolView::Class& in, std::uint32_t count, std::uint32_t port)
{
    const PortRecord& record = m_control.port(port);
    const HolderId me{port, record.m_holderIndex.load(std::memory_order_relaxed),
                      record.m_topic.load(std::memory_order_relaxed)};
    // Free chunks are fewer than the surplus if publishers have them that have not looked at their budgets yet.
    for (std::uint32_t left = count; left > 0;)
    {
        const std::uint32_t now = holders::retire(m_control, in, me, std::min(left, PortRecord::kBatch));
        if (now == 0)
        {
            break;
        }
        left -= now;
    }
    releasePages(in);
}

/// The pages of all Retired chunks, also of those that a killed process or a failed growth has left committed.
void PoolSet::releasePages(const PoolView::Class& in)
{
    const std::lock_guard guard(m_dataMutex);
    const auto data = writableData();
    const std::uint32_t chunks = chunksOf(in);
    for (std::uint32_t first = 0, last = 0; data && first < chunks; first = last + 1)
    {
        for (last = first; last < chunks && isRetired(m_control, in.m_firstChunk + last);)
        {
            ++last;
        }
        const std::uint64_t begin = in.m_stride * first;
        // Behind the last chunk of the class nobody has anything.
        const std::uint64_t end = last == chunks ? alignUp(in.m_stride * last, kPageBytes) : in.m_stride * last;
        if (first < last)
        {
            // A file system that refuses keeps its pages: nothing else depends on it.
            static_cast<void>((*data)->release(kDataOffset + in.m_dataOffset + begin, end - begin));
        }
    }
    if (!m_publishes)
    {
        m_dataRw = SharedMemory(); // a process that only subscribes keeps no writable mapping
    }
    countRetired(in); // last: until here the next to give back does all of this again
}

} // namespace ZeroCP
