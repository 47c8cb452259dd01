#!/usr/bin/env bash
# Measures what noise cannot fake and compares it with bench/guards.txt; see --help.
set -euo pipefail
cd "$(dirname "$0")/.."

file=bench/guards.txt
usage() {
    cat <<'TEXT'
usage: scripts/guards.sh [--update]

Builds the release preset and counts, under valgrind: instructions, locked instructions and allocations of one loan + publish +
take + release of 64 bytes, for some numbers of subscribers; and the bytes of shared memory that the bookkeeping of an endpoint,
a pair and so on takes. Each figure must be the one in bench/guards.txt, within the percentage that stands there (compilers
differ a little); better ones must be written down too, so that they are kept. Fails if one differs.

--update   writes the figures into bench/guards.txt
TEXT
}
update=
case "${1:-}" in
    '') ;;
    --update) update=yes ;;
    -h | --help) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
esac

scripts/build.sh release zerocp_cycle_count zerocp_footprint
cycle=build/release/bench/zerocp_cycle_count
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# Addresses of instructions that lock the bus: xchg with memory does so without a prefix.
objdump -d --no-show-raw-insn "$cycle" |
    awk '/\tlock |\txchg .*\(/ { sub(":", "", $1); print "0x" $1 }' >"$scratch/locked"

# counts CYCLES ARGUMENT... : instructions, and locked instructions of the program itself
counts() {
    valgrind --tool=callgrind --dump-instr=yes --compress-pos=no --compress-strings=no \
        --callgrind-out-file="$scratch/profile" "$cycle" "$@" >/dev/null 2>&1
    awk 'FNR == NR { locked[$1] = 1; next }
         /^ob=/ { ours = /zerocp_cycle_count/ }
         /^calls=/ { getline; next } # what the callee cost
         /^0x/ { all += $3; if (ours && $1 in locked) bus += $3 }
         END { printf "%d %d\n", all, bus }' "$scratch/locked" "$scratch/profile"
}

# per_cycle NAME ARGUMENT... : by the difference of two runs, so that start and end do not count
per_cycle() {
    local name=$1 few many
    shift
    few=$(counts 10000 "$@")
    many=$(counts 20000 "$@")
    awk -v name="$name" '{ printf "instructions.%s %.0f\nlocked.%s %.1f\n", name, ($3 - $1) / 10000, name, ($4 - $2) / 10000 }' \
        <<<"$few $many"
}

# Blocks that were allocated, whoever did it.
allocations() {
    valgrind "$cycle" "$@" 2>&1 | sed -n 's/.*total heap usage: \([0-9,]*\) allocs.*/\1/p' | tr -d ,
}

measure() {
    per_cycle cycle 1
    per_cycle cycle-keep-all 1 keepAll
    per_cycle cycle-8-subscribers 8
    per_cycle cycle-64-subscribers 64
    per_cycle publish-to-nobody 0
    echo "allocations.10000-cycles $(($(allocations 20000 1) - $(allocations 10000 1)))"
    build/release/bench/zerocp_footprint
}

measure >"$scratch/figures"
if [ -n "$update" ]; then
    awk 'FNR == NR { now[$1] = $2; next }
         /^#/ || NF == 0 { print; next }
         { printf "%-36s %10s %4s\n", $1, ($1 in now) ? now[$1] : $2, $3; seen[$1] = 1 }
         END { for (name in now) if (!(name in seen)) printf "%-36s %10s %4s\n", name, now[name], name ~ /^instructions/ ? 2 : 0 }' \
        "$scratch/figures" "$file" >"$scratch/new"
    cat "$scratch/new" >"$file"
fi
awk 'FNR == NR { now[$1] = $2; next }
     /^#/ || NF == 0 { next }
     { known[$1] = 1
       if (!($1 in now)) { printf "FAIL %-36s is not measured any more\n", $1; bad = 1; next }
       off = now[$1] - $2; if (off < 0) off = -off
       good = off <= $2 * $3 / 100
       printf "%s %-36s %10s (kept: %s, +-%s %%)\n", good ? "ok  " : "FAIL", $1, now[$1], $2, $3
       if (!good) bad = 1 }
     END { for (name in now) if (!(name in known)) { printf "FAIL %-36s is not in the file\n", name; bad = 1 }
           if (bad) print "guards.sh: a figure changed; if it is meant, scripts/guards.sh --update and commit bench/guards.txt" > "/dev/stderr"
           exit bad }' "$scratch/figures" "$file"
