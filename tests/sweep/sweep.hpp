/// The sweep: a victim plays a scene one instruction at a time. Whenever a byte of a segment has changed or a system call
/// has returned, the segments are what a SIGKILL here would leave. They are copied, the victim's locks are dropped, and a
/// fork of the stage recovers it and lives on; then all is put back and the victim makes its next step. So every point of
/// a scene is tried in one walk through it. In a second walk the victim is only stopped, behind everything that it reads
/// or writes, while the others go on.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "support/shared_board.hpp"
#include "sweep/afterlife.hpp"
#include "sweep/stage.hpp"
#include "sweep/stepper.hpp"

namespace ZeroCP::test
{

/// What is tried at every point of a scene.
enum class Trial
{
    VictimDies,    ///< and in a second walk it is stopped while the others go on
    RecovererDies, ///< whoever recovers the victim is killed at every point too, and both are recovered
    RecoverersDie, ///< a chain of two or three recoverers, each at random
};

struct Scene
{
    std::string m_name;
    StageShape m_shape{};
    std::function<void(Stage&)> m_prepare{}; ///< everybody, at full speed
    std::function<void(Stage&)> m_act{};     ///< the victim, stepped
    bool m_listenerDies{false};              ///< while the victim is stopped; takes a while
    bool m_stops{true};                      ///< it is also stopped everywhere while the others go on
    Trial m_trial{Trial::VictimDies};
    std::uint32_t m_chains{0}; ///< of recoverers, per point
    std::uint64_t m_seed{0};   ///< of what is at random in them
};

struct SweepFigures
{
    std::uint64_t m_steps{0};
    std::uint64_t m_points{0};          ///< snapshots
    std::uint64_t m_recovered{0};       ///< lives lived after them
    std::uint64_t m_stalls{0};          ///< and what came after them
    std::uint64_t m_recoveries{0};      ///< of which each point is a death
    std::uint64_t m_recovererPoints{0}; ///< at which a recoverer died, whichever it was
    std::uint64_t m_secondDeaths{0};    ///< of those that had a dead recoverer before them
    std::uint64_t m_thirdDeaths{0};     ///< or two
    std::uint64_t m_bad{0};
};

class Sweep
{
  public:
    Sweep(const std::filesystem::path& directory, Scene scene);

    /// Failures are reported to the test; after a few of them the sweep ends.
    SweepFigures run();

  private:
    struct Board
    {
        std::atomic<std::uint64_t> m_said; ///< publications of the victim that were completed
        std::atomic<int> m_phase;
        char m_complaint[4096];
    };

    void play();
    void rehearse();
    void startVictim();
    void endVictim();
    void expectGoodEnd(const Stepper& stepper, const std::string& who);
    void dieEverywhere();
    void stallEverywhere();
    void point();
    void die(Course course);
    enum class Meanwhile
    {
        OthersGoOn,
        PublisherDies,
        ListenerDies, ///< the slow one; while a publisher stands in a call, it cannot be recovered completely
    };
    void stall(Meanwhile meanwhile);
    [[nodiscard]] std::string liveBeside(Meanwhile meanwhile);
    void lifeAfter(Course course, const std::string& where);
    void killRecoverers();
    void killChains();
    void killOneChain();
    [[nodiscard]] std::optional<std::uint64_t> dieRecovering(std::size_t depth);
    [[nodiscard]] Said saidByVictim() const;
    void report(const std::string& where, int status);
    void tell(const std::string& complaint);
    [[nodiscard]] bool goesOn() const { return m_figures.m_bad < kEnough; }

    static constexpr std::uint64_t kEnough = 4;

    Scene m_scene;
    std::filesystem::path m_root;
    Stage m_stage;
    Segments m_segments;
    SegmentImage m_image;
    MappedSet m_set;
    SharedBoard<Board> m_board;
    std::optional<Stepper> m_victim;
    SweepFigures m_figures;
    Random m_random;
    std::uint64_t m_longestRecovery{512}; ///< a guess, in stores and system calls
};

} // namespace ZeroCP::test
