#include "sweep/segment_image.hpp"

#include <cstring>
#include <stdexcept>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace ZeroCP::test
{

Segments::Segments(const std::filesystem::path& root)
{
    for (const auto& entry : std::filesystem::directory_iterator(root))
    {
        if (entry.path().extension() == ".lock")
        {
            continue;
        }
        File file{::open(entry.path().c_str(), O_RDWR | O_CLOEXEC), nullptr, std::filesystem::file_size(entry.path())};
        void* base =
            ::mmap(nullptr, file.m_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, file.m_descriptor, 0);
        if (base == MAP_FAILED)
        {
            throw std::runtime_error("cannot map " + entry.path().native());
        }
        file.m_base = static_cast<std::byte*>(base);
        m_files.push_back(file);
    }
}

Segments::~Segments()
{
    for (const File& file : m_files)
    {
        ::munmap(file.m_base, file.m_bytes);
        ::close(file.m_descriptor);
    }
}

std::vector<Segments::Range> Segments::touched() const
{
    std::vector<Range> ranges;
    for (const File& file : m_files)
    {
        off_t end = 0;
        for (;;)
        {
            const off_t begin = ::lseek(file.m_descriptor, end, SEEK_DATA);
            if (begin < 0)
            {
                break;
            }
            end = ::lseek(file.m_descriptor, begin, SEEK_HOLE);
            ranges.push_back({file.m_base + begin, static_cast<std::size_t>(end - begin)});
        }
    }
    return ranges;
}

void SegmentImage::take()
{
    m_ranges = m_segments.touched();
    std::size_t bytes = 0;
    for (const Segments::Range& range : m_ranges)
    {
        bytes += range.m_bytes;
    }
    m_copy.resize(bytes);
    std::byte* to = m_copy.data();
    for (const Segments::Range& range : m_ranges)
    {
        std::memcpy(to, range.m_begin, range.m_bytes);
        to += range.m_bytes;
    }
}

bool SegmentImage::differs() const
{
    const std::byte* copy = m_copy.data();
    for (const Segments::Range& range : m_ranges)
    {
        if (std::memcmp(copy, range.m_begin, range.m_bytes) != 0)
        {
            return true;
        }
        copy += range.m_bytes;
    }
    return false;
}

void SegmentImage::putBack() const
{
    for (const Segments::Range& range : m_segments.touched()) // also what has been touched since: it was zero
    {
        std::memset(range.m_begin, 0, range.m_bytes);
    }
    const std::byte* copy = m_copy.data();
    for (const Segments::Range& range : m_ranges)
    {
        std::memcpy(range.m_begin, copy, range.m_bytes);
        copy += range.m_bytes;
    }
}

} // namespace ZeroCP::test
