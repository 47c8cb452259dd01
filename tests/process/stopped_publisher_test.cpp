// Publishers in processes of their own that share a configured pool set, one of them stopped in its tracks.
#include <cstdint>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "pubsub/pubsub_support.hpp"
#include "support/child_process.hpp"
#include "support/pool_audit.hpp"
#include "support/shared_board.hpp"
#include "support/test_domain.hpp"
#include "zerocp/zerocp.hpp"

namespace ZeroCP::test
{
namespace
{

constexpr std::uint32_t kPublishers = 3;
constexpr std::uint32_t kLoans = 2;
constexpr std::uint32_t kDepth = 8;
constexpr std::uint32_t kHeld = 4;
constexpr std::uint32_t kSubscribers = 2;
constexpr std::uint32_t kBudget = kLoans + kDepth + kSubscribers * (kHeld + 2) + stashSize(64);
constexpr std::uint64_t kMessages = kSanitized ? 2000 : 20'000;

struct Board
{
    std::atomic<bool> m_stop;
    std::atomic<std::uint64_t> m_failed;
    std::atomic<std::uint32_t> m_done;
};

/// Uses all that it may: the loans that are not published are always out.
bool publishWith(Publisher<Number>& publisher, Board& board, std::uint64_t messages)
{
    std::vector<Loan<Number>> loans;
    for (std::uint64_t i = 1; i <= messages; ++i)
    {
        while (loans.size() < kLoans)
        {
            auto loan = publisher.loan();
            if (!loan)
            {
                board.m_failed.fetch_add(1);
                EXPECT_TRUE(loan) << toString(loan.error()) << ": " << publisher.whyExhausted();
                return false;
            }
            loans.push_back(std::move(*loan));
        }
        *loans.back() = {i};
        EXPECT_TRUE(publisher.publish(std::move(loans.back())));
        loans.pop_back();
    }
    return true;
}

/// Chunks that carry the bit of the publisher that owns them, per port: stash, loans and in flight.
std::uint32_t ownedBy(const OneNode& one, std::uint32_t port)
{
    const MappedSet set(one.m_domain.root(), poolSetsOf(one.m_domain.number()).at(0));
    const PoolView& view = set.view();
    const std::uint32_t bit = view.port(port).m_holderIndex;
    std::uint32_t owned = 0;
    for (std::uint32_t chunk = 0; chunk < view.classAt(0).m_pool->getTotalChunks(); ++chunk)
    {
        owned += static_cast<std::uint32_t>(view.record(chunk).m_owner.load()) == port &&
                         (view.word(chunk, holder::wordOf(bit)).load() & holder::bitOf(bit)) != 0
                     ? 1U
                     : 0U;
    }
    return owned;
}

std::vector<std::uint32_t> publisherPorts(const OneNode& one)
{
    const MappedSet set(one.m_domain.root(), poolSetsOf(one.m_domain.number()).at(0));
    std::vector<std::uint32_t> ports;
    for (std::uint32_t i = 1; i < set.view().header().m_portHighWater; ++i)
    {
        const PortRecord& port = set.view().port(i);
        if (port.m_state == static_cast<std::uint32_t>(PortState::Active) &&
            port.m_kind == static_cast<std::uint32_t>(PortKind::Publisher))
        {
            ports.push_back(i);
        }
    }
    return ports;
}

/// Two readers that hold what they may, of whomever they hear.
class Readers
{
  public:
    explicit Readers(OneNode& one)
    {
        for (std::uint32_t i = 0; i < kSubscribers; ++i)
        {
            m_subscribers.push_back(one.subscriber(QoS{}.keepLast(kDepth).maxHeld(kHeld)));
        }
        m_held.resize(kSubscribers);
    }

    /// How many samples it got.
    std::uint32_t read(Random& random)
    {
        std::uint32_t count = 0;
        for (std::uint32_t i = 0; i < kSubscribers; ++i)
        {
            if (m_held[i].size() == kHeld)
            {
                m_held[i].erase(m_held[i].begin() + static_cast<std::ptrdiff_t>(random.below(kHeld)));
            }
            if (auto sample = m_subscribers[i].take())
            {
                m_held[i].push_back(std::move(*sample));
                ++count;
            }
        }
        return count;
    }

    /// Into the return rings.
    void giveEverythingBack()
    {
        for (std::uint32_t i = 0; i < kSubscribers; ++i)
        {
            m_held[i].clear();
            while (m_subscribers[i].take())
            {
            }
        }
    }

  private:
    std::vector<Subscriber<Number>> m_subscribers;
    std::vector<std::vector<Sample<Number>>> m_held;
};

} // namespace

TEST(StoppedPublisher, KeepsAtMostItsBudgetWhileTheOthersGoOn)
{
    OneNode one(pooled(64, kPublishers * kBudget)); // and nothing to spare
    const SharedBoard<Board> board;
    Random random(testSeed());
    Readers readers(one);
    std::vector<std::unique_ptr<ChildProcess>> children;
    for (std::uint32_t p = 0; p < kPublishers; ++p)
    {
        children.push_back(std::make_unique<ChildProcess>(
            [&, p](Peer& parent)
            {
                Node node = nodeIn(one.m_domain, pooled(64, kPublishers * kBudget), "publisher_" + std::to_string(p));
                auto publisher = node.createPublisher<Number>("t", QoS{}.maxLoans(kLoans)).value();
                parent.tell("ready");
                parent.pause();
                bool good = true;
                while (p == 0 && good && !board->m_stop) // until it is stopped, in the middle of whatever it does
                {
                    good = publishWith(publisher, *board, 100);
                }
                good = good && (p == 0 || publishWith(publisher, *board, kMessages));
                board->m_done.fetch_add(1);
                parent.pause();
                return good;
            }));
        ASSERT_EQ(children.back()->hear(), "ready");
    }
    const std::uint32_t stopped = publisherPorts(one).at(0);

    children[0]->tell("go");
    for (std::uint32_t got = 0; got < 2000;)
    {
        got += readers.read(random);
    }
    children[0]->signal(SIGSTOP);
    await(
        [&children]
        {
            std::ifstream status("/proc/" + std::to_string(children[0]->pid()) + "/stat");
            const std::string text(std::istreambuf_iterator<char>(status), {});
            return text.find(") T ") != std::string::npos;
        });
    readers.giveEverythingBack(); // its return rings are as full as they can be, and it looks at none of them
    const std::uint32_t before = ownedBy(one, stopped);
    const std::uint32_t used = usedChunks(one.inspect());
    children[1]->tell("go");
    children[2]->tell("go");
    await(
        [&]
        {
            static_cast<void>(readers.read(random));
            return board->m_done == 2 || children[1]->hasEnded() || children[2]->hasEnded();
        });

    EXPECT_EQ(board->m_failed, 0U);
    EXPECT_EQ(board->m_done, 2U);
    EXPECT_GT(before, kLoans);
    EXPECT_LE(before, kBudget);
    EXPECT_EQ(ownedBy(one, stopped), before);
    EXPECT_LE(used, kBudget); // stopped in the middle of an eviction, it holds up what lies behind it in its queues
    board->m_stop = true;
    children[0]->signal(SIGCONT);
    for (const auto& child : children)
    {
        EXPECT_TRUE(child->finish().succeeded());
    }
}

} // namespace ZeroCP::test
