#!/usr/bin/env bash
# Breaks a copy of the source on purpose, one way at a time, and expects the tests to notice; see --help.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
    cat <<'TEXT'
usage: scripts/mutants.sh [--check | NAME...]

Applies tests/sweep/mutants/NAME.patch (default: each of them) to a copy of the tree, builds it and runs the kill sweep, and
if that passes the stress tests, for ZEROCP_STRESS_SECONDS (default 20) per test. Fails if a patch does not apply, a mutant does
not compile, or one is noticed by nobody. Half a minute to two per mutant on 2 cores.

--check  only says whether every patch still applies; part of scripts/test.sh, so that none is forgotten
TEXT
}

case "${1:-}" in
    -h | --help) usage; exit 0 ;;
    --check)
        for patch in tests/sweep/mutants/*.patch; do
            patch --dry-run --silent -p1 -i "$patch" >/dev/null || { echo "$patch does not apply" >&2; stale=1; }
        done
        exit "${stale:-0}"
        ;;
esac
names=("$@")
if [ ${#names[@]} -eq 0 ]; then
    mapfile -t names < <(cd tests/sweep/mutants && printf '%s\n' *.patch | sed 's/\.patch$//')
fi

copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
export CCACHE_BASEDIR=$copy # if there is ccache: a copy elsewhere is the same source
tar -c --exclude=./build --exclude=./.git . | tar -x -C "$copy"
build=$copy/build
log=$copy/log

quietly() {
    if ! "$@" >"$log" 2>&1; then
        tail -n 40 "$log"
        return 1
    fi
}

# The first test of a group that fails; nothing if all pass.
first_failure() {
    timeout 900 env GTEST_FAIL_FAST=1 "$build/tests/zerocp_$1_tests" >"$log" 2>&1 && return
    local failed
    failed=$(grep -m1 '^\[  FAILED  \]' "$log" | awk '{print $4}')
    echo "${failed:-$1, which did not end}"
}

# The groups of tests that are asked, one after the other.
who_notices() {
    local noticed
    for group in "$@"; do
        quietly cmake --build "$build" --target "zerocp_${group}_tests" >&2 || return 1
        noticed=$(ZEROCP_STRESS_SECONDS=${ZEROCP_STRESS_SECONDS:-20} first_failure $group)
        if [ -n "$noticed" ]; then
            echo "$noticed"
            return
        fi
    done
}

quietly cmake -S "$copy" -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo -DZEROCP_WARNINGS_AS_ERRORS=OFF \
    -DZEROCP_BUILD_BENCH=OFF -DZEROCP_BUILD_EXAMPLES=OFF
noticed=$(who_notices sweep)
if [ -n "$noticed" ]; then
    echo "$noticed fails without any mutant"
    exit 1
fi

bad=0
for name in "${names[@]}"; do
    patch=$PWD/tests/sweep/mutants/$name.patch
    if ! quietly patch -d "$copy" -p1 -i "$patch"; then
        echo "$name: DOES NOT APPLY"
        exit 1
    fi
    if ! noticed=$(who_notices sweep stress); then
        echo "$name: DOES NOT COMPILE"
        bad=1
    elif [ -n "$noticed" ]; then
        echo "$name: caught by $noticed"
    else
        echo "$name: SURVIVES"
        bad=1
    fi
    quietly patch -d "$copy" -p1 -R -i "$patch"
done
exit $bad
