/// What the tests of the YAML loader share: a parse whose source is called "f", and its message.
#pragma once

#include <string>
#include <string_view>

#include <gtest/gtest.h>

#include "zerocp/config/yaml_loader.hpp"

namespace ZeroCP
{

/// Every message starts with the source name of the test, "f".
inline std::string messageOf(std::string_view text)
{
    const auto config = parseConfig(text, "f");
    return config ? "no error" : config.error().message();
}

inline Config parsed(std::string_view text)
{
    auto config = parseConfig(text, "f");
    EXPECT_TRUE(config) << (config ? "" : config.error().message());
    return config ? *std::move(config) : Config{};
}

inline bool contains(std::string_view text, std::string_view part)
{
    return text.find(part) != std::string_view::npos;
}

} // namespace ZeroCP
