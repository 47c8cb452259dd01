/// The sweep of control calls. They make, link and remove files, which no copy of bytes can put back, so the deaths are
/// real: for every change that a scene makes a domain is made, the victim runs up to there and gets SIGKILL, the others
/// recover it and live on. Some deaths are repeated in the same domain, which must cost nothing; whoever recovers the
/// victim may be killed too.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "support/shared_board.hpp"
#include "sweep/control_scene.hpp"
#include "sweep/domain_figures.hpp"

namespace ZeroCP::test
{

struct ControlSweepFigures
{
    std::uint64_t m_points{0};
    std::uint64_t m_deaths{0};
    std::uint64_t m_recoverers{0}; ///< that were killed
};

/// One domain in which the same death happens again and again.
class ControlDomain
{
  public:
    ControlDomain(const std::filesystem::path& directory, const ControlScene& scene);

    /// The victim gets as far as behind change number `point` and dies there. False: it was through before.
    bool die(std::uint64_t point, bool othersGoOn);
    /// And who recovers it as far as behind change number `point`.
    bool dieRecovering(std::uint64_t point);
    /// One of the ways in which a death is noticed: `way` modulo their number.
    void recover(std::uint64_t way);
    /// Everything that is in use must be what it was before the first death.
    void expectNoTrace();
    /// From now on nothing may grow.
    void remember();
    void expectNoGrowth();
    /// Somebody does what the victim was at; then everybody leaves, and nothing stays.
    void liveOn();

    [[nodiscard]] std::string where(const std::string& what) const;

  private:
    struct Part
    {
        std::function<void()> m_prepare;
        std::function<void()> m_act;
    };

    struct Board
    {
        std::atomic<bool> m_hostsTurn;
    };

    bool runTo(std::uint64_t point, const Part& part, bool othersGoOn);
    void standStill();
    void settleCalls();
    void goOn();
    void leaveAll();
    void expectFlow(Visitor& newcomer);
    [[nodiscard]] DomainFigures figures() const { return DomainFigures::of(Visitor::kDomain, m_segments); }

    const ControlScene& m_scene;
    std::filesystem::path m_directory;
    std::filesystem::path m_segments;
    Visitor m_host;
    SharedBoard<Board> m_board;
    DomainFigures m_before;
    std::vector<Figure> m_kept;
    std::uint64_t m_point{0};
    std::string m_story;
};

class ControlSweep
{
  public:
    ControlSweep(std::filesystem::path directory, const ControlScene& scene)
        : m_directory(std::move(directory)), m_scene(scene)
    {
    }

    /// Every death in a new domain, every `stride`-th one fifty times.
    ControlSweepFigures dieEverywhere(std::uint64_t stride);
    /// Every death, and of every recovery every `stride`-th point, not the same ones from death to death.
    ControlSweepFigures killRecoverers(std::uint64_t stride);

  private:
    [[nodiscard]] std::filesystem::path newDirectory();

    std::filesystem::path m_directory;
    const ControlScene& m_scene;
    std::uint64_t m_domains{0};
};

} // namespace ZeroCP::test
