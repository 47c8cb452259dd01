#include "zerocp/pubsub/data_errors.hpp"

namespace ZeroCP
{

std::string_view toString(LoanError error) noexcept
{
    switch (error)
    {
    case LoanError::PoolExhausted: return "PoolExhausted";
    case LoanError::TooManyLoans: return "TooManyLoans";
    case LoanError::PayloadTooLarge: return "PayloadTooLarge";
    case LoanError::NoSpace: return "NoSpace";
    case LoanError::WrongSize: return "WrongSize";
    case LoanError::Closed: return "Closed";
    case LoanError::Forked: return "Forked";
    }
    return "unknown LoanError";
}

std::string_view toString(PublishError error) noexcept
{
    switch (error)
    {
    case PublishError::Timeout: return "Timeout";
    case PublishError::NotMyLoan: return "NotMyLoan";
    case PublishError::NoChunk: return "NoChunk";
    case PublishError::NoSubscriber: return "NoSubscriber";
    case PublishError::Closed: return "Closed";
    case PublishError::Forked: return "Forked";
    }
    return "unknown PublishError";
}

std::string_view toString(TakeError error) noexcept
{
    switch (error)
    {
    case TakeError::NoData: return "NoData";
    case TakeError::Timeout: return "Timeout";
    case TakeError::TooManyHeld: return "TooManyHeld";
    case TakeError::Corrupt: return "Corrupt";
    case TakeError::Closed: return "Closed";
    case TakeError::Forked: return "Forked";
    }
    return "unknown TakeError";
}

} // namespace ZeroCP
