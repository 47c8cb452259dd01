/// A chunk that a subscriber port holds, whatever its type: what becomes a Sample when somebody knows it. Move-only; any
/// thread; dropping it releases the chunk, and keeps the port alive until then.
#pragma once

#include <utility>

#include "zerocp/pubsub/subscriber_port.hpp"

namespace ZeroCP
{

class [[nodiscard]] HeldMessage
{
  public:
    HeldMessage() noexcept = default;
    HeldMessage(SubscriberPort& port, const SubscriberPort::HeldChunk& held) noexcept : m_port(&port), m_held(held) {}
    HeldMessage(const HeldMessage&) = delete;
    HeldMessage& operator=(const HeldMessage&) = delete;
    HeldMessage(HeldMessage&& other) noexcept : m_port(std::exchange(other.m_port, nullptr)), m_held(other.m_held) {}
    HeldMessage& operator=(HeldMessage&& other) noexcept
    {
        HeldMessage old(std::move(other));
        std::swap(m_port, old.m_port);
        std::swap(m_held, old.m_held);
        return *this;
    }
    ~HeldMessage()
    {
        if (m_port != nullptr)
        {
            m_port->release(m_held);
        }
    }

    [[nodiscard]] const ChunkHeader& header() const noexcept { return *m_held.m_header; }
    [[nodiscard]] const SubscriberPort::HeldChunk& chunk() const noexcept { return m_held; }
    /// The caller owns chunk() from now on, and releases it to this port.
    [[nodiscard]] SubscriberPort& detach() noexcept { return *std::exchange(m_port, nullptr); }

  private:
    SubscriberPort* m_port{nullptr};
    SubscriberPort::HeldChunk m_held{};
};

} // namespace ZeroCP
