#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# How flamectl reads and draws large inputs, beside md5sum of the same file: CPU time as ratio (best of 7, turn about) and memory.
#   tests/bench/render_figures.sh FLAMECTL
set -euo pipefail
flamectl=$1
here=$(dirname "$0")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

python3 "$here/make_folded.py" 100000 >"$folder/stacks.folded"
python3 "$here/make_folded.py" --perf 90000 >"$folder/samples.txt"

# measure COMMAND...: CPU milliseconds and kilobytes.
measure() {
    python3 - "$@" <<'PYTHON'
import resource, subprocess, sys
subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=True)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(round(1000 * (used.ru_utime + used.ru_stime)), used.ru_maxrss)
PYTHON
}

# compare NAME FILE COMMAND...
compare() {
    local name=$1 file=$2 best=999999 best_md5=999999 memory=0 cpu kilobytes
    shift 2
    for _ in 1 2 3 4 5 6 7; do
        read -r cpu kilobytes < <(measure md5sum "$file")
        [ "$cpu" -ge "$best_md5" ] || best_md5=$cpu
        read -r cpu kilobytes < <(measure "$@")
        [ "$cpu" -ge "$best" ] || best=$cpu
        memory=$kilobytes
    done
    awk -v name="$name" -v cpu="$best" -v md5="$best_md5" -v memory="$memory" -v size="$(stat -c %s "$file")" 'BEGIN {
        printf "%-9s %4d MB: %4d ms CPU, %.2f x md5sum (%d ms), %d MB memory, %.2f x the file\n",
            name, size / 1e6, cpu, cpu / md5, md5, memory / 1024, memory * 1024 / size }'
}

compare render "$folder/stacks.folded" "$flamectl" render -o "$folder/out.svg" "$folder/stacks.folded"
compare collapse "$folder/samples.txt" "$flamectl" collapse -o "$folder/out.folded" "$folder/samples.txt"
python3 "$here/picture_size.py" "$flamectl"
