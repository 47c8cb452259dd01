#!/usr/bin/env bash
# Formats all C++ sources in place; with --check only says what would change, and fails.
set -euo pipefail
cd "$(dirname "$0")/.."

# examples/minimal.cpp is printed word for word in the documentation and keeps its own line breaks.
mapfile -t files < <(find core config discovery pubsub examples bench tests tools -type f \
    \( -name '*.hpp' -o -name '*.cpp' \) ! -path examples/minimal.cpp 2>/dev/null | sort)

if [ "${1:-}" = --check ]; then
    clang-format --dry-run --Werror "${files[@]}"
else
    clang-format -i "${files[@]}"
fi
