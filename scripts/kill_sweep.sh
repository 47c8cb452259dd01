#!/usr/bin/env bash
# Kills processes at every instruction of many scenes and says what came of it; see --help.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
    cat <<'TEXT'
usage: scripts/kill_sweep.sh [--short] [--mutants N|all] [--seed SEED]

Builds the release preset's sweep, runs all its scenes (docs/kill-sweep.md) and prints a table of them, then breaks the
product on purpose (scripts/mutants.sh) and expects the sweep to notice. The last line sums up. Fails if a process could not
be recovered from a death at some point, or if a mutant survives.

--short          what CI runs: 300 random kills instead of 1,000, one chain of recoverers per point instead of four, three
                 mutants that are cheap to build. Some five minutes on 2 cores
--mutants N|all  how many are tried, drawn at random (default: all; with --short 3)
--seed SEED      of everything that is drawn at random (default: a new one, which is printed)

Columns: instructions of the victim; points at which it was killed; deaths (a point is tried in several courses of what
follows); stops (points at which it was stopped while the others went on); deaths of those who recovered it; points that went bad.
Everything that the tests said is in build/release/kill_sweep.
TEXT
}

short=false
mutants=
seed=$((RANDOM * 32768 + RANDOM))
while [ $# -gt 0 ]; do
    case $1 in
        -h | --help) usage; exit 0 ;;
        --short) short=true ;;
        --mutants) mutants=${2:?a number, or all}; shift ;;
        --seed) seed=${2:?a number}; shift ;;
        *) usage >&2; exit 2 ;;
    esac
    shift
done
if $short; then
    export ZEROCP_SWEEP_KILLS=300 ZEROCP_SWEEP_CHAINS=1
else
    export ZEROCP_SWEEP_KILLS=1000 ZEROCP_SWEEP_CHAINS=4
fi
export ZEROCP_TEST_SEED=$seed
echo "seed: $seed"

scripts/build.sh release zerocp_sweep_tests
binary=build/release/tests/zerocp_sweep_tests
logs=build/release/kill_sweep
rm -rf "$logs"
mkdir -p "$logs"

# "Suite." and below it "  Test"; the longest ones first, so that no core is left with one of them in the end.
tests() {
    "$binary" --gtest_list_tests | awk '/^[^ ].*\.$/ { suite = $1 } /^  / { print suite $1 }' |
        awk '/Recoverer|SubscriberThatJoins$|ComesAndGoes|PublisherOnA|PublisherWith|SecondNode/ { print 0, $0; next }
             { print 1, $0 }' | sort -s -n -k 1,1 | cut -d ' ' -f 2
}

failed=0
tests | xargs -P "$(nproc)" -I TEST sh -c \
    "timeout 600 '$binary' --gtest_filter=TEST >'$logs/TEST' 2>&1 || { echo 'failed: TEST' >&2; exit 1; }" || failed=1

# Lines "figures|scene|name=number|...". A test that failed without saying how many points were bad counts as one.
table() {
    cat "$logs"/* | grep -a '^figures|' | awk -F '|' -v failed="$failed" '
        function commas(n,  text) {
            text = sprintf("%d", n)
            while (match(text, /[0-9][0-9][0-9][0-9]($|,)/)) {
                text = substr(text, 1, RSTART) "," substr(text, RSTART + 1)
            }
            return text
        }
        function row(name) {
            printf "%-70s %12s %8s %8s %8s %12s %6s %6s %4s\n", name, commas(v["instructions"]), commas(v["points"]),
                commas(v["deaths"]), commas(v["stops"]), commas(v["recoverers"]), commas(v["second"]), commas(v["third"]),
                commas(v["bad"])
        }
        BEGIN {
            printf "%-70s %12s %8s %8s %8s %12s %6s %6s %4s\n", "scene", "instructions", "points", "deaths", "stops",
                "recoverers", "second", "third", "bad"
        }
        {
            for (key in v) { delete v[key] }
            for (i = 3; i <= NF; ++i) {
                split($i, pair, "=")
                v[pair[1]] = pair[2]
                sum[pair[1]] += pair[2]
            }
            row($2)
            kills += v["recoverers"] > 0 ? v["recoverers"] : v["points"]
            ++scenes
        }
        END {
            for (key in sum) { v[key] = sum[key] }
            row("sum")
            bad = sum["bad"] + (failed && sum["bad"] == 0)
            printf "%s points in %d scenes, %s bad\n", commas(kills), scenes, commas(bad)
        }'
}

table >"$logs/table"
sed '$d' "$logs/table"
if [ "$failed" -ne 0 ]; then
    grep -a -h -A 12 ': Failure$' "$logs"/*.* | cut -c 1-240 | head -n 80 || true
fi

if [ -z "$mutants" ]; then
    $short && mutants=3 || mutants=all
fi
sample=()
[ "$mutants" = all ] || sample=(--sample "$mutants" --seed "$seed")
! $short || sample+=(--cheap)
caught="no mutants"
if [ "$mutants" != 0 ]; then
    scripts/mutants.sh "${sample[@]}" | tee "$logs/mutants" || failed=1
    caught=$(tail -n 1 "$logs/mutants")
fi

echo "kill_sweep: $(tail -n 1 "$logs/table"); $caught"
exit $failed
