#!/usr/bin/env bash
# Breaks a copy of the source on purpose, one way at a time, and expects the tests to notice; see --help.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
    cat <<'TEXT'
usage: scripts/mutants.sh [--check | --sample N [--cheap] [--seed SEED] | NAME...]

Applies tests/sweep/mutants/NAME.patch (default: each of them) to a copy of the tree (build/mutants), builds it and runs the
test that its first line names ("caught-by: GROUP.SUITE.TEST", or a whole GROUP). If that passes, the kill sweep and the
stress tests are tried, for ZEROCP_STRESS_SECONDS (default 20) per stress test. Fails if a patch does not apply, a mutant does
not compile, or one is noticed by nobody. The last line says how many of how many were caught.

--sample N   N of them, drawn with SEED (default: a new one, which is printed)
--cheap      draws only among those that change no header and are not left to the stress tests: seconds each
--check      only says whether every patch still applies; part of scripts/test.sh, so that none is forgotten
TEXT
}

patches=tests/sweep/mutants
caught_by() { sed -n '1s/^caught-by: //p' "$patches/$1.patch"; }

check() {
    local patch stale=0
    for patch in "$patches"/*.patch; do
        patch --dry-run --silent -p1 -i "$patch" >/dev/null || { echo "$patch does not apply" >&2; stale=1; }
        [ -n "$(caught_by "$(basename "$patch" .patch)")" ] || { echo "$patch does not say who catches it" >&2; stale=1; }
    done
    return $stale
}

is_cheap() { ! grep -q '^+++ .*/include/' "$patches/$1.patch" && [[ $(caught_by "$1") == sweep.* ]]; }

names=()
sample=
cheap=false
seed=$RANDOM
while [ $# -gt 0 ]; do
    case $1 in
        -h | --help) usage; exit 0 ;;
        --check) check; exit ;;
        --sample) sample=$2; shift ;;
        --cheap) cheap=true ;;
        --seed) seed=$2; shift ;;
        -*) usage >&2; exit 2 ;;
        *) names+=("$1") ;;
    esac
    shift
done
if [ ${#names[@]} -eq 0 ]; then
    for patch in "$patches"/*.patch; do
        name=$(basename "$patch" .patch)
        $cheap && ! is_cheap "$name" || names+=("$name")
    done
fi
if [ -n "$sample" ]; then
    mapfile -t names < <(printf '%s\n' "${names[@]}" |
        awk -v seed="$seed" 'BEGIN { srand(seed) } { print rand(), $0 }' | sort -n | head -n "$sample" | cut -d ' ' -f 2)
    [ ${#names[@]} -gt 0 ] || { echo "mutants.sh: --sample $sample draws nothing" >&2; exit 2; }
    echo "mutants drawn with seed $seed: ${names[*]}"
fi

copy=$PWD/build/mutants/source
build=$PWD/build/mutants/build
log=$PWD/build/mutants/log
mkdir -p "$copy"
exec 9>"$PWD/build/mutants/.lock" # two runs in one copy would spoil each other
flock 9
export CCACHE_BASEDIR=$copy # if there is ccache: a copy elsewhere is the same source

# Only what differs is copied, so that an earlier run's objects are of use; what a patch had changed gets a new date.
refresh_copy() {
    local file
    find . -type d \( -path ./build -o -path ./.git \) -prune -o -type f -print | while read -r file; do
        cmp -s "$file" "$copy/$file" || { mkdir -p "$(dirname "$copy/$file")" && cp "$file" "$copy/$file"; }
    done
    (cd "$copy" && find . -type f -print) | while read -r file; do
        [ -e "$file" ] || rm "$copy/$file"
    done
}

quietly() {
    if ! "$@" >"$log" 2>&1; then
        tail -n 40 "$log"
        return 1
    fi
}

build_group() { quietly cmake --build "$build" --target "zerocp_$1_tests" >&2; }

# Prints which of the tests GROUP or GROUP.SUITE.TEST is the first that fails; nothing if all pass.
first_failure() {
    local group=${1%%.*} filter='*' failed status=0
    [ "$group" = "$1" ] || filter=${1#*.}
    timeout 900 env GTEST_FAIL_FAST=1 ZEROCP_STRESS_SECONDS="${ZEROCP_STRESS_SECONDS:-20}" \
        "$build/tests/zerocp_${group}_tests" --gtest_filter="$filter" >"$log" 2>&1 || status=$?
    [ "$status" -ne 0 ] || return 0
    failed=$(grep -a -m1 '^\[  FAILED  \]' "$log" | awk '{print $4}')
    # 124 is of timeout: a slow machine is no verdict.
    [ -n "$failed" ] || [ "$status" -ne 124 ] || failed='(too slow)'
    echo "$group.${failed:-(did not end)}"
}

# A filter that matches nothing would pass for ever.
expect_to_exist() {
    local group=${1%%.*}
    [ "$group" = "$1" ] || "$build/tests/zerocp_${group}_tests" --gtest_filter="${1#*.}" --gtest_list_tests | grep -q '^  '
}

who_notices() {
    local tried failed
    for tried in "$@"; do
        build_group "${tried%%.*}" || return 1
        failed=$(first_failure "$tried")
        if [ -n "$failed" ]; then
            echo "$failed"
            return
        fi
    done
}

refresh_copy
quietly cmake -S "$copy" -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo -DZEROCP_WARNINGS_AS_ERRORS=OFF \
    -DZEROCP_BUILD_BENCH=OFF -DZEROCP_BUILD_EXAMPLES=OFF
mapfile -t named < <(for name in "${names[@]}"; do caught_by "$name"; done | sort -u)
for test in "${named[@]}"; do
    build_group "${test%%.*}"
    expect_to_exist "$test" || { echo "there is no test $test"; exit 1; }
    noticed=$(first_failure "$test")
    [ -z "$noticed" ] || { echo "$noticed fails without any mutant"; exit 1; }
done

caught=0
for name in "${names[@]}"; do
    patch=$PWD/$patches/$name.patch
    if ! quietly patch -d "$copy" -p1 -i "$patch"; then
        echo "$name: DOES NOT APPLY"
        exit 1
    fi
    start=$SECONDS
    if ! noticed=$(who_notices "$(caught_by "$name")" sweep stress); then
        echo "$name: DOES NOT COMPILE"
    elif [[ $noticed == *'(too slow)' ]]; then
        echo "$name: UNDECIDED, $noticed"
    elif [ -n "$noticed" ]; then
        caught=$((caught + 1))
        echo "$name: caught by $noticed ($((SECONDS - start)) s)"
    else
        echo "$name: SURVIVES"
    fi
    quietly patch -d "$copy" -p1 -R -i "$patch"
done
echo "$caught of ${#names[@]} mutants caught"
[ "$caught" -eq ${#names[@]} ]
