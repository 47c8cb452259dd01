/// Says "hello 1", "hello 2", ... on a topic; `listener` prints it. Start them in any order, as often as you like.
///
/// Exit code: 0 after --count messages or Ctrl-C, 1 if publishing failed, 2 for a wrong option.
#include <zerocp/zerocp.hpp>

#include <chrono>
#include <cstdio>
#include <thread>

#include "example_support.hpp"
#include "text_message.hpp"

int main(int argc, char** argv)
{
    std::uint32_t count = 0;
    std::uint32_t rate = 10;
    std::string topic = "chatter";
    const auto exitCode = example::parseOptions(argc, argv, "Publishes a counter and a text.",
                                                {{"--count", &count, "messages to send; 0: until Ctrl-C"},
                                                 {"--rate", &rate, "messages a second", 1, 1000},
                                                 {"--topic", &topic, "where to"}});
    if (exitCode)
    {
        return *exitCode;
    }
    example::stopOnSignals();

    auto node = ZeroCP::Node::create("talker");
    if (!node)
    {
        return example::fail(node.error().message());
    }
    auto publisher = node->createPublisher<example::TextMessage>(topic);
    if (!publisher)
    {
        return example::fail(publisher.error().message());
    }

    // Every time is computed from the start: an error of one round does not add up over many.
    const auto start = std::chrono::steady_clock::now();
    const auto period = std::chrono::nanoseconds(std::chrono::seconds(1)) / rate;
    for (std::uint64_t i = 1; (count == 0 || i <= count) && !example::stopRequested(); ++i)
    {
        auto loan = publisher->loan();
        if (!loan)
        {
            return example::fail("loan: " + std::string(toString(loan.error())));
        }
        // Written where it will be read. Nothing is cleared for us, so everything is written.
        example::TextMessage& message = **loan;
        message.count = i;
        std::snprintf(message.text.data(), message.text.size(), "hello %llu", static_cast<unsigned long long>(i));
        std::printf("saying [%s] to %zu\n", message.text.data(), publisher->subscriberCount());
        if (const auto sent = publisher->publish(std::move(*loan)); !sent)
        {
            return example::fail("publish: " + std::string(toString(sent.error())));
        }
        std::this_thread::sleep_until(start + i * period);
    }
    return example::kSuccess; // what was published stays readable after we are gone
}
