/// Receives what camera_talker publishes and checks all of it: every checksum, every sequence number, that no byte was
/// copied. One thread per topic. Starts before or after the talker; ends when the talker is gone and all is read.
///
/// Exit code: 0 if every frame since the start arrived, intact and in place; also after Ctrl-C. 1 if a frame was missed,
/// corrupt or copied, if none came, or if a call failed. 2 for a wrong option.
#include <zerocp/zerocp.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <thread>
#include <vector>

#include "age_statistics.hpp"
#include "camera_frame.hpp"
#include "example_support.hpp"
#include "segment_check.hpp"

namespace
{

using example::CameraFrame;
using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kWaitForPublisher{30};
constexpr std::uint32_t kDepth = 8; ///< at 30 Hz: a quarter of a second to catch up before a frame is lost

/// Everything about one topic. Used by one thread at a time.
class TopicListener
{
  public:
    TopicListener(ZeroCP::Subscriber<CameraFrame> subscriber, std::chrono::seconds limit)
        : m_subscriber(std::move(subscriber)), m_topic(m_subscriber.topic()), m_limit(limit)
    {
    }

    void run()
    {
        const auto giveUp = Clock::now() + kWaitForPublisher;
        while (!example::stopRequested() && !isTimeUp())
        {
            // Woken by a publish; the timeout is there to notice Ctrl-C and that the publishers are gone.
            auto sample = m_subscriber.wait(example::kPatience);
            if (sample)
            {
                accept(std::move(*sample));
            }
            else if (sample.error() == ZeroCP::TakeError::Corrupt)
            {
                ++m_corrupt; // the library refused it
            }
            else if (sample.error() != ZeroCP::TakeError::Timeout)
            {
                return giveIn("wait: " + std::string(toString(sample.error())));
            }
            else if (const std::size_t publishers = m_subscriber.publisherCount(); publishers != 0)
            {
                m_sawPublisher = true;
            }
            else if (m_sawPublisher)
            {
                return; // gone, and everything it left is read: publisherCount() counts it until then
            }
            else if (Clock::now() > giveUp)
            {
                return giveIn("no publisher within " + std::to_string(kWaitForPublisher.count()) + " s");
            }
        }
    }

    /// Prints what happened; whether it was as it should be.
    [[nodiscard]] bool report()
    {
        std::printf("report %s: received %llu, missed %llu, corrupt %llu, age p50 %.1f us, p99 %.1f us, bytes %llu, "
                    "payload in the mapped data segment: %s\n",
                    topic(), number(m_received), number(m_subscriber.missed()), number(m_corrupt),
                    m_ages.percentile(50), m_ages.percentile(99), number(m_bytes),
                    m_received != 0 && m_copied == 0 ? "yes" : "no");
        if (m_outOfOrder != 0)
        {
            std::printf("report %s: %llu frames did not have the number after the one before\n", topic(),
                        number(m_outOfOrder));
        }
        const bool empty = m_received == 0 && !example::stopRequested();
        return !m_failed && !empty && m_subscriber.missed() == 0 && m_corrupt == 0 && m_outOfOrder == 0 &&
               m_copied == 0;
    }

    /// The last frame, from where it was received: a sample that is held stays as it is, even when its publisher is gone.
    [[nodiscard]] bool writeLastFrame(const std::filesystem::path& directory) const
    {
        if (!m_last)
        {
            return true;
        }
        std::string file = m_topic;
        std::replace(file.begin(), file.end(), '/', '_');
        const std::filesystem::path path = directory / (file + ".ppm");
        std::ofstream out(path, std::ios::binary);
        out << "P6\n" << m_last->width << ' ' << m_last->height << "\n255\n";
        out.write(reinterpret_cast<const char*>(m_last->pixels.data()),
                  static_cast<std::streamsize>(m_last->pixelBytes()));
        out.close();
        if (!out)
        {
            std::fprintf(stderr, "%s: cannot be written\n", path.c_str());
        }
        return static_cast<bool>(out);
    }

  private:
    static unsigned long long number(std::uint64_t value) { return value; }
    [[nodiscard]] const char* topic() const { return m_topic.c_str(); }

    [[nodiscard]] bool isTimeUp() const
    {
        return m_limit.count() != 0 && m_received != 0 && Clock::now() - m_first >= m_limit;
    }

    void giveIn(const std::string& why)
    {
        std::fprintf(stderr, "%s: %s\n", topic(), why.c_str());
        m_failed = true;
    }

    void accept(ZeroCP::Sample<CameraFrame> sample)
    {
        const std::uint64_t age = example::monotonicNs() - sample.info().publishTimeNs;
        m_sawPublisher = true;
        if (m_received == 0)
        {
            m_first = Clock::now();
            m_nextLine = m_first;
        }
        m_ages.add(age);
        ++m_received;

        // Every publisher counts its own messages from 1.
        std::uint64_t& last = m_lastSequence[sample.info().publisherId];
        m_outOfOrder += last != 0 && sample.info().sequence != last + 1 ? 1U : 0U;
        last = sample.info().sequence;

        const bool inPlace = m_subscriber.isInDataSegment(sample.get()) && m_segment.isMappedReadOnly(sample.get());
        m_copied += inPlace ? 0U : 1U;

        const CameraFrame& frame = *sample;
        const example::FrameSummary summary = example::summarise(frame);
        const bool intact = frame.pixelBytes() != 0 && frame.channels == 3 && summary.checksum == frame.checksum;
        m_corrupt += intact ? 0U : 1U;
        m_bytes += frame.pixelBytes();
        printOnceASecond(summary.brightness);
        if (intact)
        {
            m_last = std::move(sample); // releases the one before
        }
    }

    void printOnceASecond(double brightness)
    {
        if (Clock::now() >= m_nextLine)
        {
            std::printf("%s: mean brightness %.2f, %llu frames\n", topic(), brightness, number(m_received));
            m_nextLine = std::max(m_nextLine + std::chrono::seconds(1), Clock::now());
        }
    }

    ZeroCP::Subscriber<CameraFrame> m_subscriber;
    std::string m_topic;
    std::chrono::seconds m_limit;
    ZeroCP::Sample<CameraFrame> m_last;
    example::SegmentCheck m_segment;
    std::map<std::uint64_t, std::uint64_t> m_lastSequence;
    example::AgeStatistics m_ages;
    Clock::time_point m_first;
    Clock::time_point m_nextLine;
    std::uint64_t m_received{0};
    std::uint64_t m_corrupt{0};
    std::uint64_t m_outOfOrder{0};
    std::uint64_t m_copied{0};
    std::uint64_t m_bytes{0};
    bool m_sawPublisher{false};
    bool m_failed{false};
};

} // namespace

int main(int argc, char** argv)
{
    std::string name = "camera_listener";
    std::string output;
    std::uint32_t seconds = 0;
    const auto exitCode =
        example::parseOptions(argc, argv, "Receives and verifies the frames of camera_talker.",
                              {{"--name", &name, "of this node"},
                               {"--output", &output, "directory for the last frames, as PPM"},
                               {"--seconds", &seconds, "from the first frame on; 0: until the talker is gone"}});
    if (exitCode)
    {
        return *exitCode;
    }
    example::stopOnSignals();
    std::error_code error;
    if (!output.empty() && (std::filesystem::create_directories(output, error), error))
    {
        return example::fail(output + ": " + error.message());
    }

    auto node = ZeroCP::Node::create(name);
    if (!node)
    {
        return example::fail(node.error().message());
    }
    std::vector<TopicListener> listeners;
    for (const char* topic : {"camera/left", "camera/right"})
    {
        auto subscriber = node->createSubscriber<CameraFrame>(topic, ZeroCP::QoS().keepLast(kDepth));
        if (!subscriber)
        {
            return example::fail(subscriber.error().message());
        }
        listeners.emplace_back(std::move(*subscriber), std::chrono::seconds(seconds));
    }
    std::printf("%s: listening\n", node->name().c_str());

    std::vector<std::thread> threads;
    threads.reserve(listeners.size());
    for (TopicListener& listener : listeners)
    {
        threads.emplace_back(&TopicListener::run, &listener);
    }
    for (std::thread& thread : threads)
    {
        thread.join();
    }
    bool good = true;
    for (TopicListener& listener : listeners)
    {
        good &= output.empty() || listener.writeLastFrame(output);
        good &= listener.report();
    }
    return good ? example::kSuccess : example::kFailure;
}
