#include "chaos/witness.hpp"

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>

#include <gtest/gtest.h>

#include "chaos/receipts.hpp"
#include "chaos/roles.hpp"

namespace ZeroCP::test::chaos
{

namespace
{

/// One topic of the witness subscriber.
class Watched
{
  public:
    Watched(Node& node, const char* topic, const Place& place)
        : m_subscriber(made(node.createSubscriber<Bytes>(topic, QoS{}.keepLast(kDepth)), place))
    {
    }

    /// How many it got.
    std::uint32_t takeAll()
    {
        std::uint32_t count = 0;
        for (; count < 1000; ++count)
        {
            const auto sample = m_subscriber.take();
            if (!sample)
            {
                EXPECT_EQ(sample.error(), TakeError::NoData);
                break;
            }
            m_receipts.add(*sample);
        }
        return count;
    }
    /// All publishers came after us: whatever is not there although something later is, is counted.
    void check(const char* topic) { EXPECT_EQ(m_subscriber.missed(), m_receipts.lostFromStart()) << topic; }
    [[nodiscard]] std::uint64_t received() const { return m_receipts.received(); }
    [[nodiscard]] std::uint64_t missed() { return m_subscriber.missed(); }

  private:
    Subscriber<Bytes> m_subscriber;
    Receipts m_receipts;
};

} // namespace

bool publishAsWitness(const Scene& scene, Place& place, std::uint64_t seed)
{
    Board& board = scene.m_board;
    Random random(seed);
    await([&] { return board.m_witnessIsThere.load(); });
    place.at("joins");
    Node node = made(Node::create("witness_publisher", scene.options()), place);
    std::array publishers{made(node.createPublisher<Bytes>(kWitnessTopics[0]), place),
                          made(node.createPublisher<Bytes>(kWitnessTopics[1]), place)};
    while (!board.m_witnessStop && !::testing::Test::HasFailure())
    {
        place.at("publishes");
        for (std::size_t topic = 0; topic < publishers.size(); ++topic)
        {
            std::uint64_t sent = board.m_sent[topic];
            for (std::uint64_t burst = random.below(12);
                 burst > 0 && publishOne(publishers[topic], kWitness, sent, random); --burst)
            {
            }
            board.m_sent[topic] = sent;
        }
        rest(random);
    }
    place.at("leaves");
    return true;
}

bool subscribeAsWitness(const Scene& scene, Place& place)
{
    Board& board = scene.m_board;
    place.at("joins");
    Node node = made(Node::create("witness_subscriber", scene.options()), place);
    std::array witnessed{Watched(node, kWitnessTopics[0], place), Watched(node, kWitnessTopics[1], place)};
    std::array others{Watched(node, kAutomatic, place), Watched(node, kPooled, place)};
    board.m_witnessIsThere = true;
    for (bool last = false; !::testing::Test::HasFailure();)
    {
        place.at("takes");
        const bool drain = board.m_drain;
        std::uint32_t taken = 0;
        for (std::size_t i = 0; i < 2; ++i)
        {
            taken += witnessed[i].takeAll() + others[i].takeAll();
        }
        if (drain && taken == 0)
        {
            if (last)
            {
                break;
            }
            last = true; // and once more
        }
        ::usleep(200);
    }
    place.at("adds up");
    for (std::size_t i = 0; i < 2; ++i)
    {
        EXPECT_EQ(witnessed[i].received() + witnessed[i].missed(), board.m_sent[i]) << kWitnessTopics[i];
        witnessed[i].check(kWitnessTopics[i]);
        others[i].check(i == 0 ? kAutomatic : kPooled);
        board.m_witnessReceived += witnessed[i].received();
        board.m_witnessMissed += witnessed[i].missed();
        board.m_received += others[i].received();
    }
    place.at("leaves");
    return true;
}

} // namespace ZeroCP::test::chaos
