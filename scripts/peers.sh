#!/usr/bin/env bash
# Measures ZeroCP beside iceoryx 2.0.3, as Debian has it, in one process and in turns. Installs
# scripts/packages-peers.txt, starts the daemon that iceoryx needs, and ends it by its pid.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/deps.sh
ZEROCP_PACKAGES=scripts/packages-peers.txt scripts/deps.sh
[ -x build/release/bench/zerocp_iceoryx_cycle ] || rm -f build/release/CMakeCache.txt build/release/build.ninja
scripts/build.sh release zerocp_iceoryx_cycle

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

cat >"$scratch/roudi.toml" <<'TOML'
[general]
version = 1

[[segment]]

[[segment.mempool]]
size = 128
count = 1000
TOML

iox-roudi -c "$scratch/roudi.toml" -l error >"$scratch/roudi.log" 2>&1 &
daemon=$!
timeout 120 build/release/bench/zerocp_iceoryx_cycle
