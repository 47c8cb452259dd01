// Automatic pools are large enough: random endpoints that use their limits to the full, come and go, and never see a loan
// fail. Runs until ZEROCP_SIZING_LOANS loans (default 10^6) in one process and as many in several at once;
// ZEROCP_TEST_SEED repeats the run in one process exactly. Beyond a limit each call answers with that limit's error.
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "pubsub/pubsub_support.hpp"
#include "support/child_process.hpp"
#include "support/shared_board.hpp"
#include "support/small_tmpfs.hpp"
#include "support/test_domain.hpp"
#include "zerocp/zerocp.hpp"

namespace ZeroCP::test
{
namespace
{

constexpr unsigned kWatchdogSeconds = 3000; // for the long run; ctest ends the short one much earlier
constexpr std::size_t kMostPublishers = 6;
constexpr std::size_t kMostSubscribers = 10;
constexpr std::uint64_t kMostBytes = 65536;
constexpr std::uint32_t kProcesses = 3;

template <std::size_t Bytes>
struct Block
{
    std::array<std::byte, Bytes> m_bytes;
};

using Bytes = Slice<std::byte>;

struct Count
{
    std::uint64_t m_loans{0};
    std::uint64_t m_failed{0};
    std::uint64_t m_joins{0};
    std::uint64_t m_taken{0};
};

/// Endpoints of one process on one topic.
class Crowd
{
  public:
    Crowd() = default;
    Crowd(const Crowd&) = delete;
    Crowd& operator=(const Crowd&) = delete;
    virtual ~Crowd() = default;
    virtual void step() = 0;
};

/// At most `share` endpoints of each kind, none of which exceeds its limits.
template <typename Message>
class CrowdOf : public Crowd
{
  public:
    CrowdOf(Node& node, std::string topic, Random& random, Count& count, std::size_t share)
        : m_node(node), m_topic(std::move(topic)), m_random(random), m_count(count), m_share(share)
    {
        joinPublisher();
    }

    void step() override
    {
        if (m_random.below(200) == 0)
        {
            comeOrGo();
        }
        if (!m_publishers.empty())
        {
            work(m_publishers[m_random.below(m_publishers.size())]);
        }
        if (!m_subscribers.empty())
        {
            work(m_subscribers[m_random.below(m_subscribers.size())]);
        }
    }

  private:
    struct Writer
    {
        Publisher<Message> m_publisher;
        std::uint64_t m_limit;
        std::vector<Loan<Message>> m_loans{};
        std::uint64_t m_mostBytes{kMostBytes}; ///< slices: of the next few messages
    };
    struct Reader
    {
        Subscriber<Message> m_subscriber;
        std::uint64_t m_limit;
        std::uint64_t m_patience; ///< of so many calls one does something
        std::vector<Sample<Message>> m_samples{};
    };

    void joinPublisher()
    {
        const std::uint64_t loans = 1 + m_random.below(8);
        auto publisher = m_node.createPublisher<Message>(m_topic, QoS{}.maxLoans(static_cast<std::uint32_t>(loans)));
        ASSERT_TRUE(publisher) << publisher.error().message();
        m_publishers.push_back(Writer{std::move(*publisher), loans});
        ++m_count.m_joins;
    }

    void joinSubscriber()
    {
        const std::uint64_t held = 1 + m_random.below(8);
        const std::uint64_t depth = 1 + m_random.below(m_random.below(2) == 0 ? 64 : 6);
        auto subscriber = m_node.createSubscriber<Message>(
            m_topic, QoS{}.keepLast(static_cast<std::uint32_t>(depth)).maxHeld(static_cast<std::uint32_t>(held)));
        ASSERT_TRUE(subscriber) << subscriber.error().message();
        m_subscribers.push_back(Reader{std::move(*subscriber), held, std::uint64_t{1} << m_random.below(9)});
        ++m_count.m_joins;
    }

    template <typename Endpoints>
    void leave(Endpoints& endpoints)
    {
        if (!endpoints.empty())
        {
            std::swap(endpoints[m_random.below(endpoints.size())], endpoints.back());
            endpoints.pop_back(); // with what it has on loan or holds
        }
    }

    void comeOrGo()
    {
        switch (m_random.below(5))
        {
        case 0:
            if (m_publishers.size() < std::min(kMostPublishers, m_share))
            {
                joinPublisher();
            }
            break;
        case 1:
            if (m_publishers.size() > 1)
            {
                leave(m_publishers);
            }
            break;
        case 2: leave(m_subscribers); break;
        default:
            if (m_subscribers.size() < std::min(kMostSubscribers, m_share))
            {
                joinSubscriber();
            }
        }
    }

    auto borrow(Writer& writer)
    {
        if constexpr (MessageTraits<Message>::kIsSlice)
        {
            if (m_random.below(50) == 0)
            {
                writer.m_mostBytes = std::uint64_t{8} << m_random.below(14);
            }
            return writer.m_publisher.loan(8 + m_random.below(writer.m_mostBytes - 7));
        }
        else
        {
            return writer.m_publisher.loan();
        }
    }

    static void mark(Loan<Message>& loan)
    {
        if constexpr (MessageTraits<Message>::kIsSlice)
        {
            (*loan).front() = (*loan).back() = std::byte{1};
        }
        else
        {
            loan->m_bytes.front() = loan->m_bytes.back() = std::byte{1};
        }
    }

    void work(Writer& writer)
    {
        for (std::uint64_t calls = 1 + m_random.below(12); calls > 0; --calls)
        {
            if (writer.m_loans.size() < writer.m_limit && m_random.below(2) == 0)
            {
                auto loan = borrow(writer);
                ++m_count.m_loans;
                m_count.m_failed += loan ? 0U : 1U;
                ASSERT_TRUE(loan) << toString(loan.error()) << " on topic " << m_topic << ", loan " << m_count.m_loans
                                  << ", with " << writer.m_loans.size() << " of " << writer.m_limit << " out";
                mark(*loan);
                writer.m_loans.push_back(std::move(*loan));
            }
            else if (!writer.m_loans.empty())
            {
                std::swap(writer.m_loans[m_random.below(writer.m_loans.size())], writer.m_loans.back());
                if (m_random.below(16) != 0)
                {
                    ASSERT_TRUE(writer.m_publisher.publish(std::move(writer.m_loans.back())));
                }
                writer.m_loans.pop_back();
            }
        }
    }

    void work(Reader& reader)
    {
        if (m_random.below(reader.m_patience) != 0)
        {
            return;
        }
        for (std::uint64_t calls = m_random.below(2 * reader.m_patience + 4); calls > 0; --calls)
        {
            if (reader.m_samples.size() < reader.m_limit && m_random.below(3) != 0)
            {
                auto sample = m_random.below(8) == 0 ? reader.m_subscriber.takeLatest() : reader.m_subscriber.take();
                if (sample)
                {
                    reader.m_samples.push_back(std::move(*sample));
                    ++m_count.m_taken;
                }
                else
                {
                    ASSERT_EQ(sample.error(), TakeError::NoData);
                }
            }
            else if (!reader.m_samples.empty())
            {
                std::swap(reader.m_samples[m_random.below(reader.m_samples.size())], reader.m_samples.back());
                reader.m_samples.pop_back();
            }
        }
        if (m_random.below(100) == 0)
        {
            reader.m_patience = std::uint64_t{1} << m_random.below(9);
        }
    }

    Node& m_node;
    std::string m_topic;
    Random& m_random;
    Count& m_count;
    std::size_t m_share;
    std::vector<Writer> m_publishers;
    std::vector<Reader> m_subscribers;
};

Node nodeOf(const TestDomain& domain)
{
    NodeOptions options{.domain = domain.number(), .configFile = {}, .root = {}, .config = Config{}};
    return Node::create("sizing", options).value();
}

/// `share`: endpoints of one kind on one topic in this process.
Count crowd(const TestDomain& domain, std::uint64_t seed, std::uint64_t loans, std::size_t share)
{
    Random random(seed);
    Count count;
    Node node = nodeOf(domain);
    std::vector<std::unique_ptr<Crowd>> crowds;
    crowds.push_back(std::make_unique<CrowdOf<Block<8>>>(node, "small", random, count, share));
    crowds.push_back(std::make_unique<CrowdOf<Block<5000>>>(node, "middle", random, count, share));
    crowds.push_back(std::make_unique<CrowdOf<Block<kMostBytes>>>(node, "large", random, count, share));
    crowds.push_back(std::make_unique<CrowdOf<Bytes>>(node, "slices", random, count, share));
    while (count.m_loans < loans && !::testing::Test::HasFailure())
    {
        crowds[random.below(crowds.size())]->step();
    }
    return count;
}

void report(const char* where, const Count& count)
{
    std::printf("%s: %llu loans, %llu failed, %llu samples, %llu endpoints\n", where,
                static_cast<unsigned long long>(count.m_loans), static_cast<unsigned long long>(count.m_failed),
                static_cast<unsigned long long>(count.m_taken), static_cast<unsigned long long>(count.m_joins));
}

template <typename Value, typename Error>
std::optional<Error> errorOf(const Expected<Value, Error>& answer)
{
    return answer ? std::nullopt : std::optional(answer.error());
}

std::uint64_t loansToMake()
{
    return numberFrom("ZEROCP_SIZING_LOANS", kSanitized ? 100'000 : 1'000'000);
}

} // namespace

TEST(Sizing, NoLoanFailsInOneProcessWhileLimitsAreKept)
{
    const TestDomain domain;
    const std::uint64_t seed = testSeed();
    ChildProcess child(
        [&](Peer&)
        {
            const Count count = crowd(domain, seed, loansToMake(), kMostSubscribers);
            report("one process", count);
            return count.m_failed == 0 && count.m_loans >= loansToMake();
        },
        kWatchdogSeconds);

    EXPECT_TRUE(child.wait().succeeded());
}

TEST(Sizing, NoLoanFailsInSeveralProcessesWhileLimitsAreKept)
{
    const TestDomain domain;
    const std::uint64_t seed = testSeed();
    std::vector<std::unique_ptr<ChildProcess>> children;
    for (std::uint32_t p = 0; p < kProcesses; ++p)
    {
        children.push_back(std::make_unique<ChildProcess>(
            [&domain, seed, p](Peer&)
            {
                const Count count = crowd(domain, seed + p, loansToMake() / kProcesses, kMostSubscribers / kProcesses);
                report("one of several", count);
                return count.m_failed == 0;
            },
            kWatchdogSeconds));
    }

    for (const auto& child : children)
    {
        EXPECT_TRUE(child->wait().succeeded());
    }
}

TEST(Sizing, NoLoanFailsWhenEveryoneHoldsAllThatItMay)
{
    OneNode one;
    Random random(testSeed());
    using Message = Block<kMostBytes>; // the fewest spare chunks
    for (int round = 0; round < (kSanitized ? 10 : 60) && !::testing::Test::HasFailure(); ++round)
    {
        const std::uint64_t most = 1 + random.below(8);
        auto publisher = one.publisher<Message>(QoS{}.maxLoans(static_cast<std::uint32_t>(most)));
        const auto publish = [&publisher](std::uint64_t count)
        {
            for (; count > 0; --count)
            {
                auto loan = publisher.loan();
                ASSERT_TRUE(loan) << toString(loan.error());
                ASSERT_TRUE(publisher.publish(std::move(*loan)));
            }
        };
        std::vector<Subscriber<Message>> subscribers;
        std::vector<std::vector<Sample<Message>>> held(random.below(kMostSubscribers + 1));
        std::uint64_t deepest = 1;
        for (std::vector<Sample<Message>>& samples : held)
        {
            const std::uint64_t depth = 1 + random.below(64);
            const std::uint64_t limit = 1 + random.below(8);
            subscribers.push_back(one.subscriber<Message>(
                QoS{}.keepLast(static_cast<std::uint32_t>(depth)).maxHeld(static_cast<std::uint32_t>(limit))));
            deepest = std::max(deepest, depth);
            samples.reserve(limit);
            // Nobody else has these: those who came before hold what they may, and only the newest lie in their queues.
            while (samples.size() < samples.capacity())
            {
                publish(1);
                samples.push_back(subscribers.back().take().value());
            }
        }
        publish(2 * deepest);
        std::vector<Loan<Message>> loans;
        for (std::uint64_t i = 0; i < most; ++i)
        {
            auto loan = publisher.loan();
            ASSERT_TRUE(loan) << toString(loan.error()) << ", loan " << i << " of " << most << " with "
                              << subscribers.size() << " subscribers";
            loans.push_back(std::move(*loan));
        }
    }
}

TEST(Sizing, BeyondALimitEachCallNamesThatLimit)
{
    Config config;
    config.limits.maxMessageBytes = kMostBytes;
    OneNode one(config);
    auto publisher = one.publisher<Bytes>(QoS{}.maxLoans(2));
    auto subscriber = one.subscriber<Bytes>(QoS{}.keepLast(8).maxHeld(3));
    for (int i = 0; i < 8; ++i)
    {
        ASSERT_TRUE(publisher.publish(publisher.loan(100).value()));
    }
    std::vector<Sample<Bytes>> held;
    for (int i = 0; i < 3; ++i)
    {
        held.push_back(subscriber.take().value());
    }
    const auto first = publisher.loan(100);
    const auto second = publisher.loan(kMostBytes);

    EXPECT_TRUE(first && second);
    EXPECT_EQ(errorOf(publisher.loan(100)), LoanError::TooManyLoans);
    EXPECT_EQ(errorOf(subscriber.take()), TakeError::TooManyHeld);
    auto large = one.publisher<Bytes>();
    EXPECT_EQ(errorOf(large.loan(kMostBytes + 1)), LoanError::PayloadTooLarge);
}

TEST(Sizing, AConfiguredSetThatIsTooSmallIsExhaustedAndRecoversWithOneRelease)
{
    OneNode one(pooled(64, 4));
    auto publisher = one.publisher<Number>();
    auto subscriber = one.subscriber<Number>(QoS{}.keepLast(8));
    std::vector<Sample<Number>> held;
    for (std::uint64_t i = 0; i < 4; ++i)
    {
        ASSERT_TRUE(publisher.publishCopy({i}));
        held.push_back(subscriber.take().value());
    }
    const auto exhausted = errorOf(publisher.loan());
    held.pop_back();

    EXPECT_EQ(exhausted, LoanError::PoolExhausted);
    EXPECT_TRUE(publisher.loan());
}

TEST(Sizing, AFullFileSystemIsNoSpaceAndSmallerMessagesStillWork)
{
    if (!mayMount())
    {
        GTEST_SKIP() << "needs root: a tmpfs of its own";
    }
    const TestDirectory directory;
    ChildProcess child(
        [&](Peer&)
        {
            EXPECT_EQ(mountSmallTmpfs(directory.path(), "1m"), "");
            NodeOptions options{.domain = 7, .configFile = {}, .root = directory.path(), .config = Config{}};
            Node node = Node::create("small", options).value();
            auto publisher = node.createPublisher<Bytes>("t").value();
            const bool before = publisher.loan(100).has_value();
            const auto error = errorOf(publisher.loan(1U << 20));
            EXPECT_EQ(error, LoanError::NoSpace);
            return before && publisher.loan(100).has_value();
        });

    EXPECT_TRUE(child.wait().succeeded());
}

} // namespace ZeroCP::test
