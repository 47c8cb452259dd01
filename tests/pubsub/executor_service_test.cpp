// Services and clients in executors.
#include <atomic>
#include <chrono>
#include <functional>
#include <optional>
#include <thread>
#include <vector>

#include <time.h>

#include <gtest/gtest.h>

#include "pubsub/pubsub_support.hpp"

namespace ZeroCP
{

using namespace std::chrono_literals;
using test::Number;
using test::OneNode;

namespace
{

using AddService = Service<Number, Number>;
using AddClient = Client<Number, Number>;
using AddCall = ServiceCall<Number, Number>;

constexpr auto kLong = 60s; ///< never waited for in full by a healthy test

void increment(const Number& request, Number& response)
{
    response.value = request.value + 1;
}

/// Spins an executor on a thread of its own.
class Spinning
{
  public:
    explicit Spinning(Executor& executor)
        : m_executor(executor), m_thread([&executor] { EXPECT_TRUE(executor.spin()); })
    {
    }
    Spinning(const Spinning&) = delete;
    Spinning& operator=(const Spinning&) = delete;
    ~Spinning()
    {
        m_executor.stop();
        m_thread.join();
    }

  private:
    Executor& m_executor;
    std::thread m_thread;
};

std::int64_t processorTimeNs()
{
    timespec time{};
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return time.tv_sec * 1'000'000'000 + time.tv_nsec;
}

} // namespace

TEST(ExecutorService, AnswersAClientInTheSameExecutor)
{
    OneNode one;
    auto service = one.m_node.createService<Number, Number>("add", increment).value();
    auto client = one.m_node.createClient<Number, Number>("add").value();
    Executor executor;
    ASSERT_TRUE(executor.add(one.m_node));

    for (std::uint64_t i = 0; i < 100; ++i)
    {
        auto answer = client.asyncCall(Number{i}, kLong);
        ASSERT_EQ(executor.spinUntil(answer, kLong).value(), SpinResult::Ready);
        const auto sample = answer.get();
        ASSERT_TRUE(sample) << toString(sample.error());
        EXPECT_EQ((*sample)->value, i + 1);
    }
}

TEST(ExecutorService, BringsAnswersToCallbacks)
{
    OneNode one;
    auto service = one.m_node.createService<Number, Number>("add", increment).value();
    auto client = one.m_node.createClient<Number, Number>("add").value();
    Executor executor;
    ASSERT_TRUE(executor.add(one.m_node));
    std::uint64_t sum = 0;
    std::function<void(std::uint64_t)> ask = [&](std::uint64_t i)
    {
        EXPECT_TRUE(client.asyncCall(Number{i}, kLong,
                                     [&, i](auto answer)
                                     {
                                         sum += (*answer)->value;
                                         i < 100 ? ask(i + 1) : executor.stop(); // from within the callback
                                     }));
    };

    ask(1);
    ASSERT_TRUE(executor.spin());

    EXPECT_EQ(sum, 5050U + 100U);
}

TEST(ExecutorService, LetsOthersCallSynchronouslyBesideIt)
{
    OneNode one;
    auto service = one.m_node.createService<Number, Number>("add", increment).value();
    auto client = one.m_node.createClient<Number, Number>("add").value();
    Executor executor({.threads = 2});
    ASSERT_TRUE(executor.add(one.m_node));
    const Spinning spinning(executor);

    for (std::uint64_t i = 0; i < 300; ++i)
    {
        const auto answer = client.call(Number{i}, kLong);
        ASSERT_TRUE(answer) << toString(answer.error());
        EXPECT_EQ((*answer)->value, i + 1);
    }
}

TEST(ExecutorService, MayBeCalledFromACallbackOfTheOnlyThread)
{
    OneNode one;
    auto elsewhere = one.m_node.createService<Number, Number>("add", increment).value();
    std::atomic<bool> done{false};
    std::thread serving(
        [&]
        {
            while (!done)
            {
                elsewhere.spinFor(5ms);
            }
        });
    auto caller = test::nodeIn(one.m_domain, {}, "caller");
    auto client = caller.createClient<Number, Number>("add").value();
    Executor executor;
    ASSERT_TRUE(executor.add(caller));
    std::uint64_t value = 0;
    auto timer = caller
                     .createTimer(1ms,
                                  [&]
                                  {
                                      const auto answer = client.call(Number{41}, kLong);
                                      value = answer ? (*answer)->value : 0;
                                      executor.stop();
                                  })
                     .value();

    ASSERT_TRUE(executor.spin());
    done = true;
    serving.join();

    EXPECT_EQ(value, 42U);
}

TEST(ExecutorService, NoticesATimeOutWithoutAnyMessage)
{
    OneNode one;
    auto silent = test::nodeIn(one.m_domain, {}, "silent");
    auto service = silent.createService<Number, Number>("add", increment).value(); // nobody spins it
    auto client = one.m_node.createClient<Number, Number>("add").value();
    Executor executor;
    ASSERT_TRUE(executor.add(one.m_node));

    auto answer = client.asyncCall(Number{1}, 20ms);
    ASSERT_EQ(executor.spinUntil(answer, kLong).value(), SpinResult::Ready);

    EXPECT_EQ(answer.get().error(), CallError::Timeout);
}

TEST(ExecutorService, AnswersKeptCallsLater)
{
    OneNode one;
    std::vector<AddCall> kept;
    auto service =
        one.m_node.createService<Number, Number>("add", [&](AddCall call) { kept.push_back(std::move(call)); }).value();
    auto client = one.m_node.createClient<Number, Number>("add").value();
    auto timer = one.m_node
                     .createTimer(5ms,
                                  [&]
                                  {
                                      for (AddCall& call : kept)
                                      {
                                          EXPECT_TRUE(call.answer({call.request().value * 2}));
                                      }
                                      kept.clear();
                                  })
                     .value();
    Executor executor;
    ASSERT_TRUE(executor.add(one.m_node));

    for (std::uint64_t i = 1; i < 5; ++i)
    {
        auto answer = client.asyncCall(Number{i}, kLong);
        ASSERT_EQ(executor.spinUntil(answer, kLong).value(), SpinResult::Ready);
        EXPECT_EQ((*answer.get())->value, 2 * i);
    }
}

TEST(ExecutorService, DoesNotTurnRoundWhileItMayOpenNoMoreCalls)
{
    OneNode one;
    std::vector<AddCall> kept;
    auto service = one.m_node
                       .createService<Number, Number>("add", [&](AddCall call) { kept.push_back(std::move(call)); },
                                                      {.depth = 16, .maxOpen = 2})
                       .value();
    auto client = one.m_node.createClient<Number, Number>("add").value();
    Executor executor;
    ASSERT_TRUE(executor.add(one.m_node));
    std::vector<AddClient::Future> answers;
    for (std::uint64_t i = 0; i < 5; ++i)
    {
        answers.push_back(client.asyncCall(Number{i}, kLong));
    }
    std::promise<void> never;
    const auto future = never.get_future();

    const std::int64_t before = processorTimeNs();
    ASSERT_EQ(executor.spinUntil(future, 300ms).value(), SpinResult::Timeout);
    const std::int64_t spent = processorTimeNs() - before;

    EXPECT_EQ(kept.size(), 2U);
    EXPECT_LT(spent, 200'000'000) << "processor time of 300 ms in which nothing could be done";
    for (auto& answer : answers)
    {
        while (answer.wait_for(0s) != std::future_status::ready)
        {
            if (!kept.empty())
            {
                EXPECT_TRUE(kept.back().answer({7}));
                kept.pop_back();
            }
            ASSERT_TRUE(executor.spinSome());
        }
        EXPECT_TRUE(answer.get());
    }
}

TEST(ExecutorService, HandlesMayBeDestroyedInTheirCallbacks)
{
    OneNode one;
    std::optional<AddService> service;
    std::optional<AddClient> client;
    service = one.m_node
                  .createService<Number, Number>("add",
                                                 [&](AddCall call)
                                                 {
                                                     EXPECT_TRUE(call.answer({1}));
                                                     service.reset();
                                                 })
                  .value();
    client = one.m_node.createClient<Number, Number>("add").value();
    Executor executor;
    ASSERT_TRUE(executor.add(one.m_node));
    std::optional<std::uint64_t> value;
    ASSERT_TRUE(client->asyncCall(Number{0}, kLong,
                                  [&](auto answer)
                                  {
                                      value = answer ? (*answer)->value : 0;
                                      client.reset();
                                      executor.stop();
                                  }));

    ASSERT_TRUE(executor.spin());

    EXPECT_EQ(value, 1U);
    EXPECT_FALSE(service);
    EXPECT_EQ(test::usedChunks(one.inspect()), 0U);
}

TEST(ExecutorService, ManyClientsAndServicesOnSeveralThreadsLoseNothing)
{
    constexpr std::uint64_t kCalls = 400;
    OneNode one;
    const CallbackGroup reentrant(CallbackGroupType::Reentrant);
    std::vector<AddService> services;
    std::vector<AddClient> clients;
    for (int i = 0; i < 3; ++i)
    {
        services.push_back(one.m_node.createService<Number, Number>("add", increment, {}, reentrant).value());
        clients.push_back(one.m_node.createClient<Number, Number>("add", {}, reentrant).value());
    }
    Executor executor({.threads = 4});
    ASSERT_TRUE(executor.add(one.m_node));
    std::atomic<std::uint64_t> answered{0};
    {
        const Spinning spinning(executor);
        for (std::uint64_t i = 0; i < kCalls; ++i)
        {
            for (AddClient& client : clients)
            {
                const auto take = [&answered, i](auto answer)
                {
                    EXPECT_TRUE(answer) << toString(answer.error());
                    EXPECT_EQ((*answer)->value, i + 1);
                    ++answered;
                };
                while (!client.asyncCall(Number{i}, kLong, take)) // TooManyCalls, NoChunk: until some are answered
                {
                    std::this_thread::yield();
                }
            }
        }
        while (answered < clients.size() * kCalls)
        {
            std::this_thread::yield();
        }
    }
    EXPECT_EQ(answered, clients.size() * kCalls);
}

} // namespace ZeroCP
