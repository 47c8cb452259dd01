#include "sweep/service_participants.hpp"

#include <chrono>

namespace ZeroCP::test
{

namespace
{

using namespace std::chrono_literals;

constexpr const char* kService = "sums";
constexpr std::uint32_t kDepth = 3; ///< few places need few chunks, whose making is looked at elsewhere
constexpr auto kLong = 10s;         ///< no call of a healthy test takes so long

std::uint64_t replyTo(std::uint64_t number)
{
    return 3 * number + 1;
}

} // namespace

Server::Server(Node& node)
    : m_service(node.createService<Question, Reply>(kService,
                                                    [](const Question& question, Reply& reply)
                                                    { reply.m_number = replyTo(question.m_number); },
                                                    {.depth = kDepth, .maxOpen = 1})
                    .value())
{
}

void Server::serve()
{
    while (m_service.runOne())
    {
    }
}

Caller::Caller(Node& node)
    : m_client(node.createClient<Question, Reply>(kService, {.depth = kDepth, .maxHeld = 1, .maxLoans = 1}).value()),
      m_log(std::make_unique<Log>())
{
}

void Caller::ask(int count)
{
    for (int i = 0; i < count; ++i)
    {
        Log* log = m_log.get();
        const std::uint64_t number = log->m_outcomes.size();
        const auto take = [log, number](const Expected<Sample<Reply>, CallError>& reply)
        {
            ++log->m_outcomes[number];
            if (reply ? (*reply)->m_number != replyTo(number) : reply.error() != CallError::ServerGone)
            {
                log->m_wrong += "  call " + std::to_string(number) + " got " +
                                (reply ? "another's answer" : std::string(toString(reply.error()))) + "\n";
            }
        };
        log->m_outcomes.push_back(0);
        if (!m_client.asyncCall(Question{number}, kLong, take))
        {
            log->m_outcomes.pop_back();
        }
    }
}

void Caller::hear()
{
    while (m_client.runOne())
    {
    }
}

void Caller::hearAll(Server& server)
{
    constexpr int kTries = 5000;
    for (int i = 0; i < kTries && m_client.outstanding() > 0; ++i)
    {
        server.serve();
        m_client.spinFor(1ms);
    }
    hear(); // else the pair of a server that is gone stays for what waits in it
}

std::string Caller::complaints() const
{
    std::string wrong = m_log->m_wrong;
    for (std::size_t i = 0; i < m_log->m_outcomes.size(); ++i)
    {
        wrong += m_log->m_outcomes[i] == 1
                     ? ""
                     : "  call " + std::to_string(i) + " had " + std::to_string(m_log->m_outcomes[i]) + " outcomes\n";
    }
    return wrong;
}

} // namespace ZeroCP::test
