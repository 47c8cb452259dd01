#!/usr/bin/env bash
# Runs the benchmarks and prints medians: scripts/bench.sh [REGEX], for example scripts/bench.sh Loan
# Five repeats in mixed order, since the host moves virtual CPUs; everything goes to build/release/bench.json.
# Numbers of a busy machine are worth nothing: nothing else may run.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/build.sh release zerocp_bench
log=build/release/bench.log
build/release/bench/zerocp_bench \
    --benchmark_filter="${1:-.}" \
    --benchmark_repetitions=5 \
    --benchmark_enable_random_interleaving=true \
    --benchmark_min_time="${ZEROCP_BENCH_SECONDS:-0.2}" \
    --benchmark_report_aggregates_only=true \
    --benchmark_out=build/release/bench.json \
    --benchmark_out_format=json \
    >"$log"

grep '_median' "$log" | sed -e 's/_median//' -e 's/ bytes_per_second=[^ ]*//' | sort -V
