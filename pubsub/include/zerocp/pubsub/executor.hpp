/// Runs the callbacks of nodes: of subscribers, timers, services and clients. With several threads callbacks run in
/// parallel as their callback groups allow.
///
/// Who is ready waits in one queue and gets one callback, then stands at the end again: a busy topic starves nobody.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <future>
#include <memory>

#include "zerocp/core/error.hpp"
#include "zerocp/pubsub/node.hpp"

namespace ZeroCP
{

struct ExecutorOptions
{
    /// Threads that run callbacks in spin(), the caller's among them. 0: one per core.
    std::uint32_t threads{1};
};

enum class SpinResult : std::uint8_t
{
    Ready,   ///< the future has its value
    Timeout, ///< it did not within the time
    Stopped, ///< stop() was called
};

[[nodiscard]] std::string_view toString(SpinResult result) noexcept;

class ExecutorCore;

class Executor
{
  public:
    explicit Executor(const ExecutorOptions& options = {});
    Executor(const Executor&) = delete;
    Executor& operator=(const Executor&) = delete;
    /// Not while it spins. Its nodes may be added elsewhere afterwards. Control call.
    ~Executor();

    /// The callbacks that the node has and will have run here. Any thread. The node may be destroyed before the executor.
    /// ConfigInvalid if it has an executor already or is of another domain than the first node; LimitReached, Timeout;
    /// Closed, Forked.
    Expected<void, Error> add(const Node& node);

    /// Runs callbacks until stop(). Callbacks must not throw. Closed if it spins already, or from one of its callbacks;
    /// Forked.
    Expected<void, Error> spin();

    /// Runs on the calling thread what is ready now, one callback of each, and returns how many; does not wait. Errors as
    /// spin().
    Expected<std::size_t, Error> spinSome();

    /// Runs callbacks on the calling thread until `future` is ready, at most `timeout` (negative: for ever). Looks at the
    /// future after each callback, and every 10 ms when others may fulfil it. Closed, Forked: as spin().
    template <typename Value>
    Expected<SpinResult, Error> spinUntil(const std::future<Value>& future, std::chrono::nanoseconds timeout)
    {
        return spinUntil([&future] { return future.wait_for(std::chrono::seconds(0)) != std::future_status::timeout; },
                         timeout);
    }
    template <typename Value>
    Expected<SpinResult, Error> spinUntil(const std::shared_future<Value>& future, std::chrono::nanoseconds timeout)
    {
        return spinUntil([&future] { return future.wait_for(std::chrono::seconds(0)) != std::future_status::timeout; },
                         timeout);
    }

    /// Ends the spin() under way after the callbacks under way; if there is none, the next one ends at once. Any thread, any
    /// callback; async-signal-safe.
    void stop() noexcept;

    /// Callbacks run so far.
    [[nodiscard]] std::uint64_t callbackCount() const noexcept;

  private:
    /// A reference to something callable, for the time of a call.
    class IsReady
    {
      public:
        template <typename Function>
        IsReady(const Function& function) noexcept // NOLINT: converts on purpose
            : m_object(&function), m_call([](const void* object) { return (*static_cast<const Function*>(object))(); })
        {
        }
        [[nodiscard]] bool operator()() const { return m_call(m_object); }

      private:
        const void* m_object;
        bool (*m_call)(const void*);
    };

    Expected<SpinResult, Error> spinUntil(const IsReady& isReady, std::chrono::nanoseconds timeout);

    std::unique_ptr<ExecutorCore> m_core;
};

} // namespace ZeroCP
