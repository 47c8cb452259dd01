#!/usr/bin/env bash
# Configures (when needed) and builds one preset, quietly: scripts/build.sh PRESET [TARGET...]
set -euo pipefail
cd "$(dirname "$0")/.."

preset=${1:?usage: scripts/build.sh PRESET [TARGET...]}
shift
dir=build/$preset
log=$dir/build.log
mkdir -p "$dir"

exec 9>"$dir/.lock" # two builds in one directory would spoil each other
flock 9

quietly() {
    if ! "$@" >"$log" 2>&1; then
        tail -n 200 "$log" >&2
        echo "build.sh: '$*' failed, everything it said is in $log" >&2
        exit 1
    fi
}

# Ninja itself configures again when a CMakeLists.txt changes; only the presets are beyond its sight.
if [ ! -f "$dir/build.ninja" ] || [ CMakePresets.json -nt "$dir/build.ninja" ]; then
    quietly cmake --preset "$preset"
fi
if [ $# -gt 0 ]; then
    set -- --target "$@"
fi
quietly cmake --build --preset "$preset" -j "$(nproc)" "$@"
