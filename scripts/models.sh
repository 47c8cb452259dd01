#!/usr/bin/env bash
# Checks the Promela models of tests/models with Spin, then that each of their mutants is found wrong:
#   scripts/models.sh [NAME...]        NAME: free_list, late_join ...; default: all
# Prints the states and the depth of every search. Fails if a model is wrong, a mutant passes, or a search did not end.
# Ten minutes, and up to 3 GiB for the largest.
set -euo pipefail
cd "$(dirname "$0")/.."

command -v spin >/dev/null || ZEROCP_PACKAGES=scripts/packages-models.txt scripts/deps.sh
models=$PWD/tests/models
names=("$@")
if [ ${#names[@]} -eq 0 ]; then
    mapfile -t names < <(cd "$models" && printf '%s\n' *.pml | sed 's/\.pml$//')
fi
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$scratch"

# search NAME DEFINE... : leaves Spin's report in $scratch/report
search() {
    local name=$1
    shift
    spin "$@" -a "$models/$name.pml" >spin.log 2>&1 || { cat spin.log; return 1; }
    # No reduction: Spin warns that it may be wrong where a rendezvous leaves an unless. So processes die here.
    gcc -O2 -DSAFETY -DCOLLAPSE -DNOREDUCE -DMEMLIM=6000 -w -o pan pan.c
    timeout 600 ./pan -m1000000 >report 2>&1 || true
}

# The header of a model says how it is run: " * run: FLAGS" and " * mutant: FLAGS", a line each.
flags_of() { sed -n "s/^ \* $2:\s*//p" "$models/$1.pml"; }

failed=0
for name in "${names[@]}"; do
    while read -r flags; do
        # shellcheck disable=SC2086 # flags are words
        search "$name" $flags </dev/null || exit 1
        states=$(awk '/states, stored/ { print $1; exit }' report)
        depth=$(sed -n 's/.*depth reached \([0-9]*\).*/\1/p' report)
        if grep -q 'errors: 0' report &&
            ! grep -qE 'max search depth too small|out of memory|not completed' report; then
            printf '%-12s %-28s %11s states, depth %6s: no error\n' "$name" "$flags" "$states" "$depth"
        else
            printf '%-12s %-28s WRONG or incomplete:\n' "$name" "$flags"
            tail -n 20 report
            failed=1
        fi
    done < <(flags_of "$name" run)
    while read -r flags; do
        # shellcheck disable=SC2086
        search "$name" $flags </dev/null || exit 1
        if grep -q 'assertion violated' report; then
            printf '  %-60s caught\n' "${flags#-DMUTANT_}"
        else
            printf '  %-60s NOT CAUGHT\n' "${flags#-DMUTANT_}"
            failed=1
        fi
    done < <(flags_of "$name" mutant)
done
exit "$failed"
