/// The scenes of the kill sweep, by theme: *_scenes.cpp. Each is what a victim does, and who is around.
#pragma once

#include "sweep/sweep.hpp"

namespace ZeroCP::test::scenes
{

// publisher_scenes.cpp
[[nodiscard]] Scene evicting();
[[nodiscard]] Scene collecting();
[[nodiscard]] Scene exhausting();
[[nodiscard]] Scene publisherLeaving();
[[nodiscard]] Scene publisherJoining();

// subscriber_scenes.cpp
[[nodiscard]] Scene taking();
[[nodiscard]] Scene missing();
[[nodiscard]] Scene ringFull();
[[nodiscard]] Scene lastOne();
[[nodiscard]] Scene returningToTheDying();
[[nodiscard]] Scene subscriberLeaving();
[[nodiscard]] Scene subscriberJoining();
[[nodiscard]] Scene largeSubscriberLeaving();

// history_scenes.cpp
[[nodiscard]] Scene remembering();
[[nodiscard]] Scene joiningLate();

// keep_all_scenes.cpp
[[nodiscard]] Scene publishingAll();
[[nodiscard]] Scene takingAll();
[[nodiscard]] Scene takingWhatWasNotDropped();

// waiting_scenes.cpp
[[nodiscard]] Scene sleeping();
[[nodiscard]] Scene sleepingInAWaitSet();

// thread_scenes.cpp
[[nodiscard]] Scene droppingElsewhere();
[[nodiscard]] Scene loanComesHome();

// book_scenes.cpp
[[nodiscard]] Scene keepingPromises();
[[nodiscard]] Scene breakingPromises();

/// The same with three holder words, a listener in each.
[[nodiscard]] Scene inThreeWords(Scene scene);
/// Every recovery in it is killed too; nothing else is tried.
[[nodiscard]] Scene withKilledRecoverers(Scene scene);
/// At every point of it up to three recoverers die, one after the other, at random; nothing else is tried.
[[nodiscard]] Scene withChainsOfRecoverers(Scene scene);

} // namespace ZeroCP::test::scenes
