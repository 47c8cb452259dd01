/// What a domain has, counted from outside: rows of its tables, ports, pairs, files. To be asked when nobody is inside a
/// call.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace ZeroCP::test
{

struct Figure
{
    std::string m_name;
    std::uint64_t m_value;
};

struct DomainFigures
{
    /// A domain that does not exist has no files, and nothing else is counted.
    [[nodiscard]] static DomainFigures of(std::uint32_t domain, const std::filesystem::path& root);

    /// What is in use. The same before somebody came and after its death was recovered.
    std::vector<Figure> m_inUse;
    /// What is kept for the next: rows that were ever used, chunks, memory. May be more after a death, but not more and
    /// more.
    std::vector<Figure> m_kept;
    /// Memory of chunks that are said to have none.
    std::uint64_t m_staleBytes{0};
    std::uint64_t m_poolSets{0};
    /// Chunks that are not where they belong, a line each.
    std::string m_misplaced;

    /// As if one of the pool sets, which nobody uses, were not there.
    [[nodiscard]] DomainFigures withoutOnePoolSet() const;
};

/// A line for every figure that differs.
[[nodiscard]] std::string differences(const std::vector<Figure>& before, const std::vector<Figure>& after);

} // namespace ZeroCP::test
