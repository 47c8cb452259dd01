#!/usr/bin/env bash
# Fails when scripts/packages.txt does not name a Debian package that is used: a library that a built program links, a
# library file on a link line, a header that was compiled, or a tool that a script calls. A package counts as named if
# the list has it or has one that depends on it directly; what every Debian system has, and git, need not be named.
#   scripts/check-packages.sh [--self-test] [BUILD_DIR...]      the self-test proves that it finds what is missing
# ZEROCP_PACKAGES names another list.
set -euo pipefail
cd "$(dirname "$0")/.."

list=${ZEROCP_PACKAGES:-scripts/packages.txt}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# The lists of single scripts (packages-peers.txt, packages-models.txt) count too: those scripts install them.
listed() { sed -s -E 's/#.*//; s/[[:space:]]+//g; /^$/d' "$list" scripts/packages-*.txt | sort -u; }

# depends PACKAGE... : what these depend on directly, without versions, alternatives each on a line
depends() {
    { dpkg-query -W -f '${Depends}\n${Pre-Depends}\n' "$@" 2>/dev/null || true; } |
        tr ',|' '\n' | sed -E 's/\(.*//; s/:[a-z]+//; s/[[:space:]]+//g; /^$/d' | sort -u
}

# closure : standard input and all that it depends on, over any number of steps
closure() {
    local all next
    all=$(sort -u)
    while true; do
        # shellcheck disable=SC2086 # package names are single words
        next=$( (echo "$all"; depends $all) | sort -u)
        [ "$next" != "$all" ] || break
        all=$next
    done
    echo "$all"
}

allowed_packages() {
    local names
    names=$(listed)
    echo "$names"
    # shellcheck disable=SC2086
    depends $names
    # The compilers bring their own parts, over several steps: binutils, libc6-dev, libstdc++-12-dev.
    grep -xE 'g\+\+|clang' <<<"$names" | closure
    # Every Debian system has these.
    dpkg-query -W -f '${Essential} ${Priority} ${Package}\n' |
        awk '$1 == "yes" || $2 == "required" { print $3 }' | closure
    echo apt
    echo git
}

# owners : the packages of the files on standard input, as FILE, tab, PACKAGE. The package database knows some files by
# their place before /usr was merged, and alternatives only by their target.
owners() {
    local file real form
    while read -r file; do
        real=$(realpath -m "$file")
        for form in "$file" "$real" "${file#/usr}" "${real#/usr}" "/usr$file" "/usr$real"; do
            echo "$file $form"
        done
    done >"$scratch/forms"
    cut -d ' ' -f 2 "$scratch/forms" | sort -u | xargs -r -d '\n' dpkg -S 2>/dev/null |
        sed -nE 's/^([a-z0-9.+-]+)(:[a-z0-9]+)?(, [^:]+(:[a-z0-9]+)?)*: (.*)$/\5 \1/p' |
        sort -u >"$scratch/known" || true
    awk 'NR == FNR { package[$1] = $2; next }
         !($1 in found) { found[$1] = "a file of no package," }
         $2 in package && !($1 in known) { known[$1] = 1; found[$1] = package[$2] }
         END { for (path in found) print path "\t" found[path] }' \
        "$scratch/known" "$scratch/forms" | sort -u
}

# elf_files DIR : the programs and shared libraries that the build made
elf_files() {
    find "$1" -type f \( -perm -u+x -o -name '*.so*' \) ! -path '*/CMakeFiles/*' \
        -exec sh -c '[ "$(head -c 4 "$1" | tail -c 3)" = ELF ]' _ {} \; -print
}

# Shared libraries that the programs ask for themselves; what those need in turn is their packages' business.
linked_libraries() {
    local file
    elf_files "$1" | while read -r file; do
        ldd "$file" | sed -nE 's/^[[:space:]]*([^ ]+) => (\/[^ ]+).*/\1 \2/p' >"$scratch/ldd"
        readelf -d "$file" | sed -nE 's/.*\(NEEDED\).*\[(.*)\]/\1/p' |
            awk 'NR == FNR { path[$1] = $2; next } $1 in path { print path[$1] }' "$scratch/ldd" -
    done | sort -u
}

link_lines() { # libraries by path, static ones too
    grep -hE '^ *LINK_LIBRARIES = ' "$1/build.ninja" | tr ' ' '\n' | grep -E '^/.*\.(a|so)([.0-9]*)$' | sort -u || true
}

headers() {
    ninja -C "$1" -t deps | sed -nE 's/^ +(\/.*)/\1/p' | sort -u
}

build_tools() { # what CMake found for building: compiler and ninja
    local tool
    sed -nE 's/^CMAKE_(CXX_COMPILER|MAKE_PROGRAM):[A-Z]+=(.*)/\2/p' "$1/CMakeCache.txt" | while read -r tool; do
        type -P "$tool"
    done
}

# Words in command position in our scripts that are programs on this machine. Comments, quoted text and here-documents
# are dropped; what only looks like a command does no harm, it is a program that is there anyway.
script_tools() {
    local word
    # shellcheck disable=SC2016 # sed's dollars, not the shell's
    find scripts .ci -type f \( -name '*.sh' -o -path .ci/run \) -exec awk '
        FNR == 1 { here = "" }
        here != "" { if ($0 == here) here = ""; next }
        { print }
        match($0, /<<-?[\47"]?[A-Z]+[\47"]?/) { here = substr($0, RSTART, RLENGTH); gsub(/[^A-Z]/, "", here) }' {} + |
        sed -E "s/'[^']*'//g; s/(^|[[:space:]])#.*//" |
        sed -E 's/"\$\([a-z]+\)"/QUOTED/g; s/"[^"()]*"/QUOTED/g; s/[|;&!{(`]/\n/g' |
        sed -E '
            s/^[[:space:]]+//
            :again
            s/^(if|then|do|else|elif|while|until)[[:space:]]+//; t again
            s/^(exec|command -v|type -P|sudo( -n)?|env|step|quietly)[[:space:]]+//; t again
            s/^(xargs|timeout|stdbuf|setarch)([[:space:]]+(-[^[:space:]]*|[0-9]+|QUOTED))*[[:space:]]+//; t again
            s/^([A-Za-z_]+=[^[:space:]]*|QUOTED)[[:space:]]+//; t again' |
        sed -nE 's/^([a-z][a-z0-9_.+-]*)([[:space:])].*)?$/\1/p' | sort -u |
        while read -r word; do
            [ "$(type -t "$word" || true)" != file ] || type -P "$word"
        done
}

check() {
    local dir
    allowed_packages | sort -u >"$scratch/allowed"
    {
        script_tools | sed 's/^/script-tool /'
        for dir in "$@"; do
            linked_libraries "$dir" | sed 's/^/linked-library /'
            link_lines "$dir" | sed 's/^/link-line /'
            headers "$dir" | sed 's/^/header /'
            build_tools "$dir" | sed 's/^/build-tool /'
        done
    } | grep -vF " $PWD/" | sort -u >"$scratch/used"
    cut -d ' ' -f 2 "$scratch/used" | sort -u | owners >"$scratch/owners"

    awk -v list="$list" '
        FILENAME ~ /allowed$/ { allowed[$1] = 1; next }
        FILENAME ~ /owners$/ { path = $1; sub(/^[^\t]*\t/, ""); owner[path] = $0; next }
        !(owner[$2] in allowed) && !seen[owner[$2]]++ {
            printf "%s does not name %s: %s %s\n", list, owner[$2], $1, $2; bad = 1 }
        { kinds[$1]++ }
        END {
            if (!kinds["script-tool"] || !kinds["linked-library"] || !kinds["header"] || !kinds["build-tool"]) {
                print "check-packages.sh: found nothing to check, is this a finished build directory?"; bad = 1 }
            exit bad }' "$scratch/allowed" "$scratch/owners" "$scratch/used" >&2
}

# Takes one line after the other out of the list; each must be missed.
self_test() {
    local package
    for package in libyaml-cpp-dev libgtest-dev libexpected-dev ninja-build clang-format; do
        grep -vxF "$package" scripts/packages.txt >"$scratch/list"
        if ZEROCP_PACKAGES=$scratch/list scripts/check-packages.sh "$@" 2>"$scratch/said" ||
            ! grep -qF "does not name $package:" "$scratch/said"; then
            echo "check-packages.sh: did not miss $package" >&2
            return 1
        fi
    done
}

if [ "${1:-}" = --self-test ]; then
    shift
    self_test "${@:-build/release}"
else
    check "${@:-build/release}"
fi
