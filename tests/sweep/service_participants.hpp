/// A server and a caller that know what must become of calls: each has one outcome, and an answer fits its question.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "zerocp/zerocp.hpp"

namespace ZeroCP::test
{

struct Question
{
    std::uint64_t m_number;
};

struct Reply
{
    std::uint64_t m_number; ///< follows from the question's
};

class Server
{
  public:
    Server() = default;
    explicit Server(Node& node);

    /// Answers what waits.
    void serve();
    void leave() { m_service = {}; }

  private:
    Service<Question, Reply> m_service;
};

class Caller
{
  public:
    Caller() = default;
    explicit Caller(Node& node);

    /// As many calls, as far as there are servers that take them.
    void ask(int count);
    /// Brings what has been answered.
    void hear();
    /// Until every call has an outcome, while `server` answers, too; gives up in the end.
    void hearAll(Server& server);
    void leave() { m_client = {}; }

    /// Outcomes that came twice or not at all, or were not the right ones; empty if none. To be asked after hearAll().
    [[nodiscard]] std::string complaints() const;
    [[nodiscard]] bool isThere() const { return m_log != nullptr; }

  private:
    struct Log
    {
        std::vector<std::uint32_t> m_outcomes; ///< of each call that was sent
        std::string m_wrong;
    };

    Client<Question, Reply> m_client;
    std::unique_ptr<Log> m_log; ///< callbacks write into it
};

} // namespace ZeroCP::test
