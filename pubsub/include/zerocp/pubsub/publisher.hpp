/// Publishes messages of one type to one topic. Move-only handle; one thread at a time.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstring>
#include <limits>
#include <span>
#include <string>
#include <utility>

#include "zerocp/pubsub/data_errors.hpp"
#include "zerocp/pubsub/loan.hpp"
#include "zerocp/pubsub/publisher_port.hpp"

namespace ZeroCP
{

template <typename Message>
class [[nodiscard]] Publisher
{
    using Element = typename MessageTraits<Message>::Element;
    static constexpr bool kIsSlice = MessageTraits<Message>::kIsSlice;

  public:
    Publisher() noexcept = default; ///< empty: every call answers Closed
    Publisher(const Publisher&) = delete;
    Publisher& operator=(const Publisher&) = delete;
    Publisher(Publisher&& other) noexcept : m_port(std::exchange(other.m_port, nullptr)) {}
    Publisher& operator=(Publisher&& other) noexcept
    {
        Publisher old(std::move(other));
        std::swap(m_port, old.m_port);
        return *this;
    }
    /// Leaves the topic, now or with the last Loan. What was published stays readable. Control call.
    ~Publisher()
    {
        if (m_port != nullptr)
        {
            m_port->close();
        }
    }

    /// Borrows uninitialised memory for one message, aligned to 64 bytes, until it is published or dropped.
    /// Lock-free, allocates nothing.
    ///
    /// Errors: TooManyLoans if max_loans are out; PoolExhausted if subscribers hold every chunk that this publisher may
    /// have, which with automatic pools happens only beyond max_held; Closed, Forked.
    [[nodiscard]] Expected<Loan<Message>, LoanError> loan() requires(!kIsSlice)
    {
        return loanBytes(sizeof(Element), 1);
    }

    /// The same for `count` elements. The first loan of a larger size may commit memory (system calls) and then answers
    /// NoSpace if there is none; PayloadTooLarge beyond limits.max_message_bytes or every configured chunk.
    [[nodiscard]] Expected<Loan<Message>, LoanError> loan(std::size_t count) requires kIsSlice
    {
        if (count >= std::numeric_limits<std::size_t>::max() / sizeof(Element))
        {
            return tl::unexpected(LoanError::PayloadTooLarge);
        }
        return loanBytes(count * sizeof(Element), count);
    }

    /// Sends a loaned message to every subscriber that has matched; the sequence, from 1. A reader that is too slow
    /// loses its oldest message and counts it. Lock-free; a system call only if a subscriber sleeps.
    /// On error the loan is untouched: NotMyLoan (empty, or another publisher's), Closed, Forked.
    Expected<std::uint64_t, PublishError> publish(Loan<Message>&& loan) noexcept
    {
        if (m_port == nullptr)
        {
            return tl::unexpected(PublishError::Closed);
        }
        if (loan.m_port != m_port)
        {
            return tl::unexpected(PublishError::NotMyLoan);
        }
        auto sequence = m_port->publish(loan.m_chunk, loan.m_count.value() * sizeof(Element));
        if (sequence)
        {
            loan.m_port = nullptr;
        }
        return sequence;
    }

    /// loan(), copy, publish(). For small messages and convenience. NoChunk if the loan fails.
    Expected<std::uint64_t, PublishError> publishCopy(const Element& message) requires(!kIsSlice)
    {
        return publishBytes(loanBytes(sizeof message, 1), &message, sizeof message);
    }
    Expected<std::uint64_t, PublishError> publishCopy(std::span<const Element> elements) requires kIsSlice
    {
        return publishBytes(loanBytes(elements.size_bytes(), elements.size()), elements.data(), elements.size_bytes());
    }

    /// Subscribers that get what is published next.
    [[nodiscard]] std::size_t subscriberCount() { return m_port == nullptr ? 0 : m_port->subscriberCount(); }

    /// Waits until there are `count` subscribers; false if `timeout` passes first.
    [[nodiscard]] bool waitForSubscribers(std::size_t count, std::chrono::nanoseconds timeout)
    {
        return m_port != nullptr && m_port->waitForSubscribers(count, timeout);
    }

    /// After PoolExhausted: who holds the chunks of the topic's pool set, by topic, node, process and since when; a
    /// sentence for people. Control call: looks at the domain from outside, as inspect() does.
    [[nodiscard]] std::string whyExhausted() const
    {
        return m_port == nullptr ? std::string() : m_port->whyExhausted();
    }

    /// QoS::liveliness(ManualByTopic): says that this publisher is there, as every publish does. Wakes subscribers that wait
    /// if its lease had run out. Otherwise does nothing.
    void assertLiveliness() noexcept
    {
        if (m_port != nullptr)
        {
            m_port->assertLiveliness();
        }
    }

    /// Periods of QoS::deadline() that have ended without a message from here, since the first one.
    [[nodiscard]] EventCount deadlineMissed() { return m_port == nullptr ? EventCount{} : m_port->deadlineMissed(); }

    /// Times that its lease ran out; the first begins with the publisher.
    [[nodiscard]] EventCount livelinessLost() { return m_port == nullptr ? EventCount{} : m_port->livelinessLost(); }

    /// Bits (QosEvent) of the events that have happened since their status was last read here; cheap.
    [[nodiscard]] std::uint32_t newEvents() { return m_port == nullptr ? 0 : m_port->newEvents(); }

    /// CLOCK_MONOTONIC time of the next deadline or lease to run out, until which newEvents() changes only by calls;
    /// the greatest number if there is none.
    [[nodiscard]] std::int64_t nextEventNs() const
    {
        return m_port == nullptr ? std::numeric_limits<std::int64_t>::max() : m_port->nextEventNs();
    }

    /// MessageInfo::publisherId of what it publishes; 0 when empty.
    [[nodiscard]] std::uint64_t id() const noexcept { return m_port == nullptr ? 0 : m_port->id(); }
    /// Normalised; empty when empty.
    [[nodiscard]] std::string topic() const { return m_port == nullptr ? std::string() : m_port->topic(); }

  private:
    friend class Node;
    friend class WaitSet;

    explicit Publisher(PublisherPort& port) noexcept : m_port(&port) {}

    [[nodiscard]] Expected<Loan<Message>, LoanError> loanBytes(std::uint64_t bytes, std::size_t count)
    {
        if (m_port == nullptr)
        {
            return tl::unexpected(LoanError::Closed);
        }
        const auto chunk = m_port->loan(bytes);
        if (!chunk)
        {
            return tl::unexpected(chunk.error());
        }
        return Loan<Message>(*m_port, *chunk, count);
    }

    [[nodiscard]] Expected<std::uint64_t, PublishError> publishBytes(Expected<Loan<Message>, LoanError> target,
                                                                     const void* source, std::size_t bytes)
    {
        if (!target)
        {
            switch (target.error())
            {
            case LoanError::Closed: return tl::unexpected(PublishError::Closed);
            case LoanError::Forked: return tl::unexpected(PublishError::Forked);
            default: return tl::unexpected(PublishError::NoChunk);
            }
        }
        if (bytes != 0)
        {
            std::memcpy(target->data(), source, bytes);
        }
        return publish(std::move(*target));
    }

    PublisherPort* m_port{nullptr};
};

} // namespace ZeroCP
