/// What a data call answers when it cannot do what was asked. Ordered by how the caller should react.
#pragma once

#include <cstdint>
#include <string_view>

namespace ZeroCP
{

enum class LoanError : std::uint8_t
{
    PoolExhausted,   ///< transient: subscribers hold every fitting chunk that this publisher may have; retry later;
                     ///< Publisher::whyExhausted() names them
    TooManyLoans,    ///< max_loans are out: publish or drop one
    PayloadTooLarge, ///< permanent: no configured size class fits, or more than limits.max_message_bytes
    NoSpace,         ///< a size class had to be added and the file system or limits.pool_set_bytes is full
    WrongSize,       ///< untyped: a message of the topic's type has another number of bytes
    Closed,          ///< the publisher was moved from
    Forked,          ///< the publisher was created before fork()
};

enum class PublishError : std::uint8_t
{
    Timeout,      ///< keepAll: a reliable subscriber's queue stayed full; nobody got the message
    NotMyLoan,    ///< the loan is empty or belongs to another publisher
    NoChunk,      ///< publishCopy(): loan() failed; call it to learn why. ServiceCall::answer(): nothing was loaned
    NoSubscriber, ///< ServiceCall::answer(): who asked is gone; the answer was dropped
    Closed,       ///< the publisher was moved from
    Forked,       ///< the publisher was created before fork()
};

enum class TakeError : std::uint8_t
{
    NoData,      ///< nothing has arrived
    Timeout,     ///< nothing has arrived while waiting
    TooManyHeld, ///< max_held samples are out: drop one
    Corrupt,     ///< a peer wrote an entry that no healthy publisher writes; it was skipped
    Closed,      ///< the subscriber was moved from
    Forked,      ///< the subscriber was created before fork()
};

[[nodiscard]] std::string_view toString(LoanError error) noexcept;
[[nodiscard]] std::string_view toString(PublishError error) noexcept;
[[nodiscard]] std::string_view toString(TakeError error) noexcept;

} // namespace ZeroCP
