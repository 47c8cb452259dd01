/// Starts the processes of the chaos, kills, stops, continues and replaces them at random, and watches that none of them
/// hangs.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "chaos/roles.hpp"
#include "chaos/scene.hpp"
#include "support/child_process.hpp"
#include "support/shared_board.hpp"

namespace ZeroCP::test::chaos
{

class Director
{
  public:
    Director(const Scene& scene, std::uint64_t seed, std::chrono::seconds duration);

    /// Makes mischief until the time is over or something is wrong; nobody is stopped afterwards.
    void run();
    /// Asks the witnesses' companions, and then the witnesses, to end in order.
    void endCompanions();
    void endWitnesses();

    void printFigures() const;
    [[nodiscard]] std::uint64_t kills() const { return m_kills; }

  private:
    using Clock = std::chrono::steady_clock;

    /// One process, and who takes its place when it is killed.
    struct Seat
    {
        std::string m_name;
        Session m_session{nullptr}; ///< null: a witness, to whom nothing is done
        Place* m_place{nullptr};
        std::unique_ptr<ChildProcess> m_process{};
        bool m_isStopped{false};
        Clock::time_point m_goesOn{};
        std::uint64_t m_beats{0}; ///< when we last looked
        Clock::time_point m_lastBeat{};
    };

    void start(Seat& seat);
    void startWitnesses();
    void makeMischief(Seat& seat);
    void kill(Seat& seat);
    void stop(Seat& seat);
    void continueThoseDue(Clock::time_point now);
    void continueAll();
    void watch();
    void watch(Seat& seat, Clock::time_point now);
    void explainHang() const;
    void waitForEnd(Seat& seat);

    const Scene& m_scene;
    Random m_random;
    std::chrono::seconds m_duration;
    std::vector<Seat> m_companions;
    std::vector<Seat> m_witnesses;
    std::uint64_t m_kills{0};
    std::uint64_t m_stops{0};
    std::uint64_t m_departures{0};
    std::chrono::duration<double> m_longestSilence{0};
};

} // namespace ZeroCP::test::chaos
