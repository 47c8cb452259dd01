// Services between processes: servers and clients that are killed or stopped while calls are under way. Every call gets
// its answer, or exactly one error; no chunk is lost.
//
//     ZEROCP_TEST_CALLS=1000000 build/release/tests/zerocp_process_tests --gtest_filter='Service.*'
#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "support/child_process.hpp"
#include "support/message_pattern.hpp"
#include "support/pool_audit.hpp"
#include "support/shared_board.hpp"
#include "support/test_domain.hpp"
#include "zerocp/zerocp.hpp"

namespace ZeroCP::test
{
namespace
{

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

using Bytes = Slice<std::byte>;
using BytesClient = Client<Bytes, Bytes>;

constexpr std::size_t kClients = 4;
constexpr std::size_t kServers = 2;
constexpr std::uint64_t kWindow = 8; ///< calls that a client has under way
constexpr std::uint32_t kReply = 1000;
constexpr auto kLong = 60s; ///< far beyond what any call here should take
const char* const kService = "test/reverse";

struct Board
{
    std::atomic<std::uint64_t> m_answered;
    std::atomic<std::uint64_t> m_gone;
    std::atomic<std::uint64_t> m_other;
    std::atomic<std::int64_t> m_killedNs;
    std::atomic<std::int64_t> m_lastGoneNs;
    std::array<std::atomic<std::uint64_t>, kServers> m_served;
    std::atomic<bool> m_stop;
};

std::uint64_t callsInAll()
{
    return numberFrom("ZEROCP_TEST_CALLS", kSanitized ? 4000 : 100'000);
}

NodeOptions optionsOf(const TestDomain& domain)
{
    return {.domain = domain.number(), .configFile = {}, .root = {}, .config = Config{}};
}

/// Sizes and contents of both ways follow from who asks and which call it is.
std::size_t sizeOf(std::uint32_t from, std::uint64_t call)
{
    return kLeastPattern + Random(patternSeed(from, call) ^ 77U).below(1500);
}

/// Answers with a pattern of the request's head; nonsense is not answered.
void reply(ServiceCall<Bytes, Bytes> call)
{
    const auto head = readPattern(call.request());
    if (!head)
    {
        return;
    }
    const auto response = call.loan(sizeOf(head->m_publisher + kReply, head->m_sequence));
    if (response)
    {
        writePattern(*response, head->m_publisher + kReply, head->m_sequence);
        static_cast<void>(call.answer()); // the caller may be dead
    }
}

/// Serves until the parent says something, or the board says stop.
std::unique_ptr<ChildProcess> startServer(const TestDomain& domain, Board& board, std::size_t me)
{
    auto child = std::make_unique<ChildProcess>(
        [&domain, &board, me](Peer& parent)
        {
            auto node = Node::create("server", optionsOf(domain));
            auto service = node->createService<Bytes, Bytes>(kService,
                                                             [&board, me](ServiceCall<Bytes, Bytes> call)
                                                             {
                                                                 reply(std::move(call));
                                                                 board.m_served[me].fetch_add(1);
                                                             });
            if (!service)
            {
                ADD_FAILURE() << service.error().message();
                return false;
            }
            parent.tell("ready");
            while (!board.m_stop)
            {
                service->spinFor(20ms);
            }
            return true;
        });
    EXPECT_EQ(child->hear(), "ready");
    return child;
}

/// The outcomes of one client's calls.
class Outcomes
{
  public:
    Outcomes(Board& board, std::uint32_t me, std::uint64_t calls) : m_board(board), m_me(me), m_counts(calls, 0) {}

    void note(std::uint64_t call, const BytesClient::Answer& answer)
    {
        ++m_counts[call];
        ++m_settled;
        if (!answer)
        {
            const bool gone = answer.error() == CallError::ServerGone;
            (gone ? m_board.m_gone : m_board.m_other).fetch_add(1);
            EXPECT_TRUE(gone) << "client " << m_me << ", call " << call << ": " << toString(answer.error());
            m_board.m_lastGoneNs = Clock::now().time_since_epoch().count();
            return;
        }
        const auto head = readPattern(answer->get());
        const bool right = head && head->m_publisher == m_me + kReply && head->m_sequence == call &&
                           answer->get().size() == sizeOf(m_me + kReply, call);
        EXPECT_TRUE(right) << "client " << m_me << ", call " << call << ": a wrong answer";
        m_board.m_answered.fetch_add(1);
    }
    [[nodiscard]] std::uint64_t settled() const { return m_settled; }
    [[nodiscard]] bool eachOnce() const
    {
        return std::all_of(m_counts.begin(), m_counts.end(), [](std::uint8_t count) { return count == 1; });
    }

  private:
    Board& m_board;
    std::uint32_t m_me;
    std::uint64_t m_settled{0};
    std::vector<std::uint8_t> m_counts;
};

Expected<Loan<Bytes>, LoanError> requestOf(BytesClient& client, std::uint32_t me, std::uint64_t call)
{
    auto loan = client.loan(sizeOf(me, call));
    if (loan)
    {
        writePattern(loan->get(), me, call);
    }
    return loan;
}

/// One client waits for each answer, the others have kWindow calls under way.
bool callAll(const TestDomain& domain, Board& board, std::uint32_t me, std::uint64_t calls)
{
    auto node = Node::create("client", optionsOf(domain));
    auto client = node->createClient<Bytes, Bytes>(kService);
    if (!client)
    {
        ADD_FAILURE() << client.error().message();
        return false;
    }
    Outcomes outcomes(board, me, calls);
    for (std::uint64_t call = 0; call < calls && !::testing::Test::HasFailure(); ++call)
    {
        auto request = requestOf(*client, me, call);
        if (!request)
        {
            ADD_FAILURE() << "client " << me << ", call " << call << ": " << toString(request.error());
            return false;
        }
        if (me == 0)
        {
            outcomes.note(call, client->call(std::move(*request), kLong));
            continue;
        }
        const auto sent =
            client->asyncCall(std::move(*request), kLong,
                              [&outcomes, call](const BytesClient::Answer& answer) { outcomes.note(call, answer); });
        EXPECT_TRUE(sent) << toString(sent.error());
        while (client->outstanding() >= kWindow)
        {
            if (!client->runOne())
            {
                client->spinFor(1ms);
            }
        }
    }
    const auto deadline = Clock::now() + kLong;
    while (outcomes.settled() < calls && Clock::now() < deadline && !::testing::Test::HasFailure())
    {
        client->spinFor(1ms);
    }
    EXPECT_TRUE(outcomes.eachOnce()) << "client " << me << ": " << outcomes.settled() << " outcomes of " << calls;
    EXPECT_EQ(client->outstanding(), 0U);
    EXPECT_EQ(client->lateAnswers(), 0U);
    return !::testing::Test::HasFailure();
}

TEST(Service, KilledHalfWayLeavesEveryCallWithOneOutcome)
{
    TestDomain domain;
    SharedBoard<Board> board;
    const std::uint64_t calls = callsInAll() / kClients;
    auto victim = startServer(domain, *board, 0);
    auto survivor = startServer(domain, *board, 1);
    std::vector<std::unique_ptr<ChildProcess>> clients;
    for (std::uint32_t i = 0; i < kClients; ++i)
    {
        clients.push_back(std::make_unique<ChildProcess>([&domain, &board, i, calls](Peer&)
                                                         { return callAll(domain, *board, i, calls); }));
    }

    await([&] { return board->m_served[0] > calls / 2 || clients[0]->hasEnded(); });
    board->m_killedNs = Clock::now().time_since_epoch().count();
    EXPECT_TRUE(victim->kill(SIGKILL).killedBy(SIGKILL));
    for (auto& client : clients)
    {
        EXPECT_TRUE(client->wait().succeeded());
    }
    auto node = Node::create("auditor", optionsOf(domain));
    auto keepsTheSets = node->createClient<Bytes, Bytes>(kService);
    ASSERT_TRUE(keepsTheSets);
    board->m_stop = true;
    EXPECT_TRUE(survivor->wait().succeeded());

    EXPECT_EQ(board->m_answered + board->m_gone, calls * kClients);
    EXPECT_EQ(board->m_other, 0U);
    EXPECT_LE(board->m_gone, kWindow * (kClients - 1) + 1);
    const std::int64_t goneAfter = board->m_gone == 0 ? 0 : board->m_lastGoneNs - board->m_killedNs;
    EXPECT_LT(goneAfter, 1'000'000'000) << "the last of the dead one's calls ended late";
    std::printf(
        "%llu calls: %llu answered (%llu and %llu served), %llu gone with the killed server, the last after %.1f "
        "ms\n",
        static_cast<unsigned long long>(calls * kClients), static_cast<unsigned long long>(board->m_answered.load()),
        static_cast<unsigned long long>(board->m_served[0].load()),
        static_cast<unsigned long long>(board->m_served[1].load()),
        static_cast<unsigned long long>(board->m_gone.load()), static_cast<double>(goneAfter) * 1e-6);
    expectAllChunksFree(domain.number());
}

/// Servers die at any moment of taking, loaning, answering to one of two clients; another server and a witness live on.
TEST(Service, KilledAtAnyMomentLosesNoChunkAndNoOutcome)
{
    const std::uint64_t rounds = numberFrom("ZEROCP_TEST_ROUNDS", kSanitized ? 5 : 40);
    TestDomain domain;
    SharedBoard<Board> board;
    Random random(testSeed());
    auto node = Node::create("client", optionsOf(domain)).value();
    auto client = node.createClient<Bytes, Bytes>(kService, {.maxHeld = 32}).value();
    auto other = node.createClient<Bytes, Bytes>(kService, {.maxHeld = 32}).value();
    std::uint64_t gone = 0;
    for (std::uint64_t round = 0; round < rounds; ++round)
    {
        auto victim = startServer(domain, *board, 0);
        const auto killAt = Clock::now() + std::chrono::microseconds(random.below(20'000));
        std::vector<BytesClient::Future> futures;
        for (std::uint64_t call = 0; Clock::now() < killAt; ++call)
        {
            BytesClient& asks = call % 2 == 0 ? client : other;
            auto request = requestOf(asks, 5, call);
            ASSERT_TRUE(request) << toString(request.error());
            if (asks.outstanding() < kWindow)
            {
                futures.push_back(asks.asyncCall(std::move(*request), kLong));
            }
            client.runOne();
            other.runOne();
            std::erase_if(futures, [](BytesClient::Future& future)
                          { return future.wait_for(0s) == std::future_status::ready && future.get().has_value(); });
        }
        EXPECT_TRUE(victim->kill(SIGKILL).killedBy(SIGKILL));
        const auto killed = Clock::now();
        const auto deadline = killed + kLong;
        while (client.outstanding() + other.outstanding() != 0 && Clock::now() < deadline)
        {
            client.spinFor(1ms);
            other.spinFor(1ms);
        }
        // Where no call was under way nobody may have looked yet, and not more often than every 10 ms.
        await([&] { return client.serverCount() == 0 || Clock::now() >= deadline; });
        EXPECT_LT(Clock::now() - killed, 1s) << "nobody but the clients looks whether the server lives";
        for (BytesClient::Future& future : futures)
        {
            ASSERT_EQ(future.wait_for(0s), std::future_status::ready) << "round " << round;
            const auto answer = future.get();
            ASSERT_TRUE(answer || answer.error() == CallError::ServerGone) << toString(answer.error());
            gone += answer ? 0U : 1U;
        }
    }
    auto keepsTheSets = node.createClient<Bytes, Bytes>(kService);
    client = {};
    other = {};
    std::printf("%llu servers killed, %llu calls gone with them\n", static_cast<unsigned long long>(rounds),
                static_cast<unsigned long long>(gone));
    EXPECT_TRUE(gone > 0 || rounds < 40) << "no server died with a call";
    expectAllChunksFree(domain.number());
}

TEST(Client, KilledWithCallsUnderWayHarmsNoServerAndNoOtherClient)
{
    constexpr std::uint64_t kCalls = kSanitized ? 100 : 500; // with each victim
    constexpr int kVictims = 5;
    TestDomain domain;
    SharedBoard<Board> board;
    auto server = startServer(domain, *board, 0);
    std::unique_ptr<Node> node = std::make_unique<Node>(Node::create("witness", optionsOf(domain)).value());
    auto client = node->createClient<Bytes, Bytes>(kService).value();
    std::uint64_t call = 0;
    for (int i = 0; i < kVictims; ++i)
    {
        ChildProcess victim(
            [&domain, &board](Peer& parent)
            {
                static_cast<void>(callAll(domain, *board, 1, 10));
                parent.tell("calling");
                return callAll(domain, *board, 1, 100'000'000);
            });
        EXPECT_EQ(victim.hear(), "calling");
        const std::uint64_t end = call + 2 * kCalls;
        for (; call < end; ++call)
        {
            if (call == end - kCalls)
            {
                EXPECT_TRUE(victim.kill(SIGKILL).killedBy(SIGKILL));
            }
            auto request = requestOf(client, 7, call);
            ASSERT_TRUE(request) << toString(request.error());
            const auto answer = client.call(std::move(*request), kLong);
            ASSERT_TRUE(answer) << "call " << call << ": " << toString(answer.error());
            const auto head = readPattern(answer->get());
            ASSERT_TRUE(head && head->m_publisher == 7 + kReply && head->m_sequence == call);
        }
    }
    board->m_stop = true;
    EXPECT_TRUE(server->wait().succeeded());

    auto keepsTheSets = node->createClient<Bytes, Bytes>(kService);
    client = {};
    EXPECT_EQ(keepsTheSets->serverCount(), 0U);
    expectAllChunksFree(domain.number());
}

TEST(Service, StoppedLetsCallsTimeOutAndIsOfUseAgainWhenItGoesOn)
{
    TestDomain domain;
    SharedBoard<Board> board;
    auto server = startServer(domain, *board, 0);
    auto node = Node::create("client", optionsOf(domain)).value();
    auto client = node.createClient<Bytes, Bytes>(kService, {.depth = 4}).value();
    const std::vector<std::byte> request(kLeastPattern); // no pattern: would give NoAnswer
    const auto call = [&](std::chrono::nanoseconds timeout)
    {
        const auto answer = client.call(request, timeout);
        return answer ? std::nullopt : std::optional(answer.error());
    };
    ASSERT_EQ(call(kLong), CallError::NoAnswer);

    server->signal(SIGSTOP);
    for (int i = 0; i < 4; ++i)
    {
        EXPECT_EQ(call(10ms), CallError::Timeout);
    }
    EXPECT_EQ(call(10ms), CallError::TooManyCalls);
    EXPECT_EQ(client.serverCount(), 1U) << "stopped is not dead";
    server->signal(SIGCONT);
    await([&] { return board->m_served[0] >= 5; });

    EXPECT_EQ(call(kLong), CallError::NoAnswer);
    EXPECT_EQ(client.lateAnswers(), 4U);
    board->m_stop = true;
    EXPECT_TRUE(server->wait().succeeded());
}

TEST(Service, StoppedForLongIsAvoidedWhileThereIsAnother)
{
    constexpr std::uint64_t kCalls = kSanitized ? 100 : 1000;
    TestDomain domain;
    SharedBoard<Board> board;
    auto stopped = startServer(domain, *board, 0);
    auto server = startServer(domain, *board, 1);
    auto node = Node::create("client", optionsOf(domain)).value();
    auto client = node.createClient<Bytes, Bytes>(kService).value();
    stopped->signal(SIGSTOP);

    std::uint64_t failed = 0;
    for (std::uint64_t call = 0; call < kCalls; ++call)
    {
        auto request = requestOf(client, 3, call);
        ASSERT_TRUE(request);
        const auto answer = client.call(std::move(*request), 500ms);
        failed += answer ? 0U : 1U;
    }

    EXPECT_LE(failed, 3U) << "a call that was given up still counts for the server that has it";
    stopped->signal(SIGCONT);
    board->m_stop = true;
    EXPECT_TRUE(stopped->wait().succeeded());
    EXPECT_TRUE(server->wait().succeeded());
}

} // namespace
} // namespace ZeroCP::test
