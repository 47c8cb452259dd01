// True SIGKILLs: victims are processes of their own, killed behind a random instruction or at either edge of a system call,
// and recovered by a live process while another one goes on publishing and taking. Confirms that the snapshots of the sweep
// are what a death leaves. ZEROCP_TEST_SEED repeats a run, ZEROCP_SWEEP_KILLS says how many die at random.
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <optional>
#include <string>

#include <unistd.h>

#include <gtest/gtest.h>

#include "support/child_process.hpp"
#include "support/pool_audit.hpp"
#include "support/sanitized.hpp"
#include "support/shared_board.hpp"
#include "support/test_domain.hpp"
#include "sweep/figures_line.hpp"
#include "sweep/participants.hpp"
#include "sweep/stage.hpp"
#include "sweep/stepper.hpp"

namespace ZeroCP::test
{
namespace
{

constexpr std::size_t kMostVictims = 5000;
constexpr std::size_t kFirstVictim = 2; ///< behind the keeper and its neighbour
constexpr const char* kTopic = "kills";
constexpr unsigned kWatchdogSeconds = 600; ///< of a loaded machine; ctest itself is less patient
constexpr std::chrono::microseconds kNap{100};

struct Board
{
    struct Count
    {
        std::atomic<std::uint64_t> m_publisher;
        std::atomic<std::uint64_t> m_said;
    };

    std::array<Count, kFirstVictim + kMostVictims> m_counts; ///< of every publisher that there was
    std::atomic<int> m_ready;
    std::atomic<bool> m_stop;
};

/// Has a publisher and a subscriber, and does at random what one can do with them.
class Player
{
  public:
    Player(const std::filesystem::path& directory, const std::string& name, Board::Count& count, std::uint64_t seed)
        : m_member(directory, name, Config{}), m_random(seed)
    {
        m_listener = Listener(m_member.node().createSubscriber<Message>(kTopic, QoS{}.keepLast(2).maxHeld(2)).value());
        m_speaker = Speaker(m_member.node().createPublisher<Message>(kTopic, QoS{}.maxLoans(2)).value());
        count.m_publisher = m_speaker.id();
        m_speaker.countIn(count.m_said);
    }

    void play()
    {
        switch (m_random.below(6))
        {
        case 0: static_cast<void>(m_speaker.loan()); break; // and dropped
        case 1: m_speaker.say(2); break;
        case 2: m_listener.hear(2); break;
        case 3: m_listener.drop(1); break;
        case 4: m_listener.wait(kNap); break;
        default: m_speaker.say(); break;
        }
    }
    /// Each of that once, and asleep twice: by itself and in a wait set.
    void playAll()
    {
        static_cast<void>(m_speaker.loan());
        m_speaker.say(3);
        m_listener.hear(2);
        m_listener.drop(2);
        m_listener.drain();
        m_listener.wait(kNap);
        WaitSet waitSet = WaitSet::create(m_member.node()).value();
        m_listener.attachTo(waitSet);
        static_cast<void>(waitSet.wait(kNap));
    }
    void leave()
    {
        m_speaker.leave();
        m_listener.drain();
    }

    [[nodiscard]] Listener& listener() { return m_listener; }
    [[nodiscard]] const Member& member() const { return m_member; }

  private:
    Member m_member;
    Random m_random;
    Listener m_listener;
    Speaker m_speaker;
};

class RealKills
{
  public:
    explicit RealKills(const std::filesystem::path& directory)
        : m_directory(directory), m_random(testSeed()), m_keeper(directory, "keeper", m_board->m_counts[0], m_random())
    {
    }

    void atRandomInstructions(std::uint64_t victims)
    {
        during("real kills at random instructions",
               [&]
               {
                   for (std::uint64_t i = 0; i < victims && !::testing::Test::HasFailure(); ++i)
                   {
                       killAtRandom();
                   }
               });
    }

    /// Of a whole life, from joining to leaving. As many victims as there are such edges.
    void atSystemCalls()
    {
        during("real kills at system calls",
               [&]
               {
                   std::uint64_t edge = 1;
                   while (killAtSystemCall(edge) && !::testing::Test::HasFailure())
                   {
                       ++edge;
                   }
                   EXPECT_GT(edge, 100U) << "a life has more system calls";
               });
    }

  private:
    void during(const std::string& scene, const std::function<void()>& kills)
    {
        ChildProcess neighbour([this, seed = m_random()](Peer&) { return beside(seed); }, kWatchdogSeconds);
        await([&] { return m_board->m_ready == 1 || neighbour.hasEnded(); });
        kills();
        m_board->m_stop = true;
        EXPECT_TRUE(neighbour.wait().succeeded());
        const auto report = recover(Stage::kDomain, m_keeper.member().root());
        ASSERT_TRUE(report) << report.error().message();
        EXPECT_EQ(report->pending, 0U);
        m_keeper.leave();
        EXPECT_EQ(m_keeper.listener().complaints(everythingSaid()), "");
        const std::uint32_t chunks = expectAllChunksFree(Stage::kDomain, m_directory / "shm");
        std::printf("%llu messages, %u chunks\n", static_cast<unsigned long long>(m_messages), chunks);
        printFigures(scene,
                     {{"points", m_victims}, {"deaths", m_victims}, {"bad", ::testing::Test::HasFailure() ? 1U : 0U}});
    }

    Board::Count& nextCount()
    {
        EXPECT_LT(m_victims, kMostVictims) << "more victims than there is room for";
        return m_board->m_counts[kFirstVictim + m_victims++ % kMostVictims];
    }

    void killAtRandom()
    {
        std::optional<Player> player;
        Board::Count& count = nextCount();
        const std::uint64_t warmUp = m_random.below(30);
        const std::uint64_t seed = m_random();
        {
            Stepper victim(
                [&]
                {
                    forgetLocksOfParent();
                    player.emplace(m_directory, "victim", count, seed);
                    for (std::uint64_t i = 0; i < warmUp; ++i)
                    {
                        player->play();
                    }
                },
                [&]
                {
                    for (;;)
                    {
                        player->play();
                    }
                });
            for (std::uint64_t steps = m_random.below(1500); steps > 0; --steps)
            {
                ASSERT_TRUE(victim.step());
            }
        }
        recoverAfter(count);
    }

    /// False: its life has no such edge.
    bool killAtSystemCall(std::uint64_t edge)
    {
        Board::Count& count = nextCount();
        bool stands = true;
        {
            Stepper victim([&] { forgetLocksOfParent(); },
                           [&, seed = m_random()]
                           {
                               Player player(m_directory, "victim", count, seed);
                               player.playAll();
                           });
            for (std::uint64_t i = 0; i < edge && stands; ++i)
            {
                stands = victim.stepToSystemCallEdge();
            }
            EXPECT_TRUE(stands || victim.status() == 0) << "the victim itself ended with status " << victim.status();
        }
        recoverAfter(count);
        return stands;
    }

    static void forgetLocksOfParent()
    {
        for (const int descriptor : lockDescriptors(::getpid()))
        {
            ::close(descriptor); // they must not live on in us
        }
    }

    void recoverAfter(const Board::Count& count)
    {
        m_messages += count.m_said;
        for (std::uint64_t i = m_random.below(6); i > 0; --i)
        {
            m_keeper.play();
        }
        const auto report = recover(Stage::kDomain, m_keeper.member().root());
        ASSERT_TRUE(report) << report.error().message();
        m_keeper.play(); // ports may be pending: the neighbour may have been off the CPU in the middle of a call
        EXPECT_EQ(m_keeper.listener().wrong(), "");
    }

    /// Publishes and takes until told to stop, whatever is killed and recovered meanwhile.
    bool beside(std::uint64_t seed)
    {
        Player neighbour(m_directory, "neighbour", m_board->m_counts[1], seed);
        m_board->m_ready = 1;
        while (!m_board->m_stop)
        {
            neighbour.play();
        }
        neighbour.leave();
        EXPECT_EQ(neighbour.listener().wrong(), "");
        return true;
    }

    /// The victims may have been in the middle of one more.
    [[nodiscard]] std::vector<Said> everythingSaid() const
    {
        std::vector<Said> all;
        for (std::size_t i = 0; i < m_board->m_counts.size(); ++i)
        {
            const std::uint64_t said = m_board->m_counts[i].m_said;
            all.push_back({m_board->m_counts[i].m_publisher, said, said + (i >= kFirstVictim ? 1U : 0U)});
        }
        return all;
    }

    std::filesystem::path m_directory;
    Random m_random;
    SharedBoard<Board> m_board;
    Player m_keeper;
    std::uint64_t m_messages{0};
    std::uint64_t m_victims{0};
};

template <typename Kills>
void withRealKills(Kills kills)
{
    if (kSanitized)
    {
        GTEST_SKIP() << "sanitizers have threads and memory of their own that a bare fork does not carry over";
    }
    ::setenv("ZEROCP_LOG", "error", 1); // hundreds of deaths are no news here
    TestDirectory directory;
    RealKills realKills(directory.path());
    kills(realKills);
}

TEST(RealKill, AtRandomInstructionsLosesNothing)
{
    withRealKills([](RealKills& kills) { kills.atRandomInstructions(numberFrom("ZEROCP_SWEEP_KILLS", 300)); });
}

TEST(RealKill, AtEverySystemCallLosesNothing)
{
    withRealKills([](RealKills& kills) { kills.atSystemCalls(); });
}

} // namespace
} // namespace ZeroCP::test
