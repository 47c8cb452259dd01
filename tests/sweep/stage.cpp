#include "sweep/stage.hpp"

#include <algorithm>
#include <cstdlib>

#include <unistd.h>

namespace ZeroCP::test
{

namespace
{

constexpr const char* kTopic = "sweep";

Config configFor(const StageShape& shape)
{
    Config config;
    config.limits.portsPerTopic = shape.m_portsPerTopic;
    config.limits.endpoints = 256;
    config.queue.keepAllCapacity = 4;
    config.queue.publishTimeout = {};
    if (shape.m_pooled)
    {
        PoolConfig pool;
        pool.name = "pool";
        pool.chunks = {{sizeof(Message), 48}};
        config.pools = {pool};
        TopicConfig topic;
        topic.name = kTopic;
        topic.pool = "pool";
        config.topics = {topic};
    }
    return config;
}

QoS promising(QoS qos, const std::optional<std::chrono::nanoseconds>& deadline)
{
    return deadline ? qos.deadline(*deadline).liveliness(Liveliness::ManualByTopic, kLongestPeriod) : qos;
}

QoS publisherQoSFor(const StageShape& shape)
{
    const QoS qos = QoS{}.maxLoans(2);
    return promising(shape.m_transientLocal ? QoS(qos).keepLast(2).transientLocal()
                     : shape.m_keepAll      ? QoS(qos).keepAll()
                                            : qos,
                     shape.m_deadline);
}

} // namespace

Member::Member(const std::filesystem::path& directory, const std::string& name, const Config& config)
    : m_root(directory / name)
{
    std::filesystem::create_directories(directory / "shm");
    if (!std::filesystem::exists(m_root))
    {
        std::filesystem::create_directory_symlink(directory / "shm", m_root);
    }
    const std::vector<int> before = lockDescriptors(::getpid());
    NodeOptions options;
    options.domain = Stage::kDomain;
    options.root = m_root;
    options.config = config;
    m_node = Node::create(name, options).value();
    for (const int descriptor : lockDescriptors(::getpid()))
    {
        if (std::find(before.begin(), before.end(), descriptor) == before.end())
        {
            m_lockDescriptor = descriptor;
        }
    }
}

void Member::closeLocksOfOthers() const
{
    for (const int descriptor : lockDescriptors(::getpid()))
    {
        if (descriptor != m_lockDescriptor)
        {
            ::close(descriptor);
        }
    }
}

Stage::Stage(const std::filesystem::path& directory, const StageShape& shape)
    : m_directory(directory),
      m_config(configFor(shape)),
      m_deadline(shape.m_deadline),
      m_publisherQoS(publisherQoSFor(shape)),
      m_goneLives(shape.m_hasGone),
      m_spread(shape.m_portsPerTopic > holder::kBitsPerWord)
{
    ::setenv("ZEROCP_LOG", "error", 1); // thousands of deaths are no news here
    m_survivor = Member(directory, "survivor", m_config);
    m_victimMember = Member(directory, "victim", m_config);
    m_doomed = Member(directory, "doomed", m_config);
    for (std::size_t i = 0; i < kRecoverers; ++i)
    {
        m_recoverers[i] = Member(directory, "recoverer" + std::to_string(i), m_config);
    }
    m_goneMember = Member(directory, "gone", m_config);

    // No publisher is there yet, so the fillers need no chunks.
    m_slow = Listener(subscriber(m_doomed, shape.m_slow), shape.m_slow);
    auto fillers = fillHolderWord();
    m_quick = Listener(subscriber(m_survivor, shape.m_quick), shape.m_quick);
    auto moreFillers = fillHolderWord();
    if (shape.m_victimSubscribes)
    {
        m_listener = Listener(subscriber(m_victimMember, shape.m_victim), shape.m_victim);
    }
    fillers.clear();
    moreFillers.clear();
    m_peer = Speaker(publisher(m_survivor));
    if (shape.m_victimPublishes)
    {
        m_speaker = Speaker(publisher(m_victimMember));
    }
    if (shape.m_hasGone)
    {
        m_gone = Speaker(publisher(m_goneMember));
    }
}

Subscriber<Message> Stage::subscriber(Member& member, const QoS& qos)
{
    return member.node().createSubscriber<Message>(kTopic, promising(qos, m_deadline)).value();
}

Publisher<Message> Stage::publisher(Member& member)
{
    return member.node().createPublisher<Message>(kTopic, m_publisherQoS).value();
}

void Stage::makeWaitSet()
{
    m_waitSet = WaitSet::create(m_victimMember.node()).value();
    m_listener.attachTo(m_waitSet);
}

std::vector<Subscriber<Message>> Stage::fillHolderWord()
{
    std::vector<Subscriber<Message>> fillers;
    for (std::uint32_t i = 1; m_spread && i < holder::kBitsPerWord; ++i)
    {
        fillers.push_back(subscriber(m_survivor, {}));
    }
    return fillers;
}

void Stage::loseGone()
{
    m_goneMember.locks().drop();
    static_cast<void>(recover(kDomain, m_survivor.root()));
    m_goneLives = false;
}

} // namespace ZeroCP::test
