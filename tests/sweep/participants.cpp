#include "sweep/participants.hpp"

#include <algorithm>

namespace ZeroCP::test
{

namespace
{

std::uint64_t patternWord(std::uint64_t publisher, std::uint64_t sequence, std::uint64_t index)
{
    return (publisher << 40 ^ sequence << 8 ^ index) * 0x9E3779B97F4A7C15U;
}

} // namespace

void Message::fill(std::uint64_t publisher, std::uint64_t sequence)
{
    m_publisher = publisher;
    m_sequence = sequence;
    for (std::uint64_t i = 0; i < m_pattern.size(); ++i)
    {
        m_pattern[i] = patternWord(publisher, sequence, i);
    }
}

bool Message::isIntact() const
{
    for (std::uint64_t i = 0; i < m_pattern.size(); ++i)
    {
        if (m_pattern[i] != patternWord(m_publisher, m_sequence, i))
        {
            return false;
        }
    }
    return true;
}

bool Speaker::say()
{
    auto loan = m_publisher.loan();
    if (!loan)
    {
        return false;
    }
    (*loan)->fill(m_id, m_said + 1);
    if (!m_publisher.publish(std::move(*loan)))
    {
        return false;
    }
    ++m_said;
    if (m_counter != nullptr)
    {
        *m_counter = m_said;
    }
    return true;
}

void Speaker::say(int count)
{
    for (int i = 0; i < count; ++i)
    {
        static_cast<void>(say());
    }
}

Listener::Listener(Subscriber<Message> subscriber, const QoS& qos)
    : m_subscriber(std::move(subscriber)),
      m_there(true),
      m_refuses(qos.history() == History::KeepAll && qos.reliability() == Reliability::BestEffort)
{
    m_held.reserve(64);
    m_lines.reserve(8); // steps in an allocation tell nothing
}

Listener::Line& Listener::lineOf(std::uint64_t publisher)
{
    const auto line = std::find_if(m_lines.begin(), m_lines.end(),
                                   [publisher](const Line& known) { return known.m_publisher == publisher; });
    return line != m_lines.end() ? *line : m_lines.emplace_back(Line{.m_publisher = publisher});
}

void Listener::check(const Sample<Message>& sample, const char* when)
{
    const MessageInfo info = sample.info();
    if (sample->m_publisher != info.publisherId || sample->m_sequence != info.sequence || !sample->isIntact())
    {
        m_wrong += "  message " + std::to_string(info.sequence) + " of publisher " + std::to_string(info.publisherId) +
                   " was damaged when " + when + ": it says " + std::to_string(sample->m_sequence) + " of " +
                   std::to_string(sample->m_publisher) + "\n";
    }
}

bool Listener::hear()
{
    return m_there && hear(m_subscriber.take());
}

bool Listener::wait(std::chrono::nanoseconds timeout)
{
    return m_there && hear(m_subscriber.wait(timeout));
}

bool Listener::hear(Expected<Sample<Message>, TakeError> sample)
{
    m_missed = m_subscriber.missed();
    if (!sample)
    {
        if (sample.error() == TakeError::Corrupt)
        {
            m_wrong += "  take() answered Corrupt\n";
        }
        return false;
    }
    check(*sample, "taken");
    const MessageInfo info = sample->info();
    Line& line = lineOf(info.publisherId);
    if (info.sequence <= line.m_last)
    {
        m_wrong += "  message " + std::to_string(info.sequence) + " of publisher " + std::to_string(info.publisherId) +
                   " came after " + std::to_string(line.m_last) + "\n";
    }
    line.m_last = info.sequence;
    ++line.m_heard;
    m_held.push_back(std::move(*sample));
    return true;
}

void Listener::hear(int count)
{
    for (int i = 0; i < count; ++i)
    {
        static_cast<void>(hear());
    }
}

void Listener::drop(std::size_t count)
{
    for (; count > 0 && !m_held.empty() && m_there; --count)
    {
        check(m_held.front(), "dropped");
        m_held.erase(m_held.begin());
    }
}

void Listener::drain()
{
    drop(m_held.size());
    while (hear())
    {
        drop(1);
    }
}

void Listener::leave()
{
    drop(m_held.size());
    m_subscriber = {};
    m_there = false;
}

std::string Listener::complaintsAboutBooks(std::size_t alive, std::uint64_t lost)
{
    const LivelinessStatus status = m_subscriber.livelinessChanged();
    return status.alive == alive && status.lost == lost && status.notAlive == lost
               ? ""
               : "  " + std::to_string(status.alive) + " publishers are alive, " + std::to_string(status.notAlive) +
                     " are not, " + std::to_string(status.lost) + " were lost; expected " + std::to_string(alive) +
                     ", and " + std::to_string(lost) + " twice\n";
}

std::string Listener::complaints(const std::vector<Said>& said) const
{
    std::string wrong = m_wrong;
    std::uint64_t lost = 0;
    std::uint64_t heard = 0;
    std::uint64_t least = 0;
    std::uint64_t most = 0;
    for (const Said& all : said)
    {
        const auto line = std::find_if(m_lines.begin(), m_lines.end(),
                                       [&all](const Line& known) { return known.m_publisher == all.m_publisher; });
        const std::uint64_t last = line == m_lines.end() ? 0 : line->m_last;
        lost += line == m_lines.end() ? 0 : last - line->m_heard;
        heard += line == m_lines.end() ? 0 : line->m_heard;
        least += all.m_least;
        most += all.m_most;
        if ((last < all.m_least && !m_refuses) || last > all.m_most)
        {
            wrong += "  the last message of publisher " + std::to_string(all.m_publisher) + " was " +
                     std::to_string(last) + ", expected " + std::to_string(all.m_least) + " to " +
                     std::to_string(all.m_most) + "\n";
        }
    }
    if (m_refuses ? heard + m_missed < least || heard + m_missed > most : lost != m_missed)
    {
        wrong += "  " + std::to_string(heard) + " messages came, " + std::to_string(lost) + " before them did not, " +
                 std::to_string(m_missed) + " were counted as missed, " + std::to_string(least) + " to " +
                 std::to_string(most) + " were said\n";
    }
    return wrong;
}

} // namespace ZeroCP::test
