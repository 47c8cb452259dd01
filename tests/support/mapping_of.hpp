/// What the kernel says of this process's mappings of one file: /proc/self/smaps.
#pragma once

#include <cstdint>
#include <fstream>
#include <sstream>
#include <string>

namespace ZeroCP::test
{

/// Sums over all mappings of the files whose path ends with `ending`.
struct MappingOf
{
    explicit MappingOf(const std::string& ending)
    {
        std::ifstream smaps("/proc/self/smaps");
        bool wanted = false;
        std::uint64_t bytes = 0;
        for (std::string line; std::getline(smaps, line);)
        {
            std::istringstream words(line);
            std::string key;
            std::uint64_t kilobytes = 0;
            words >> key >> kilobytes;
            if (const std::size_t dash = key.find('-'); dash != std::string::npos && key.back() != ':')
            {
                wanted = line.ends_with(ending);
                const std::uint64_t begin = std::stoull(key.substr(0, dash), nullptr, 16);
                bytes = std::stoull(key.substr(dash + 1), nullptr, 16) - begin;
                m_beginnings |= wanted ? begin : 0;
                m_bytes += wanted ? bytes : 0;
                continue;
            }
            m_residentBytes += wanted && key == "Rss:" ? kilobytes * 1024 : 0;
            m_hugeBytes += wanted && key == "ShmemPmdMapped:" ? kilobytes * 1024 : 0;
            m_lockedBytes += wanted && key == "VmFlags:" && line.find(" lo ") != std::string::npos ? bytes : 0;
        }
    }

    std::uint64_t m_beginnings{0}; ///< all addresses or-ed: what divides this, a power of two, divides each
    std::uint64_t m_bytes{0};
    std::uint64_t m_residentBytes{0}; ///< can be used without a page fault
    std::uint64_t m_hugeBytes{0};
    std::uint64_t m_lockedBytes{0};
};

} // namespace ZeroCP::test
