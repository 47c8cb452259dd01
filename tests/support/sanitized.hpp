/// Whether the test runs under a sanitizer, which makes system calls and allocations of its own and is slow.
#pragma once

#if defined(__SANITIZE_ADDRESS__)
#define ZEROCP_TEST_FINDS_LEAKS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ZEROCP_TEST_FINDS_LEAKS 1
#endif
#endif
#if defined(ZEROCP_TEST_FINDS_LEAKS)
#include <sanitizer/lsan_interface.h>
#endif

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define ZEROCP_TEST_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define ZEROCP_TEST_SANITIZED 1
#endif
#endif
#ifndef ZEROCP_TEST_SANITIZED
#define ZEROCP_TEST_SANITIZED 0
#endif

namespace ZeroCP::test
{
inline constexpr bool kSanitized = ZEROCP_TEST_SANITIZED != 0;

/// What the calling thread allocates from here on may still be there at exit(): for processes that end with everything out.
inline void expectLeaks()
{
#if defined(ZEROCP_TEST_FINDS_LEAKS)
    __lsan_disable();
#endif
}

} // namespace ZeroCP::test
