/// One side of a pair of topics of iceoryx 2.0.3: the untyped API, take() in a loop. One process; needs a running iox-roudi.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <thread>

#include <iceoryx_posh/popo/untyped_publisher.hpp>
#include <iceoryx_posh/popo/untyped_subscriber.hpp>

#include "latency/seat.hpp"

namespace latency
{

class IceoryxEnd
{
  public:
    /// After PoshRuntime::initRuntime().
    explicit IceoryxEnd(const Seat& seat)
        : m_publisher(topicOf(seat.m_side)),
          m_subscriber(topicOf(otherThan(seat.m_side))),
          m_bytes(static_cast<std::uint32_t>(seat.m_subject.m_payloadBytes))
    {
    }

    /// The daemon connects them in its own time. False if that takes longer than `patience`.
    [[nodiscard]] bool awaitConnection(std::chrono::seconds patience) const
    {
        const auto deadline = std::chrono::steady_clock::now() + patience;
        while (!m_publisher.hasSubscribers() || m_subscriber.getSubscriptionState() != iox::SubscribeState::SUBSCRIBED)
        {
            if (std::chrono::steady_clock::now() > deadline)
            {
                return false;
            }
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
        return true;
    }

    template <typename Write>
    [[nodiscard]] bool send(Write&& write)
    {
        auto loan = m_publisher.loan(m_bytes);
        if (loan.has_error()) [[unlikely]]
        {
            m_trouble = std::string("loan() answered ") + iox::popo::asStringLiteral(loan.get_error());
            return false;
        }
        write(static_cast<std::uint64_t*>(loan.value()));
        m_publisher.publish(loan.value());
        return true;
    }

    template <typename Use>
    [[nodiscard]] bool receive(Use&& use)
    {
        for (;;)
        {
            auto taken = m_subscriber.take();
            if (!taken.has_error()) [[likely]]
            {
                const bool isGood = use(static_cast<const std::uint64_t*>(taken.value()));
                m_subscriber.release(taken.value());
                return isGood;
            }
            if (taken.get_error() != iox::popo::ChunkReceiveResult::NO_CHUNK_AVAILABLE) [[unlikely]]
            {
                m_trouble = std::string("take() answered ") + iox::popo::asStringLiteral(taken.get_error());
                return false;
            }
        }
    }

    [[nodiscard]] std::string trouble() const { return m_trouble; }

  private:
    [[nodiscard]] static iox::capro::ServiceDescription topicOf(Side sender)
    {
        return sender == Side::Serving ? iox::capro::ServiceDescription{"bench", "latency", "ping"}
                                       : iox::capro::ServiceDescription{"bench", "latency", "pong"};
    }

    iox::popo::UntypedPublisher m_publisher;
    iox::popo::UntypedSubscriber m_subscriber;
    std::uint32_t m_bytes;
    std::string m_trouble;
};

} // namespace latency
