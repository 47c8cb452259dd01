#include "support/shared_board.hpp"
#include "sweep/scenes.hpp"

namespace ZeroCP::test::scenes
{

Scene inThreeWords(Scene scene)
{
    scene.m_name += ", three words";
    scene.m_shape.m_portsPerTopic = 3 * holder::kBitsPerWord;
    scene.m_listenerDies = false; // tried with one word
    return scene;
}

Scene withKilledRecoverers(Scene scene)
{
    scene.m_name += ", recoverers killed";
    scene.m_trial = Trial::RecovererDies;
    return scene;
}

Scene withChainsOfRecoverers(Scene scene)
{
    scene.m_name += ", recoverers killed in chains";
    scene.m_trial = Trial::RecoverersDie;
    scene.m_chains = static_cast<std::uint32_t>(numberFrom("ZEROCP_SWEEP_CHAINS", 1));
    scene.m_seed = testSeed();
    return scene;
}

} // namespace ZeroCP::test::scenes
