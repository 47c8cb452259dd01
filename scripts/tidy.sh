#!/usr/bin/env bash
# Runs clang-tidy (rules in .clang-tidy) over the library, or over the files named: scripts/tidy.sh [FILE.cpp...]
# Slow, so not part of CI.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/build.sh clang
if [ $# -eq 0 ]; then
    mapfile -t files < <(find core config discovery pubsub -name '*.cpp' | sort)
    set -- "${files[@]}"
fi
printf '%s\0' "$@" | xargs -0 -n 1 -P "$(nproc)" clang-tidy --quiet -p build/clang
