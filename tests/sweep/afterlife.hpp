/// What happens on a stage after a death, and everything that must be true then. Runs in a fork of the stage, so the
/// survivors are in the state that they were in when the victim began.
#pragma once

#include <cstdint>
#include <string>

#include "sweep/stage.hpp"

namespace ZeroCP::test
{

/// Who does what first.
enum class Course
{
    RecoveredAtOnce, ///< by a survivor
    SurvivorsGoOn,   ///< they publish and take beside the dead one's traces, before somebody recovers; twice
    NewcomerJoins,   ///< and recovers
    TwoDied,         ///< the slow listener's process too
};
inline constexpr Course kCourses[] = {Course::RecoveredAtOnce, Course::SurvivorsGoOn, Course::NewcomerJoins,
                                      Course::TwoDied};

[[nodiscard]] const char* toString(Course course);

class Afterlife
{
  public:
    Afterlife(Stage& stage, const PoolView& view) : m_stage(stage), m_view(view) {}

    /// Survivors meet what a process that does not move has left half done; it may go on afterwards.
    void interfere();

    /// The rest of the story, to the end of all publishers; `said`: by the victim. Empty, or what was wrong.
    [[nodiscard]] std::string live(Course course, const Said& said);

  private:
    void recoverNow();
    void goOn();
    void useTheSpace();
    void end();
    void checkBooks();
    void expectPorts(std::uint32_t count);
    [[nodiscard]] std::vector<Said> everythingSaid(const Said& byVictim) const;

    Stage& m_stage;
    const PoolView& m_view;
    Speaker m_latecomer;
    std::string m_wrong;
};

} // namespace ZeroCP::test
