#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# make_seeds.sh FOLDER: fill FOLDER/TARGET with inputs taken from what is installed, for a long search by a fuzzing engine:
# small programs and libraries for elf_file and line_reader, their call frame information for unwind_rows.
set -eu
folder=${1:?the folder to fill}
mkdir -p "$folder/elf_file" "$folder/line_reader" "$folder/unwind_rows"

find /usr/bin /usr/lib/x86_64-linux-gnu -maxdepth 1 -type f -size -60k | while IFS= read -r file; do
    [ "$(head -c 4 "$file" | od -An -tx1 | tr -d ' \n')" = 7f454c46 ] || continue
    cp "$file" "$folder/elf_file/"
    objcopy -O binary --only-section=.eh_frame "$file" "$folder/unwind_rows/${file##*/}" 2>/dev/null || true
done
find /usr/lib/debug -type f -name '*.debug' -size -60k 2>/dev/null | while IFS= read -r file; do
    cp "$file" "$folder/line_reader/"
done
find "$folder" -type f -empty -delete
find "$folder" -type f | wc -l
