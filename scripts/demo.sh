#!/usr/bin/env bash
# The main job on real input: one process publishes stereo camera frames, two others receive and verify them, one of
# them started late. Builds what is needed first. Exits with 0 only if no frame was missed, corrupt or copied.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=10
watchdog=60 # seconds; a process that runs longer hangs
bin=build/release/examples

scripts/deps.sh
echo "Building the release preset (some minutes the first time) ..."
scripts/build.sh release camera_talker camera_listener

# A domain of our own: its number comes from our pid, so runs side by side stay apart.
domain=$((40000 + $$ % 20000))
while compgen -G "/dev/shm/zerocp.$domain.*" >/dev/null; do domain=$((40000 + (domain + 1) % 20000)); done
export ZEROCP_DOMAIN=$domain
unset ZEROCP_CONFIG

exec 8>build/demo.lock
out=build/demo # the last frames and what everybody said stay here to be looked at
flock -n 8 || out=build/demo.$$
mkdir -p "$out/early" "$out/late"
rm -f "$out"/*/*.ppm "$out"/*.log

pipes=$(mktemp -d)
names=()
pids=()
printers=()

# start NAME PROGRAM [ARG...]: in the background, under the watchdog, each line of its output with its name in front.
start() {
    local name=$1
    shift
    mkfifo "$pipes/$name"
    tee "$out/$name.log" <"$pipes/$name" | sed -u "s/^/[$name] /" &
    printers+=($!)
    timeout --kill-after=5 "$watchdog" "$@" >"$pipes/$name" 2>&1 &
    names+=("$name")
    pids+=($!)
}

# shellcheck disable=SC2317 # called by the traps below
stop_all() {
    trap '' INT TERM
    if [ ${#pids[@]} -gt 0 ]; then
        kill -TERM "${pids[@]}" 2>/dev/null || true # timeout passes it on to the program
        wait "${pids[@]}" 2>/dev/null || true
    fi
    rm -rf "$pipes"
}
trap stop_all EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# wait_for_line NAME PATTERN: until NAME has printed it; if it never does, its exit code tells why.
wait_for_line() {
    local log=$out/$1.log pid=${pids[-1]}
    until grep -qs -e "$2" "$log" || ! kill -0 "$pid" 2>/dev/null; do
        sleep 0.05
    done
}

start early "$bin/camera_listener" --name early --output "$out/early"
wait_for_line early listening # it is promised every frame
start talker "$bin/camera_talker" --seconds "$seconds" --rate 30
wait_for_line talker '^2 s:' # the second listener is meant to be late
start late "$bin/camera_listener" --name late --output "$out/late"

failed=0
complaints=()
complain() {
    complaints+=("$1")
    failed=1
}
for i in "${!pids[@]}"; do
    code=0
    wait "${pids[i]}" || code=$?
    case $code in
        0) ;;
        124) complain "${names[i]} was still running after $watchdog s" ;;
        137) complain "${names[i]} was killed, by somebody or by the watchdog after $watchdog s" ;;
        *) complain "${names[i]} ended with exit code $code" ;;
    esac
done
pids=()
wait "${printers[@]}"

# report NAME TOPIC KEY: the word after KEY in NAME's closing line about TOPIC.
report() {
    awk -v topic="$2:" -v key="$3" '
        $1 == "report" && $2 == topic { for (i = 3; i < NF; i++) if ($i == key) { sub(/,$/, "", $(i + 1)); print $(i + 1); exit } }
    ' "$out/$1.log"
}

# A listener's line of the table.
row() {
    printf '  %-9s %-13s %9s %7s %8s %11s %11s %7s  %s\n' "$@"
}

echo
echo "== demo: stereo pictures of 1024 x 768 x 3 bytes, 30 pairs a second for $seconds s, decoded into shared memory"
echo
for topic in camera/left camera/right; do
    skipped=$(report talker "$topic" skipped)
    echo "  talker    $topic: $(report talker "$topic" published) published, ${skipped:-?} skipped because of delays"
done
echo
row listener topic received missed corrupt 'age p50 us' 'age p99 us' MB 'in place'
for name in early late; do
    for topic in camera/left camera/right; do
        received=$(report "$name" "$topic" received)
        bytes=$(report "$name" "$topic" bytes)
        in_place=$(report "$name" "$topic" segment:)
        row "$name" "$topic" "$received" "$(report "$name" "$topic" missed)" "$(report "$name" "$topic" corrupt)" \
            "$(report "$name" "$topic" p50)" "$(report "$name" "$topic" p99)" "$((${bytes:-0} / 1000000))" "$in_place"
        # The exit codes say the same; but a demonstration should not only believe those who take part.
        [ "$in_place" = yes ] || complain "$name, $topic: the payload was not in the mapped data segment"
        if [ "$name" = early ] && [ "$received" != "$(report talker "$topic" published)" ]; then
            complain "early was there from the start, but did not get every frame of $topic"
        fi
    done
done
echo
for name in early late; do
    if compgen -G "$out/$name/*.ppm" >/dev/null; then
        echo "last frames of $name: $(echo "$out/$name"/*.ppm)"
    else
        complain "$name has written no frame to $out/$name"
    fi
done
if compgen -G "/dev/shm/zerocp.$domain.*" >/dev/null; then
    complain "left in /dev/shm: $(echo /dev/shm/zerocp."$domain".*)"
else
    echo "left in /dev/shm: nothing"
fi
echo
if [ $failed -eq 0 ]; then
    echo "OK: no frame missed, corrupt or copied"
else
    printf 'FAILED: %s\n' "${complaints[@]}"
fi
exit $failed
