#!/usr/bin/env bash
# Measures ZeroCP beside iceoryx 2.0.3, as Debian has it, in turns:
#   scripts/peers.sh                        one thread, loan to release; then latency between two processes, busy
#   scripts/peers.sh latency [OPTION...]    latency only, with options of zerocp_latency
# Installs scripts/packages-peers.txt, starts the daemon that iceoryx needs, and ends it by its pid. Nothing else may run.
set -euo pipefail
cd "$(dirname "$0")/.."

only_latency=false
if [ $# -gt 0 ]; then
    [ "$1" = latency ] || { sed -n '2,5s/^# \?//p' "$0" >&2; exit 2; }
    only_latency=true
    shift
fi

bench=build/release/bench
scripts/deps.sh
ZEROCP_PACKAGES=scripts/packages-peers.txt scripts/deps.sh
[ -x $bench/zerocp_latency_peers ] || rm -f build/release/CMakeCache.txt build/release/build.ninja
scripts/build.sh release zerocp_iceoryx_cycle zerocp_latency_peers

scratch=$(mktemp -d)
daemon=
finish() {
    if [ -n "$daemon" ]; then
        kill "$daemon" 2>/dev/null || true
        wait "$daemon" 2>/dev/null || true
    fi
    rm -rf "$scratch"
}
trap finish EXIT

# Its headers come on top of a message, within the size.
{
    printf '[general]\nversion = 1\n\n[[segment]]\n'
    for pool in 128:1000 8192:64 131072:32 2097152:16 17825792:8; do
        printf '\n[[segment.mempool]]\nsize = %s\ncount = %s\n' "${pool%:*}" "${pool#*:}"
    done
} >"$scratch/roudi.toml"

iox-roudi -c "$scratch/roudi.toml" -l error >"$scratch/roudi.log" 2>&1 &
daemon=$!

$only_latency || timeout 120 $bench/zerocp_iceoryx_cycle
[ $# -gt 0 ] || set -- --mode busy
timeout 600 $bench/zerocp_latency_peers "$@"
