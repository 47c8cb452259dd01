/// Prints what `talker` says, however many of them there are, until Ctrl-C or --count messages.
///
/// Exit code: 0 after --count messages or Ctrl-C, 1 if receiving failed, 2 for a wrong option.
#include <zerocp/zerocp.hpp>

#include <cstdio>

#include "example_support.hpp"
#include "text_message.hpp"

int main(int argc, char** argv)
{
    std::uint32_t count = 0;
    std::string topic = "chatter";
    const auto exitCode = example::parseOptions(
        argc, argv, "Prints the texts of a topic.",
        {{"--count", &count, "messages to receive; 0: until Ctrl-C"}, {"--topic", &topic, "where from"}});
    if (exitCode)
    {
        return *exitCode;
    }
    example::stopOnSignals();

    auto node = ZeroCP::Node::create("listener");
    if (!node)
    {
        return example::fail(node.error().message());
    }
    auto subscriber = node->createSubscriber<example::TextMessage>(topic);
    if (!subscriber)
    {
        return example::fail(subscriber.error().message());
    }
    // Matching is synchronous: whatever anybody publishes after this line reaches us.
    std::printf("listening to %s\n", subscriber->topic().c_str());

    std::uint64_t received = 0;
    while ((count == 0 || received < count) && !example::stopRequested())
    {
        // Spins for a moment, then sleeps; a publish wakes us. The timeout is only there to notice Ctrl-C.
        const auto sample = subscriber->wait(example::kPatience);
        if (!sample && sample.error() == ZeroCP::TakeError::Timeout)
        {
            continue;
        }
        if (!sample)
        {
            return example::fail("wait: " + std::string(toString(sample.error())));
        }
        ++received;
        const std::uint64_t age = example::monotonicNs() - sample->info().publishTimeNs;
        // The bytes come from another program: print at most what fits, terminated or not.
        const auto& text = (*sample)->text;
        std::printf("heard [%.*s], number %llu of publisher %llu, %.1f us old\n", static_cast<int>(text.size()),
                    text.data(), static_cast<unsigned long long>(sample->info().sequence),
                    static_cast<unsigned long long>(sample->info().publisherId), static_cast<double>(age) / 1000.0);
    }
    std::printf("received %llu, missed %llu\n", static_cast<unsigned long long>(received),
                static_cast<unsigned long long>(subscriber->missed()));
    return example::kSuccess;
}
