/// One line per scene that a script can read: "figures|name|points=12|deaths=48|bad=0".
#pragma once

#include <cstdint>
#include <cstdio>
#include <initializer_list>
#include <string>
#include <utility>

namespace ZeroCP::test
{

inline void printFigures(const std::string& scene, std::initializer_list<std::pair<const char*, std::uint64_t>> figures)
{
    std::string line = "figures|" + scene;
    for (const auto& [name, value] : figures)
    {
        line += std::string("|") + name + "=" + std::to_string(value);
    }
    std::printf("%s\n", line.c_str());
    std::fflush(stdout); // the process may end by _exit()
}

} // namespace ZeroCP::test
