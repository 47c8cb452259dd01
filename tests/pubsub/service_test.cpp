// Services: Service, ServiceCall, Client. One thread plays both sides unless a test says otherwise.
#include <atomic>
#include <chrono>
#include <csignal>
#include <memory>
#include <mutex>
#include <numeric>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "pubsub/pubsub_support.hpp"
#include "support/child_process.hpp"
#include "support/shared_board.hpp"
#include "zerocp/discovery/domain_lock.hpp"

namespace ZeroCP::test
{
namespace
{

using namespace std::chrono_literals;

struct Pair
{
    std::int64_t a;
    std::int64_t b;
};
struct Sum
{
    std::int64_t value;
};

using Numbers = Slice<std::int32_t>;
using AddClient = Client<Pair, Sum>;
using AddService = Service<Pair, Sum>;
using AddCall = ServiceCall<Pair, Sum>;

constexpr auto kLong = 10s; ///< never waited for in full by a healthy test

void add(const Pair& request, Sum& response)
{
    response.value = request.a + request.b;
}

struct Services : OneNode
{
    template <typename Callback>
    AddService service(Callback callback, const ServiceOptions& options = {})
    {
        return m_node.createService<Pair, Sum>("add", std::move(callback), options).value();
    }
    AddClient client(const ClientOptions& options = {})
    {
        return m_node.createClient<Pair, Sum>("add", options).value();
    }
};

/// Spins a service on a thread of its own.
template <typename Spins>
class Spinning
{
  public:
    explicit Spinning(Spins& spins)
        : m_thread(
              [this, &spins]
              {
                  while (!m_stop)
                  {
                      spins.spinFor(5ms);
                  }
              })
    {
    }
    Spinning(const Spinning&) = delete;
    Spinning& operator=(const Spinning&) = delete;
    ~Spinning()
    {
        m_stop = true;
        m_thread.join();
    }

  private:
    std::atomic<bool> m_stop{false};
    std::thread m_thread;
};

template <typename Future>
bool isReady(const Future& future)
{
    return future.wait_for(0s) == std::future_status::ready;
}

/// The error of a future, which must be ready.
template <typename Future>
std::optional<CallError> errorOf(Future& future)
{
    if (!isReady(future))
    {
        ADD_FAILURE() << "no outcome yet";
        return std::nullopt;
    }
    auto answer = future.get();
    return answer ? std::nullopt : std::optional(answer.error());
}

/// The sum in a future, which must be ready.
std::int64_t valueOf(AddClient::Future& future)
{
    const auto answer = isReady(future) ? future.get() : tl::unexpected(CallError::Timeout);
    EXPECT_TRUE(answer) << toString(answer.error());
    return answer ? (*answer)->value : -1;
}

template <typename Runs>
void runAll(Runs& runs)
{
    while (runs.runOne())
    {
    }
}

TEST(Service, AnswersACall)
{
    Services domain;
    auto service = domain.service(add);
    auto client = domain.client();
    const Spinning spinning(service);

    const auto answer = client.call(Pair{2, 3}, kLong);

    ASSERT_TRUE(answer) << toString(answer.error());
    EXPECT_EQ((*answer)->value, 5);
    EXPECT_EQ(client.outstanding(), 0U);
}

TEST(Service, AnswersWhatWasWrittenInPlace)
{
    Services domain;
    auto service = domain.service(add);
    auto client = domain.client();
    auto loan = client.loan();
    ASSERT_TRUE(loan);
    **loan = Pair{20, 22};

    auto future = client.asyncCall(std::move(*loan), kLong);
    EXPECT_FALSE(*loan);
    EXPECT_TRUE(service.runOne());
    EXPECT_TRUE(client.runOne());

    ASSERT_TRUE(isReady(future));
    const auto answer = future.get();
    ASSERT_TRUE(answer);
    EXPECT_EQ((*answer)->value, 42);
}

TEST(Service, RunsTheClientsCallbackInRunOne)
{
    Services domain;
    auto service = domain.service(add);
    auto client = domain.client();
    std::int64_t sum = 0;

    ASSERT_TRUE(client.asyncCall(Pair{1, 2}, kLong, [&](AddClient::Answer answer) { sum = (*answer)->value; }));
    runAll(service);

    EXPECT_EQ(client.outstanding(), 1U);
    EXPECT_TRUE(client.runOne());
    EXPECT_EQ(sum, 3);
    EXPECT_EQ(client.outstanding(), 0U);
    EXPECT_FALSE(client.runOne());
}

TEST(Service, CarriesSlicesBothWays)
{
    OneNode domain;
    auto service = domain.m_node
                       .createService<Numbers, Numbers>("double",
                                                        [](ServiceCall<Numbers, Numbers> call)
                                                        {
                                                            const auto from = call.request();
                                                            const auto to = call.loan(from.size());
                                                            for (std::size_t i = 0; i < from.size(); ++i)
                                                            {
                                                                (*to)[i] = 2 * from[i];
                                                            }
                                                            EXPECT_TRUE(call.answer());
                                                        })
                       .value();
    auto client = domain.m_node.createClient<Numbers, Numbers>("double").value();
    for (const std::size_t count : {0U, 1U, 1000U, 100'000U})
    {
        std::vector<std::int32_t> numbers(count);
        std::iota(numbers.begin(), numbers.end(), 1);

        auto future = client.asyncCall(numbers, kLong);
        runAll(service);
        runAll(client);

        ASSERT_TRUE(isReady(future));
        const auto answer = future.get();
        ASSERT_TRUE(answer) << toString(answer.error());
        ASSERT_EQ(answer->get().size(), count);
        for (std::size_t i = 0; i < count; ++i)
        {
            ASSERT_EQ(answer->get()[i], 2 * numbers[i]);
        }
    }
}

TEST(Service, AnswersEachOfManyClients)
{
    Services domain;
    auto service = domain.service(add);
    std::vector<AddClient> clients;
    for (int i = 0; i < 10; ++i)
    {
        clients.push_back(domain.client());
    }

    std::vector<AddClient::Future> futures;
    for (std::int64_t round = 0; round < 4; ++round)
    {
        for (std::size_t i = 0; i < clients.size(); ++i)
        {
            futures.push_back(clients[i].asyncCall(Pair{static_cast<std::int64_t>(i), 100 * round}, kLong));
        }
    }
    runAll(service);
    for (AddClient& client : clients)
    {
        runAll(client);
    }

    for (std::size_t i = 0; i < futures.size(); ++i)
    {
        ASSERT_TRUE(isReady(futures[i]));
        const auto answer = futures[i].get();
        ASSERT_TRUE(answer);
        EXPECT_EQ((*answer)->value, static_cast<std::int64_t>(i % 10 + 100 * (i / 10)));
    }
}

TEST(Service, HasChunksForTheUnreadAnswersOfAllItsClients)
{
    Services domain;
    auto service = domain.service(add);
    std::vector<AddClient> clients;
    std::vector<AddClient::Future> futures;
    for (int i = 0; i < 10; ++i)
    {
        clients.push_back(domain.client({.maxHeld = 1}));
        for (int j = 0; j < 16; ++j)
        {
            futures.push_back(clients.back().asyncCall(Pair{i, j}, kLong));
        }
    }

    runAll(service);

    for (std::size_t i = 0; i < futures.size(); ++i)
    {
        clients[i / 16].runOne();
        ASSERT_EQ(valueOf(futures[i]), static_cast<std::int64_t>(i / 16 + i % 16));
    }
}

TEST(Service, IsWokenByACallAndItsClientByTheAnswer)
{
    Services domain;
    std::optional<AddService> service = domain.service(add);
    auto client = domain.client();
    std::thread spinning([port = service->port()] { port->spinFor(kLong); });
    std::chrono::nanoseconds waited{0};
    for (int i = 0; i < 8; ++i)
    {
        std::this_thread::sleep_for(20ms); // the server sleeps, for half a second unless somebody wakes it
        const auto start = std::chrono::steady_clock::now();
        EXPECT_TRUE(client.call(Pair{}, kLong));
        waited += std::chrono::steady_clock::now() - start;
    }

    EXPECT_LT(waited, 1s);
    service.reset();
    spinning.join();
}

TEST(Service, SharesItsCallsWithOthersOfItsName)
{
    Services domain;
    int first = 0;
    int second = 0;
    auto one = domain.service([&](const Pair&, Sum& sum) { sum.value = ++first; });
    auto two = domain.service([&](const Pair&, Sum& sum) { sum.value = ++second; });
    auto client = domain.client();
    EXPECT_EQ(client.serverCount(), 2U);

    std::vector<AddClient::Future> futures;
    for (int i = 0; i < 16; ++i)
    {
        futures.push_back(client.asyncCall(Pair{}, kLong));
    }
    runAll(one);
    runAll(two);
    runAll(client);

    EXPECT_EQ(first, 8);
    EXPECT_EQ(second, 8);
    for (auto& future : futures)
    {
        EXPECT_EQ(errorOf(future), std::nullopt);
    }
}

TEST(Service, GetsNoMoreCallsThanItsClientMayHave)
{
    Services domain;
    auto service = domain.service(add);
    auto client = domain.client({.depth = 3});
    std::vector<AddClient::Future> futures;
    for (int i = 0; i < 3; ++i)
    {
        futures.push_back(client.asyncCall(Pair{}, kLong));
    }

    auto refused = client.asyncCall(Pair{}, kLong);
    ASSERT_TRUE(isReady(refused));
    EXPECT_EQ(errorOf(refused), CallError::TooManyCalls);

    runAll(service);
    runAll(client);
    auto accepted = client.asyncCall(Pair{}, kLong);
    EXPECT_FALSE(isReady(accepted));
    for (auto& future : futures)
    {
        EXPECT_EQ(errorOf(future), std::nullopt);
    }
}

TEST(Service, WithAShorterQueueThanItsClientsRefusesInTime)
{
    Services domain;
    auto service = domain.service(add, {.depth = 2});
    auto client = domain.client({.depth = 8});

    std::vector<AddClient::Future> futures;
    for (int i = 0; i < 3; ++i)
    {
        futures.push_back(client.asyncCall(Pair{}, kLong));
    }

    ASSERT_TRUE(isReady(futures[2]));
    EXPECT_EQ(errorOf(futures[2]), CallError::TooManyCalls);
    EXPECT_FALSE(isReady(futures[0]));
}

TEST(Client, GetsNoServerWhereThereIsNone)
{
    Services domain;
    auto client = domain.client();

    const auto answer = client.call(Pair{}, kLong);

    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error(), CallError::NoServer);
    EXPECT_EQ(client.serverCount(), 0U);
    EXPECT_FALSE(client.waitForService(1ms));
}

TEST(Client, WaitsForAService)
{
    Services domain;
    auto client = domain.client();
    std::optional<AddService> service;
    std::thread later([&] { service = domain.service(add); });

    EXPECT_TRUE(client.waitForService(kLong));

    later.join();
    EXPECT_EQ(client.serverCount(), 1U);
}

TEST(Client, TimesOutWhereTheServerDoesNotSpin)
{
    Services domain;
    auto service = domain.service(add);
    auto client = domain.client();

    const auto start = std::chrono::steady_clock::now();
    const auto answer = client.call(Pair{}, 20ms);

    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error(), CallError::Timeout);
    EXPECT_GE(std::chrono::steady_clock::now() - start, 20ms);
    EXPECT_EQ(client.outstanding(), 0U);
}

TEST(Client, DropsAndCountsAnAnswerThatComesTooLate)
{
    Services domain;
    auto service = domain.service(add);
    auto client = domain.client({.depth = 1});
    EXPECT_FALSE(client.call(Pair{1, 1}, 1ms));
    const auto refused = client.call(Pair{}, 1ms);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error(), CallError::TooManyCalls) << "the first call still has its place";

    runAll(service);
    auto future = client.asyncCall(Pair{2, 2}, kLong);
    EXPECT_EQ(client.lateAnswers(), 1U);
    runAll(service);
    runAll(client);

    ASSERT_TRUE(isReady(future));
    const auto answer = future.get();
    ASSERT_TRUE(answer);
    EXPECT_EQ((*answer)->value, 4);
    EXPECT_EQ(client.lateAnswers(), 1U);
}

TEST(Client, GetsNoAnswerIfTheCallIsDropped)
{
    Services domain;
    auto service = domain.service([](AddCall) {});
    auto client = domain.client();

    auto future = client.asyncCall(Pair{}, kLong);
    runAll(service);
    runAll(client);

    ASSERT_TRUE(isReady(future));
    EXPECT_EQ(errorOf(future), CallError::NoAnswer);
}

TEST(ServiceCall, CanBeAnsweredLaterByAnotherThread)
{
    Services domain;
    std::vector<AddCall> kept;
    auto service = domain.service([&](AddCall call) { kept.push_back(std::move(call)); });
    auto client = domain.client();
    auto first = client.asyncCall(Pair{1, 0}, kLong);
    auto second = client.asyncCall(Pair{2, 0}, kLong);
    runAll(service);
    runAll(client);
    EXPECT_FALSE(isReady(first));

    std::thread(
        [&]
        {
            for (; !kept.empty(); kept.pop_back())
            {
                EXPECT_TRUE(kept.back().answer(Sum{10 * kept.back().request().a}));
            }
        })
        .join();
    runAll(client);

    ASSERT_TRUE(isReady(first) && isReady(second));
    EXPECT_EQ(valueOf(first), 10);
    EXPECT_EQ(valueOf(second), 20);
}

TEST(ServiceCall, IsAnsweredOnce)
{
    Services domain;
    auto service = domain.service(
        [](AddCall call)
        {
            const auto early = call.answer();
            ASSERT_FALSE(early);
            EXPECT_EQ(early.error(), PublishError::NoChunk);
            EXPECT_TRUE(call.answer(Sum{1}));
            const auto again = call.answer(Sum{2});
            ASSERT_FALSE(again);
            EXPECT_FALSE(call);
        });
    auto client = domain.client();

    auto future = client.asyncCall(Pair{}, kLong);
    runAll(service);
    runAll(client);

    ASSERT_TRUE(isReady(future));
    EXPECT_EQ(valueOf(future), 1);
    EXPECT_FALSE(client.runOne());
}

TEST(ServiceCall, KeptUpToTheLimitLetsOthersWait)
{
    Services domain;
    std::vector<AddCall> kept;
    auto service = domain.service([&](AddCall call) { kept.push_back(std::move(call)); }, {.maxOpen = 2});
    auto client = domain.client();
    std::vector<AddClient::Future> futures;
    for (int i = 0; i < 3; ++i)
    {
        futures.push_back(client.asyncCall(Pair{}, kLong));
    }

    runAll(service);
    EXPECT_EQ(kept.size(), 2U);
    EXPECT_TRUE(kept[0].answer(Sum{1}));
    runAll(service);

    EXPECT_EQ(kept.size(), 3U);
}

TEST(ServiceCall, AnsweredElsewhereLetsTheNextRequestInAtOnce)
{
    Services domain;
    std::mutex mutex;
    std::vector<AddCall> kept;
    const auto count = [&]
    {
        const std::lock_guard guard(mutex);
        return kept.size();
    };
    std::optional<AddService> service = domain.service(
        [&](AddCall call)
        {
            const std::lock_guard guard(mutex);
            kept.push_back(std::move(call));
        },
        {.maxOpen = 1});
    auto client = domain.client();
    auto first = client.asyncCall(Pair{}, kLong);
    auto second = client.asyncCall(Pair{}, kLong);
    std::thread spinning([port = service->port()] { port->spinFor(kLong); });
    await([&] { return count() == 1; });
    std::this_thread::sleep_for(50ms); // so that it sleeps, for half a second unless somebody wakes it

    const auto start = std::chrono::steady_clock::now();
    {
        std::unique_lock lock(mutex);
        AddCall taken = std::move(kept[0]);
        lock.unlock();
        EXPECT_TRUE(taken.answer(Sum{}));
    }
    await([&] { return count() == 2; });

    EXPECT_LT(std::chrono::steady_clock::now() - start, 300ms);
    service.reset();
    spinning.join();
}

TEST(Service, DestroyedGivesItsCallsServerGoneAtOnce)
{
    Services domain;
    auto client = domain.client();
    std::optional<AddService> service = domain.service(add);
    auto answered = client.asyncCall(Pair{1, 2}, kLong);
    runAll(*service);
    auto waiting = client.asyncCall(Pair{}, kLong);

    service.reset();
    runAll(client);

    ASSERT_TRUE(isReady(answered) && isReady(waiting));
    EXPECT_EQ(valueOf(answered), 3) << "what was answered before comes first";
    EXPECT_EQ(errorOf(waiting), CallError::ServerGone);
    EXPECT_EQ(client.serverCount(), 0U);
}

TEST(Service, DestroyedWithCallsThatAreKeptGivesServerGoneAtOnce)
{
    Services domain;
    std::vector<AddCall> kept;
    const auto captured = std::make_shared<int>(5);
    std::optional<AddService> service =
        domain.service([&kept, captured](AddCall call) { kept.push_back(std::move(call)); });
    auto client = domain.client();
    auto other = domain.client();
    auto taken = client.asyncCall(Pair{7, 0}, kLong);
    runAll(*service);
    auto queued = other.asyncCall(Pair{}, kLong);

    service.reset();
    runAll(client);
    runAll(other);

    ASSERT_TRUE(isReady(taken) && isReady(queued));
    EXPECT_EQ(errorOf(taken), CallError::ServerGone);
    EXPECT_EQ(errorOf(queued), CallError::ServerGone);
    EXPECT_EQ(client.serverCount(), 0U);
    EXPECT_EQ(kept.at(0).request().a, 7);
    EXPECT_EQ(captured.use_count(), 1) << "the callback is gone, though a call is kept";
    const auto late = kept.at(0).answer(Sum{});
    ASSERT_FALSE(late);
    EXPECT_EQ(late.error(), PublishError::Closed);
    EXPECT_FALSE(client.runOne());
}

TEST(Service, ThatOnlyKeepsCallsIsNoServerForClientsThatComeLater)
{
    Services domain;
    std::vector<AddCall> kept;
    std::optional<AddService> service = domain.service([&](AddCall call) { kept.push_back(std::move(call)); });
    auto client = domain.client();
    auto taken = client.asyncCall(Pair{}, kLong);
    runAll(*service);
    service.reset();

    auto late = domain.client();

    EXPECT_EQ(late.serverCount(), 0U);
}

TEST(Service, MayBeDestroyedInItsCallback)
{
    Services domain;
    std::optional<AddService> service;
    const auto captured = std::make_shared<int>(5);
    service = domain.service(
        [&service, captured](AddCall call)
        {
            service.reset();
            EXPECT_EQ(*captured, 5);
            EXPECT_FALSE(call.answer(Sum{}));
        });
    auto client = domain.client();

    auto future = client.asyncCall(Pair{}, kLong);
    service->spinFor(kLong);
    runAll(client);

    ASSERT_TRUE(isReady(future));
    EXPECT_EQ(errorOf(future), CallError::ServerGone);
    EXPECT_EQ(captured.use_count(), 1) << "the callback is gone";
}

TEST(Client, MayBeDestroyedInItsCallback)
{
    Services domain;
    auto service = domain.service(add);
    std::optional<AddClient> client = domain.client();
    int calls = 0;
    for (int i = 0; i < 3; ++i)
    {
        ASSERT_TRUE(client->asyncCall(Pair{4, 5}, kLong,
                                      [&](AddClient::Answer answer)
                                      {
                                          ++calls;
                                          client.reset();
                                          EXPECT_EQ((*answer)->value, 9) << "an answer may outlive its client";
                                      }));
    }
    runAll(service);
    EXPECT_FALSE(client->call(Pair{}, 1ms)); // brings the other answers too, but
    EXPECT_EQ(calls, 0) << "runs no callback";

    client->spinFor(kLong);

    EXPECT_FALSE(client);
    EXPECT_EQ(calls, 1) << "the others are never run";
}

TEST(Client, DestroyedMakesItsFuturesReady)
{
    Services domain;
    auto service = domain.service(add);
    std::optional<AddClient> client = domain.client();
    auto future = client->asyncCall(Pair{}, kLong);

    client.reset();

    ASSERT_TRUE(isReady(future));
    EXPECT_EQ(errorOf(future), CallError::Closed);
    runAll(service); // answers nobody
}

TEST(Client, GoneLetsTheServerDropTheAnswer)
{
    Services domain;
    std::vector<AddCall> kept;
    auto service = domain.service([&](AddCall call) { kept.push_back(std::move(call)); });
    std::optional<AddClient> client = domain.client();
    auto future = client->asyncCall(Pair{}, kLong);
    runAll(service);
    client.reset();

    const auto sent = kept.at(0).answer(Sum{});

    ASSERT_FALSE(sent);
    EXPECT_EQ(sent.error(), PublishError::NoSubscriber);
}

TEST(Client, AnswersClosedWhenMovedFrom)
{
    Services domain;
    auto service = domain.service(add);
    auto client = domain.client();
    const AddClient other = std::move(client);

    EXPECT_EQ(client.loan().error(), LoanError::Closed);
    EXPECT_EQ(client.call(Pair{}, kLong).error(), CallError::Closed);
    auto future = client.asyncCall(Pair{}, kLong);
    EXPECT_EQ(errorOf(future), CallError::Closed);
    EXPECT_FALSE(client.runOne());
    EXPECT_EQ(client.spinFor(kLong), 0U);
}

TEST(Client, AnswersNoChunkForTheLoanOfAnother)
{
    Services domain;
    auto service = domain.service(add);
    auto client = domain.client();
    auto other = domain.client();
    auto loan = other.loan();
    ASSERT_TRUE(loan);

    const auto answer = client.call(std::move(*loan), kLong);

    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error(), CallError::NoChunk);
    EXPECT_TRUE(*loan);
}

TEST(Client, AnswersForkedInAForkedChild)
{
    Services domain;
    auto service = domain.service(add);
    auto client = domain.client();

    const pid_t child = ::fork();
    if (child == 0)
    {
        const bool refused = client.call(Pair{}, kLong).error() == CallError::Forked && !client.runOne() &&
                             client.outstanding() == 0 && !service.runOne() && service.spinFor(kLong) == 0;
        ::_exit(refused ? 0 : 1);
    }
    int status = -1;
    ASSERT_EQ(::waitpid(child, &status, 0), child);

    EXPECT_EQ(status, 0);
}

TEST(Client, KeepsAnswersBeyondItsLifeAndThatOfTheServer)
{
    Services domain;
    std::vector<Sample<Sum>> samples;
    {
        auto service = domain.service(add);
        auto client = domain.client();
        const Spinning spinning(service);
        for (int i = 0; i < 10; ++i)
        {
            samples.push_back(client.call(Pair{i, 1}, kLong).value());
        }
    }

    for (int i = 0; i < 10; ++i)
    {
        EXPECT_EQ(samples[static_cast<std::size_t>(i)]->value, i + 1);
    }
}

TEST(Client, ThatHoldsAllTheAnswersItMayHasTheRestWait)
{
    Services domain;
    auto service = domain.service(add);
    auto client = domain.client({.depth = 4, .maxHeld = 2});
    std::vector<AddClient::Future> futures;
    for (int i = 0; i < 4; ++i)
    {
        futures.push_back(client.asyncCall(Pair{i, 0}, kLong));
    }
    runAll(service);
    runAll(client);
    EXPECT_TRUE(isReady(futures[1]));
    EXPECT_FALSE(isReady(futures[2]));

    static_cast<void>(futures[0].get());
    runAll(client);

    EXPECT_TRUE(isReady(futures[2]));
    EXPECT_FALSE(isReady(futures[3]));
}

TEST(Client, CallsFromManyThreadsWhileAnotherSpins)
{
    Services domain;
    auto service = domain.service(add);
    auto client = domain.client({.maxHeld = 64, .maxLoans = 16});
    constexpr int kThreads = 4;
    constexpr int kCalls = 500;
    std::atomic<int> right{0};
    std::atomic<int> callbacks{0};
    {
        const Spinning answering(service);
        const Spinning spinning(client);
        std::vector<std::thread> threads;
        for (int t = 0; t < kThreads; ++t)
        {
            threads.emplace_back(
                [&, t]
                {
                    for (int i = 0; i < kCalls; ++i)
                    {
                        if (t == 0)
                        {
                            while (!client.asyncCall(Pair{i, t}, kLong,
                                                     [&](const AddClient::Answer& answer)
                                                     { callbacks += answer ? 1 : 0; }))
                            {
                                std::this_thread::yield();
                            }
                        }
                        const auto answer = client.call(Pair{i, t}, kLong);
                        right += answer && (*answer)->value == i + t ? 1 : 0;
                    }
                });
        }
        for (std::thread& thread : threads)
        {
            thread.join();
        }
        const auto deadline = std::chrono::steady_clock::now() + kLong;
        while (client.outstanding() != 0 && std::chrono::steady_clock::now() < deadline)
        {
            std::this_thread::sleep_for(1ms);
        }
    }
    runAll(client);

    EXPECT_EQ(right, kThreads * kCalls);
    EXPECT_EQ(callbacks, kCalls);
}

TEST(Client, TellsWhenItWantsToRunNext)
{
    Services domain;
    auto service = domain.service(add);
    auto client = domain.client();
    EXPECT_EQ(client.port()->nextTimeNs(), INT64_MAX);

    const std::int64_t before = steadyNowNs();
    auto future = client.asyncCall(Pair{}, 5ms);

    EXPECT_GE(client.port()->nextTimeNs(), before);
    EXPECT_LE(client.port()->nextTimeNs(), steadyNowNs() + 5'000'000);
    client.spinFor(20ms);
    EXPECT_EQ(errorOf(future), CallError::Timeout);
    EXPECT_EQ(client.port()->nextTimeNs(), INT64_MAX);
}

TEST(Service, WithOtherTypesIsRefused)
{
    Services domain;
    auto service = domain.service(add);

    const auto otherRequest = domain.m_node.createClient<Number, Sum>("add");
    const auto otherResponse = domain.m_node.createClient<Pair, Number>("/add");
    const auto otherServer = domain.m_node.createService<Pair, Slice<Sum>>("add", [](ServiceCall<Pair, Slice<Sum>>) {});

    ASSERT_FALSE(otherRequest || otherResponse || otherServer);
    EXPECT_EQ(otherRequest.error().code(), ErrorCode::TypeMismatch);
    EXPECT_EQ(otherResponse.error().code(), ErrorCode::TypeMismatch);
    EXPECT_EQ(otherServer.error().code(), ErrorCode::TypeMismatch);
    EXPECT_NE(otherRequest.error().message().find("service 'add'"), std::string::npos);
}

TEST(Service, NamesAndNumbersAreChecked)
{
    OneNode domain;

    const auto badName = domain.m_node.createClient<Pair, Sum>("a b");
    const auto longName = domain.m_node.createClient<Pair, Sum>(std::string(240, 'x'));
    const auto noDepth = domain.m_node.createClient<Pair, Sum>("add", {.depth = 0});
    const auto tooDeep = domain.m_node.createService<Pair, Sum>("add", add, {.depth = kMaxDepth});

    ASSERT_FALSE(badName || longName || noDepth || tooDeep);
    EXPECT_EQ(badName.error().code(), ErrorCode::InvalidName);
    EXPECT_EQ(longName.error().code(), ErrorCode::InvalidName);
    EXPECT_EQ(noDepth.error().code(), ErrorCode::ConfigInvalid);
    EXPECT_EQ(tooDeep.error().code(), ErrorCode::ConfigInvalid);
    EXPECT_TRUE(domain.inspect().topics.empty());
}

TEST(Service, IsListedWithItsTypesServersAndClients)
{
    Services domain;
    auto one = domain.service(add);
    auto two = domain.service(add);
    auto client = domain.client();
    auto lonely = domain.m_node.createClient<Numbers, Sum>("math/total").value();

    const auto services = domain.m_node.services().value();

    ASSERT_EQ(services.size(), 2U);
    EXPECT_EQ(services[0].name, "add");
    EXPECT_EQ(services[0].requestType, typeInfoOf<Pair>());
    EXPECT_EQ(services[0].responseType, typeInfoOf<Sum>());
    EXPECT_EQ(services[0].servers, 2U);
    EXPECT_EQ(services[0].clients, 1U);
    EXPECT_EQ(services[1].name, "math/total");
    EXPECT_EQ(services[1].requestType, typeInfoOf<Numbers>());
    EXPECT_EQ(services[1].servers, 0U);
    EXPECT_EQ(services[1].clients, 1U);
}

TEST(Service, CanBeListenedInOnWithoutBeingDelayed)
{
    Services domain;
    auto service = domain.service(add);
    auto client = domain.client();
    auto evicting = domain.subscriber<Pair>(QoS{}.keepLast(2), "_service/add/request");
    auto keeping = domain.subscriber<Sum>(QoS{}.keepAll(), "_service/add/response");
    EXPECT_EQ(client.serverCount(), 1U) << "who listens in answers nothing";
    for (int i = 0; i < 40; ++i)
    {
        auto future = client.asyncCall(Pair{i, i}, kLong);
        runAll(service);
        runAll(client);
        ASSERT_TRUE(isReady(future));
        EXPECT_EQ(valueOf(future), 2 * i);
    }

    EXPECT_EQ(evicting.take().value()->a, 38);
    EXPECT_EQ(evicting.missed(), 38U);
    EXPECT_EQ(keeping.take().value()->value, 0);
}

TEST(Service, AndItsClientsIgnoreWhatNeitherOfThemWrites)
{
    Services domain;
    std::vector<Expected<void, PublishError>> sent;
    auto service = domain.service([&](AddCall call) { sent.push_back(call.answer(Sum{1})); });
    auto client = domain.client();
    // Plain publishers on the hidden topics: their messages carry no call.
    auto requests = domain.publisher<Pair>(QoS{}.keepAll(), "_service/add/request");
    auto responses = domain.publisher<Sum>(QoS{}.keepAll(), "_service/add/response");

    EXPECT_TRUE(requests.publishCopy(Pair{}));
    EXPECT_TRUE(responses.publishCopy(Sum{9}));
    auto future = client.asyncCall(Pair{}, kLong);
    EXPECT_TRUE(responses.publishCopy(Sum{9}));
    runAll(client);
    EXPECT_FALSE(isReady(future));
    runAll(service);
    runAll(client);

    ASSERT_TRUE(isReady(future));
    EXPECT_EQ(valueOf(future), 1);
    ASSERT_EQ(sent.size(), 2U);
    EXPECT_NE(sent[0].has_value(), sent[1].has_value()) << "one of them has no reader";
}

TEST(Service, LeavesNoChunkInUse)
{
    Services domain;
    auto service = domain.service(add);
    auto client = domain.client();
    {
        const Spinning spinning(service);
        for (int i = 0; i < 1000; ++i)
        {
            const auto answer = client.call(Pair{i, i}, kLong);
            ASSERT_TRUE(answer);
            ASSERT_EQ((*answer)->value, 2 * i);
        }
    }
    EXPECT_FALSE(client.call(Pair{}, 1ms));
    runAll(service);
    runAll(client);

    // What came back is collected with the next loan; a dropped loan leaves none out.
    static_cast<void>(client.loan());
    const auto used = usedChunks(domain.inspect());
    EXPECT_LE(used, 2U) << "at most the last answer and the last request have not been collected";
}

TEST(Service, LeavesNoChunkBehind)
{
    Services domain;
    auto keepsTheSets = domain.m_node.createClient<Pair, Sum>("add").value();
    {
        auto service = domain.service([](AddCall call) { EXPECT_TRUE(call.answer(Sum{1})); });
        auto client = domain.client();
        std::vector<AddClient::Future> futures;
        for (int i = 0; i < 16; ++i)
        {
            futures.push_back(client.asyncCall(Pair{}, kLong)); // three unread, some unanswered
            if (i % 2 == 0)
            {
                service.runOne();
            }
            if (i % 4 == 0)
            {
                client.runOne();
            }
        }
    }

    EXPECT_EQ(usedChunks(domain.inspect()), 0U);
    expectAllChunksFree(domain.m_domain.number());
}

TEST(CallError, HasANameForEveryValue)
{
    EXPECT_EQ(toString(CallError::NoServer), "NoServer");
    EXPECT_EQ(toString(CallError::TooManyCalls), "TooManyCalls");
    EXPECT_EQ(toString(CallError::NoChunk), "NoChunk");
    EXPECT_EQ(toString(CallError::Timeout), "Timeout");
    EXPECT_EQ(toString(CallError::ServerGone), "ServerGone");
    EXPECT_EQ(toString(CallError::NoAnswer), "NoAnswer");
    EXPECT_EQ(toString(CallError::Closed), "Closed");
    EXPECT_EQ(toString(CallError::Forked), "Forked");
}

TEST(Client, CallsAServerThatIsKilledWhileNobodyCanRecoverIt)
{
    const TestDomain domain;
    ChildProcess child(
        [&](Peer& parent)
        {
            auto node = nodeIn(domain, {}, "server");
            auto service = node.createService<Pair, Sum>("add", add).value();
            parent.tell("there");
            parent.pause(); // answers nothing
            return true;
        });
    ASSERT_EQ(child.hear(), "there");
    auto node = nodeIn(domain, {}, "client");
    auto client = node.createClient<Pair, Sum>("add").value();
    auto future = client.asyncCall(Pair{1, 2}, kLong);
    auto somebody = DomainLock::open(domain.root() / Domain::fileName(domain.number(), "lock"), {}).value();
    ASSERT_TRUE(somebody.lockControl()); // stopped in a control call, as it were

    child.kill(SIGKILL);
    while (future.wait_for(0s) != std::future_status::ready)
    {
        client.spinFor(1ms);
    }

    EXPECT_EQ(future.get().error(), CallError::ServerGone);
    EXPECT_EQ(client.asyncCall(Pair{1, 2}, kLong).get().error(), CallError::NoServer);
    somebody.unlockControl();
}

} // namespace
} // namespace ZeroCP::test
