// Who waits for many things at once in the chaos, and who recovers the dead.
#include <chrono>
#include <cstdint>

#include <gtest/gtest.h>

#include "chaos/receipts.hpp"
#include "chaos/roles.hpp"

namespace ZeroCP::test::chaos
{

namespace
{

using namespace std::chrono_literals;

} // namespace

void waitForMany(const Scene& scene, Place& place, Random& random)
{
    enum Id : std::uint64_t
    {
        kData,
        kOwed,
        kGraph,
        kTick,
    };
    place.at("joins with a wait set");
    Node node = made(Node::create("waiter", scene.options()), place);
    auto data = made(node.createSubscriber<Bytes>(kAutomatic, QoS{}.keepLast(kDepth)), place);
    auto owed = made(node.createSubscriber<Bytes>(kWitnessTopics[0], QoS{}.keepLast(kDepth)), place);
    auto tick = made(node.createTimer(5ms), place);
    place.at("creates a wait set");
    auto waitSet = made(WaitSet::create(node), place);
    EXPECT_TRUE(waitSet.attach(data, kData) && waitSet.attach(owed, kOwed) && waitSet.attach(tick, kTick) &&
                waitSet.attachGraph(kGraph));
    Receipts dataReceipts;
    Receipts owedReceipts;
    for (std::uint64_t rounds = random.below(500);
         rounds > 0 && !scene.mustLeave(place) && !::testing::Test::HasFailure(); --rounds)
    {
        place.at("waits in a wait set");
        for (const std::uint64_t id : waitSet.wait(50ms))
        {
            if (id == kData || id == kOwed)
            {
                auto& subscriber = id == kData ? data : owed;
                for (int most = 8; most > 0; --most)
                {
                    const auto sample = subscriber.take();
                    if (!sample)
                    {
                        break;
                    }
                    (id == kData ? dataReceipts : owedReceipts).add(*sample);
                }
            }
        }
    }
    EXPECT_LE(dataReceipts.gaps(), data.missed());
    EXPECT_LE(owedReceipts.gaps(), owed.missed());
    scene.m_board.m_received += dataReceipts.received() + owedReceipts.received();
    place.at("leaves with a wait set");
}

void execute(const Scene& scene, Place& place, Random& random)
{
    place.at("joins with an executor");
    Node node = made(Node::create("executor", scene.options()), place);
    Executor executor({.threads = 2});
    Receipts receipts; // its group is exclusive: one callback at a time
    std::uint64_t sent = 0;
    std::uint64_t ticks = random.below(200);
    const auto number = static_cast<std::uint32_t>(random.below(kWitness));
    auto publisher = made(node.createPublisher<Bytes>(kAutomatic, QoS{}.keepLast(kDepth)), place);
    auto subscriber =
        made(node.createSubscriber<Bytes>(kAutomatic, QoS{}.keepLast(kDepth),
                                          [&receipts](const Sample<Bytes>& sample) { receipts.add(sample); }),
             place);
    auto timer = made(node.createTimer(5ms,
                                       [&]
                                       {
                                           place.at("runs callbacks");
                                           publishOne(publisher, number, sent, random);
                                           if (ticks-- == 0 || scene.mustLeave(place) || ::testing::Test::HasFailure())
                                           {
                                               ticks = 0;
                                               executor.stop();
                                           }
                                       }),
                      place);
    place.at("adds a node to an executor");
    EXPECT_TRUE(executor.add(node));
    place.at("spins an executor");
    EXPECT_TRUE(executor.spin());
    scene.m_board.m_received += receipts.received();
    place.at("leaves with an executor");
}

void recoverAll(const Scene& scene, Place& place, Random& random)
{
    place.at("recovers");
    const auto report = recover(scene.m_domain.number(), scene.m_domain.root());
    EXPECT_TRUE(report) << report.error().message();
    scene.m_board.m_recoveries += report ? report->processes : 0U;
    if (random.below(4) == 0)
    {
        place.at("inspects");
        const auto snapshot = inspect(scene.m_domain.number(), scene.m_domain.root());
        EXPECT_TRUE(snapshot) << snapshot.error().message();
    }
    rest(random);
}

} // namespace ZeroCP::test::chaos
