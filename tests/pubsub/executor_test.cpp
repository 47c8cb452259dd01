#include "zerocp/pubsub/executor.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <barrier>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <future>
#include <latch>
#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <pthread.h>
#include <sys/resource.h>

#include "pubsub/pubsub_support.hpp"
#include "support/child_process.hpp"
#include "support/sanitized.hpp"
#include "support/shared_board.hpp"

namespace ZeroCP
{

using namespace std::chrono_literals;
using test::ChildProcess;
using test::nodeIn;
using test::Number;
using test::OneNode;
using test::Peer;

namespace
{

using Numbers = std::vector<std::uint64_t>;
using NumberCallback = std::function<void(Sample<Number>)>;

constexpr std::chrono::nanoseconds kForEver{-1};

/// A node in an executor.
struct Scene : OneNode
{
    explicit Scene(std::uint32_t threads = 1, Config config = {})
        : OneNode(std::move(config)), m_executor(std::in_place, ExecutorOptions{.threads = threads})
    {
        EXPECT_TRUE(m_executor->add(m_node));
    }

    CallbackSubscriber<Number> callback(NumberCallback call, const std::string& topic = "t", const QoS& qos = {},
                                        const std::optional<CallbackGroup>& group = {})
    {
        return m_node.createSubscriber<Number>(topic, qos, std::move(call), group).value();
    }
    /// Callbacks of one spinSome().
    std::size_t some() { return m_executor->spinSome().value(); }
    /// Until there are no callbacks any more.
    std::size_t all()
    {
        std::size_t callbacks = 0;
        for (std::size_t now = some(); now != 0; now = some())
        {
            callbacks += now;
        }
        return callbacks;
    }
    void stop() { m_executor->stop(); }

    std::optional<Executor> m_executor;
};

void publish(Publisher<Number>& publisher, std::uint64_t from, std::uint64_t to)
{
    for (std::uint64_t i = from; i <= to; ++i)
    {
        ASSERT_TRUE(publisher.publishCopy({i})) << i;
    }
}

TEST(Executor, GivesEveryMessageToItsCallbackOnceAndInOrder)
{
    constexpr std::uint64_t kMessages = test::kSanitized ? 5000 : 50000;
    for (const std::uint32_t threads : {1U, 3U})
    {
        Scene scene(threads);
        Numbers received;
        const auto subscriber = scene.callback(
            [&](const Sample<Number>& sample)
            {
                received.push_back(sample->value);
                if (sample->value == kMessages)
                {
                    scene.stop();
                }
            },
            "t", QoS{}.keepAll());
        std::thread other([publisher = scene.publisher(QoS{}.keepAll())]() mutable
                          { publish(publisher, 1, kMessages); });

        ASSERT_TRUE(scene.m_executor->spin());
        other.join();

        ASSERT_EQ(received.size(), kMessages);
        EXPECT_TRUE(std::is_sorted(received.begin(), received.end()));
        EXPECT_EQ(received.back(), kMessages);
        EXPECT_EQ(scene.m_executor->callbackCount(), kMessages);
        EXPECT_EQ(subscriber.missed(), 0U);
    }
}

TEST(Executor, GivesMessagesThatCameBeforeItWasAddedTo)
{
    OneNode one;
    Numbers received;
    auto publisher = one.publisher();
    const auto subscriber =
        one.m_node
            .createSubscriber<Number>("t", {}, [&](const Sample<Number>& sample) { received.push_back(sample->value); })
            .value();
    publish(publisher, 1, 3);
    Executor executor;
    ASSERT_TRUE(executor.add(one.m_node));

    for (int i = 0; i < 4; ++i)
    {
        ASSERT_TRUE(executor.spinSome());
    }

    EXPECT_EQ(received, (Numbers{1, 2, 3}));
    EXPECT_EQ(subscriber.topic(), "t");
}

TEST(Executor, GivesTheHistoryOfATransientLocalTopic)
{
    Scene scene;
    const QoS latched = QoS{}.keepLast(3).transientLocal();
    auto publisher = scene.publisher(latched);
    publish(publisher, 1, 5);
    Numbers received;
    const auto subscriber =
        scene.callback([&](const Sample<Number>& sample) { received.push_back(sample->value); }, "t", latched);

    EXPECT_EQ(scene.all(), 3U);
    publish(publisher, 6, 6);
    EXPECT_EQ(scene.all(), 1U);

    EXPECT_EQ(received, (Numbers{3, 4, 5, 6}));
}

TEST(Executor, LetsCallbacksKeepTheirSamplesAndGoesOnWhenTheyLetGo)
{
    Scene scene;
    auto publisher = scene.publisher();
    std::vector<Sample<Number>> held;
    const auto subscriber =
        scene.callback([&](Sample<Number> sample) { held.push_back(std::move(sample)); }, "t", QoS{}.maxHeld(2));
    publish(publisher, 1, 4);

    EXPECT_EQ(scene.all(), 2U) << "two are held, which is all that it may";
    EXPECT_EQ(held.at(0)->value, 1U);
    EXPECT_EQ(held.at(1)->value, 2U);
    EXPECT_EQ(scene.all(), 0U);
    held.clear();
    while (held.size() < 2) // nobody says that there is room again: it looks now and then
    {
        ASSERT_TRUE(scene.m_executor->spinSome());
    }

    EXPECT_EQ(held.at(0)->value, 3U);
    EXPECT_EQ(held.at(1)->value, 4U);
}

TEST(Executor, SleepsWhileCallbacksHoldAllThatTheyMay)
{
    constexpr auto kTime = 100ms;
    Scene scene;
    auto publisher = scene.publisher();
    std::vector<Sample<Number>> held;
    std::uint64_t timerCalls = 0;
    const auto subscriber =
        scene.callback([&](Sample<Number> sample) { held.push_back(std::move(sample)); }, "t", QoS{}.maxHeld(1));
    const auto timer = scene.m_node
                           .createTimer(kTime,
                                        [&]
                                        {
                                            ++timerCalls;
                                            scene.stop();
                                        })
                           .value();
    publish(publisher, 1, 2);
    rusage before{};
    ::getrusage(RUSAGE_THREAD, &before);

    ASSERT_TRUE(scene.m_executor->spin());

    EXPECT_EQ(held.size(), 1U);
    EXPECT_EQ(timerCalls, 1U);
    rusage after{};
    ::getrusage(RUSAGE_THREAD, &after);
    EXPECT_GE(after.ru_nvcsw - before.ru_nvcsw, 3) << "it turned round instead";
}

TEST(Executor, SpinSomeRunsOneCallbackOfEachAndDoesNotWait)
{
    Scene scene;
    auto a = scene.publisher({}, "a");
    auto b = scene.publisher({}, "b");
    Numbers calls;
    const auto first = scene.callback([&](const Sample<Number>&) { calls.push_back(1); }, "a");
    const auto second = scene.callback([&](const Sample<Number>&) { calls.push_back(2); }, "b");
    EXPECT_EQ(scene.some(), 0U);
    publish(a, 1, 3);
    publish(b, 1, 2);

    for (const std::size_t expected : {2U, 2U, 1U, 0U, 0U})
    {
        EXPECT_EQ(scene.some(), expected);
    }

    std::sort(calls.begin(), calls.end());
    EXPECT_EQ(calls, (Numbers{1, 1, 1, 2, 2}));
}

TEST(Executor, SpinSomeIsBoundedAlsoIfACallbackMakesNewWork)
{
    Scene scene;
    auto publisher = scene.publisher();
    const auto subscriber =
        scene.callback([&](const Sample<Number>& sample) { EXPECT_TRUE(publisher.publishCopy({sample->value + 1})); });
    publish(publisher, 1, 1);

    for (int i = 0; i < 10; ++i)
    {
        EXPECT_EQ(scene.some(), 1U);
    }
}

TEST(Executor, SpinUntilAnswersReadyAsSoonAsACallbackFulfilsTheFuture)
{
    Scene scene;
    auto publisher = scene.publisher();
    std::promise<std::uint64_t> promise;
    auto future = promise.get_future();
    const auto subscriber = scene.callback(
        [&](const Sample<Number>& sample)
        {
            if (sample->value == 3)
            {
                promise.set_value(sample->value);
            }
        });
    publish(publisher, 1, 5);

    EXPECT_EQ(scene.m_executor->spinUntil(future, kForEver).value(), SpinResult::Ready);
    EXPECT_EQ(future.get(), 3U);
    EXPECT_EQ(scene.m_executor->callbackCount(), 3U);
}

TEST(Executor, SpinUntilAnswersReadyWhenAnotherThreadFulfilsTheFuture)
{
    Scene scene;
    std::promise<void> promise;
    const std::shared_future<void> future = promise.get_future();
    std::thread other([&] { promise.set_value(); });

    EXPECT_EQ(scene.m_executor->spinUntil(future, kForEver).value(), SpinResult::Ready);
    other.join();
}

TEST(Executor, SpinUntilAnswersTimeoutAndStopped)
{
    Scene scene;
    std::promise<void> promise;
    const auto future = promise.get_future();

    EXPECT_EQ(scene.m_executor->spinUntil(future, 3ms).value(), SpinResult::Timeout);
    std::thread other([&] { scene.stop(); });
    EXPECT_EQ(scene.m_executor->spinUntil(future, kForEver).value(), SpinResult::Stopped);
    other.join();
    EXPECT_EQ(scene.m_executor->spinUntil(future, 0ns).value(), SpinResult::Timeout)
        << "the stop was for the one before";
    EXPECT_EQ(toString(SpinResult::Ready), "Ready");
    EXPECT_EQ(toString(SpinResult::Timeout), "Timeout");
    EXPECT_EQ(toString(SpinResult::Stopped), "Stopped");
}

TEST(Executor, StopBeforeSpinEndsTheNextSpinOnly)
{
    Scene scene;
    scene.stop();
    ASSERT_TRUE(scene.m_executor->spin()) << "returns at once";

    const auto timer = scene.m_node.createTimer(1us, [&] { scene.stop(); }).value();
    ASSERT_TRUE(scene.m_executor->spin());
    EXPECT_EQ(scene.m_executor->callbackCount(), 1U);
}

TEST(Executor, StopsFromAnotherThreadAlsoWithoutNodes)
{
    for (int round = 0; round < 20; ++round)
    {
        Scene scene(3);
        Executor empty;
        std::barrier step(2);
        std::thread other(
            [&]
            {
                step.arrive_and_wait();
                scene.stop();
                empty.stop();
            });

        step.arrive_and_wait();
        ASSERT_TRUE(scene.m_executor->spin());
        ASSERT_TRUE(empty.spin());
        other.join();
    }
}

std::atomic<Executor*> g_executor{nullptr};

void stopIt(int)
{
    g_executor.load()->stop();
}

TEST(Executor, StopsFromASignalHandler)
{
    Scene scene(2);
    g_executor = &*scene.m_executor;
    struct sigaction action
    {
    };
    action.sa_handler = stopIt;
    ASSERT_EQ(::sigaction(SIGUSR1, &action, nullptr), 0);
    const pthread_t spinning = ::pthread_self();
    for (int round = 0; round < 100; ++round)
    {
        std::barrier step(2);
        std::thread other(
            [&]
            {
                step.arrive_and_wait();
                ::pthread_kill(spinning, SIGUSR1);
            });
        step.arrive_and_wait();
        ASSERT_TRUE(scene.m_executor->spin());
        other.join();
    }
}

TEST(Executor, RefusesANodeThatHasAnExecutor)
{
    Scene scene;
    Executor other;

    EXPECT_EQ(scene.m_executor->add(scene.m_node).error().code(), ErrorCode::ConfigInvalid);
    EXPECT_EQ(other.add(scene.m_node).error().code(), ErrorCode::ConfigInvalid);
    scene.m_executor.reset();
    EXPECT_TRUE(other.add(scene.m_node));
}

TEST(Executor, RefusesNodesOfSeveralDomainsAndEmptyOnes)
{
    Scene scene;
    OneNode elsewhere;

    EXPECT_EQ(scene.m_executor->add(elsewhere.m_node).error().code(), ErrorCode::ConfigInvalid);
    EXPECT_EQ(scene.m_executor->add(Node()).error().code(), ErrorCode::Closed);
}

TEST(Executor, RefusesANodeWhoseGroupIsOfAnotherExecutor)
{
    OneNode one;
    auto other = nodeIn(one.m_domain, {}, "other");
    const CallbackGroup group(CallbackGroupType::MutuallyExclusive);
    auto first = one.m_node
                     .createTimer(
                         1h, [] {}, group)
                     .value();
    auto second = other
                      .createTimer(
                          1h, [] {}, group)
                      .value();
    Executor later;
    {
        Executor executor;
        ASSERT_TRUE(executor.add(one.m_node));
        ASSERT_TRUE(executor.spinSome());

        EXPECT_EQ(later.add(other).error().code(), ErrorCode::ConfigInvalid);
    }
    EXPECT_TRUE(later.add(other)) << "the first executor is gone";
}

TEST(Executor, ServesSeveralNodes)
{
    Scene scene;
    Node second = nodeIn(scene.m_domain, {}, "second");
    ASSERT_TRUE(scene.m_executor->add(second));
    auto publisher = scene.publisher();
    int calls = 0;
    const auto a = scene.callback([&](const Sample<Number>&) { ++calls; });
    const auto b = second.createSubscriber<Number>("t", {}, [&](const Sample<Number>&) { ++calls; }).value();
    publish(publisher, 1, 1);

    EXPECT_EQ(scene.all(), 2U);
    EXPECT_EQ(calls, 2);
}

TEST(Executor, MayNotBeSpunFromItsCallbacks)
{
    Scene scene;
    const auto timer =
        scene.m_node
            .createTimer(1us,
                         [&]
                         {
                             std::promise<void> promise;
                             const auto future = promise.get_future();
                             EXPECT_EQ(scene.m_executor->spin().error().code(), ErrorCode::Closed);
                             EXPECT_EQ(scene.m_executor->spinSome().error().code(), ErrorCode::Closed);
                             EXPECT_EQ(scene.m_executor->spinUntil(future, 1s).error().code(), ErrorCode::Closed);
                             scene.stop();
                         })
            .value();

    ASSERT_TRUE(scene.m_executor->spin());
}

TEST(Executor, OfAForkedChildAnswersForkedAndLeavesTheParentsAlone)
{
    Config config;
    config.wait.spin = 0ns;
    Scene scene(1, config);
    auto publisher = scene.publisher();
    std::uint64_t calls = 0;
    const auto subscriber = scene.callback(
        [&](const Sample<Number>&)
        {
            ++calls;
            scene.stop();
        });
    EXPECT_EQ(scene.some(), 0U);

    ChildProcess child(
        [&](Peer&)
        {
            EXPECT_EQ(scene.m_executor->spin().error().code(), ErrorCode::Forked);
            EXPECT_EQ(scene.m_executor->spinSome().error().code(), ErrorCode::Forked);
            scene.m_executor.reset();
            return true;
        });
    ASSERT_TRUE(child.wait().succeeded());

    const test::MappedSet set("/dev/shm", test::poolSetsOf(scene.m_domain.number()).at(0));
    std::uint32_t attached = 0;
    for (std::uint32_t port = 1; port < set.view().header().m_portHighWater; ++port)
    {
        attached += set.view().port(port).m_waiter.load() != 0 ? 1U : 0U;
    }
    EXPECT_EQ(attached, 1U);
    publish(publisher, 1, 1);
    ASSERT_TRUE(scene.m_executor->spin());
    EXPECT_EQ(calls, 1U);
}

TEST(Executor, CallbacksCreateEndpointsAndDestroyTheirOwn)
{
    Scene scene;
    auto publisher = scene.publisher(QoS{}.keepLast(10));
    std::vector<CallbackSubscriber<Number>> subscribers;
    const auto mark = std::make_shared<int>(0);
    std::function<void()> addOne;
    const NumberCallback replaceYourself = [&, mark](const Sample<Number>& sample)
    {
        subscribers.clear(); // our own
        ++*mark;
        if (sample->value == 100)
        {
            scene.stop();
            return;
        }
        addOne();
        EXPECT_TRUE(publisher.publishCopy({sample->value + 1}));
    };
    addOne = [&] { subscribers.push_back(scene.callback(replaceYourself)); };
    addOne();
    publish(publisher, 1, 1);

    ASSERT_TRUE(scene.m_executor->spin());

    EXPECT_EQ(*mark, 100);
}

/// The handles of a scene, to be destroyed in some order.
TEST(Executor, ItsHandlesMayBeDestroyedInAnyOrder)
{
    std::array<int, 5> order{0, 1, 2, 3, 4};
    do
    {
        test::TestDomain domain;
        std::optional<Node> node(nodeIn(domain));
        std::optional<Executor> executor(std::in_place, ExecutorOptions{.threads = 2});
        ASSERT_TRUE(executor->add(*node));
        std::optional<Publisher<Number>> publisher(node->createPublisher<Number>("t").value());
        std::optional<Timer> timer(node->createTimer(1us, [&] { executor->stop(); }).value());
        std::vector<Sample<Number>> held;
        std::optional<CallbackSubscriber<Number>> subscriber(
            node->createSubscriber<Number>("t", {}, [&](Sample<Number> sample) { held.push_back(std::move(sample)); })
                .value());
        ASSERT_TRUE(publisher->publishCopy({1}));
        ASSERT_TRUE(executor->spin());
        ASSERT_TRUE(publisher->publishCopy({2}));
        for (const int which : order)
        {
            which == 0   ? node.reset()
            : which == 1 ? executor.reset()
            : which == 2 ? timer.reset()
            : which == 3 ? subscriber.reset()
                         : held.clear();
        }
    } while (std::next_permutation(order.begin(), order.end()));
}

TEST(Executor, DestroyingAHandleOnAnotherThreadWaitsForItsCallback)
{
    for (int round = 0; round < 50; ++round)
    {
        Scene scene;
        auto publisher = scene.publisher();
        std::latch inside(1);
        std::atomic<bool> goOn{false};
        std::atomic<bool> ended{false};
        std::optional<CallbackSubscriber<Number>> subscriber(scene.callback(
            [&](const Sample<Number>&)
            {
                inside.count_down();
                test::await([&] { return goOn.load(); });
                ended = true;
                scene.stop();
            }));
        publish(publisher, 1, 1);
        std::thread other(
            [&]
            {
                inside.wait();
                std::thread opener([&] { goOn = true; });
                subscriber.reset();
                EXPECT_TRUE(ended.load());
                opener.join();
            });

        ASSERT_TRUE(scene.m_executor->spin());
        other.join();
    }
}

TEST(Executor, HandlesComeAndGoOnOtherThreadsWhileItSpins)
{
    constexpr int kRounds = test::kSanitized ? 100 : 1000;
    Scene scene(2);
    std::atomic<bool> done{false};
    std::thread publishing(
        [&, publisher = scene.publisher()]() mutable
        {
            while (!done)
            {
                EXPECT_TRUE(publisher.publishCopy({1}));
            }
        });
    std::vector<std::thread> threads;
    std::atomic<int> left{2};
    for (int i = 0; i < 2; ++i)
    {
        threads.emplace_back(
            [&]
            {
                for (int round = 0; round < kRounds; ++round)
                {
                    auto alive = std::make_shared<std::atomic<bool>>(true);
                    {
                        const auto subscriber =
                            scene.callback([alive](const Sample<Number>&) { EXPECT_TRUE(alive->load()); });
                        const auto timer =
                            scene.m_node.createTimer(1us, [alive] { EXPECT_TRUE(alive->load()); }).value();
                    }
                    alive->store(false); // from here on nobody may call
                    EXPECT_EQ(alive.use_count(), 1);
                }
                if (--left == 0)
                {
                    scene.stop();
                }
            });
    }

    ASSERT_TRUE(scene.m_executor->spin());
    done = true;
    publishing.join();
    for (std::thread& thread : threads)
    {
        thread.join();
    }
}

TEST(Executor, ReentrantCallbacksOfOneSubscriberOverlapWithoutWaitingForTheSlice)
{
    constexpr int kTogether = 2;
    constexpr int kAlone = 50;                            // meanwhile the other thread falls asleep
    constexpr int kMessages = (kAlone + kTogether) * 400; // the slice would take minutes for them: the watchdog ends it
    Config config;
    config.wait.spin = 0ns;
    Scene scene(2, config);
    const CallbackGroup group(CallbackGroupType::Reentrant);
    auto publisher = scene.publisher();
    std::barrier together(kTogether);
    std::atomic<int> calls{0};
    const auto subscriber = scene.callback(
        [&](const Sample<Number>& sample)
        {
            if (sample->value % (kAlone + kTogether) >= kAlone)
            {
                together.arrive_and_wait(); // for ever, unless another one runs as well
            }
            if (++calls == kMessages)
            {
                scene.stop();
            }
        },
        "t", QoS{}.keepLast(kMessages), group);
    publish(publisher, 0, kMessages - 1);

    ASSERT_TRUE(scene.m_executor->spin());

    EXPECT_EQ(calls, kMessages);
}

TEST(Executor, GroupsOfTheirOwnOverlap)
{
    Scene scene(3);
    auto publisher = scene.publisher();
    std::barrier together(3);
    std::atomic<int> calls{0};
    std::vector<CallbackSubscriber<Number>> subscribers;
    for (int i = 0; i < 3; ++i)
    {
        subscribers.push_back(scene.callback(
            [&](const Sample<Number>&)
            {
                together.arrive_and_wait();
                if (++calls == 3)
                {
                    scene.stop();
                }
            },
            "t", {}, CallbackGroup(CallbackGroupType::MutuallyExclusive)));
    }
    publish(publisher, 1, 1);

    ASSERT_TRUE(scene.m_executor->spin());

    EXPECT_EQ(calls, 3);
}

/// Four subscribers and a timer in one exclusive group, or without a group in the node's, which is exclusive too.
class ExclusiveGroup : public ::testing::TestWithParam<bool>
{
};

TEST_P(ExclusiveGroup, NeverOverlaps)
{
    constexpr std::uint64_t kMessages = test::kSanitized ? 500 : 5000;
    constexpr std::uint64_t kTopics = 4;
    Scene scene(4);
    const std::optional<CallbackGroup> group =
        GetParam() ? std::optional(CallbackGroup(CallbackGroupType::MutuallyExclusive)) : std::nullopt;
    std::atomic<int> inside{0};
    std::uint64_t calls = 0; // no atomic: the group orders it
    std::uint64_t timerCalls = 0;
    std::vector<CallbackSubscriber<Number>> subscribers;
    std::vector<std::thread> threads;
    for (std::uint64_t t = 0; t < kTopics; ++t)
    {
        const std::string topic = "t" + std::to_string(t);
        subscribers.push_back(scene.callback(
            [&](const Sample<Number>&)
            {
                EXPECT_EQ(inside.fetch_add(1), 0);
                ++calls;
                EXPECT_EQ(inside.fetch_sub(1), 1);
                if (calls == kTopics * kMessages)
                {
                    scene.stop();
                }
            },
            topic, QoS{}.keepAll(), group));
        threads.emplace_back([publisher = scene.publisher(QoS{}.keepAll(), topic)]() mutable
                             { publish(publisher, 1, kMessages); });
    }
    const auto timer = scene.m_node
                           .createTimer(
                               10us,
                               [&]
                               {
                                   EXPECT_EQ(inside.fetch_add(1), 0);
                                   ++timerCalls;
                                   EXPECT_EQ(inside.fetch_sub(1), 1);
                               },
                               group)
                           .value();

    ASSERT_TRUE(scene.m_executor->spin());
    for (std::thread& thread : threads)
    {
        thread.join();
    }

    EXPECT_EQ(calls, kTopics * kMessages);
    EXPECT_EQ(scene.m_executor->callbackCount(), calls + timerCalls);
}

INSTANTIATE_TEST_SUITE_P(Group, ExclusiveGroup, ::testing::Bool(),
                         [](const auto& test) { return test.param ? "OfItsOwn" : "OfTheNode"; });

TEST(Executor, CreatedAnewOverTheSameNodeGoesOnWhereTheFormerOneStopped)
{
    constexpr std::uint64_t kTopics = 4;
    constexpr std::uint64_t kMessages = 200;
    constexpr std::uint64_t kBetweenStops = 16;
    Scene scene(3);
    std::uint64_t calls = 0; // ordered by the node's exclusive group
    std::array<std::uint64_t, kTopics> expected{};
    expected.fill(1);
    std::vector<CallbackSubscriber<Number>> subscribers;
    for (std::uint64_t t = 0; t < kTopics; ++t)
    {
        const std::string topic = "t" + std::to_string(t);
        subscribers.push_back(scene.callback(
            [&, t](const Sample<Number>& sample)
            {
                EXPECT_EQ(sample->value, expected[t]++);
                if (++calls % kBetweenStops == 0)
                {
                    scene.stop(); // others stand in the queue, or wait for their turn in the group
                }
            },
            topic, QoS{}.keepLast(kMessages)));
        auto publisher = scene.publisher(QoS{}.keepLast(kMessages), topic);
        publish(publisher, 1, kMessages);
    }

    while (calls < kTopics * kMessages)
    {
        ASSERT_TRUE(scene.m_executor->spin());
        scene.m_executor.reset();
        scene.m_executor.emplace(ExecutorOptions{.threads = 3});
        ASSERT_TRUE(scene.m_executor->add(scene.m_node));
    }

    EXPECT_EQ(calls, kTopics * kMessages);
}

TEST(Executor, ABusyTopicKeepsNoOtherFromItsTurn)
{
    constexpr std::uint64_t kQuiet = 8;
    constexpr std::uint64_t kRounds = 500;
    Scene scene;
    auto busy = scene.publisher({}, "busy");
    std::vector<Publisher<Number>> quiet;
    std::vector<CallbackSubscriber<Number>> subscribers;
    std::array<std::uint64_t, kQuiet> since{}; // callbacks when it became ready; 0: it is not
    std::uint64_t calls = 0;
    std::uint64_t longest = 0;
    std::uint64_t handled = 0;
    for (std::uint64_t i = 0; i < kQuiet; ++i)
    {
        const std::string topic = "quiet" + std::to_string(i);
        subscribers.push_back(scene.callback(
            [&, i](const Sample<Number>&)
            {
                longest = std::max(longest, ++calls - since[i]);
                since[i] = 0;
                ++handled;
            },
            topic));
        quiet.push_back(scene.publisher({}, topic));
    }
    subscribers.push_back(scene.callback(
        [&](const Sample<Number>&)
        {
            ++calls;
            EXPECT_TRUE(busy.publishCopy({1})); // never empty
            const std::uint64_t which = calls % kQuiet;
            if (handled < kRounds && since[which] == 0)
            {
                since[which] = calls;
                EXPECT_TRUE(quiet[which].publishCopy({1}));
            }
            if (handled >= kRounds)
            {
                scene.stop();
            }
        },
        "busy"));
    ASSERT_TRUE(busy.publishCopy({1}));
    ASSERT_TRUE(busy.publishCopy({1}));

    ASSERT_TRUE(scene.m_executor->spin());

    std::printf("longest wait: %llu callbacks\n", static_cast<unsigned long long>(longest));
    EXPECT_GE(handled, kRounds);
    EXPECT_LE(longest, kQuiet + 1 + 1) << "once round, and what was under way";
}

} // namespace

} // namespace ZeroCP
