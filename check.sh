#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Build flame with warnings as errors and run its tests:
#   ./check.sh              every suite, and the unit tests once more under the address and undefined-behaviour sanitizers
#   ./check.sh SUITE...     only these: a suite of `meson test` (unit, lint, integration, ...) or `sanitize`
# Installs what is missing (as root). The last line says "N passed, N failed, N skipped"; the exit status is 0 when nothing failed.
# FLAME_MUST_RUN=1: a test that lacks a right or a tool fails instead of being skipped.
set -euo pipefail
cd "$(dirname "$0")"
exec </dev/null
export PATH=$PATH:/usr/sbin:/sbin CMOCKA_MESSAGE_OUTPUT=TAP
logs=()

case ${1:-} in -h | --help) sed -n '3,7p' "$0" | cut -c3-; exit 0 ;; esac

# Whatever goes wrong before there are results is one failure, and the closing line still closes.
broken() {
    [ -z "${2:-}" ] || tail -n 60 "$2"
    echo "$1"
    echo "0 passed, 1 failed, 0 skipped"
    exit 1
}

# build FOLDER OPTION...: make the build folder where it is missing, and build.
build() {
    local folder=$1 log=$1/check.log
    mkdir -p "$folder"
    if [ ! -f "$folder/build.ninja" ]; then
        meson setup "$folder" "${@:2}" >"$log" 2>&1 || broken "setting up $folder failed" "$log"
    fi
    ninja -C "$folder" >"$log" 2>&1 || broken "building $folder failed" "$log"
}

# run_suites FOLDER SUITE...: run them (all when none is named); the results are in FOLDER's log.
run_suites() {
    local folder=$1
    rm -f "$folder/meson-logs/testlog.json"
    meson test -C "$folder" --no-rebuild --print-errorlogs "${@:2}" || true
    [ -f "$folder/meson-logs/testlog.json" ] || broken "the tests of $folder did not run"
    logs+=("$folder/meson-logs/testlog.json")
}

./.ci/install-packages check || broken "packages are missing"

suites=()
sanitize=
for suite in "$@"; do
    if [ "$suite" = sanitize ]; then sanitize=yes; else suites+=(--suite "$suite"); fi
done
[ $# -gt 0 ] || sanitize=yes

if [ $# -eq 0 ] || [ ${#suites[@]} -gt 0 ]; then
    echo "building, warnings are errors"
    build build-check -Dwerror=true
    known=$(meson introspect --tests build-check | python3 -c '
import json, sys
print(" ".join(sorted({s.split(":")[-1] for test in json.load(sys.stdin) for s in test["suite"]})))')
    for suite in "$@"; do
        case " $known sanitize " in *" $suite "*) ;; *) echo "no suite $suite; there are: $known sanitize" >&2; exit 2 ;; esac
    done
    run_suites build-check "${suites[@]}"
fi
if [ -n "$sanitize" ]; then
    echo "building with the address and undefined-behaviour sanitizers"
    # gcc warns wrongly of code that its own sanitizers changed, so warnings are no errors here.
    build build-sanitize -Db_sanitize=address,undefined
    export ASAN_OPTIONS=detect_leaks=1:abort_on_error=1 UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
    run_suites build-sanitize --suite unit
fi
exec python3 tests/tally.py "${logs[@]}"
