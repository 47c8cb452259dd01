#!/usr/bin/env bash
# Measures latency between two processes beside raw hand-overs through the same kind of memory:
#   scripts/latency.sh [OPTION...]      options of zerocp_latency, see scripts/latency.sh --help
# Without --touch and --json both ways of touching messages are measured; JSON goes to build/release/latency.*.json.
# Numbers of a busy machine are worth nothing: nothing else may run.
set -euo pipefail
cd "$(dirname "$0")/.."

program=build/release/bench/zerocp_latency
scripts/build.sh release zerocp_latency

touches=(ends full)
for option in "$@"; do
    case $option in
        -h | --help) exec "$program" --help ;;
        --touch | --json) touches=() ;;
    esac
done
if [ ${#touches[@]} -eq 0 ]; then
    exec "$program" --json build/release/latency.json "$@"
fi

read -r load _ </proc/loadavg
echo "Nothing else may run meanwhile; the load of the last minute was $load."
for touch in "${touches[@]}"; do
    echo
    "$program" --touch "$touch" --json "build/release/latency.$touch.json" "$@"
done
