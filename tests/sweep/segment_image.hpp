/// What stands in the segments of a domain: a copy that can be compared with them and put back. Only pages that were ever
/// touched are looked at; the rest of the sparse files is zero.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <vector>

namespace ZeroCP::test
{

/// All segments of a directory, mapped for as long as this lives.
class Segments
{
  public:
    explicit Segments(const std::filesystem::path& root);
    Segments(const Segments&) = delete;
    Segments& operator=(const Segments&) = delete;
    ~Segments();

    struct Range
    {
        std::byte* m_begin;
        std::size_t m_bytes;
    };
    /// Those parts that have memory now.
    [[nodiscard]] std::vector<Range> touched() const;

  private:
    struct File
    {
        int m_descriptor;
        std::byte* m_base;
        std::uint64_t m_bytes;
    };

    std::vector<File> m_files;
};

class SegmentImage
{
  public:
    explicit SegmentImage(const Segments& segments) : m_segments(segments) { take(); }

    /// Copies what stands there now.
    void take();
    /// Whether anything has changed since, in the pages that had been touched when the image was taken.
    [[nodiscard]] bool differs() const;
    void putBack() const;

  private:
    const Segments& m_segments;
    std::vector<Segments::Range> m_ranges;
    std::vector<std::byte> m_copy;
};

} // namespace ZeroCP::test
