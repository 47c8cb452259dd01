// A victim has one thread. What was taken or loaned on another one, which has ended since, is dropped on a thread that does
// not own the port, and the next call takes the port over.
#include "sweep/scenes.hpp"

#include <thread>

namespace ZeroCP::test::scenes
{

namespace
{

template <typename Part>
void onAnotherThread(Part part)
{
    std::thread(part).join();
}

} // namespace

/// It is the last to hold the message of a publisher that is gone, so that drop frees a chunk.
Scene droppingElsewhere()
{
    return {.m_name = "samples dropped on another thread",
            .m_shape = {.m_victimSubscribes = true, .m_hasGone = true},
            .m_prepare =
                [](Stage& stage)
            {
                stage.m_gone.say(1);
                stage.m_peer.say(2);
                onAnotherThread([&] { stage.m_listener.hear(2); });
                stage.loseGone();
                stage.m_quick.drain();
                stage.m_slow.drain();
            },
            .m_act =
                [](Stage& stage)
            {
                stage.m_listener.drop(2);
                stage.m_listener.hear();
            }};
}

/// The loan goes home through the queue of foreign loans; who publishes next finds it there.
Scene loanComesHome()
{
    return {.m_name = "loan dropped on another thread",
            .m_shape = {.m_victimPublishes = true},
            .m_prepare =
                [](Stage& stage)
            {
                onAnotherThread(
                    [&]
                    {
                        stage.m_speaker.say();
                        stage.m_speaker.keepLoan();
                    });
            },
            .m_act =
                [](Stage& stage)
            {
                stage.m_speaker.dropLoan();
                stage.m_speaker.say(3);
            }};
}

} // namespace ZeroCP::test::scenes
