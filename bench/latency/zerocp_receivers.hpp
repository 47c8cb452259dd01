/// How a subscriber of ZeroCP is waited on: one class per mode. Each has
///
///     kSpin                             wait.spin of its node
///     create(subscriber)                the receiver, or a sentence
///     receive(subscriber, use) -> bool  waits for a message, calls use(sample), drops the sample; trouble() says why not
///
/// Objects of one process.
#pragma once

#include <chrono>
#include <string>

#include <poll.h>

#include "latency/seat.hpp"
#include "zerocp/zerocp.hpp"

namespace latency
{

/// take() in a loop.
class TakingBusily
{
  public:
    static constexpr std::chrono::nanoseconds kSpin{0};

    template <typename Message>
    [[nodiscard]] static tl::expected<TakingBusily, std::string> create(ZeroCP::Subscriber<Message>&)
    {
        return {};
    }

    template <typename Message, typename Use>
    [[nodiscard]] bool receive(ZeroCP::Subscriber<Message>& subscriber, Use&& use)
    {
        for (;;)
        {
            const auto sample = subscriber.take();
            if (sample) [[likely]]
            {
                return use(*sample);
            }
            if (sample.error() != ZeroCP::TakeError::NoData) [[unlikely]]
            {
                m_error = sample.error();
                return false;
            }
        }
    }

    [[nodiscard]] std::string trouble() const { return "take() answered " + std::string(toString(m_error)); }

  private:
    ZeroCP::TakeError m_error{};
};

/// wait() for ever.
template <int SpinMicros>
class Waiting
{
  public:
    static constexpr std::chrono::nanoseconds kSpin = std::chrono::microseconds(SpinMicros);

    template <typename Message>
    [[nodiscard]] static tl::expected<Waiting, std::string> create(ZeroCP::Subscriber<Message>&)
    {
        return {};
    }

    template <typename Message, typename Use>
    [[nodiscard]] bool receive(ZeroCP::Subscriber<Message>& subscriber, Use&& use)
    {
        const auto sample = subscriber.wait(std::chrono::nanoseconds(-1));
        if (!sample) [[unlikely]]
        {
            m_error = sample.error();
            return false;
        }
        return use(*sample);
    }

    [[nodiscard]] std::string trouble() const { return "wait() answered " + std::string(toString(m_error)); }

  private:
    ZeroCP::TakeError m_error{};
};

/// poll() on Subscriber::fd() whenever take() has nothing.
class Polling
{
  public:
    static constexpr std::chrono::nanoseconds kSpin{0};

    template <typename Message>
    [[nodiscard]] static tl::expected<Polling, std::string> create(ZeroCP::Subscriber<Message>& subscriber)
    {
        const auto descriptor = subscriber.fd();
        return descriptor ? tl::expected<Polling, std::string>(Polling(*descriptor))
                          : tl::unexpected("fd(): " + descriptor.error().message());
    }

    template <typename Message, typename Use>
    [[nodiscard]] bool receive(ZeroCP::Subscriber<Message>& subscriber, Use&& use)
    {
        for (;;)
        {
            const auto sample = subscriber.take();
            if (sample)
            {
                return use(*sample);
            }
            if (sample.error() != ZeroCP::TakeError::NoData)
            {
                m_error = sample.error();
                return false;
            }
            pollfd readable{m_descriptor, POLLIN, 0};
            static_cast<void>(::poll(&readable, 1, -1)); // interrupted: look, and poll again
        }
    }

    [[nodiscard]] std::string trouble() const { return "take() answered " + std::string(toString(m_error)); }

  private:
    explicit Polling(int descriptor) noexcept : m_descriptor(descriptor) {}

    int m_descriptor;
    ZeroCP::TakeError m_error{};
};

using SpinningThenSleeping = Waiting<20>;
using SleepingAtOnce = Waiting<0>;

} // namespace latency
