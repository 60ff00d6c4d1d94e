#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# From a fresh clone to a flame graph:
#   ./quickstart.sh                     of a small sample program
#   ./quickstart.sh PID                 of a process that runs already (ten seconds of it)
#   ./quickstart.sh -- COMMAND ARG...   of a command, from its first instruction to its end
# Installs what is missing (apt), builds, starts flamed on a private socket, records, writes flame.svg into the current folder,
# prints the hottest functions, and stops what it started. Needs root.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
build=$here/build-release
picture=$PWD/flame.svg

usage() { sed -n '3,8p' "$here/quickstart.sh" | cut -c3-; }
fail() {
    echo "quickstart: $1" >&2
    [ -z "${2:-}" ] || tail -n 40 "$2" >&2
    exit 1
}

case ${1:-} in
    -h | --help) usage; exit 0 ;;
    '') ;;
    --) [ $# -gt 1 ] || { usage >&2; exit 2; } ;;
    *) if [ $# -ne 1 ] || [[ ! $1 =~ ^[0-9]+$ ]]; then usage >&2; exit 2; fi ;;
esac
[ "$(id -u)" -eq 0 ] || fail "flamed loads kernel programs, which takes root: sudo $0 $*"

scratch=$(mktemp -d)
started=()
clear_up() {
    for pid in "${started[@]}"; do
        kill "$pid" 2>/dev/null || continue
        wait "$pid" 2>/dev/null || true
    done
    rm -rf "$scratch"
}
trap clear_up EXIT
trap 'exit 130' INT TERM

"$here/.ci/install-packages" build || fail "packages are missing"

export PATH=$PATH:/usr/sbin:/sbin
echo "building flame"
if [ ! -f "$build/build.ninja" ]; then
    meson setup "$build" "$here" --buildtype=release >"$scratch/build.log" 2>&1 || fail "meson setup failed" "$scratch/build.log"
fi
ninja -C "$build" daemon/flamed client/flamectl tests/workloads/sample_program >"$scratch/build.log" 2>&1 ||
    fail "the build failed" "$scratch/build.log"

export FLAMED_SOCKET=$scratch/flamed.sock
flamectl=$build/client/flamectl
echo "starting flamed"
"$build/daemon/flamed" --socket "$FLAMED_SOCKET" >"$scratch/flamed.log" 2>&1 </dev/null &
flamed=$!
started=("$flamed")
until "$flamectl" list >/dev/null 2>&1; do
    kill -0 "$flamed" 2>/dev/null || fail "flamed did not start" "$scratch/flamed.log"
    sleep 0.05
done

what=() status=0
if [ $# -eq 0 ]; then
    "$build/tests/workloads/sample_program" </dev/null &
    started=("$!" "${started[@]}")
    echo "recording the sample program (pid $!): compute_hot does 70 % of its work, compute_medium 20 %, compute_cold 10 %"
    what=(-d 5s "$!")
elif [ "$1" = -- ]; then
    echo "recording ${*:2}"
    what=("$@")
else
    echo "recording pid $1 for ten seconds"
    what=(-d 10s "$1")
fi
rm -f "$picture"
"$flamectl" record -F 499 -o "$picture" "${what[@]}" || status=$?
[ -s "$picture" ] || { [ $status -ne 0 ] || status=1; exit $status; }
[ -z "${SUDO_UID:-}" ] || chown "$SUDO_UID:${SUDO_GID:-$SUDO_UID}" "$picture"

echo
# What it says of a window that is longer than the past is no news here.
"$flamectl" top --last 10m -n 10 2>"$scratch/top.log" || fail "top failed" "$scratch/top.log"
echo
echo "the flame graph is in $picture: open it in a browser"
exit $status
