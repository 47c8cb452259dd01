/// A publisher at 1 kHz and a subscriber in processes of their own, who note how old each message is when it is taken.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "measurements.hpp"
#include "worker.hpp"

namespace reliability
{

class WitnessPair
{
  public:
    enum class Reader
    {
        Busy,    ///< take() again and again
        Waiting, ///< sleeps in wait()
    };

    WitnessPair(const Setting& setting, Reader reader);
    WitnessPair(const WitnessPair&) = delete;
    WitnessPair& operator=(const WitnessPair&) = delete;

    /// How many messages have been taken so far.
    [[nodiscard]] std::size_t taken() const { return m_record->m_taken.load(std::memory_order_acquire); }
    /// Ages in nanoseconds of messages number `first` up to before `last`.
    [[nodiscard]] std::vector<double> ages(std::size_t first, std::size_t last) const;

    /// Ends both; whether the subscriber took or missed exactly what was published.
    [[nodiscard]] bool endsExact();

  private:
    static constexpr std::size_t kMost = 1U << 18; ///< four minutes

    struct Record
    {
        std::atomic<bool> m_readerIsThere;
        std::atomic<bool> m_stop;
        std::atomic<bool> m_publisherIsDone;
        std::atomic<std::uint64_t> m_sent;
        std::atomic<std::size_t> m_taken; ///< release: the ages before it are written
        std::array<std::int64_t, kMost> m_ages;
    };

    static bool read(const Setting& setting, Record& record, Reader reader);
    static bool publish(const Setting& setting, Record& record);

    Board<Record> m_record;
    Worker m_reader;
    Worker m_publisher;
};

} // namespace reliability
