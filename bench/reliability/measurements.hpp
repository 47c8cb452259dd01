/// The measurements of zerocp_reliability, each in a file of its name.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "table.hpp"
#include "zerocp/zerocp.hpp"

namespace reliability
{

struct Setting
{
    std::filesystem::path m_root;           ///< of the segments; everything in it goes at the end
    std::chrono::seconds m_overloadTime{5}; ///< of the measurements that can be made longer

    /// A node in the measurement's domain; a sentence and the end of the process if there is none.
    [[nodiscard]] ZeroCP::Node node(const std::string& name, ZeroCP::Config config = {}) const;
    [[nodiscard]] ZeroCP::NodeOptions options(ZeroCP::Config config = {}) const
    {
        return {.domain = kDomain, .configFile = {}, .root = m_root, .config = std::move(config)};
    }

    static constexpr std::uint32_t kDomain = 1; // the directory is its own
};

/// The value, or a sentence and the end of the process.
template <typename Value>
Value orEnd(ZeroCP::Expected<Value, ZeroCP::Error> value)
{
    if (!value)
    {
        std::fprintf(stderr, "%s\n", value.error().message().c_str());
        std::exit(1);
    }
    return std::move(*value);
}

inline ZeroCP::Node Setting::node(const std::string& name, ZeroCP::Config config) const
{
    return orEnd(ZeroCP::Node::create(name, options(std::move(config))));
}

void measureRecoveryTime(const Setting& setting, Table& table);
void measureBigDomain(const Setting& setting, Table& table);
void measureExhaustedPool(const Setting& setting, Table& table);
void measureStoppedSubscriber(const Setting& setting, Table& table);
void measureManyPairs(const Setting& setting, Table& table);
void measureRealTimeSpinner(const Setting& setting, Table& table);

} // namespace reliability
