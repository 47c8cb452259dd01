// Some twenty processes of all kinds that are killed, stopped and replaced at random, beside two that are left alone. Those
// two must account for every message; nobody may get a damaged or a doubled one, wait for the dead, or hang; and when all
// have left nothing is left. Runs for ZEROCP_TEST_SECONDS; ZEROCP_TEST_SEED gives the same choices again.
//
//     ZEROCP_TEST_SECONDS=3600 build/release/tests/zerocp_chaos_tests
#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>

#include <gtest/gtest.h>

#include "chaos/director.hpp"
#include "chaos/scene.hpp"
#include "support/pool_audit.hpp"
#include "support/shared_board.hpp"
#include "support/test_domain.hpp"

namespace ZeroCP::test::chaos
{
namespace
{

constexpr std::uint64_t kSeconds = 10;

std::uint64_t openDescriptors()
{
    const std::filesystem::directory_iterator all("/proc/self/fd");
    return static_cast<std::uint64_t>(std::distance(begin(all), end(all)));
}

std::uint64_t mappedSegments(const TestDomain& domain)
{
    std::ifstream maps("/proc/self/maps");
    std::uint64_t count = 0;
    for (std::string line; std::getline(maps, line);)
    {
        count += line.find(domain.root().native()) != std::string::npos ? 1U : 0U;
    }
    return count;
}

/// Keeps every topic's pool set when the others leave, and sees that nothing is used then.
class Auditor
{
  public:
    explicit Auditor(const Scene& scene) : m_scene(scene), m_node(Node::create("auditor", scene.options()).value())
    {
        for (std::size_t i = 0; i < kTopics.size(); ++i)
        {
            m_subscribers[i] = m_node.createSubscriber<Bytes>(kTopics[i], QoS{}.keepLast(1)).value();
        }
        m_client = m_node.createClient<Bytes, Bytes>(kService).value();
    }

    void checkThatAllIsFree()
    {
        for (auto& subscriber : m_subscribers)
        {
            while (subscriber.take())
            {
            }
        }
        const auto report = recover(m_scene.m_domain.number(), m_scene.m_domain.root());
        ASSERT_TRUE(report) << report.error().message();
        EXPECT_EQ(report->pending, 0U);
        const auto snapshot = inspect(m_scene.m_domain.number(), m_scene.m_domain.root());
        ASSERT_TRUE(snapshot) << snapshot.error().message();
        EXPECT_EQ(snapshot->processes.size(), 1U) << "a process slot is left";
        EXPECT_TRUE(snapshot->holders.empty());
        for (const TopicSnapshot& topic : snapshot->topics)
        {
            EXPECT_LE(topic.publishers + topic.subscribers, 1U) << topic.name << " has an endpoint of nobody";
        }
        EXPECT_GT(expectAllChunksFree(m_scene.m_domain.number(), m_scene.m_domain.root()), 0U);
    }

  private:
    static constexpr std::array kTopics{kAutomatic, kPooled, kKeepAll, kLatched, kWitnessTopics[0], kWitnessTopics[1]};

    const Scene& m_scene;
    Node m_node;
    std::array<Subscriber<Bytes>, kTopics.size()> m_subscribers;
    Client<Bytes, Bytes> m_client;
};

} // namespace

TEST(Chaos, LosesNothingWhoeverIsKilledOrStopped)
{
    ::setenv("ZEROCP_LOG", "error", 0); // thousands of deaths are no news here
    const std::uint64_t seed = testSeed();
    const std::chrono::seconds duration(numberFrom("ZEROCP_TEST_SECONDS", kSeconds));
    const TestDirectory root;
    TestDomain domain(root.path());
    const SharedBoard<Board> board;
    const Scene scene{domain, *board};
    const std::uint64_t descriptors = openDescriptors();

    std::optional<Director> director(std::in_place, scene, seed, duration);
    director->run();
    const auto over = std::chrono::steady_clock::now();
    std::optional<Auditor> auditor(std::in_place, scene);
    director->endCompanions();
    director->endWitnesses();
    director->printFigures();
    EXPECT_GT(board->m_sent[0], 0U);
    EXPECT_GT(board->m_sent[1], 0U);
    EXPECT_GT(board->m_witnessReceived, 0U);
    EXPECT_GT(board->m_received, 0U);
    EXPECT_GT(board->m_answers, 0U);
    EXPECT_GT(director->kills(), 0U);
    auditor->checkThatAllIsFree();
    director.reset();
    auditor.reset();
    const std::chrono::duration<double> ending = std::chrono::steady_clock::now() - over;
    std::printf("everybody had left after %.2f s\n", ending.count());

    EXPECT_TRUE(domain.files().empty());
    EXPECT_EQ(openDescriptors(), descriptors);
    EXPECT_EQ(mappedSegments(domain), 0U);
}

} // namespace ZeroCP::test::chaos
