// Whether a configured pool set is smaller than the sum of its publishers' budgets: nothing is refused, but it is said.
#include <algorithm>

#include "domain_control.hpp"
#include "pool_set_tables.hpp"
#include "zerocp/core/log.hpp"

namespace ZeroCP
{

/// What all open publishers of the set may own in class `classIndex` at once.
std::uint64_t Domain::budgetsOf(const PoolView& view, std::uint32_t classIndex) const
{
    std::uint64_t sum = 0;
    for (std::uint32_t i = 1; i < portsInUse(view); ++i)
    {
        const std::uint32_t topic = view.port(i).m_topic.load(std::memory_order_relaxed);
        if (topic >= rowsOf(header().m_topics) || !isOpen(view.port(i), PortKind::Publisher, topic))
        {
            continue;
        }
        const auto& record = row<TopicRecord>(header().m_topics, topic);
        const bool draws = record.m_isSlice != 0 || view.fittingClass(record.m_typeSize) == classIndex;
        sum += draws ? publisherBudget(view, i, view.classAt(classIndex).m_chunkSize) : 0;
    }
    return sum;
}

void Domain::warnOfShortage(PoolSet& set, const std::string& topic, std::string_view setName)
{
    const PoolView& view = set.control();
    if (view.header().m_automatic != 0)
    {
        return; // sized for what its endpoints need
    }
    for (std::uint32_t c = 0; c < view.classCount(); ++c)
    {
        const std::uint64_t needed = budgetsOf(view, c);
        const std::uint64_t present = view.classAt(c).m_pool->getTotalChunks();
        if (needed > present)
        {
            log(LogLevel::Warn, "topic '" + topic + "': pool set '" + std::string(setName) + "' has " +
                                    std::to_string(present) + " chunks of " +
                                    std::to_string(view.classAt(c).m_chunkSize) + " bytes, its publishers may need " +
                                    std::to_string(needed) + " at once, " + std::to_string(needed - present) +
                                    " more; until then loans can fail with PoolExhausted; configure " +
                                    std::to_string(needed) + " or lower depths, max_loans or max_held");
        }
    }
}

} // namespace ZeroCP
