#!/usr/bin/env bash
# Installs each given preset's build to a scratch prefix and uses it like a stranger: examples/minimal.cpp, copied out
# of the tree, built once with find_package(ZeroCP) and once with pkg-config, then run.
#   scripts/check-install.sh [PRESET...]
set -euo pipefail
cd "$(dirname "$0")/.."

[ $# -gt 0 ] || set -- release
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export ZEROCP_DOMAIN=$((30000 + $$ % 10000))
unset ZEROCP_CONFIG

mkdir "$scratch/outside"
cp examples/minimal.cpp "$scratch/outside/"
cat >"$scratch/outside/CMakeLists.txt" <<'TEXT'
cmake_minimum_required(VERSION 3.25)
project(outside LANGUAGES CXX)
find_package(ZeroCP CONFIG REQUIRED)
add_executable(minimal minimal.cpp)
target_link_libraries(minimal PRIVATE ZeroCP::zerocp)
TEXT

run() { # the program must work and say something
    local said
    said=$(LD_LIBRARY_PATH=$1/lib timeout 30 "$2")
    [ -n "$said" ]
    echo "check-install.sh: $3: $said"
}

for preset in "$@"; do
    case $preset in
        *san*) continue ;; # instrumented libraries are not for users
    esac
    prefix=$scratch/$preset
    compiler=$(sed -n 's/^CMAKE_CXX_COMPILER:[A-Z]*=//p' "build/$preset/CMakeCache.txt")
    cmake --install "build/$preset" --prefix "$prefix" >/dev/null

    cmake -G Ninja -S "$scratch/outside" -B "$scratch/$preset.build" -DCMAKE_PREFIX_PATH="$prefix" \
        -DCMAKE_CXX_COMPILER="$compiler" >/dev/null
    cmake --build "$scratch/$preset.build" >/dev/null
    run "$prefix" "$scratch/$preset.build/minimal" "$preset, find_package"

    export PKG_CONFIG_PATH=$prefix/lib/pkgconfig
    # Unquoted on purpose: pkg-config answers with several words.
    # shellcheck disable=SC2046
    "$compiler" $(pkg-config --cflags zerocp) "$scratch/outside/minimal.cpp" $(pkg-config --libs zerocp) \
        -o "$scratch/$preset.minimal"
    run "$prefix" "$scratch/$preset.minimal" "$preset, pkg-config"
done
