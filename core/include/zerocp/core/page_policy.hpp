/// What every process with an endpoint in a pool set does with the set's pages. A word of the set's header, written by its
/// creator before the set is published and never changed: whoever attaches does the same, whatever its own configuration.
///
///   bit 0 prefault | bit 1 lock | bit 2 huge pages | the rest is zero
#pragma once

#include <cstdint>
#include <optional>

namespace ZeroCP
{

struct PagePolicy
{
    bool m_prefault{false};
    bool m_lock{false}; ///< includes prefault: the kernel maps what it locks
    bool m_hugePages{false};

    [[nodiscard]] constexpr std::uint32_t word() const noexcept
    {
        return (m_prefault ? 1U : 0U) | (m_lock ? 2U : 0U) | (m_hugePages ? 4U : 0U);
    }
    /// Nothing if `word` has bits that no policy has.
    [[nodiscard]] static constexpr std::optional<PagePolicy> of(std::uint32_t word) noexcept
    {
        if (word > 7U)
        {
            return std::nullopt;
        }
        return PagePolicy{(word & 1U) != 0, (word & 2U) != 0, (word & 4U) != 0};
    }

    /// Whether pages are to be mapped before they are used.
    [[nodiscard]] constexpr bool holdsPages() const noexcept { return m_prefault || m_lock; }

    [[nodiscard]] bool operator==(const PagePolicy&) const = default;
};

} // namespace ZeroCP
