/// A stereo camera made of JPEG files: decodes them at a steady rate, straight into shared memory, and publishes them on
/// camera/left and camera/right. Needs no listener and waits for none; see camera_listener.
///
/// Exit code: 0 at the end of --seconds or after Ctrl-C, 1 if a file or a call fails, 2 for a wrong option.
#include <zerocp/zerocp.hpp>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>
#include <vector>

#include "camera_frame.hpp"
#include "example_support.hpp"
#include "jpeg_decoder.hpp"

namespace
{

using example::CameraFrame;
using Clock = std::chrono::steady_clock;

/// One of the two eyes. The pictures stay compressed in memory: what a camera with a JPEG encoder would deliver.
struct Eye
{
    struct File
    {
        std::string name;
        std::vector<unsigned char> bytes;
    };

    ZeroCP::Publisher<CameraFrame> publisher;
    std::vector<File> files;
    std::uint64_t published{0};
};

/// 0_left.jpg, 1_left.jpg, ... up to the first that does not exist.
std::vector<Eye::File> loadImages(const std::filesystem::path& directory, const std::string& side)
{
    std::vector<Eye::File> files;
    for (;;)
    {
        const std::filesystem::path path = directory / (std::to_string(files.size()) + "_" + side + ".jpg");
        std::ifstream in(path, std::ios::binary);
        if (!in)
        {
            return files;
        }
        files.push_back({path.string(), {std::istreambuf_iterator<char>(in), {}}});
    }
}

/// What went wrong, or nothing.
std::optional<std::string> publishFrame(Eye& eye, std::uint64_t frameIndex)
{
    auto loan = eye.publisher.loan();
    if (!loan)
    {
        return eye.publisher.topic() + ": loan: " + std::string(toString(loan.error()));
    }
    CameraFrame& frame = **loan; // in the data segment: there is no picture anywhere else
    frame.frameIndex = frameIndex;
    frame.captureTimeNs = example::monotonicNs();
    frame.reserved = 0;
    const Eye::File& file = eye.files[frameIndex % eye.files.size()];
    if (const auto wrong = example::decodeJpeg(file.bytes, frame))
    {
        return file.name + ": " + *wrong; // dropping the loan gives the chunk back, nobody sees it
    }
    frame.checksum = example::summarise(frame).checksum;
    if (const auto sent = eye.publisher.publish(std::move(*loan)); !sent)
    {
        return eye.publisher.topic() + ": publish: " + std::string(toString(sent.error()));
    }
    ++eye.published;
    return std::nullopt;
}

struct Schedule
{
    std::uint64_t seconds; ///< 0: for ever
    std::uint64_t rate;
};

/// Publishes until the schedule ends or somebody presses Ctrl-C.
int run(Eye& left, Eye& right, const Schedule& schedule)
{
    const auto start = Clock::now();
    const auto period = std::chrono::nanoseconds(std::chrono::seconds(1)) / schedule.rate;
    std::uint64_t skipped = 0;
    for (std::uint64_t i = 0; schedule.seconds == 0 || i < schedule.seconds * schedule.rate; ++i)
    {
        // Every time is computed from the start: an error of one round does not add up over many.
        std::this_thread::sleep_until(start + i * period);
        if (example::stopRequested())
        {
            break;
        }
        if (Clock::now() > start + (i + 1) * period)
        {
            ++skipped; // a camera does not catch up with a burst, it loses a picture
            continue;
        }
        for (Eye* eye : {&left, &right})
        {
            if (const auto wrong = publishFrame(*eye, i))
            {
                return example::fail(*wrong);
            }
        }
        if ((i + 1) % schedule.rate == 0)
        {
            std::printf("%llu s: %llu and %llu frames published, to %zu and %zu subscribers\n",
                        static_cast<unsigned long long>((i + 1) / schedule.rate),
                        static_cast<unsigned long long>(left.published),
                        static_cast<unsigned long long>(right.published), left.publisher.subscriberCount(),
                        right.publisher.subscriberCount());
        }
    }
    for (const Eye* eye : {&left, &right})
    {
        std::printf("report %s: published %llu, skipped %llu\n", eye->publisher.topic().c_str(),
                    static_cast<unsigned long long>(eye->published), static_cast<unsigned long long>(skipped));
    }
    return example::kSuccess; // what was published stays readable after we are gone
}

} // namespace

int main(int argc, char** argv)
{
    std::uint32_t seconds = 10;
    std::uint32_t rate = 30;
    std::string images = "/usr/share/mrpt/datasets/stereo-calib";
    const auto exitCode = example::parseOptions(argc, argv, "Publishes JPEG files as a stereo camera would.",
                                                {{"--seconds", &seconds, "for how long; 0: until Ctrl-C"},
                                                 {"--rate", &rate, "frames a second", 1, 1000},
                                                 {"--images", &images, "directory of 0_left.jpg, 0_right.jpg, 1_..."}});
    if (exitCode)
    {
        return *exitCode;
    }
    example::stopOnSignals();

    Eye left{{}, loadImages(images, "left")};
    Eye right{{}, loadImages(images, "right")};
    if (left.files.empty() || left.files.size() != right.files.size())
    {
        return example::fail(images + ": found " + std::to_string(left.files.size()) + " left and " +
                             std::to_string(right.files.size()) +
                             " right pictures, expected as many N_left.jpg as N_right.jpg, from 0 on; Debian's package "
                             "mrpt-common has some, --images names another directory");
    }

    auto node = ZeroCP::Node::create("camera_talker");
    if (!node)
    {
        return example::fail(node.error().message());
    }
    for (Eye* eye : {&left, &right})
    {
        auto publisher = node->createPublisher<CameraFrame>(eye == &left ? "camera/left" : "camera/right");
        if (!publisher)
        {
            return example::fail(publisher.error().message());
        }
        eye->publisher = std::move(*publisher);
    }
    return run(left, right, {seconds, rate});
}
