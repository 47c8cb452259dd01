#!/usr/bin/env bash
# Fails when an #include points the wrong way between rooms, or a guarded library or POSIX header shows up where it may
# not (ARCHITECTURE.md): scripts/check-includes.sh [ROOT], or --self-test to prove that it finds planted mistakes.
set -euo pipefail
cd "$(dirname "$0")/.."

rooms=(core config discovery pubsub) # left to right; a room sees itself and what is left of it

complaints=0
complain() { # FILE:LINE:NAME REASON
    echo "$1: $2" >&2
    complaints=$((complaints + 1))
}

# includes DIR... : every include line below, as FILE:LINE:NAME
includes() {
    local dirs=() dir
    for dir in "$@"; do [ ! -d "$dir" ] || dirs+=("$dir"); done
    [ ${#dirs[@]} -gt 0 ] || return 0
    grep -rnE --include='*.hpp' --include='*.cpp' --include='*.h' '^[[:space:]]*#[[:space:]]*include' "${dirs[@]}" |
        sed -E 's/^([^:]+:[0-9]+):[^<"]*[<"]([^>"]+)[>"].*/\1:\2/' || true
}

check_tree() {
    local i room right file line name
    # 1. Arrows between the rooms of the library. The umbrella header belongs to pubsub.
    for i in "${!rooms[@]}"; do
        room=${rooms[i]}
        for right in "${rooms[@]:i+1}"; do
            while IFS=: read -r file line name; do
                case $name in
                    zerocp/"$right"/* | "$right"/*) complain "$file:$line:$name" "$room may not include $right" ;;
                esac
            done < <(includes "$room")
        done
        while IFS=: read -r file line name; do
            case $name in
                zerocp/zerocp.hpp)
                    [ "$room" = pubsub ] || complain "$file:$line:$name" "the umbrella lies to the right of $room" ;;
                ../*) complain "$file:$line:$name" "name headers from the room's include directory" ;;
            esac
        done < <(includes "$room")
    done

    # 2. To the right of pubsub: the public API only. Tests and benchmarks may look inside.
    while IFS=: read -r file line name; do
        case $name in
            zerocp/zerocp.hpp) ;;
            zerocp/*) complain "$file:$line:$name" "only <zerocp/zerocp.hpp> is public" ;;
        esac
    done < <(includes examples tools bindings gateway)

    # 3. Guarded libraries.
    while IFS=: read -r file line name; do
        case $name in
            yaml-cpp/*)
                [[ $file == config/src/* ]] || complain "$file:$line:$name" "yaml-cpp is seen only in config/src" ;;
            spdlog/* | fmt/*)
                [ "$file" = core/src/log.cpp ] ||
                    complain "$file:$line:$name" "spdlog is seen only in core/src/log.cpp" ;;
        esac
    done < <(includes "${rooms[@]}" examples tools bindings gateway bench tests)

    # 4. The operating system.
    while IFS=: read -r file line name; do
        case $name in
            sys/types.h) ;; # types for our own declarations, no calls
            sys/* | linux/* | asm/* | net/* | netinet/* | arpa/* | unistd.h | fcntl.h | pthread.h | sched.h | \
                dirent.h | poll.h | signal.h | semaphore.h | syscall.h | dlfcn.h | mqueue.h | grp.h | pwd.h)
                [[ $file == *.cpp ]] || complain "$file:$line:$name" "POSIX only in .cpp files" ;;
        esac
    done < <(includes "${rooms[@]}" examples tools bindings gateway)
}

self_test() {
    local root=$1 planted name file text
    planted=(
        "core/src/a.cpp|#include \"zerocp/pubsub/node.hpp\""
        "core/include/zerocp/core/a.hpp|#include <zerocp/config/qos.hpp>"
        "config/src/a.cpp|  #  include <zerocp/discovery/registry.hpp>"
        "discovery/src/a.cpp|#include <zerocp/zerocp.hpp>"
        "examples/a.cpp|#include <zerocp/core/mempool.hpp>"
        "pubsub/src/a.cpp|#include <yaml-cpp/yaml.h>"
        "core/src/error.cpp|#include <spdlog/spdlog.h>"
        "pubsub/include/zerocp/pubsub/a.hpp|#include <sys/mman.h>"
    )
    for name in "${planted[@]}"; do
        file=$root/${name%%|*}
        text=${name#*|}
        mkdir -p "$(dirname "$file")"
        echo "$text" >"$file"
        if scripts/check-includes.sh "$root" 2>/dev/null; then
            echo "check-includes.sh: did not find '$text' in ${name%%|*}" >&2
            exit 1
        fi
        rm "$file"
    done
    mkdir -p "$root/pubsub/src"
    echo '#include "zerocp/core/error.hpp"' >"$root/pubsub/src/a.cpp"
    scripts/check-includes.sh "$root"
}

if [ "${1:-}" = --self-test ]; then
    scratch=$(mktemp -d)
    trap 'rm -rf "$scratch"' EXIT
    self_test "$scratch"
    exit 0
fi

cd "${1:-.}"
check_tree
[ $complaints -eq 0 ]
