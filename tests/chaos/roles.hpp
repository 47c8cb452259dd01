/// What the processes of the chaos do until they are killed or asked to leave. Each comes and goes within its process too:
/// a session makes its endpoints, uses them for a while, and lets them go.
#pragma once

#include "chaos/scene.hpp"
#include "support/shared_board.hpp"

namespace ZeroCP::test::chaos
{

using Session = void (*)(const Scene&, Place&, Random&);

void publish(const Scene& scene, Place& place, Random& random);
void subscribe(const Scene& scene, Place& place, Random& random);
void publishKeepAll(const Scene& scene, Place& place, Random& random);
void subscribeKeepAll(const Scene& scene, Place& place, Random& random);
void publishLatched(const Scene& scene, Place& place, Random& random);
void joinLate(const Scene& scene, Place& place, Random& random);
void serve(const Scene& scene, Place& place, Random& random);
void call(const Scene& scene, Place& place, Random& random);
void waitForMany(const Scene& scene, Place& place, Random& random);
void execute(const Scene& scene, Place& place, Random& random);
void recoverAll(const Scene& scene, Place& place, Random& random);

struct Role
{
    const char* m_name;
    Session m_session;
    std::uint32_t m_processes;
};

inline constexpr Role kRoles[] = {
    {"publisher", publish, 3},
    {"subscriber", subscribe, 3},
    {"keepAll publisher", publishKeepAll, 2},
    {"keepAll subscriber", subscribeKeepAll, 2},
    {"transient-local publisher", publishLatched, 2},
    {"late joiner", joinLate, 2},
    {"server", serve, 2},
    {"client", call, 2},
    {"wait set", waitForMany, 1},
    {"executor", execute, 1},
    {"recoverer", recoverAll, 2},
};

/// Publishes one message of random size. False: there was no chunk, or no room.
bool publishOne(Publisher<Bytes>& publisher, std::uint32_t number, std::uint64_t& sent, Random& random);

/// The value of a control call, or a failed test and nothing.
template <typename Value>
Value made(Expected<Value, Error> result, const Place& place)
{
    EXPECT_TRUE(result) << place.m_doing.load() << ": " << result.error().message();
    return result ? std::move(*result) : Value{};
}

/// Most processes sleep most of the time; else the machine would be busy with them alone.
void rest(Random& random);

} // namespace ZeroCP::test::chaos
