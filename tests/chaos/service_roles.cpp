// Servers and clients of the chaos.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <vector>

#include <gtest/gtest.h>

#include "chaos/roles.hpp"
#include "support/message_pattern.hpp"

namespace ZeroCP::test::chaos
{

namespace
{

using namespace std::chrono_literals;

constexpr auto kTimeout = 300ms;
constexpr std::uint32_t kReply = 2'000'000;

std::size_t sizeOf(std::uint32_t from, std::uint64_t number)
{
    return kLeastPattern + Random(patternSeed(from, number)).below(1000);
}

void reply(ServiceCall<Bytes, Bytes> request)
{
    const auto head = readPattern(request.request());
    ASSERT_TRUE(head) << "a damaged request";
    if (const auto response = request.loan(sizeOf(head->m_publisher + kReply, head->m_sequence)))
    {
        writePattern(*response, head->m_publisher + kReply, head->m_sequence);
        static_cast<void>(request.answer()); // the caller may be dead
    }
}

/// How often each call of a client was settled: once, whatever dies.
class Outcomes
{
  public:
    Outcomes(Board& board, std::uint32_t me) : m_board(board), m_me(me) {}

    std::uint64_t begin()
    {
        m_counts.push_back(0);
        return m_counts.size() - 1;
    }
    void settle(std::uint64_t number, const Client<Bytes, Bytes>::Answer& answer)
    {
        ++m_counts[number];
        m_board.m_calls.fetch_add(1);
        if (answer)
        {
            const auto head = readPattern(answer->get());
            EXPECT_TRUE(head && head->m_publisher == m_me + kReply && head->m_sequence == number)
                << "a wrong answer to call " << number;
            m_board.m_answers.fetch_add(1);
        }
        else
        {
            EXPECT_TRUE(answer.error() == CallError::Timeout || answer.error() == CallError::ServerGone ||
                        answer.error() == CallError::NoAnswer || wasNotSent(answer.error()))
                << toString(answer.error());
        }
    }
    static bool wasNotSent(CallError error)
    {
        return error == CallError::NoServer || error == CallError::TooManyCalls || error == CallError::NoChunk;
    }
    [[nodiscard]] bool areOneEach() const
    {
        return std::all_of(m_counts.begin(), m_counts.end(), [](std::uint32_t count) { return count == 1; });
    }

  private:
    Board& m_board;
    std::uint32_t m_me;
    std::vector<std::uint32_t> m_counts;
};

void callOnce(Client<Bytes, Bytes>& client, std::uint32_t me, Outcomes& outcomes, bool wait)
{
    const std::uint64_t number = outcomes.begin();
    auto request = client.loan(sizeOf(me, number));
    if (!request)
    {
        outcomes.settle(number, tl::unexpected(CallError::NoChunk));
        return;
    }
    writePattern(request->get(), me, number);
    if (wait)
    {
        outcomes.settle(number, client.call(std::move(*request), kTimeout));
        return;
    }
    const auto sent = client.asyncCall(std::move(*request), kTimeout,
                                       [&outcomes, number](const Client<Bytes, Bytes>::Answer& answer)
                                       { outcomes.settle(number, answer); });
    if (!sent)
    {
        outcomes.settle(number, tl::unexpected(sent.error()));
    }
}

} // namespace

void serve(const Scene& scene, Place& place, Random& random)
{
    place.at("joins to serve");
    Node node = made(Node::create("server", scene.options()), place);
    place.at("creates a service");
    auto service = made(node.createService<Bytes, Bytes>(kService, reply), place);
    for (std::uint64_t rounds = random.below(100); rounds > 0 && !scene.mustLeave(place); --rounds)
    {
        place.at("serves");
        service.spinFor(10ms);
    }
    place.at("leaves as a server");
}

void call(const Scene& scene, Place& place, Random& random)
{
    place.at("joins to call");
    Node node = made(Node::create("client", scene.options()), place);
    place.at("creates a client");
    const auto me = static_cast<std::uint32_t>(random.below(kWitness));
    Outcomes outcomes(scene.m_board, me);
    auto client = made(node.createClient<Bytes, Bytes>(kService), place);
    for (std::uint64_t rounds = 50 + random.below(200);
         rounds > 0 && !scene.mustLeave(place) && !::testing::Test::HasFailure(); --rounds)
    {
        place.at("calls");
        callOnce(client, me, outcomes, random.below(3) == 0);
        client.spinFor(std::chrono::microseconds(random.below(1000)));
        rest(random);
    }
    const auto deadline = std::chrono::steady_clock::now() + 4 * kTimeout;
    while (client.outstanding() != 0 && std::chrono::steady_clock::now() < deadline)
    {
        place.at("waits for its last answers");
        client.spinFor(5ms);
    }
    EXPECT_EQ(client.outstanding(), 0U);
    EXPECT_TRUE(outcomes.areOneEach()) << "a call with no outcome, or with two";
    place.at("leaves as a client");
}

} // namespace ZeroCP::test::chaos
