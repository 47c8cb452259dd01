/// What a process has open and mapped, what its heap holds, and what its domain's files occupy: to be compared before and
/// after something that should leave nothing behind.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>

#include <malloc.h>
#include <sys/stat.h>

#include <gtest/gtest.h>

#include "support/sanitized.hpp"
#include "support/test_domain.hpp"

namespace ZeroCP::test
{

struct Footprint
{
    std::size_t m_descriptors{0};
    std::size_t m_mappings{0};
    std::uint64_t m_heapBytes{0};
    std::uint64_t m_fileBlocks{0};
    std::size_t m_files{0};
};

inline Footprint footprint(const TestDomain& domain)
{
    Footprint now;
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd"))
    {
        static_cast<void>(entry);
        ++now.m_descriptors;
    }
    std::ifstream maps("/proc/self/maps");
    for (std::string line; std::getline(maps, line);)
    {
        ++now.m_mappings;
    }
    now.m_heapBytes = ::mallinfo2().uordblks;
    for (const std::string& name : domain.files())
    {
        struct stat status
        {
        };
        ::stat((domain.root() / name).c_str(), &status);
        now.m_fileBlocks += static_cast<std::uint64_t>(status.st_blocks);
        ++now.m_files;
    }
    return now;
}

inline void expectFlat(const Footprint& before, const Footprint& after)
{
    EXPECT_EQ(after.m_descriptors, before.m_descriptors);
    EXPECT_EQ(after.m_files, before.m_files);
    EXPECT_EQ(after.m_fileBlocks, before.m_fileBlocks);
    if (!kSanitized) // whose shadow memory and quarantine grow
    {
        EXPECT_LE(after.m_mappings, before.m_mappings + 4); // the heap itself may come in one piece more
        EXPECT_LE(after.m_heapBytes, before.m_heapBytes + 16384);
    }
}

} // namespace ZeroCP::test
