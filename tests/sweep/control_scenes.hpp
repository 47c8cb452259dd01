/// The scenes of the sweep of control calls, by theme.
#pragma once

#include "sweep/control_scene.hpp"

namespace ZeroCP::test::scenes
{

// process_scenes.cpp
[[nodiscard]] ControlScene firstJoining();
[[nodiscard]] ControlScene lastLeaving();
[[nodiscard]] ControlScene joining();
[[nodiscard]] ControlScene secondNode();

// endpoint_scenes.cpp
[[nodiscard]] ControlScene newTopic();
[[nodiscard]] ControlScene newPool();
[[nodiscard]] ControlScene secondOnPool();
[[nodiscard]] ControlScene anotherPublisher();
[[nodiscard]] ControlScene promisingPublisher();
[[nodiscard]] ControlScene rememberingPublisher();
[[nodiscard]] ControlScene subscriberOnANewTopic();
[[nodiscard]] ControlScene anotherSubscriber();
[[nodiscard]] ControlScene lateSubscriber();
[[nodiscard]] ControlScene publisherLeavingATopic();
[[nodiscard]] ControlScene subscriberLeavingATopic();
[[nodiscard]] ControlScene growingAgain();
[[nodiscard]] ControlScene lastOnTopic();
[[nodiscard]] ControlScene newClasses();

// waiter_scenes.cpp
[[nodiscard]] ControlScene waitSetComesAndGoes();
[[nodiscard]] ControlScene descriptorsComeAndGo();

// service_scenes.cpp
[[nodiscard]] ControlScene clientComesAndGoes();
[[nodiscard]] ControlScene clientCalls();
[[nodiscard]] ControlScene serverComesAndGoes();
[[nodiscard]] ControlScene serverAnswers();

// What several of them begin with.
void join(Visitor& visitor);
void nothing(Visitor& visitor);
void leave(Visitor& visitor);
/// A publisher with a subscriber, both of somebody who stays.
void bothSides(Visitor& host);

} // namespace ZeroCP::test::scenes
