#!/usr/bin/env bash
# Measures what is promised for deaths and overload; see --help.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
    cat <<'TEXT'
usage: scripts/reliability.sh [--long] [--against COMMIT] [NAME...]

Builds the release preset, measures, prints a line for each figure with its bound and PASS or FAIL, and fails if one does
not hold. Without a NAME all is measured: some two minutes, with --long some seven. Figures of a busy machine
are worth little.

--long             overload for 60 s instead of 5 s (stopped-subscriber, many-pairs)
--against COMMIT   also builds that commit in a temporary directory and runs its data path and ours in turns, five times

TEXT
    if [ -x "$measure" ]; then
        "$measure" --help | sed -n '/^  /p'
    else
        echo "  recovery-time big-domain exhausted-pool stopped-subscriber many-pairs real-time-spinner"
    fi
    cat <<'TEXT'
  chaos              the chaos test for 60 s: random kills of processes of all kinds, at least 1,000 of them
  data-path          instructions of loan + publish + take + release, 64 B, under callgrind: a figure that repeats exactly
TEXT
}

measure=build/release/bench/zerocp_reliability
cycle=bench/zerocp_cycle_count
long=()
against=
names=()
while [ $# -gt 0 ]; do
    case "$1" in
        -h | --help) usage; exit 0 ;;
        --long) long=(--long) ;;
        --against) against=${2:?--against wants a commit}; shift ;;
        -*) usage >&2; exit 2 ;;
        *) names+=("$1") ;;
    esac
    shift
done

scratch=$(mktemp -d)
root=$(mktemp -d -p "${ZEROCP_ROOT:-/dev/shm}" zerocp-reliability-XXXXXX)
finish() {
    rm -rf "$root"
    [ ! -e "$scratch/other/.git" ] || git worktree remove --force "$scratch/other"
    rm -rf "$scratch"
}
trap finish EXIT

failed=0
line() { # NAME FIGURE BOUND VERDICT, as zerocp_reliability prints them
    printf '%-52s | %-46s | %-22s | %s\n' "$@"
    [ "$4" != FAIL ] || failed=1
}
verdict() { if "$@"; then echo PASS; else echo FAIL; fi; }
wanted() { [ ${#names[@]} -eq 0 ] || printf '%s\n' "${names[@]}" | grep -qx "$1"; }

chaos() {
    local log=$scratch/chaos.log kills passed=0
    ZEROCP_TEST_SECONDS=60 timeout 240 build/release/tests/zerocp_chaos_tests >"$log" 2>&1 || passed=$?
    kills=$(sed -n 's/^\([0-9]*\) kills.*/\1/p' "$log")
    line "chaos: 60 s of random kills" "${kills:-no} kills" "1,000 kills" "$(verdict [ "${kills:-0}" -ge 1000 ])"
    line "chaos: nothing is lost, nobody hangs" "$(sed -n 's/.*\(witness: [^;]*\);.*/\1/p' "$log")" exact \
        "$(verdict [ "$passed" -eq 0 ])"
    [ "$passed" -eq 0 ] || tail -n 60 "$log"
}

# instructions BUILD CYCLES : of the whole program
instructions() {
    valgrind --tool=callgrind --callgrind-out-file=/dev/null "$1/$cycle" "$2" 2>&1 | sed -n 's/.*Collected : //p'
}

# instructions_of_cycle BUILD
instructions_of_cycle() {
    command -v valgrind >/dev/null || scripts/deps.sh >&2
    local few many
    few=$(instructions "$1" 10000)
    many=$(instructions "$1" 20000)
    [ "${few:-0}" -gt 0 ] && [ "${many:-0}" -gt "$few" ] || { echo none; return; }
    echo "$(((many - few + 5000) / 10000))"
}

data_path() {
    local count
    count=$(instructions_of_cycle build/release)
    line "data path: instructions of one 64 B cycle" "$count" "a number" "$(verdict [ "$count" != none ])"
}

# nanoseconds BUILD : of one cycle; what surrounds five million of them is a millisecond
nanoseconds() {
    local from=$EPOCHREALTIME to
    "$1/$cycle" 5000000
    to=$EPOCHREALTIME
    echo $(((${to/./} - ${from/./}) / 5000))
}

compare() {
    local other=$scratch/other ours=() theirs=()
    git worktree add --quiet --detach "$other" "$against"
    (cd "$other" && scripts/build.sh release zerocp_cycle_count)
    for _ in 1 2 3 4 5; do
        ours+=("$(nanoseconds build/release)")
        theirs+=("$(nanoseconds "$other/build/release")")
    done
    line "data path: instructions here, at $against" \
        "$(instructions_of_cycle build/release), $(instructions_of_cycle "$other/build/release")" "" -
    middle() { printf '%s\n' "$@" | sort -n | sed -n 3p; }
    line "data path: ns of a cycle here, at $against" \
        "$(middle "${ours[@]}"), $(middle "${theirs[@]}"): x $(awk -v a="$(middle "${ours[@]}")" \
            -v b="$(middle "${theirs[@]}")" 'BEGIN { printf "%.2f", a / b }')" "" -
}

scripts/build.sh release zerocp_reliability zerocp_cycle_count zerocp_chaos_tests
measured=()
for name in "${names[@]}"; do
    case "$name" in
        chaos | data-path) ;;
        *) measured+=("$name") ;;
    esac
done
if [ ${#names[@]} -eq 0 ] || [ ${#measured[@]} -gt 0 ]; then
    status=0
    timeout 1200 "$measure" "$root" "${long[@]}" "${measured[@]}" || status=$?
    [ "$status" -ne 2 ] || exit 2
    [ "$status" -eq 0 ] || failed=1
fi
! wanted chaos || chaos
! wanted data-path || data_path
[ -z "$against" ] || compare
exit "$failed"
