#!/usr/bin/env bash
# Installs the Debian packages of scripts/packages.txt that are missing. Says nothing when there are none.
set -euo pipefail
cd "$(dirname "$0")/.."

list=${ZEROCP_PACKAGES:-scripts/packages.txt}

if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
    echo "deps.sh: this is not a Debian system; please install yourself what $list names, by your system's names" >&2
    exit 1
fi

missing=$(comm -23 \
    <(sed -E 's/#.*//; s/[[:space:]]+//g; /^$/d' "$list" | sort -u) \
    <(dpkg-query -W -f '${db:Status-Status} ${Package}\n' | sed -n 's/^installed //p' | sort -u))
[ -n "$missing" ] || exit 0
mapfile -t missing <<<"$missing"

as_root=()
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
        echo "deps.sh: missing packages, and neither root nor sudo to install them. As root:" >&2
        echo "    apt-get update && apt-get install ${missing[*]}" >&2
        exit 1
    fi
    as_root=(sudo)
    [ -t 0 ] || as_root=(sudo -n) # nobody there to type a password: fail instead of hanging
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT
apt() {
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive APT_LISTCHANGES_FRONTEND=none \
        apt-get -q -y -o DPkg::Lock::Timeout=600 "$@" </dev/null >>"$log" 2>&1
}

echo "deps.sh: installing ${#missing[@]} Debian packages: ${missing[*]}"
apt update || echo "deps.sh: apt-get update failed, trying with the package lists at hand" >&2
if ! apt install --no-install-recommends "${missing[@]}"; then
    tail -n 30 "$log" >&2
    echo "deps.sh: could not install: ${missing[*]}" >&2
    exit 1
fi
