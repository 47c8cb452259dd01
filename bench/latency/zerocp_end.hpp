/// One side of a pair of topics of ZeroCP: a publisher, a subscriber and the way to wait on it. One process.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "latency/seat.hpp"
#include "zerocp/zerocp.hpp"

namespace latency
{

/// A message of a size that is known when the program is compiled, as most are.
template <std::size_t Bytes>
struct Block
{
    std::uint64_t words[Bytes / 8];
};

using Words = ZeroCP::Slice<std::uint64_t>;

template <typename Message, typename Receiver>
class ZeroCpEnd
{
  public:
    [[nodiscard]] static tl::expected<ZeroCpEnd, std::string> create(const Seat& seat)
    {
        ZeroCP::Config config;
        config.wait.spin = Receiver::kSpin;
        auto node =
            ZeroCP::Node::create(seat.serves() ? "serving" : "answering",
                                 {.domain = seat.m_domain, .configFile = {}, .root = {}, .config = std::move(config)});
        if (!node)
        {
            return tl::unexpected(node.error().message());
        }
        // Few chunks: those that come back soonest are warmest, and 16 MiB ones add up.
        const ZeroCP::QoS few = ZeroCP::QoS{}.keepLast(2).maxLoans(1).maxHeld(1);
        auto publisher = node->template createPublisher<Message>(topicOf(seat.m_side), few);
        auto subscriber = node->template createSubscriber<Message>(topicOf(otherThan(seat.m_side)), few);
        if (!publisher || !subscriber)
        {
            return tl::unexpected((publisher ? subscriber.error() : publisher.error()).message());
        }
        auto receiver = Receiver::create(*subscriber);
        if (!receiver)
        {
            return tl::unexpected(receiver.error());
        }
        return ZeroCpEnd(std::move(*node), std::move(*publisher), std::move(*subscriber), std::move(*receiver),
                         seat.payload().wordCount());
    }

    template <typename Write>
    [[nodiscard]] bool send(Write&& write)
    {
        auto loan = loanWords();
        if (!loan) [[unlikely]]
        {
            m_trouble = "loan() answered " + std::string(toString(loan.error()));
            return false;
        }
        write(wordsOf(**loan));
        const auto published = m_publisher.publish(std::move(*loan));
        if (!published) [[unlikely]]
        {
            m_trouble = "publish() answered " + std::string(toString(published.error()));
        }
        return published.has_value();
    }

    template <typename Use>
    [[nodiscard]] bool receive(Use&& use)
    {
        return m_receiver.receive(m_subscriber,
                                  [&](const ZeroCP::Sample<Message>& sample) { return use(wordsOf(*sample)); });
    }

    [[nodiscard]] std::string trouble() const { return m_trouble.empty() ? m_receiver.trouble() : m_trouble; }

  private:
    ZeroCpEnd(ZeroCP::Node node, ZeroCP::Publisher<Message> publisher, ZeroCP::Subscriber<Message> subscriber,
              Receiver receiver, std::size_t wordCount)
        : m_node(std::move(node)),
          m_publisher(std::move(publisher)),
          m_subscriber(std::move(subscriber)),
          m_receiver(std::move(receiver)),
          m_wordCount(wordCount)
    {
    }

    [[nodiscard]] static std::string_view topicOf(Side sender)
    {
        return sender == Side::Serving ? "latency/ping" : "latency/pong";
    }

    [[nodiscard]] auto loanWords()
    {
        if constexpr (ZeroCP::SliceMessage<Message>)
        {
            return m_publisher.loan(m_wordCount);
        }
        else
        {
            return m_publisher.loan();
        }
    }
    /// Of a message in place: a Block, or a span.
    [[nodiscard]] static auto wordsOf(auto&& message)
    {
        if constexpr (ZeroCP::SliceMessage<Message>)
        {
            return message.data();
        }
        else
        {
            return &message.words[0];
        }
    }

    ZeroCP::Node m_node;
    ZeroCP::Publisher<Message> m_publisher;
    ZeroCP::Subscriber<Message> m_subscriber;
    Receiver m_receiver;
    std::size_t m_wordCount;
    std::string m_trouble;
};

} // namespace latency
