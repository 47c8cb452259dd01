/// A received message, read in place; its memory is mapped read-only. Dropping it releases the chunk, on any thread.
/// Keeps what it needs alive. Move-only.
#pragma once

#include <algorithm>
#include <cstddef>
#include <new>
#include <span>
#include <utility>

#include "zerocp/pubsub/message_info.hpp"
#include "zerocp/pubsub/slice.hpp"
#include "zerocp/pubsub/subscriber_port.hpp"

namespace ZeroCP
{

template <typename Message>
class Subscriber;
template <typename Request, typename Response>
class Client;
template <typename Request, typename Response>
class ServiceCall;

template <typename Message>
class [[nodiscard]] Sample
{
    using Element = typename MessageTraits<Message>::Element;
    static constexpr bool kIsSlice = MessageTraits<Message>::kIsSlice;

  public:
    Sample() noexcept = default;
    Sample(const Sample&) = delete;
    Sample& operator=(const Sample&) = delete;
    Sample(Sample&& other) noexcept
        : m_port(std::exchange(other.m_port, nullptr)), m_held(other.m_held), m_count(other.m_count)
    {
    }
    Sample& operator=(Sample&& other) noexcept
    {
        Sample(std::move(other)).swap(*this);
        return *this;
    }
    ~Sample()
    {
        if (m_port != nullptr)
        {
            m_port->release(m_held);
        }
    }

    void swap(Sample& other) noexcept
    {
        std::swap(m_port, other.m_port);
        std::swap(m_held, other.m_held);
        std::swap(m_count, other.m_count);
    }

    [[nodiscard]] explicit operator bool() const noexcept { return m_port != nullptr; }

    /// The message. Only of a named sample: what `*subscriber.take().value()` refers to would be released at once.
    [[nodiscard]] const Element& operator*() const& noexcept requires(!kIsSlice) { return *data(); }
    [[nodiscard]] std::span<const Element> operator*() const& noexcept requires kIsSlice
    {
        return {data(), m_count.value()};
    }
    void operator*() const&& = delete;

    [[nodiscard]] const Element* operator->() const noexcept requires(!kIsSlice) { return data(); }
    [[nodiscard]] const Element* get() const noexcept requires(!kIsSlice) { return data(); }
    [[nodiscard]] std::span<const Element> get() const noexcept requires kIsSlice { return {data(), m_count.value()}; }

    /// Of a sample that holds a message.
    [[nodiscard]] MessageInfo info() const noexcept
    {
        const ChunkHeader& header = *m_held.m_header;
        return {header.m_sequence, header.m_publishTimeNs, header.m_publisherId};
    }

  private:
    friend class Subscriber<Message>;
    template <typename Request, typename Response>
    friend class Client;
    template <typename Request, typename Response>
    friend class ServiceCall;

    Sample(SubscriberPort& port, const SubscriberPort::HeldChunk& held) noexcept : m_port(&port), m_held(held)
    {
        if constexpr (kIsSlice)
        {
            // Loaded once and cut to the chunk: a peer may have written anything into the header.
            const std::uint64_t bytes = held.m_header->m_payloadBytes;
            const PoolView::Class* in = port.view().classOf(entry::chunkOf(held.m_entry));
            m_count = detail::ElementCount<true>(std::min<std::uint64_t>(bytes, in == nullptr ? 0 : in->m_chunkSize) /
                                                 sizeof(Element));
        }
    }

    [[nodiscard]] const Element* data() const noexcept
    {
        return m_port == nullptr ? nullptr : std::launder(reinterpret_cast<const Element*>(m_held.m_header + 1));
    }

    SubscriberPort* m_port{nullptr};
    SubscriberPort::HeldChunk m_held{};
    [[no_unique_address]] detail::ElementCount<kIsSlice> m_count;
};

} // namespace ZeroCP
