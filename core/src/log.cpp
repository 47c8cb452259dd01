#include "zerocp/core/log.hpp"

#include <cstdlib>
#include <memory>

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

namespace ZeroCP
{

namespace
{

std::shared_ptr<spdlog::logger> makeLogger()
{
    auto logger = std::make_shared<spdlog::logger>("zerocp", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    const char* wanted = std::getenv("ZEROCP_LOG");
    logger->set_level(wanted == nullptr ? spdlog::level::warn : spdlog::level::from_str(wanted));
    return logger;
}

spdlog::level::level_enum levelOf(LogLevel level) noexcept
{
    switch (level)
    {
    case LogLevel::Debug: return spdlog::level::debug;
    case LogLevel::Info: return spdlog::level::info;
    case LogLevel::Warn: return spdlog::level::warn;
    case LogLevel::Error: return spdlog::level::err;
    }
    return spdlog::level::err;
}

} // namespace

void log(LogLevel level, std::string_view message) noexcept
{
    try
    {
        // Leaked on purpose: destructors of static objects may still log.
        static auto* const logger = new std::shared_ptr<spdlog::logger>(makeLogger());
        (*logger)->log(levelOf(level), message);
    }
    catch (...) // out of memory while reporting: the report is lost, the caller goes on
    {
    }
}

} // namespace ZeroCP
