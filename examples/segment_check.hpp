/// Asks the kernel, not the library, where an address lies: a payload that was copied lies on the heap or a stack, not in
/// a read-only mapping of a file of ZeroCP's.
#pragma once

#include <charconv>
#include <cstdint>
#include <fstream>
#include <string>
#include <string_view>

namespace example
{

/// One thread. Remembers the mapping it found last, since reading /proc takes far longer than receiving a message.
class SegmentCheck
{
  public:
    /// Whether `address` lies in a shared, read-only mapping of a file named zerocp.*.data.
    [[nodiscard]] bool isMappedReadOnly(const void* address)
    {
        const auto wanted = reinterpret_cast<std::uintptr_t>(address);
        return (wanted >= m_begin && wanted < m_end) || find(wanted);
    }

  private:
    /// A line of /proc/self/maps: 7f12a000-7f12b000 r--s 00000000 00:1a 1234    /dev/shm/zerocp.0.camera-left.data
    [[nodiscard]] bool find(std::uintptr_t wanted)
    {
        std::ifstream maps("/proc/self/maps");
        for (std::string line; std::getline(maps, line);)
        {
            std::uintptr_t begin = 0;
            std::uintptr_t end = 0;
            const char* last = line.data() + line.size();
            const auto first = std::from_chars(line.data(), last, begin, 16);
            if (first.ptr == last)
            {
                continue;
            }
            const auto second = std::from_chars(first.ptr + 1, last, end, 16);
            if (wanted < begin || wanted >= end)
            {
                continue;
            }
            const std::string_view rest(second.ptr, static_cast<std::size_t>(last - second.ptr));
            const std::string_view name = rest.substr(rest.rfind('/') + 1);
            if (!rest.starts_with(" r--s") || !name.starts_with("zerocp.") || name.find(".data") == name.npos)
            {
                return false;
            }
            m_begin = begin;
            m_end = end;
            return true;
        }
        return false;
    }

    std::uintptr_t m_begin{0};
    std::uintptr_t m_end{0};
};

} // namespace example
