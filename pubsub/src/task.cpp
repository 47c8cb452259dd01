#include "zerocp/pubsub/task.hpp"

namespace ZeroCP
{

namespace
{

thread_local const void* t_innermost = nullptr;

} // namespace

Task::Frame::Frame(const Task& task) noexcept : m_task(task), m_outer(static_cast<const Frame*>(t_innermost))
{
    t_innermost = this;
}

Task::Frame::~Frame()
{
    t_innermost = m_outer;
}

bool Task::isCurrent() const noexcept
{
    for (const auto* frame = static_cast<const Frame*>(t_innermost); frame != nullptr; frame = frame->m_outer)
    {
        if (&frame->m_task == this)
        {
            return true;
        }
    }
    return false;
}

bool Task::change(State from, State to) noexcept
{
    std::uint32_t word = m_word.load(std::memory_order_relaxed);
    while (stateOf(word) == from)
    {
        const std::uint32_t wanted = (word & ~(kOneCall - 1)) | static_cast<std::uint32_t>(to);
        // [sync:task] What the last thread did in Running is visible to the next, and to who closes the task. seq_cst:
        // going Idle comes before the look whether it is due (ExecutorCore::rest()).
        if (m_word.compare_exchange_weak(word, wanted, std::memory_order_seq_cst))
        {
            return true;
        }
    }
    return false;
}

bool Task::begin() noexcept
{
    std::uint32_t word = m_word.load(std::memory_order_relaxed);
    while (stateOf(word) == State::Queued)
    {
        const std::uint32_t wanted = ((word & ~(kOneCall - 1)) | static_cast<std::uint32_t>(State::Running)) + kOneCall;
        if (m_word.compare_exchange_weak(word, wanted, std::memory_order_acq_rel)) // [sync:task]
        {
            return true;
        }
    }
    return false;
}

bool Task::end(bool wasRunning, State to) noexcept
{
    std::uint32_t word = m_word.load(std::memory_order_relaxed);
    for (;;)
    {
        const bool closing = stateOf(word) == State::Closing;
        const State next = !closing && wasRunning ? to : stateOf(word);
        const std::uint32_t calls = (word - kOneCall) & ~(kOneCall - 1);
        if (!m_word.compare_exchange_weak(word, calls | static_cast<std::uint32_t>(next),
                                          std::memory_order_seq_cst)) // [sync:task]
        {
            continue;
        }
        if (closing && calls == 0)
        {
            release(); // nobody begins a task that is closing
            m_word.store(static_cast<std::uint32_t>(State::Closed), std::memory_order_release);
            m_word.notify_all();
        }
        return !closing;
    }
}

void Task::close() noexcept
{
    if (m_generation != fork_guard::generation())
    {
        return; // the parent's, some thread of which may be in a callback for ever
    }
    std::uint32_t word = m_word.load(std::memory_order_relaxed);
    while (stateOf(word) != State::Closing && stateOf(word) != State::Closed)
    {
        const std::uint32_t calls = word & ~(kOneCall - 1);
        if (!m_word.compare_exchange_weak(word, calls | static_cast<std::uint32_t>(State::Closing),
                                          std::memory_order_acq_rel)) // [sync:task]
        {
            continue;
        }
        if (calls == 0)
        {
            release();
            m_word.store(static_cast<std::uint32_t>(State::Closed), std::memory_order_release);
            m_word.notify_all();
            return;
        }
    }
    if (isCurrent())
    {
        return; // the callback that we are in frees it when it ends
    }
    for (word = m_word.load(std::memory_order_acquire); stateOf(word) != State::Closed;
         word = m_word.load(std::memory_order_acquire))
    {
        m_word.wait(word, std::memory_order_acquire);
    }
}

} // namespace ZeroCP
