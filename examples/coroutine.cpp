/// `co_await` for the next message: two coroutines on one thread, one of which squares what the other publishes. Loop is a
/// small event loop on epoll; it knows nothing of ZeroCP but file descriptors.
///
/// Exit code: 0 after --count numbers or Ctrl-C, 1 if something failed, 2 for a wrong option.
#include <zerocp/zerocp.hpp>

#include <coroutine>
#include <cstdio>
#include <exception>
#include <optional>
#include <utility>

#include <sys/epoll.h>
#include <unistd.h>

#include "example_support.hpp"

namespace
{

struct Number
{
    std::uint64_t value;
};

/// Something that a coroutine waits for.
class Waiting
{
  public:
    Waiting() = default;
    Waiting(const Waiting&) = delete;
    Waiting& operator=(const Waiting&) = delete;
    virtual ~Waiting() = default;

    /// Whether it has come. Its descriptor may be readable without reason.
    [[nodiscard]] virtual bool look() = 0;
    void resume() const { m_coroutine.resume(); }

  protected:
    void waitAs(std::coroutine_handle<> coroutine) { m_coroutine = coroutine; }

  private:
    std::coroutine_handle<> m_coroutine;
};

class Loop
{
  public:
    Loop() : m_epoll(::epoll_create1(EPOLL_CLOEXEC)) {}
    Loop(const Loop&) = delete;
    Loop& operator=(const Loop&) = delete;
    ~Loop() { ::close(m_epoll); }

    /// From now on until it has come.
    void add(int descriptor, Waiting& waiting) { control(EPOLL_CTL_ADD, descriptor, &waiting); }
    void remove(int descriptor) { control(EPOLL_CTL_DEL, descriptor, nullptr); }

    void stop() { m_stopped = true; }
    void run()
    {
        while (!m_stopped && !example::stopRequested())
        {
            epoll_event event{};
            // The timeout is only there to notice Ctrl-C.
            if (::epoll_wait(m_epoll, &event, 1, static_cast<int>(example::kPatience.count())) != 1)
            {
                continue;
            }
            if (auto* waiting = static_cast<Waiting*>(event.data.ptr); waiting->look())
            {
                waiting->resume();
            }
        }
    }

  private:
    void control(int what, int descriptor, Waiting* waiting) const
    {
        epoll_event event{};
        event.events = EPOLLIN;
        event.data.ptr = waiting;
        ::epoll_ctl(m_epoll, what, descriptor, &event);
    }

    int m_epoll;
    bool m_stopped{false};
};

/// `auto sample = co_await Next(loop, subscriber);`
template <typename Message>
class Next final : public Waiting
{
  public:
    Next(Loop& loop, ZeroCP::Subscriber<Message>& subscriber)
        : m_loop(loop), m_subscriber(subscriber), m_descriptor(subscriber.fd().value())
    {
    }

    [[nodiscard]] bool await_ready() { return look(); }
    void await_suspend(std::coroutine_handle<> coroutine)
    {
        waitAs(coroutine);
        m_loop.add(m_descriptor, *this);
        m_isAdded = true;
    }
    [[nodiscard]] ZeroCP::Expected<ZeroCP::Sample<Message>, ZeroCP::TakeError> await_resume()
    {
        if (m_isAdded)
        {
            m_loop.remove(m_descriptor);
        }
        return std::move(*m_taken);
    }

    /// take() answers NoData and has thereby armed the descriptor, or something that the coroutine gets.
    [[nodiscard]] bool look() override
    {
        m_taken = m_subscriber.take();
        return *m_taken || m_taken->error() != ZeroCP::TakeError::NoData;
    }

  private:
    Loop& m_loop;
    ZeroCP::Subscriber<Message>& m_subscriber;
    int m_descriptor;
    bool m_isAdded{false};
    std::optional<ZeroCP::Expected<ZeroCP::Sample<Message>, ZeroCP::TakeError>> m_taken;
};

/// A coroutine that runs at once, and ends with this handle if not before.
class Running
{
  public:
    struct promise_type
    {
        Running get_return_object() { return Running(std::coroutine_handle<promise_type>::from_promise(*this)); }
        static std::suspend_never initial_suspend() noexcept { return {}; }
        static std::suspend_always final_suspend() noexcept { return {}; }
        static void return_void() noexcept {}
        static void unhandled_exception() noexcept { std::terminate(); }
    };

    explicit Running(std::coroutine_handle<promise_type> coroutine) : m_coroutine(coroutine) {}
    Running(Running&& other) noexcept : m_coroutine(std::exchange(other.m_coroutine, nullptr)) {}
    Running& operator=(Running&&) = delete;
    ~Running()
    {
        if (m_coroutine)
        {
            m_coroutine.destroy();
        }
    }

  private:
    std::coroutine_handle<promise_type> m_coroutine;
};

Running squareNumbers(Loop& loop, ZeroCP::Subscriber<Number>& numbers, ZeroCP::Publisher<Number>& squares)
{
    while (const auto number = co_await Next(loop, numbers))
    {
        const std::uint64_t value = (*number)->value;
        static_cast<void>(squares.publishCopy({value * value}));
    }
    loop.stop();
}

Running askForSquares(Loop& loop, ZeroCP::Publisher<Number>& numbers, ZeroCP::Subscriber<Number>& squares,
                      std::uint64_t count)
{
    for (std::uint64_t i = 1; i <= count; ++i)
    {
        if (!numbers.publishCopy({i}))
        {
            break;
        }
        const auto square = co_await Next(loop, squares);
        if (!square)
        {
            break;
        }
        std::printf("%llu squared is %llu\n", static_cast<unsigned long long>(i),
                    static_cast<unsigned long long>((*square)->value));
    }
    loop.stop();
}

} // namespace

int main(int argc, char** argv)
{
    std::uint32_t count = 5;
    const auto exitCode = example::parseOptions(argc, argv, "Two coroutines that await each other's messages.",
                                                {{"--count", &count, "numbers to be squared"}});
    if (exitCode)
    {
        return *exitCode;
    }
    example::stopOnSignals();

    auto node = ZeroCP::Node::create("coroutine");
    if (!node)
    {
        return example::fail(node.error().message());
    }
    auto numbers = node->createPublisher<Number>("numbers");
    auto numbersIn = node->createSubscriber<Number>("numbers");
    auto squares = node->createPublisher<Number>("squares");
    auto squaresIn = node->createSubscriber<Number>("squares");
    if (!numbers || !numbersIn || !squares || !squaresIn)
    {
        return example::fail("cannot create publishers and subscribers");
    }
    for (auto* subscriber : {&*numbersIn, &*squaresIn})
    {
        if (const auto descriptor = subscriber->fd(); !descriptor)
        {
            return example::fail(descriptor.error().message());
        }
    }

    Loop loop;
    const Running squaring = squareNumbers(loop, *numbersIn, *squares);
    const Running asking = askForSquares(loop, *numbers, *squaresIn, count);
    loop.run();
    return example::kSuccess;
}
