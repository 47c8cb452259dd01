// Entries 1, 2, 4, 7 and 9 of the fault list: processes that die in the middle of something, as others see it through
// the public API. Each death is a real one. Every single instruction is the kill sweep's business (docs/kill-sweep.md);
// here instructions are drawn at random. ZEROCP_TEST_SEED repeats a run, ZEROCP_TEST_KILLS makes it longer.
#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include <sys/resource.h>

#include <gtest/gtest.h>

#include "fault/fault_support.hpp"
#include "zerocp/core/mempool_allocator.hpp"

namespace ZeroCP::test
{
namespace
{

constexpr unsigned kWatchdogSeconds = 140;

/// Kills processes behind random instructions of what they do, beside a pair that goes on.
class RandomKills
{
  public:
    /// `live(node, random)` is called in a new process and gives the calls to be killed in, which are repeated for ever.
    using Calls = std::function<void()>;
    using Life = std::function<Calls(Node&, Random&)>;

    explicit RandomKills(Config config = {}) : m_config(config), m_one(std::move(config)), m_random(testSeed()) {}

    void run(const Life& live)
    {
        const std::uint64_t kills = numberFrom("ZEROCP_TEST_KILLS", kSanitized ? 30 : 200);
        for (std::uint64_t i = 0; i < kills && !::testing::Test::HasFailure(); ++i)
        {
            SCOPED_TRACE("kill " + std::to_string(i));
            killOne(live);
        }
        m_witness.expectNothingLostAndAllFree();
    }

  private:
    void killOne(const Life& live)
    {
        ChildProcess victim(
            [&, seed = m_random()](Peer&)
            {
                Random random(seed);
                Node node = nodeIn(m_one.m_domain, m_config, "victim");
                const Calls calls = live(node, random);
                for (std::uint64_t warmUp = random.below(20); warmUp > 0; --warmUp)
                {
                    calls();
                }
                Tracee::waitForTracer();
                for (;;)
                {
                    calls();
                }
                return false;
            },
            kWatchdogSeconds);
        Tracee tracee(victim.pid());
        m_witness.publish(m_random.below(6)); // what a subscriber finds to take
        ASSERT_TRUE(tracee.step(m_random.below(2500)));
        EXPECT_TRUE(victim.kill(SIGKILL).killedBy(SIGKILL));
        m_witness.goOn();
        if (m_random.below(2) == 0) // else the next victim finds it when it joins
        {
            EXPECT_TRUE(recover(m_one.m_domain.number()));
        }
        m_witness.goOn();
    }

    Config m_config;
    OneNode m_one;
    Random m_random;
    Witness m_witness{m_one};
};

/// Loans, drops some, publishes the others.
RandomKills::Calls publishing(Node& node, Random& random)
{
    auto publisher = std::make_shared<Publisher<Number>>(node.createPublisher<Number>("t", QoS{}.maxLoans(3)).value());
    return [publisher, &random, sent = std::uint64_t{0}, spare = std::make_shared<Loan<Number>>()]() mutable
    {
        auto loan = publisher->loan();
        if (!loan)
        {
            ::_exit(4); // which the tracer reports
        }
        if (random.below(5) == 0)
        {
            *spare = std::move(*loan);
            return;
        }
        (*loan)->value = ++sent;
        static_cast<void>(publisher->publish(std::move(*loan)));
    };
}

/// Takes in all ways, keeps some.
RandomKills::Calls taking(Node& node, Random& random)
{
    auto publisher = std::make_shared<Publisher<Number>>(node.createPublisher<Number>("t").value());
    auto subscriber =
        std::make_shared<Subscriber<Number>>(node.createSubscriber<Number>("t", QoS{}.keepLast(2).maxHeld(3)).value());
    return [=, &random, sent = std::uint64_t{0}, kept = std::make_shared<std::vector<Sample<Number>>>(2)]() mutable
    {
        static_cast<void>(publisher->publishCopy({++sent})); // so that there is something to take
        auto sample = random.below(8) == 0 ? subscriber->takeLatest() : subscriber->take();
        if (sample && random.below(3) == 0)
        {
            (*kept)[random.below(2)] = std::move(*sample);
        }
    };
}

} // namespace

TEST(FaultList, Entry01_KillsBetweenLoanAndPublishLoseAndLeakNothing)
{
    RandomKills().run(publishing);
}

TEST(FaultList, Entry01_KillsBetweenLoanAndPublishWithAConfiguredPoolLoseAndLeakNothing)
{
    RandomKills(pooled(64, 200)).run(publishing);
}

TEST(FaultList, Entry02_KillsBetweenTakeAndReleaseLoseAndLeakNothing)
{
    RandomKills().run(taking);
}

TEST(FaultList, Entry02_KillsBetweenTakeAndReleaseWithAConfiguredPoolLoseAndLeakNothing)
{
    RandomKills(pooled(64, 200)).run(taking);
}

namespace
{

/// Calls `act` in processes of their own and kills each one system call later than the one before, until one is through.
/// `afterwards` is called after each death.
void killAtEverySystemCall(const std::function<void()>& act, const std::function<void()>& afterwards)
{
    std::uint64_t deaths = 0;
    for (bool through = false; !through && !::testing::Test::HasFailure(); ++deaths)
    {
        SCOPED_TRACE("stop " + std::to_string(deaths));
        ChildProcess victim(
            [&](Peer& parent)
            {
                Tracee::waitForTracer();
                act();
                parent.tell("through"); // its last system call but one
                return true;
            },
            kWatchdogSeconds);
        Tracee tracee(victim.pid());
        for (std::uint64_t stops = 0; stops <= deaths && !through; ++stops)
        {
            through = !tracee.toSystemCall();
        }
        const ExitStatus status = victim.kill(SIGKILL);
        EXPECT_TRUE(through ? status.succeeded() : status.killedBy(SIGKILL)) << ::testing::PrintToString(status);
        afterwards();
    }
    std::printf("%llu deaths\n", static_cast<unsigned long long>(deaths));
    EXPECT_GT(deaths, 20U);
}

NodeOptions in(const TestDomain& domain)
{
    return {.domain = domain.number(), .configFile = {}, .root = domain.root(), .config = Config{}};
}

/// The first process of a domain: joins, makes a topic, publishes to itself. Leaves nothing when it ends.
void expectJoiningWorks(const TestDomain& domain)
{
    auto node = Node::create("opener", in(domain));
    ASSERT_TRUE(node) << node.error().message();
    auto publisher = node->createPublisher<Number>("t");
    ASSERT_TRUE(publisher) << publisher.error().message();
    auto subscriber = node->createSubscriber<Number>("t");
    ASSERT_TRUE(subscriber) << subscriber.error().message();
    ASSERT_TRUE(publisher->publishCopy({7}));
    const auto sample = subscriber->take();
    ASSERT_TRUE(sample);
    EXPECT_EQ((*sample)->value, 7U);
}

} // namespace

// The node that is killed has no time to leave; what the next one cannot use, it must remove itself.
TEST(FaultList, Entry04_KillDuringSegmentCreationLeavesNothingToRemoveByHand)
{
    const TestDirectory directory;
    const TestDomain domain(directory.path());
    std::chrono::steady_clock::duration slowest{};

    killAtEverySystemCall([&] { expectJoiningWorks(domain); },
                          [&]
                          {
                              const auto begin = std::chrono::steady_clock::now();
                              ASSERT_NO_FATAL_FAILURE(expectJoiningWorks(domain));
                              slowest = std::max(slowest, std::chrono::steady_clock::now() - begin);
                              ASSERT_TRUE(domain.files().empty()) << domain.files().front();
                              ASSERT_TRUE(std::filesystem::is_empty(directory.path()));
                          });

    std::printf("slowest opener: %.2f ms\n", std::chrono::duration<double, std::milli>(slowest).count());
}

// recover() instead of a newcomer: a domain whose processes are all dead is removed.
TEST(FaultList, Entry04_KillDuringSegmentCreationIsRepairedByRecoverAlone)
{
    const TestDirectory directory;
    const TestDomain domain(directory.path());

    killAtEverySystemCall([&] { expectJoiningWorks(domain); },
                          [&]
                          {
                              const auto report = recover(domain.number(), domain.root());
                              ASSERT_TRUE(report) << report.error().message();
                              ASSERT_TRUE(domain.files().empty()) << domain.files().front();
                          });
}

TEST(FaultList, Entry04_KillDuringCreationOfASeedSegmentLeavesTheNextOneASegmentThatWorks)
{
    const TestDirectory directory;
    const std::string name = "seed";
    MemPoolConfig config;
    config.addMemPoolEntry(128, 100);
    const auto open = [&](MemPoolAllocator& allocator)
    {
        void* const base =
            allocator.createSharedMemory(name, AccessMode::READ_WRITE, OpenMode::OPEN_OR_CREATE, Perms(0600));
        return base != nullptr &&
               allocator.layoutMemory(base, static_cast<const MemPoolManager*>(base)->getTotalMemorySize());
    };

    killAtEverySystemCall(
        [&]
        {
            MemPoolAllocator allocator(config, directory.path());
            EXPECT_TRUE(open(allocator)) << allocator.lastError();
        },
        [&]
        {
            MemPoolAllocator allocator(config, directory.path());
            ASSERT_TRUE(open(allocator)) << allocator.lastError();
            ASSERT_TRUE(MemPoolAllocator::removeSharedMemory(name, directory.path()));
            ASSERT_TRUE(std::filesystem::is_empty(directory.path()));
        });
}

namespace
{

/// Holds what it may of what it gets, and goes on taking until told to stop.
bool subscribeUntilStopped(const OneNode& one, Peer& parent, const std::atomic<bool>& stop)
{
    Node node = nodeIn(one.m_domain, {}, "listener");
    auto subscriber = node.createSubscriber<Number>("t", QoS{}.keepLast(4).maxHeld(2)).value();
    parent.tell("ready");
    DeliveryLedger ledger;
    std::vector<Sample<Number>> held(1);
    while (!stop && !::testing::Test::HasFailure())
    {
        if (auto sample = subscriber.wait(std::chrono::milliseconds(5)))
        {
            ledger.add(*sample);
            held[0] = std::move(*sample);
        }
    }
    held.clear();
    ledger.takeAll(subscriber);
    ledger.expectGapsAreCounted(subscriber.missed());
    EXPECT_GT(ledger.received(), 0U);
    return true;
}

} // namespace

TEST(FaultList, Entry07_SixtyThreeOfSixtyFourSubscribersAreKilledAtOnce)
{
    constexpr std::size_t kSubscribers = 64;
    OneNode one;
    const SharedBoard<std::atomic<bool>> stop;
    std::vector<std::unique_ptr<ChildProcess>> listeners;
    for (std::size_t i = 0; i < kSubscribers; ++i)
    {
        listeners.push_back(std::make_unique<ChildProcess>(
            [&](Peer& parent) { return subscribeUntilStopped(one, parent, *stop); }, kWatchdogSeconds));
    }
    for (const auto& listener : listeners)
    {
        ASSERT_EQ(listener->hear(), "ready");
    }
    Witness witness(one);
    ASSERT_TRUE(witness.publisher().waitForSubscribers(kSubscribers + 1, std::chrono::seconds(60)));
    witness.goOn(500);

    for (std::size_t i = 1; i < kSubscribers; ++i)
    {
        listeners[i]->signal(SIGKILL); // all of them before the first is waited for
    }
    witness.goOn(500);
    for (std::size_t i = 1; i < kSubscribers; ++i)
    {
        EXPECT_TRUE(listeners[i]->wait().killedBy(SIGKILL));
    }
    EXPECT_TRUE(recover(one.m_domain.number()));
    witness.goOn(500);

    EXPECT_EQ(witness.publisher().subscriberCount(), 2U); // the survivor and the witness
    *stop = true;
    EXPECT_TRUE(listeners[0]->wait().succeeded());
    witness.expectNothingLostAndAllFree();
}

namespace
{

struct Ending
{
    const char* m_name;
    void (*m_end)();
    int m_signal; ///< that ends it; 0: it exits
};

// Not caught, not core-dumped: what a bug of the application does.
const Ending kEndings[] = {
    {"abort", [] { std::abort(); }, SIGABRT},
    {"SIGSEGV", [] { ::raise(SIGSEGV); }, SIGSEGV},
    {"SIGBUS", [] { ::raise(SIGBUS); }, SIGBUS},
    {"SIGTERM", [] { ::raise(SIGTERM); }, SIGTERM},
    {"terminate", [] { std::terminate(); }, SIGABRT},
    {"exit", [] { std::exit(0); }, 0},
    {"quick_exit", [] { std::quick_exit(0); }, 0},
    {"_exit", [] { ::_exit(0); }, 0},
    {"exit of another thread", [] { std::thread([] { std::exit(0); }).join(); }, 0},
    {"abort of another thread", [] { std::thread([] { std::abort(); }).join(); }, SIGABRT},
};

constexpr std::size_t kLoansOut = 16;

bool holdLoansAndEnd(const OneNode& one, const Config& config, Peer& parent, const Ending& ending)
{
    const rlimit noCore{0, 0};
    ::setrlimit(RLIMIT_CORE, &noCore);
    for (const int signal : {SIGSEGV, SIGBUS, SIGABRT}) // a sanitizer would turn them into an exit code
    {
        std::signal(signal, SIG_DFL);
    }
    Node node = nodeIn(one.m_domain, config, "victim");
    auto publisher = node.createPublisher<Number>("t", QoS{}.maxLoans(kLoansOut)).value();
    std::vector<Loan<Number>> loans;
    for (std::size_t i = 0; i < kLoansOut; ++i)
    {
        loans.push_back(publisher.loan().value());
    }
    EXPECT_EQ(publisher.loan().error(), LoanError::TooManyLoans);
    parent.tell(::testing::Test::HasFailure() ? "wrong" : "holding");
    parent.pause();
    std::fclose(stderr); // std::terminate() has something to say
    ending.m_end();
    return false;
}

} // namespace

TEST(FaultList, Entry09_EveryWayToEndWithSixteenLoansOutGivesThemBack)
{
    expectLeaks(); // in children that call exit(), of what they have from here too
    const Config config = pooled(64, 128);
    OneNode one(config);
    Witness witness(one);
    for (const Ending& ending : kEndings)
    {
        SCOPED_TRACE(ending.m_name);
        ChildProcess victim([&](Peer& parent) { return holdLoansAndEnd(one, config, parent, ending); });
        ASSERT_EQ(victim.hear(), "holding");
        EXPECT_GE(usedChunks(one.inspect()), kLoansOut);

        victim.tell("end");
        const ExitStatus status = victim.wait();

        EXPECT_TRUE(ending.m_signal == 0 ? status.succeeded() : status.killedBy(ending.m_signal))
            << ::testing::PrintToString(status);
        EXPECT_TRUE(recover(one.m_domain.number()));
        EXPECT_EQ(usedChunks(one.inspect()), 0U);
        witness.goOn();
    }
    witness.expectNothingLostAndAllFree();
}

// With handles of static storage, whose destructors exit() runs.
TEST(FaultList, Entry09_ExitRunsTheDestructorsOfStaticHandlesWithSixteenLoansOut)
{
    expectLeaks();
    OneNode one;
    Witness witness(one);
    ChildProcess victim(
        [&](Peer&)
        {
            static std::vector<Loan<Number>> loans;
            static Node node = nodeIn(one.m_domain, {}, "victim");
            static auto publisher = node.createPublisher<Number>("t", QoS{}.maxLoans(kLoansOut)).value();
            static auto subscriber = node.createSubscriber<Number>("t").value();
            for (std::size_t i = 0; i < kLoansOut; ++i)
            {
                loans.push_back(publisher.loan().value());
            }
            std::exit(::testing::Test::HasFailure() ? 1 : 0);
            return false;
        });

    EXPECT_TRUE(victim.wait().succeeded());

    EXPECT_EQ(one.inspect().processes.size(), 1U) << "it has left by itself";
    EXPECT_EQ(usedChunks(one.inspect()), 0U);
    witness.expectNothingLostAndAllFree();
}

} // namespace ZeroCP::test
