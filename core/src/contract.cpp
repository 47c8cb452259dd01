#include "zerocp/core/contract.hpp"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <unistd.h>

namespace ZeroCP::detail
{

namespace
{

void put(const char* text) noexcept
{
    // A short write to stderr cannot be reported anywhere else.
    [[maybe_unused]] const auto written = ::write(STDERR_FILENO, text, std::strlen(text));
}

} // namespace

void brokenContract(const char* condition, const char* text, const char* file, int line) noexcept
{
    char number[16];
    std::snprintf(number, sizeof number, ":%d: ", line);
    put("ZeroCP: broken contract at ");
    put(file);
    put(number);
    put(text);
    put(" (");
    put(condition);
    put(")\n");
    std::abort();
}

} // namespace ZeroCP::detail
