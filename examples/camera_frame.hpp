/// One picture as it travels from camera_talker to camera_listener, and the check that it arrived as it was sent.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

namespace example
{

/// Fixed size, so that sizeof says it all; Slice<T> is the way for messages whose length is known only at run time.
struct CameraFrame
{
    static constexpr std::uint32_t kMaxWidth = 1024;
    static constexpr std::uint32_t kMaxHeight = 768;
    static constexpr std::uint32_t kMaxChannels = 3;
    static constexpr std::size_t kMaxPixelBytes = std::size_t{kMaxWidth} * kMaxHeight * kMaxChannels;

    std::uint32_t width;
    std::uint32_t height;
    std::uint32_t channels;      ///< 3: red, green, blue
    std::uint32_t reserved;      ///< 0
    std::uint64_t frameIndex;    ///< from 0, the same in both eyes
    std::uint64_t captureTimeNs; ///< CLOCK_MONOTONIC
    std::uint64_t checksum;      ///< summarise(frame).checksum
    /// Row by row without gaps. Chunks are aligned to 64 bytes, and so the pixels are too.
    alignas(64) std::array<std::uint8_t, kMaxPixelBytes> pixels;

    /// 0 if the numbers make no sense: a receiver believes nothing before it has checked it.
    [[nodiscard]] std::size_t pixelBytes() const
    {
        const bool fits = width <= kMaxWidth && height <= kMaxHeight && channels <= kMaxChannels;
        return fits ? std::size_t{width} * height * channels : 0;
    }
};

static_assert(std::is_trivially_copyable_v<CameraFrame> && std::is_standard_layout_v<CameraFrame>);
static_assert(offsetof(CameraFrame, pixels) == 64);

/// What one pass over the pixels tells.
struct FrameSummary
{
    std::uint64_t checksum;
    double brightness; ///< mean of all pixel values, 0 to 255
};

namespace detail
{

inline constexpr std::uint64_t kFnvOffset = 0xcbf29ce484222325U;
inline constexpr std::uint64_t kFnvPrime = 0x00000100000001b3U;

/// One step of FNV-1a, on a word instead of a byte. Xor with a word and multiplication with an odd number can both be
/// undone, so two inputs that differ in one word never end in the same value.
[[nodiscard]] constexpr std::uint64_t mix(std::uint64_t hash, std::uint64_t word)
{
    return (hash ^ word) * kFnvPrime;
}

/// Sums bytes eight at a time: the even and the odd bytes of a word, in four lanes of 16 bits each.
class ByteSum
{
  public:
    void add(std::uint64_t word)
    {
        m_lanes += (word & kEvenBytes) + (word >> 8 & kEvenBytes);
        if (++m_count == kWordsUntilFull)
        {
            fold();
        }
    }
    [[nodiscard]] std::uint64_t total()
    {
        fold();
        return m_total;
    }

  private:
    static constexpr std::uint64_t kEvenBytes = 0x00ff00ff00ff00ffU;
    static constexpr std::uint32_t kWordsUntilFull = 128; ///< a lane grows by at most 510 a word: 128 * 510 < 65536

    void fold()
    {
        for (; m_lanes != 0; m_lanes >>= 16)
        {
            m_total += m_lanes & 0xffff;
        }
        m_count = 0;
    }

    std::uint64_t m_lanes{0};
    std::uint64_t m_total{0};
    std::uint32_t m_count{0};
};

} // namespace detail

/// Checksum of everything but the checksum, and the mean brightness, in one pass: reading 2.4 MB is most of the work.
///
/// The checksum finds torn, stale and mixed-up frames; it is no defence against somebody who forges one. Four
/// independent hashes run side by side, word by word, because one would wait for its own multiplication (about 4
/// cycles) before every word.
[[nodiscard]] inline FrameSummary summarise(const CameraFrame& frame)
{
    const std::size_t bytes = frame.pixelBytes();
    const std::uint8_t* pixels = frame.pixels.data();
    std::array<std::uint64_t, 4> hashes;
    hashes.fill(detail::kFnvOffset);
    detail::ByteSum sum;
    std::size_t at = 0;
    for (std::array<std::uint64_t, 4> words; at + sizeof words <= bytes; at += sizeof words)
    {
        std::memcpy(words.data(), pixels + at, sizeof words);
        for (std::size_t lane = 0; lane < words.size(); ++lane)
        {
            hashes[lane] = detail::mix(hashes[lane], words[lane]);
            sum.add(words[lane]);
        }
    }
    for (; at < bytes; at += sizeof(std::uint64_t))
    {
        std::uint64_t word = 0; // the last one may be short
        std::memcpy(&word, pixels + at, bytes - at < sizeof word ? bytes - at : sizeof word);
        hashes[0] = detail::mix(hashes[0], word);
        sum.add(word);
    }
    std::uint64_t checksum = detail::mix(detail::kFnvOffset, std::uint64_t{frame.width} << 32 | frame.height);
    for (const std::uint64_t word : {std::uint64_t{frame.channels}, frame.frameIndex, frame.captureTimeNs, hashes[0],
                                     hashes[1], hashes[2], hashes[3]})
    {
        checksum = detail::mix(checksum, word);
    }
    return {checksum, bytes == 0 ? 0.0 : static_cast<double>(sum.total()) / static_cast<double>(bytes)};
}

} // namespace example
