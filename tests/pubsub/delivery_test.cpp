// Publishers and subscribers together: against a reference model, in threads, in large numbers.
#include <algorithm>
#include <array>
#include <atomic>
#include <barrier>
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <iostream>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "pubsub/pubsub_support.hpp"

namespace ZeroCP
{

using test::nodeIn;
using test::Number;
using test::OneNode;
using test::TestDomain;
using test::TwoRoots;
using test::usedChunks;

namespace
{

/// What a domain with one topic should do, step by step: every pair has a list of sequences that wait, at most `depth`;
/// what falls out is missed. Drives the real thing with the same random steps.
class Model
{
  public:
    explicit Model(std::uint64_t seed) : m_random(seed) {}

    void join(bool publishes)
    {
        if (publishes)
        {
            Talker talker;
            talker.m_maxLoans = pick(1, 4);
            talker.m_publisher = m_one.publisher(QoS{}.maxLoans(talker.m_maxLoans));
            m_talkers.push_back(std::move(talker));
        }
        else
        {
            auto listener = std::make_unique<Listener>();
            listener->m_depth = pick(1, 9);
            listener->m_maxHeld = pick(1, 5);
            listener->m_subscriber = m_one.subscriber(QoS{}.keepLast(listener->m_depth).maxHeld(listener->m_maxHeld));
            m_listeners.push_back(std::move(listener));
        }
    }

    void leave(bool publishes)
    {
        if (publishes && !m_talkers.empty())
        {
            m_talkers.erase(m_talkers.begin() + pick(0, m_talkers.size() - 1));
        }
        else if (!publishes && !m_listeners.empty())
        {
            const auto gone = m_listeners.begin() + pick(0, m_listeners.size() - 1);
            for (Held& held : (*gone)->m_held)
            {
                m_orphans.push_back(std::move(held)); // outlive their subscriber for a while
            }
            m_listeners.erase(gone);
        }
    }

    void publish()
    {
        if (m_talkers.empty())
        {
            return;
        }
        Talker& talker = m_talkers[pick(0, m_talkers.size() - 1)];
        if (!talker.m_loans.empty() && pick(0, 3) == 0)
        {
            talker.m_loans.pop_back();
        }
        if (talker.m_loans.size() == talker.m_maxLoans)
        {
            ASSERT_EQ(talker.m_publisher.loan().error(), LoanError::TooManyLoans);
            talker.m_loans.pop_back();
        }
        auto loan = talker.m_publisher.loan();
        ASSERT_TRUE(loan) << toString(loan.error()) << " although every limit was kept";
        if (pick(0, 9) == 0)
        {
            talker.m_loans.push_back(std::move(*loan));
            return;
        }
        (*loan)->value = contentOf(talker.m_publisher.id(), talker.m_sent + 1);
        const auto sequence = talker.m_publisher.publish(std::move(*loan));
        ASSERT_TRUE(sequence);
        ASSERT_EQ(*sequence, ++talker.m_sent);
        for (const auto& listener : m_listeners)
        {
            auto& queue = listener->m_queues[talker.m_publisher.id()];
            queue.push_back(*sequence);
            if (queue.size() > listener->m_depth)
            {
                queue.pop_front();
                ++listener->m_missed;
            }
        }
    }

    void take(bool latest)
    {
        if (m_listeners.empty())
        {
            return;
        }
        Listener& listener = *m_listeners[pick(0, m_listeners.size() - 1)];
        if (listener.m_held.size() == listener.m_maxHeld)
        {
            ASSERT_EQ(listener.m_subscriber.take().error(), TakeError::TooManyHeld);
            release(listener.m_held);
        }
        auto sample = latest ? listener.m_subscriber.takeLatest() : listener.m_subscriber.take();
        if (!sample)
        {
            ASSERT_EQ(sample.error(), TakeError::NoData);
            ASSERT_EQ(listener.waiting(), 0U) << "NoData, but messages wait";
            ASSERT_EQ(listener.m_subscriber.missed(), listener.m_missed);
            return;
        }
        const MessageInfo info = sample->info();
        ASSERT_EQ((*sample)->value, contentOf(info.publisherId, info.sequence)) << "payload of another message";
        auto& queue = listener.m_queues[info.publisherId];
        ASSERT_FALSE(queue.empty()) << "a message that should not be there";
        ASSERT_EQ(info.sequence, latest ? queue.back() : queue.front());
        if (latest)
        {
            for (auto& [publisher, waiting] : listener.m_queues)
            {
                waiting.clear();
            }
        }
        else
        {
            queue.pop_front();
        }
        ASSERT_LE(listener.m_subscriber.missed(), listener.m_missed);
        if (pick(0, 1) == 0)
        {
            const std::uint64_t content = (*sample)->value;
            listener.m_held.push_back({std::move(*sample), content});
        }
    }

    void releaseSome()
    {
        if (!m_listeners.empty())
        {
            release(m_listeners[pick(0, m_listeners.size() - 1)]->m_held);
        }
        if (!m_orphans.empty() && (m_orphans.size() > 8 || pick(0, 4) == 0))
        {
            release(m_orphans);
        }
    }

    /// Everybody reads to the end and lets go.
    void finish()
    {
        m_orphans.clear();
        for (const auto& listener : m_listeners)
        {
            listener->m_held.clear();
            std::size_t left = listener->waiting();
            while (listener->m_subscriber.take())
            {
                ASSERT_GT(left--, 0U);
            }
            ASSERT_EQ(left, 0U);
            ASSERT_EQ(listener->m_subscriber.missed(), listener->m_missed);
        }
        for (Talker& talker : m_talkers)
        {
            talker.m_loans.clear();
        }
        ASSERT_EQ(usedChunks(m_one.inspect()), 0U);
        auto keeper = m_one.subscriber();
        m_talkers.clear();
        test::expectAllChunksFree(m_one.m_domain.number());
    }

    [[nodiscard]] std::uint32_t pick(std::size_t from, std::size_t to)
    {
        return static_cast<std::uint32_t>(std::uniform_int_distribution<std::size_t>(from, to)(m_random));
    }
    [[nodiscard]] std::size_t talkers() const { return m_talkers.size(); }
    [[nodiscard]] std::size_t listeners() const { return m_listeners.size(); }

  private:
    struct Talker
    {
        Publisher<Number> m_publisher;
        std::vector<Loan<Number>> m_loans;
        std::uint32_t m_maxLoans{0};
        std::uint64_t m_sent{0};
    };
    struct Held
    {
        Sample<Number> m_sample;
        std::uint64_t m_content; ///< must not change while it is held
    };
    struct Listener
    {
        [[nodiscard]] std::size_t waiting() const
        {
            std::size_t count = 0;
            for (const auto& [publisher, queue] : m_queues)
            {
                count += queue.size();
            }
            return count;
        }

        Subscriber<Number> m_subscriber;
        std::vector<Held> m_held;
        std::uint32_t m_depth{0};
        std::uint32_t m_maxHeld{0};
        std::map<std::uint64_t, std::deque<std::uint64_t>> m_queues; ///< by publisher
        std::uint64_t m_missed{0};
    };

    static std::uint64_t contentOf(std::uint64_t publisher, std::uint64_t sequence)
    {
        return publisher * 1'000'003U + sequence;
    }
    void release(std::vector<Held>& samples)
    {
        if (!samples.empty())
        {
            const auto held = samples.begin() + pick(0, samples.size() - 1);
            ASSERT_EQ(held->m_sample->value, held->m_content) << "written to while it was held";
            samples.erase(held);
        }
    }

    std::mt19937_64 m_random;
    OneNode m_one;
    std::vector<Held> m_orphans;
    std::vector<Talker> m_talkers;
    std::vector<std::unique_ptr<Listener>> m_listeners;
};

/// Another one every time; ZEROCP_TEST_SEED repeats one.
std::uint64_t seed()
{
    const char* given = std::getenv("ZEROCP_TEST_SEED");
    const std::uint64_t value = given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device{}();
    std::cout << "ZEROCP_TEST_SEED=" << value << std::endl;
    ::testing::Test::RecordProperty("seed", std::to_string(value));
    return value;
}

void step(Model& model)
{
    const std::uint32_t kind = model.pick(0, 99);
    if (kind < 45)
    {
        model.publish();
    }
    else if (kind < 78)
    {
        model.take(false);
    }
    else if (kind < 82)
    {
        model.take(true);
    }
    else
    {
        model.releaseSome();
    }
}

} // namespace

TEST(Delivery, FollowsTheModelInAHundredThousandRandomSteps)
{
    Model model(seed());
    for (int i = 0; i < 3; ++i)
    {
        model.join(true);
        model.join(false);
    }
    model.join(false);
    for (int i = 0; i < 100'000; ++i)
    {
        step(model);
        ASSERT_FALSE(::testing::Test::HasFatalFailure()) << "step " << i;
    }
    model.finish();
}

TEST(Delivery, FollowsTheModelWhileEndpointsComeAndGo)
{
    Model model(seed());
    for (int i = 0; i < 30'000; ++i)
    {
        const std::uint32_t kind = model.pick(0, 99);
        if (kind < 3)
        {
            const bool publishes = model.pick(0, 1) == 0;
            const std::size_t there = publishes ? model.talkers() : model.listeners();
            model.pick(0, 5) >= there ? model.join(publishes) : model.leave(publishes);
        }
        else
        {
            step(model);
        }
        ASSERT_FALSE(::testing::Test::HasFatalFailure()) << "step " << i;
    }
    model.finish();
}

// received + missed == sent for every pair, order kept, payload right; publishers and subscribers are threads.
TEST(Delivery, AccountsForEveryMessageOfThreePublisherAndFiveSubscriberThreads)
{
    constexpr std::size_t kPublishers = 3;
    constexpr std::size_t kSubscribers = 5;
    constexpr std::uint64_t kMessages = 20'000;
    OneNode one;
    std::vector<Publisher<Number>> publishers;
    std::vector<Subscriber<Number>> subscribers;
    for (std::size_t i = 0; i < kPublishers; ++i)
    {
        publishers.push_back(one.publisher());
    }
    for (std::size_t i = 0; i < kSubscribers; ++i)
    {
        subscribers.push_back(one.subscriber(QoS{}.keepLast(8)));
    }
    std::barrier start(kPublishers + kSubscribers);
    std::vector<std::thread> threads;
    for (auto& publisher : publishers)
    {
        threads.emplace_back(
            [&]
            {
                start.arrive_and_wait();
                for (std::uint64_t i = 1; i <= kMessages; ++i)
                {
                    ASSERT_TRUE(publisher.publishCopy({publisher.id() << 32 | i}));
                }
            });
    }
    for (auto& subscriber : subscribers)
    {
        threads.emplace_back(
            [&]
            {
                std::map<std::uint64_t, std::uint64_t> last;
                std::uint64_t received = 0;
                std::size_t ended = 0;
                start.arrive_and_wait();
                while (ended < kPublishers)
                {
                    const auto sample = subscriber.wait(std::chrono::nanoseconds(-1));
                    ASSERT_TRUE(sample);
                    const MessageInfo info = sample->info();
                    ASSERT_EQ((*sample)->value, info.publisherId << 32 | info.sequence);
                    ASSERT_GT(info.sequence, last[info.publisherId]);
                    last[info.publisherId] = info.sequence;
                    ended += info.sequence == kMessages ? 1U : 0U;
                    ++received;
                }
                EXPECT_EQ(received + subscriber.missed(), kPublishers * kMessages);
            });
    }
    for (std::thread& thread : threads)
    {
        thread.join();
    }

    EXPECT_EQ(usedChunks(one.inspect()), 0U);
}

/// A subscriber that keeps looking at the very entry that is evicted: both sides decide who has it.
class Eviction : public ::testing::TestWithParam<std::uint32_t>
{
};

TEST_P(Eviction, LosesNoChunkAndNoCountWhenItMeetsATake)
{
    constexpr std::uint64_t kMessages = 300'000;
    OneNode one;
    auto publisher = one.publisher();
    auto subscriber = one.subscriber(QoS{}.keepLast(GetParam()));
    std::thread other(
        [&]
        {
            for (std::uint64_t i = 1; i <= kMessages; ++i)
            {
                ASSERT_TRUE(publisher.publishCopy({i})) << i;
            }
        });
    std::uint64_t received = 0;
    std::uint64_t last = 0;
    while (last < kMessages)
    {
        if (const auto sample = subscriber.take())
        {
            const std::uint64_t sequence = sample->info().sequence;
            ASSERT_GT(sequence, last);
            for (int look = 0; look < 20; ++look)
            {
                // Nobody writes into it while we have it: the publisher is some messages further already.
                ASSERT_EQ(static_cast<const volatile Number*>(sample->get())->value, sequence);
            }
            last = sequence;
            ++received;
        }
    }
    other.join();

    EXPECT_EQ(received + subscriber.missed(), kMessages);
    EXPECT_EQ(usedChunks(one.inspect()), 0U);
}

INSTANTIATE_TEST_SUITE_P(Depths, Eviction, ::testing::Values(1U, 2U, 3U),
                         [](const auto& param) { return "Depth" + std::to_string(param.param); });

TEST(Delivery, ReachesPortsInEveryHolderWord)
{
    constexpr std::size_t kSubscribers = 120;
    Config config;
    config.limits.portsPerTopic = 128;
    OneNode one(config);
    auto first = one.publisher(); // its own bit lies in the first word
    std::vector<Subscriber<Number>> subscribers;
    for (std::size_t i = 0; i < kSubscribers; ++i)
    {
        subscribers.push_back(one.subscriber(QoS{}.keepLast(4).maxHeld(2)));
    }
    auto last = one.publisher(); // its own bit lies in the third word
    for (std::uint64_t round = 0; round < 50; ++round)
    {
        ASSERT_TRUE(first.publishCopy({2 * round}) && last.publishCopy({2 * round + 1}));
        for (std::size_t i = 0; i < kSubscribers; ++i)
        {
            if ((round + i) % 3 == 0)
            {
                std::uint64_t sum = 0;
                const auto a = subscribers[i].take();
                const auto b = subscribers[i].take();
                ASSERT_TRUE(a && b) << "subscriber " << i << " round " << round;
                sum = (*a)->value + (*b)->value;
                ASSERT_EQ(sum % 2, 1U);
            }
        }
    }
    for (auto& subscriber : subscribers)
    {
        while (subscriber.take())
        {
        }
    }

    EXPECT_EQ(usedChunks(one.inspect()), 0U);
}

TEST(Delivery, GivesUpHolderBitsInEveryWordWhenSubscribersLeave)
{
    Config config;
    config.limits.portsPerTopic = 128;
    OneNode one(config);
    auto publisher = one.publisher();
    {
        std::vector<Subscriber<Number>> subscribers;
        std::vector<Sample<Number>> held;
        for (std::size_t i = 0; i < 100; ++i)
        {
            subscribers.push_back(one.subscriber(QoS{}.keepLast(4).maxHeld(2)));
        }
        for (std::uint64_t i = 0; i < 10; ++i)
        {
            ASSERT_TRUE(publisher.publishCopy({i}));
        }
        for (auto& subscriber : subscribers)
        {
            held.push_back(subscriber.take().value());
        }
    }

    EXPECT_EQ(usedChunks(one.inspect()), 0U);
}

// Two memberships of one domain in one process map every segment twice, at different addresses.
TEST(Delivery, WorksBetweenMappingsAtDifferentAddresses)
{
    const TwoRoots roots;
    const TestDomain domain(roots.first());
    NodeOptions options;
    options.domain = domain.number();
    options.root = roots.first();
    Node here = Node::create("here", options).value();
    options.root = roots.second();
    Node there = Node::create("there", options).value();
    auto publisher = here.createPublisher<Number>("t").value();
    auto near = here.createSubscriber<Number>("t").value();
    auto far = there.createSubscriber<Number>("t").value();
    auto answer = there.createPublisher<Number>("t").value();
    for (std::uint64_t i = 1; i <= 100; ++i)
    {
        ASSERT_TRUE(publisher.publishCopy({i}));
        const auto a = near.take();
        const auto b = far.take();
        ASSERT_TRUE(a && b);
        ASSERT_EQ((*a)->value, i);
        ASSERT_EQ((*b)->value, i);
        ASSERT_NE(a->get(), b->get());
        ASSERT_TRUE(answer.publishCopy({i}));
        ASSERT_TRUE(near.take() && far.take());
    }
    const auto snapshot = inspect(domain.number(), domain.root());

    ASSERT_TRUE(snapshot);
    EXPECT_EQ(snapshot->processes.size(), 2U);
    EXPECT_EQ(usedChunks(*snapshot), 0U);
}

} // namespace ZeroCP
