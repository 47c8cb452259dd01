# How our own code is compiled. Interface targets, so nothing of this reaches a user's project.

include(GNUInstallDirs)

if(PROJECT_IS_TOP_LEVEL AND NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
    set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "Kind of build" FORCE)
endif()
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

add_library(zerocp_warnings INTERFACE)
target_compile_options(zerocp_warnings INTERFACE
    -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wold-style-cast -Wnon-virtual-dtor
    -Woverloaded-virtual -Wcast-align -Wcast-qual -Wformat=2 -Wimplicit-fallthrough -Wundef -Wextra-semi
    $<$<CXX_COMPILER_ID:GNU>:-Wduplicated-cond -Wduplicated-branches -Wlogical-op -Wsuggest-override>
    $<$<CXX_COMPILER_ID:Clang>:-Winconsistent-missing-override -Wthread-safety>
    $<$<BOOL:${ZEROCP_WARNINGS_AS_ERRORS}>:-Werror>)

add_library(zerocp_sanitizers INTERFACE)
if(ZEROCP_SANITIZER)
    target_compile_options(zerocp_sanitizers INTERFACE
        -fsanitize=${ZEROCP_SANITIZER} -fno-sanitize-recover=all -fno-omit-frame-pointer)
    target_link_options(zerocp_sanitizers INTERFACE -fsanitize=${ZEROCP_SANITIZER})
endif()
if(ZEROCP_SANITIZER MATCHES "thread")
    # gcc says that TSan does not model std::atomic_thread_fence. True: other tests prove what a fence orders.
    target_compile_options(zerocp_sanitizers INTERFACE $<$<CXX_COMPILER_ID:GNU>:-Wno-tsan>)
    # TSan of gcc 12 cannot start where the kernel randomises addresses widely (vm.mmap_rnd_bits = 32); some containers
    # forbid to switch that off, so it is tried first.
    execute_process(COMMAND setarch -R true RESULT_VARIABLE zerocp_setarch OUTPUT_QUIET ERROR_QUIET)
    if(zerocp_setarch STREQUAL "0")
        set(CMAKE_CROSSCOMPILING_EMULATOR setarch -R)
    endif()
endif()

# What every room of the library shares. Position independent, so that the static library can go into a plugin; nobody
# replaces our functions at load time, so the compiler may still inline them.
add_library(zerocp_room INTERFACE)
target_compile_features(zerocp_room INTERFACE cxx_std_20)
target_compile_options(zerocp_room INTERFACE -fPIC -fno-semantic-interposition)
target_link_libraries(zerocp_room INTERFACE zerocp_warnings zerocp_sanitizers)
