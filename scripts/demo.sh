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
out=build/demo # the last frames stay here to be looked at
flock -n 8 || out=build/demo.$$
mkdir -p "$out/early" "$out/late"
rm -f "$out"/*/*.ppm

pipes=$(mktemp -d)
names=()
pids=()
printers=()

# start NAME PROGRAM [ARG...]: in the background, under the watchdog, each line of its output with its name in front.
start() {
    local name=$1
    shift
    mkfifo "$pipes/$name"
    sed -u "s/^/[$name] /" <"$pipes/$name" &
    printers+=($!)
    timeout --kill-after=5 "$watchdog" stdbuf -oL "$@" >"$pipes/$name" 2>&1 &
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

# Until the first listener has made the domain, 10 s at most; if it cannot, its exit code tells.
wait_for_domain() {
    for _ in {1..200}; do
        if [ -e "/dev/shm/zerocp.$domain.discovery" ] || ! kill -0 "${pids[0]}" 2>/dev/null; then
            return
        fi
        sleep 0.05
    done
}

start early "$bin/camera_listener" --name early --output "$out/early"
wait_for_domain
start talker "$bin/camera_talker" --seconds "$seconds" --rate 30
sleep 2 # not to wait for anything: the second listener is meant to be late
start late "$bin/camera_listener" --name late --output "$out/late"

failed=0
verdicts=()
for i in "${!pids[@]}"; do
    code=0
    wait "${pids[i]}" || code=$?
    case $code in
        0) verdicts+=("${names[i]}: ok") ;;
        124 | 137) verdicts+=("${names[i]}: FAILED, still running after $watchdog s") failed=1 ;;
        *) verdicts+=("${names[i]}: FAILED, exit code $code") failed=1 ;;
    esac
done
pids=()
wait "${printers[@]}"

echo
echo "== demo: domain $domain, $seconds s at 30 frames a second, two topics"
printf '%s\n' "${verdicts[@]}"
for name in early late; do
    if compgen -G "$out/$name/*.ppm" >/dev/null; then
        echo "last frames of $name: $(echo "$out/$name"/*.ppm)"
    else
        echo "last frames of $name: FAILED, none written to $out/$name"
        failed=1
    fi
done
if compgen -G "/dev/shm/zerocp.$domain.*" >/dev/null; then
    echo "left in /dev/shm: FAILED, $(echo /dev/shm/zerocp."$domain".*)"
    failed=1
else
    echo "left in /dev/shm: nothing"
fi
exit $failed
