#!/usr/bin/env bash
# Builds and tests everything; see --help.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
    cat <<'TEXT'
usage: scripts/test.sh [--all]

Installs missing Debian packages (scripts/deps.sh), builds the release preset and runs all its tests, then the checks:
include arrows between rooms, source format, instructions and bytes (scripts/guards.sh), the kill sweep with some mutants
(scripts/kill_sweep.sh --short), package list, the installed package used from outside the tree.

--all   also builds and tests the presets asan-ubsan, tsan and clang; what CI does (some 35 minutes on 2 cores).
        CI=true in the environment means the same.

One preset alone: scripts/build.sh PRESET && ctest --preset PRESET -j 2
TEXT
}

presets=(release)
case "${1:-}" in
    '') [ "${CI:-}" != true ] || presets+=(asan-ubsan tsan clang) ;;
    --all) presets+=(asan-ubsan tsan clang) ;;
    -h | --help) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
esac

# Failures are collected, so that one run shows all of them.
failed=()
summary=()
step() {
    local name=$1 start=$SECONDS
    shift
    echo "== $name"
    if "$@"; then
        summary+=("$(printf 'ok      %4d s  %s' $((SECONDS - start)) "$name")")
    else
        summary+=("$(printf 'FAILED  %4d s  %s' $((SECONDS - start)) "$name")")
        failed+=("$name")
    fi
}

# A failure's words stand at the very end, where they are found in a long log (and in a shortened one).
failures=()
build_and_test() {
    local log=build/$1/tests.log
    local without=()
    [ "$1" != release ] || without=(--label-exclude sweep) # has a step of its own
    scripts/build.sh "$1" || return 1
    ctest --preset "$1" -j "$(nproc)" "${without[@]}" 2>&1 | tee "$log" && return 0
    failures+=("$(grep -A 12 -E '\*\*\*(Failed|Timeout|Exception)|: Failure$|ERROR: |runtime error|WARNING: Thread' "$log" |
        cut -c 1-240 | head -n 60)")
    return 1
}

scripts/deps.sh
step "include arrows" scripts/check-includes.sh
step "include check finds a planted mistake" scripts/check-includes.sh --self-test
step "format" scripts/format.sh --check
step "mutants apply" scripts/mutants.sh --check
for preset in "${presets[@]}"; do
    step "build and tests, $preset" build_and_test "$preset"
done
step "guards" scripts/guards.sh
step "kill sweep" scripts/kill_sweep.sh --short
# ctest gives the chaos test ten seconds; here a minute in which well over a thousand processes die.
minute_of_chaos() { ZEROCP_TEST_SECONDS=60 timeout 240 build/release/tests/zerocp_chaos_tests; }
[ ${#presets[@]} -eq 1 ] || step "a minute of chaos" minute_of_chaos
step "package list" scripts/check-packages.sh "${presets[@]/#/build/}"
step "package check finds what is not named" scripts/check-packages.sh --self-test build/release
step "installed package" scripts/check-install.sh "${presets[@]}"

echo
echo "== summary"
printf '%s\n' "${summary[@]}"
[ ${#failures[@]} -eq 0 ] || printf '\n== %s\n' "${failures[@]}"
[ ${#failed[@]} -eq 0 ]
