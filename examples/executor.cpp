/// Callbacks on several threads. Detections are counted in a mutually exclusive group, so their counter needs no lock;
/// pictures are worked on in a reentrant group, several at a time. A timer makes both.
///
/// Exit code: 0 after --seconds or Ctrl-C, 1 if something failed, 2 for a wrong option.
#include <zerocp/zerocp.hpp>

#include <atomic>
#include <cstdio>

#include "example_support.hpp"

namespace
{

struct Detection
{
    std::uint64_t number;
};

struct Picture
{
    std::uint8_t pixels[64 * 1024];
};

/// stop() may be called from a signal handler.
std::atomic<ZeroCP::Executor*> g_executor{nullptr};

void stopOnSignal(ZeroCP::Executor& executor)
{
    g_executor = &executor;
    for (const int number : {SIGINT, SIGTERM})
    {
        std::signal(number, [](int) { g_executor.load()->stop(); });
    }
    std::setvbuf(stdout, nullptr, _IOLBF, 0);
}

/// What the callbacks have done.
struct Counts
{
    std::uint64_t m_detections{0}; // one callback at a time
    std::atomic<std::uint64_t> m_pictures{0};
    std::atomic<std::uint64_t> m_brightness{0};
};

/// Makes one of each.
bool publishBoth(ZeroCP::Publisher<Detection>& detections, ZeroCP::Publisher<Picture>& pictures, std::uint64_t number)
{
    auto picture = pictures.loan();
    if (!picture)
    {
        return false;
    }
    (*picture)->pixels[0] = static_cast<std::uint8_t>(number); // the rest is whatever the memory held
    return pictures.publish(std::move(*picture)) && detections.publishCopy({number});
}

} // namespace

int main(int argc, char** argv)
{
    std::uint32_t seconds = 2;
    std::uint32_t threads = 3;
    const auto exitCode = example::parseOptions(
        argc, argv, "Runs callbacks in two groups on several threads.",
        {{"--seconds", &seconds, "how long; 0: until Ctrl-C"}, {"--threads", &threads, "that run callbacks", 1, 64}});
    if (exitCode)
    {
        return *exitCode;
    }
    ZeroCP::Executor executor({.threads = threads});
    stopOnSignal(executor);

    auto node = ZeroCP::Node::create("executor");
    if (!node)
    {
        return example::fail(node.error().message());
    }
    if (auto added = executor.add(*node); !added)
    {
        return example::fail(added.error().message());
    }
    Counts counts;
    const ZeroCP::CallbackGroup oneAtATime(ZeroCP::CallbackGroupType::MutuallyExclusive);
    const ZeroCP::CallbackGroup together(ZeroCP::CallbackGroupType::Reentrant);
    auto detections = node->createPublisher<Detection>("detections");
    auto pictures = node->createPublisher<Picture>("pictures");
    const auto onDetection = node->createSubscriber<Detection>(
        "detections", {}, [&counts](const ZeroCP::Sample<Detection>&) { ++counts.m_detections; }, oneAtATime);
    const auto onPicture = node->createSubscriber<Picture>(
        "pictures", {},
        [&counts](const ZeroCP::Sample<Picture>& picture)
        {
            counts.m_brightness += picture->pixels[0];
            ++counts.m_pictures;
        },
        together);
    if (!detections || !pictures || !onDetection || !onPicture)
    {
        return example::fail("cannot create publishers and subscribers");
    }

    // Without a group: in the node's own, which is mutually exclusive.
    std::uint64_t made = 0;
    const auto camera = node->createTimer(std::chrono::milliseconds(5),
                                          [&] { made += publishBoth(*detections, *pictures, made) ? 1U : 0U; });
    std::uint32_t passed = 0;
    const auto clock = node->createTimer(std::chrono::seconds(1),
                                         [&]
                                         {
                                             std::printf("%u s: %llu pictures\n", ++passed,
                                                         static_cast<unsigned long long>(counts.m_pictures));
                                             if (passed == seconds)
                                             {
                                                 executor.stop();
                                             }
                                         });
    if (!camera || !clock)
    {
        return example::fail("cannot create timers");
    }
    std::printf("spinning\n");
    if (auto spun = executor.spin(); !spun)
    {
        return example::fail(spun.error().message());
    }
    std::printf("made %llu, handled %llu detections and %llu pictures, missed %llu\n",
                static_cast<unsigned long long>(made), static_cast<unsigned long long>(counts.m_detections),
                static_cast<unsigned long long>(counts.m_pictures),
                static_cast<unsigned long long>(onDetection->missed() + onPicture->missed()));
    return example::kSuccess;
}
