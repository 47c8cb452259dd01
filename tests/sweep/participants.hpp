/// Publishers and subscribers that know what they must see: every message of every publisher once, in order, as it was
/// written, or counted as missed. What is wrong is collected as text, since they live in processes that report to another.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "zerocp/zerocp.hpp"

namespace ZeroCP::test
{

/// Every word follows from the first two.
struct Message
{
    std::uint64_t m_publisher;
    std::uint64_t m_sequence;
    std::array<std::uint64_t, 6> m_pattern;

    void fill(std::uint64_t publisher, std::uint64_t sequence);
    [[nodiscard]] bool isIntact() const;
};

class Speaker
{
  public:
    Speaker() = default;
    explicit Speaker(Publisher<Message> publisher) : m_publisher(std::move(publisher)), m_id(m_publisher.id()) {}

    /// A new publisher; whoever counts along goes on doing so.
    void become(Publisher<Message> publisher)
    {
        m_publisher = std::move(publisher);
        m_id = m_publisher.id();
        m_said = 0;
    }

    /// False if there was no chunk.
    bool say();
    void say(int count);
    [[nodiscard]] Loan<Message> loan() { return std::move(*m_publisher.loan()); }
    /// A loan that it has until dropLoan().
    void keepLoan() { m_kept = loan(); }
    void dropLoan() { m_kept = {}; }
    void assertLiveliness() { static_cast<void>(m_publisher.assertLiveliness()); }
    void leave() { m_publisher = {}; }
    /// What was said is also told here, since the speaker may not live to tell it.
    void countIn(std::atomic<std::uint64_t>& counter)
    {
        m_counter = &counter;
        counter = m_said;
    }

    [[nodiscard]] std::uint64_t id() const { return m_id; }
    [[nodiscard]] std::uint64_t said() const { return m_said; }
    [[nodiscard]] bool isThere() const { return m_id != 0; }

  private:
    Publisher<Message> m_publisher;
    Loan<Message> m_kept;
    std::uint64_t m_id{0};
    std::uint64_t m_said{0};
    std::atomic<std::uint64_t>* m_counter{nullptr};
};

/// What a listener must have heard in the end.
struct Said
{
    std::uint64_t m_publisher;
    std::uint64_t m_least;
    std::uint64_t m_most;
};

class Listener
{
  public:
    Listener() = default;
    /// Joined before any of the publishers that it is asked about.
    explicit Listener(Subscriber<Message> subscriber, const QoS& qos = {});

    /// Takes a message and holds it. False if there was none, or it holds too many.
    bool hear();
    void hear(int count);
    /// The same, asleep for at most `timeout` until there is one.
    bool wait(std::chrono::nanoseconds timeout);
    void attachTo(WaitSet& waitSet) { static_cast<void>(waitSet.attach(m_subscriber, 1)); }
    /// A file descriptor of its own, readable at first.
    void makeDescriptor() { static_cast<void>(m_subscriber.fd().value()); }
    /// Drops the oldest `count` samples.
    void drop(std::size_t count);
    /// Takes and drops until nothing is left.
    void drain();
    void leave();
    /// Its process died: nothing is done with it any more.
    void forget() { m_there = false; }

    /// Messages that came damaged or out of order; empty if none.
    [[nodiscard]] const std::string& wrong() const { return m_wrong; }
    /// Empty if everything said so far was heard, or missed and counted.
    [[nodiscard]] std::string complaints(const std::vector<Said>& said) const;
    /// Empty if `lost` publishers have died or let their lease run out, and `alive` live. To be asked while deadlines of a
    /// microsecond go on.
    [[nodiscard]] std::string complaintsAboutBooks(std::size_t alive, std::uint64_t lost);
    /// Periods without a message so far.
    [[nodiscard]] std::uint64_t deadlinesMissed() { return m_subscriber.deadlineMissed().count; }

  private:
    struct Line
    {
        std::uint64_t m_publisher{0};
        std::uint64_t m_last{0};
        std::uint64_t m_heard{0};
    };

    bool hear(Expected<Sample<Message>, TakeError> sample);
    Line& lineOf(std::uint64_t publisher);
    void check(const Sample<Message>& sample, const char* when);

    Subscriber<Message> m_subscriber;
    std::vector<Sample<Message>> m_held;
    std::vector<Line> m_lines;
    std::uint64_t m_missed{0};
    bool m_there{false};
    bool m_refuses{false}; ///< its queue refuses the newest messages, so the last ones need not come
    std::string m_wrong;
};

} // namespace ZeroCP::test
