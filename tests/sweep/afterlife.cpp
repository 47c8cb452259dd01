#include "sweep/afterlife.hpp"

#include "sweep/places.hpp"

namespace ZeroCP::test
{

namespace
{

/// Of a stage; more than its watchdog.
constexpr std::chrono::seconds kLongestLife{600};

} // namespace

const char* toString(Course course)
{
    switch (course)
    {
    case Course::RecoveredAtOnce: return "recovered at once";
    case Course::SurvivorsGoOn: return "survivors go on, then recover";
    case Course::NewcomerJoins: return "a newcomer recovers";
    case Course::TwoDied: return "another one died too";
    }
    return "";
}

void Afterlife::interfere()
{
    m_stage.m_peer.say(3);
    m_stage.m_quick.hear(3);
    m_stage.m_quick.drop(2);
    m_stage.m_slow.hear(1);
    m_stage.m_peer.say(2);
    m_stage.m_slow.drop(1);
    m_stage.m_quick.hear(1);
    static_cast<void>(m_stage.m_peer.loan()); // and dropped
}

void Afterlife::recoverNow()
{
    const auto report = recover(Stage::kDomain, m_stage.m_survivor.root());
    if (!report)
    {
        m_wrong += "  " + report.error().message() + "\n";
    }
    else if (report->pending != 0)
    {
        m_wrong += "  " + std::to_string(report->pending) + " ports could not be recovered\n";
    }
}

/// Holds samples while their publisher goes on and uses what it believes to be free.
void Afterlife::goOn()
{
    m_stage.m_quick.hear(2);
    for (int i = 0; i < 8; ++i)
    {
        m_stage.m_peer.say(2);
        m_stage.m_quick.hear(2);
        m_stage.m_quick.drop(1);
        if (i % 4 == 0)
        {
            m_stage.m_slow.drop(1);
            m_stage.m_slow.hear(1);
        }
    }
}

/// Somebody takes the dead one's records and holder bit, and whatever chunks there are.
void Afterlife::useTheSpace()
{
    auto publisher = m_stage.m_survivor.node().createPublisher<Message>("sweep", m_stage.publisherQoS());
    if (!publisher)
    {
        m_wrong += "  " + publisher.error().message() + "\n";
        return;
    }
    m_latecomer = Speaker(std::move(*publisher));
    for (int i = 0; i < 10; ++i)
    {
        if (!m_latecomer.say())
        {
            m_wrong += "  a new publisher finds no chunk\n";
        }
        m_stage.m_quick.hear(1);
        m_stage.m_quick.drop(1);
    }
}

void Afterlife::end()
{
    m_stage.m_quick.drain();
    m_stage.m_slow.drain();
    if (m_stage.goneLives())
    {
        m_stage.loseGone();
    }
    checkBooks();
    m_stage.m_peer.leave();
    m_latecomer.leave();
    m_stage.m_quick.drain();
    m_stage.m_slow.drain();
    const std::uint64_t missed = m_stage.m_quick.deadlinesMissed();
    m_wrong +=
        missed == m_stage.m_quick.deadlinesMissed() ? "" : "  deadlines of publishers that have gone are missed\n";
}

/// The survivors' publisher and the latecomer live. Periods of who has died have come to an end.
void Afterlife::checkBooks()
{
    if (!m_stage.deadline())
    {
        return;
    }
    const std::uint64_t died = m_stage.m_speaker.isThere() ? 1 : 0;
    m_wrong += m_stage.m_quick.complaintsAboutBooks(2, died);
    const std::uint64_t missed = m_stage.m_quick.deadlinesMissed();
    const auto most = static_cast<std::uint64_t>(kLongestLife / *m_stage.deadline()) * (2 + died);
    m_wrong += missed <= most ? "" : "  " + std::to_string(missed) + " missed deadlines in so short a time\n";
}

/// Only the listeners that live have ports now; no publisher is left that could have a history.
void Afterlife::expectPorts(std::uint32_t count)
{
    std::uint32_t found = 0;
    for (std::uint32_t i = 1; i < m_view.header().m_portHighWater; ++i)
    {
        found += m_view.port(i).m_state != static_cast<std::uint32_t>(PortState::Off) ? 1U : 0U;
    }
    if (found != count)
    {
        m_wrong += "  " + std::to_string(found) + " ports are in use, expected " + std::to_string(count) + "\n";
    }
    for (std::uint32_t i = 0; i < m_view.header().m_pairHighWater; ++i)
    {
        m_wrong += (m_view.pair(i).m_state & PairRecord::History) != 0 ? "  a history was left\n" : "";
    }
}

std::vector<Said> Afterlife::everythingSaid(const Said& byVictim) const
{
    std::vector<Said> all{{m_stage.m_peer.id(), m_stage.m_peer.said(), m_stage.m_peer.said()},
                          {m_latecomer.id(), m_latecomer.said(), m_latecomer.said()}};
    if (byVictim.m_publisher != 0)
    {
        all.push_back(byVictim);
    }
    if (m_stage.m_gone.isThere())
    {
        all.push_back(m_stage.saidByGone());
    }
    return all;
}

std::string Afterlife::live(Course course, const Said& said)
{
    if (course == Course::SurvivorsGoOn)
    {
        interfere();
        recoverNow();
        interfere();
    }
    if (course == Course::NewcomerJoins)
    {
        static_cast<void>(m_stage.newcomer()); // comes, recovers and leaves
    }
    recoverNow();
    const bool slowLives = course != Course::TwoDied;
    if (!slowLives)
    {
        m_stage.m_slow.forget();
    }
    m_wrong += misplacedChunks(m_view);
    goOn();
    m_wrong += misplacedChunks(m_view);
    useTheSpace();
    end();

    const std::vector<Said> all = everythingSaid(said);
    m_wrong += m_stage.m_quick.complaints(all);
    m_wrong += slowLives ? m_stage.m_slow.complaints(all) : "";
    expectPorts(slowLives ? 2 : 1);
    for (std::uint32_t c = 0; c < m_view.classCount(); ++c)
    {
        m_wrong += auditClass(m_view, m_view.classAt(c));
    }
    return m_wrong;
}

} // namespace ZeroCP::test
