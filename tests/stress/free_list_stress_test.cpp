// Processes that do nothing but take chunks from the shared list and give them back, so that most kills hit them in the
// middle of it. What a dead one had, and what it was doing to the list, is settled by recovery while the others go on.
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include <unistd.h>

#include <gtest/gtest.h>

#include "support/child_process.hpp"
#include "support/pool_audit.hpp"
#include "support/shared_board.hpp"
#include "support/test_domain.hpp"
#include "zerocp/core/holders.hpp"
#include "zerocp/discovery/pool_set.hpp"
#include "zerocp/discovery/recovery.hpp"

namespace ZeroCP::test
{
namespace
{

constexpr std::uint32_t kPorts = 4;
constexpr std::uint32_t kChunks = 40; // fewer than the ports could hold, so that the list is often empty
constexpr const char* kName = "zerocp.0.list";

class FreeListStress
{
  public:
    FreeListStress() : m_random(testSeed()), m_set(makeSet()) {}

    void run(std::chrono::seconds duration)
    {
        std::vector<std::unique_ptr<Victim>> victims;
        for (std::uint32_t i = 0; i < kPorts; ++i)
        {
            victims.push_back(std::make_unique<Victim>(*this));
        }
        const auto end = std::chrono::steady_clock::now() + duration;
        std::uint32_t kills = 0;
        while (std::chrono::steady_clock::now() < end && !::testing::Test::HasFailure())
        {
            ::usleep(static_cast<useconds_t>(m_random.below(300)));
            std::unique_ptr<Victim>& victim = victims[m_random.below(victims.size())];
            EXPECT_TRUE(victim->m_process.kill(SIGKILL).killedBy(SIGKILL));
            if (m_random.below(2) == 0)
            {
                ::usleep(static_cast<useconds_t>(m_random.below(100))); // the others move the list on
            }
            if (m_random.below(3) == 0)
            {
                ChildProcess recoverer(
                    [&](Peer&)
                    {
                        retire(victim->m_holder);
                        return true;
                    });
                ::usleep(static_cast<useconds_t>(m_random.below(400)));
                recoverer.kill(SIGKILL); // unless it is through; repeating what is complete does no harm
            }
            retire(victim->m_holder);
            ++kills;
            victim = std::make_unique<Victim>(*this);
            if (kills % 100 == 0)
            {
                checkNothingIsLost(victims);
            }
        }
        checkNothingIsLost(victims);
        std::printf("%u kills\n", kills);
    }

  private:
    struct Victim
    {
        explicit Victim(FreeListStress& stress)
            : m_holder(stress.addPort()),
              m_process([view = stress.m_set->control(), holder = m_holder, seed = stress.m_random()](Peer&)
                        { return popAndPush(view, holder, seed); })
        {
        }

        HolderId m_holder;
        ChildProcess m_process;
    };

    std::shared_ptr<PoolSet> makeSet()
    {
        PoolSetPlan plan;
        plan.m_baseName = kName;
        plan.m_classes.addMemPoolEntry(64, kChunks);
        plan.m_commitLimit = 1 << 20;
        plan.m_portCapacity = 16;
        plan.m_portsPerTopic = 16;
        return PoolSet::create(m_root.path(), plan).value();
    }

    HolderId addPort()
    {
        return m_set->addPort({.m_kind = PortKind::Publisher, .m_depth = 1, .m_limit = 1, .m_portLimit = 16}).value();
    }

    void retire(const HolderId& holder)
    {
        recovery::Patience patience;
        EXPECT_TRUE(recovery::retire(
            m_set->control(), holder.m_port, [](std::uint32_t) { return true; }, patience));
    }

    static void giveBack(const PoolView& view, const PoolView::Class& in, const HolderId& me,
                         std::span<std::uint32_t> chunks)
    {
        for (const std::uint32_t chunk : chunks)
        {
            holders::markFreeing(view, me.m_port, chunk);
        }
        holders::putBack(view, in, me.m_port, chunks);
    }

    /// What is marked goes back at once: recovery takes all that is marked for one operation.
    static void giveBack(const PoolView& view, const HolderId& me, std::span<std::uint32_t> chunks)
    {
        for (const std::uint32_t chunk : chunks)
        {
            holders::markFreeing(view, me.m_port, chunk);
        }
        holders::putBack(view, view.classAt(0), me.m_port, chunks);
    }

    static bool popAndPush(const PoolView& view, const HolderId& me, std::uint64_t seed)
    {
        Random random(seed);
        const PoolView::Class& in = view.classAt(0);
        std::array<std::uint32_t, PortRecord::kBatch> chunks{};
        for (;;)
        {
            const auto wanted = static_cast<std::uint32_t>(1 + random.below(PortRecord::kBatch));
            const std::uint32_t count = holders::pop(view, in, me, wanted, chunks);
            for (std::uint32_t i = 0; i < count; ++i)
            {
                EXPECT_TRUE(holders::heldOnlyBy(view, chunks[i], me.m_holder)) << "popped by two";
            }
            // In two goes now and then.
            const auto first = static_cast<std::uint32_t>(count == 0 ? 0 : random.below(count));
            giveBack(view, me, std::span(chunks).first(first));
            giveBack(view, me, std::span(chunks).subspan(first, count - first));
            if (::testing::Test::HasFailure())
            {
                return false;
            }
        }
    }

    /// Ends all, looks at the list, and starts them again.
    void checkNothingIsLost(std::vector<std::unique_ptr<Victim>>& victims)
    {
        for (const auto& victim : victims)
        {
            const ExitStatus status =
                victim->m_process.hasEnded() ? ExitStatus{SIGKILL} : victim->m_process.kill(SIGKILL);
            EXPECT_TRUE(status.killedBy(SIGKILL)) << ::testing::PrintToString(status);
        }
        for (const auto& victim : victims)
        {
            retire(victim->m_holder);
        }
        EXPECT_EQ(auditClass(m_set->control(), m_set->control().classAt(0)), "") << describePorts(m_set->control());
        for (auto& victim : victims)
        {
            victim = std::make_unique<Victim>(*this);
        }
    }

    TestDirectory m_root;
    Random m_random;
    std::shared_ptr<PoolSet> m_set;
};

TEST(FreeListStress, KillsInTheMiddleOfAnOperationLoseNoChunk)
{
    FreeListStress().run(std::chrono::seconds{numberFrom("ZEROCP_STRESS_SECONDS", 10)});
}

} // namespace
} // namespace ZeroCP::test
