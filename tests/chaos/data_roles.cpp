// Publishers and subscribers of the chaos.
#include <algorithm>
#include <chrono>
#include <optional>
#include <vector>

#include <unistd.h>

#include <gtest/gtest.h>

#include "chaos/receipts.hpp"
#include "chaos/roles.hpp"

namespace ZeroCP::test::chaos
{

namespace
{

using namespace std::chrono_literals;

/// Ends a session after a random number of rounds, or when the process is to leave, or a check has failed.
class Rounds
{
  public:
    Rounds(const Scene& scene, Place& place, Random& random)
        : m_scene(scene), m_place(place), m_left(50 + random.below(400))
    {
    }
    [[nodiscard]] bool next(const char* doing)
    {
        m_place.at(doing);
        return m_left-- > 0 && !m_scene.mustLeave(m_place) && !::testing::Test::HasFailure();
    }

  private:
    const Scene& m_scene;
    Place& m_place;
    std::uint64_t m_left;
};

void publishFor(const Scene& scene, Place& place, Random& random, const char* topic, const QoS& qos)
{
    place.at("joins to publish");
    Node node = made(Node::create("publisher", scene.options()), place);
    place.at("creates a publisher");
    auto publisher = made(node.createPublisher<Bytes>(topic, qos), place);
    const auto number = static_cast<std::uint32_t>(random.below(kWitness));
    std::uint64_t sent = 0;
    std::vector<Loan<Bytes>> spare;
    Rounds rounds(scene, place, random);
    while (rounds.next("publishes"))
    {
        for (std::uint64_t burst = random.below(16); burst > 0 && publishOne(publisher, number, sent, random); --burst)
        {
        }
        if (spare.size() < 2 && random.below(8) == 0)
        {
            if (auto loan = publisher.loan(kLeastPattern))
            {
                spare.push_back(std::move(*loan));
            }
        }
        else if (random.below(8) == 0)
        {
            spare.clear();
        }
        rest(random);
    }
    place.at("leaves as a publisher");
}

/// Takes what comes, keeps some of it for a while and looks whether it stays as it is.
class Reader
{
  public:
    Reader(Subscriber<Bytes>& subscriber, Random& random) : m_subscriber(subscriber), m_random(random) {}

    void takeSome()
    {
        for (std::uint64_t most = m_random.below(32); most > 0; --most)
        {
            auto sample = m_random.below(4) == 0 ? m_subscriber.wait(2ms) : m_subscriber.take();
            if (!sample)
            {
                EXPECT_TRUE(sample.error() == TakeError::NoData || sample.error() == TakeError::Timeout)
                    << toString(sample.error());
                return;
            }
            m_receipts.add(*sample);
            m_held.push_back(std::move(*sample));
            if (m_held.size() == 4 || m_random.below(3) == 0)
            {
                const auto dropped = m_held.begin() + static_cast<std::ptrdiff_t>(m_random.below(m_held.size()));
                EXPECT_TRUE(readPattern(dropped->get())) << "overwritten while held";
                m_held.erase(dropped);
            }
        }
    }
    [[nodiscard]] const Receipts& receipts() const { return m_receipts; }

  private:
    Subscriber<Bytes>& m_subscriber;
    Random& m_random;
    Receipts m_receipts;
    std::vector<Sample<Bytes>> m_held;
};

Receipts subscribeFor(const Scene& scene, Place& place, Random& random, const char* topic, const QoS& qos)
{
    place.at("joins to subscribe");
    Node node = made(Node::create("subscriber", scene.options()), place);
    place.at("creates a subscriber");
    auto subscriber = made(node.createSubscriber<Bytes>(topic, qos), place);
    std::optional<Reader> reader(std::in_place, subscriber, random);
    Rounds rounds(scene, place, random);
    while (rounds.next("takes"))
    {
        reader->takeSome();
        rest(random);
    }
    const Receipts receipts = reader->receipts();
    const std::uint64_t missed = subscriber.missed();
    EXPECT_LE(receipts.gaps(), missed) << topic;
    EXPECT_TRUE(qos.history() == History::KeepLast || missed == 0) << "keepAll lost " << missed;
    scene.m_board.m_received += receipts.received();
    reader.reset();
    place.at("leaves as a subscriber");
    return receipts;
}

} // namespace

void rest(Random& random)
{
    ::usleep(static_cast<useconds_t>(random.below(2000)));
}

bool publishOne(Publisher<Bytes>& publisher, std::uint32_t number, std::uint64_t& sent, Random& random)
{
    const std::size_t bytes = kLeastPattern + random.below((std::size_t{64} << random.below(8)) - kLeastPattern);
    auto loan = publisher.loan(bytes);
    if (!loan)
    {
        // NoSpace: a new size class waits for a control call in which somebody is stopped.
        EXPECT_TRUE(loan.error() == LoanError::PoolExhausted || loan.error() == LoanError::TooManyLoans ||
                    loan.error() == LoanError::NoSpace)
            << toString(loan.error());
        return false;
    }
    writePattern(loan->get(), number, sent + 1);
    const auto sequence = publisher.publish(std::move(*loan));
    EXPECT_TRUE(sequence ? *sequence == sent + 1 : sequence.error() == PublishError::Timeout)
        << (sequence ? "another sequence" : toString(sequence.error()));
    sent += sequence ? 1U : 0U;
    return sequence.has_value();
}

void publish(const Scene& scene, Place& place, Random& random)
{
    publishFor(scene, place, random, random.below(2) == 0 ? kAutomatic : kPooled, QoS{}.keepLast(kDepth));
}

void subscribe(const Scene& scene, Place& place, Random& random)
{
    static constexpr const char* kTopics[] = {kAutomatic, kPooled, kWitnessTopics[0], kWitnessTopics[1]};
    subscribeFor(scene, place, random, kTopics[random.below(std::size(kTopics))], QoS{}.keepLast(kDepth));
}

void publishKeepAll(const Scene& scene, Place& place, Random& random)
{
    publishFor(scene, place, random, kKeepAll, QoS{}.keepAll());
}

void subscribeKeepAll(const Scene& scene, Place& place, Random& random)
{
    const Receipts receipts = subscribeFor(scene, place, random, kKeepAll, QoS{}.keepAll());
    EXPECT_EQ(receipts.gaps(), 0U) << "keepAll lost a message";
}

void publishLatched(const Scene& scene, Place& place, Random& random)
{
    publishFor(scene, place, random, kLatched, QoS{}.keepLast(kDepth).transientLocal());
}

void joinLate(const Scene& scene, Place& place, Random& random)
{
    subscribeFor(scene, place, random, kLatched, QoS{}.keepLast(kDepth).transientLocal());
}

} // namespace ZeroCP::test::chaos
