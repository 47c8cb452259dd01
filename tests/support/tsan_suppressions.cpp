// What ThreadSanitizer may not know about code that is not ours. Empty in other builds.
#if defined(__SANITIZE_THREAD__)

extern "C" const char* __tsan_default_suppressions(); // NOLINT: the name is TSan's

extern "C" const char* __tsan_default_suppressions()
{
    // Boost.Lockfree reads the link of a free node that another thread may just have taken and be writing; its tagged
    // compare-and-swap then throws the value away. The read is not atomic, so TSan reports it.
    return "race:boost::lockfree::detail::freelist_stack\n";
}

#endif
