/// A message that is being written, in place, in shared memory. Belongs to its holder until it is published; dropping
/// it gives the chunk back unpublished, on any thread. Keeps what it needs alive. Move-only.
#pragma once

#include <cstddef>
#include <new>
#include <span>
#include <utility>

#include "zerocp/pubsub/publisher_port.hpp"
#include "zerocp/pubsub/slice.hpp"

namespace ZeroCP
{

template <typename Message>
class Publisher;
template <typename Request, typename Response>
class Client;
template <typename Request, typename Response>
class ServiceCall;

template <typename Message>
class [[nodiscard]] Loan
{
    using Element = typename MessageTraits<Message>::Element;
    static constexpr bool kIsSlice = MessageTraits<Message>::kIsSlice;

  public:
    Loan() noexcept = default;
    Loan(const Loan&) = delete;
    Loan& operator=(const Loan&) = delete;
    Loan(Loan&& other) noexcept
        : m_port(std::exchange(other.m_port, nullptr)), m_chunk(other.m_chunk), m_count(other.m_count)
    {
    }
    Loan& operator=(Loan&& other) noexcept
    {
        Loan(std::move(other)).swap(*this);
        return *this;
    }
    ~Loan()
    {
        if (m_port != nullptr)
        {
            m_port->dropLoan(m_chunk);
        }
    }

    void swap(Loan& other) noexcept
    {
        std::swap(m_port, other.m_port);
        std::swap(m_chunk, other.m_chunk);
        std::swap(m_count, other.m_count);
    }

    /// Whether there is a message; false after a move and after publish().
    [[nodiscard]] explicit operator bool() const noexcept { return m_port != nullptr; }

    /// The message, uninitialised until it is written. A slice gives a span.
    [[nodiscard]] Element& operator*() const noexcept requires(!kIsSlice) { return *data(); }
    [[nodiscard]] Element* operator->() const noexcept requires(!kIsSlice) { return data(); }
    [[nodiscard]] Element* get() const noexcept requires(!kIsSlice) { return data(); }
    [[nodiscard]] std::span<Element> operator*() const noexcept requires kIsSlice { return {data(), m_count.value()}; }
    [[nodiscard]] std::span<Element> get() const noexcept requires kIsSlice { return {data(), m_count.value()}; }

  private:
    friend class Publisher<Message>;
    template <typename Request, typename Response>
    friend class Client;
    template <typename Request, typename Response>
    friend class ServiceCall;

    Loan(PublisherPort& port, const PublisherPort::LoanedChunk& chunk, std::size_t count) noexcept
        : m_port(&port), m_chunk(chunk), m_count(count)
    {
    }

    [[nodiscard]] Element* data() const noexcept
    {
        return m_port == nullptr ? nullptr : std::launder(reinterpret_cast<Element*>(m_chunk.m_header + 1));
    }

    PublisherPort* m_port{nullptr};
    PublisherPort::LoanedChunk m_chunk{};
    [[no_unique_address]] detail::ElementCount<kIsSlice> m_count;
};

} // namespace ZeroCP
