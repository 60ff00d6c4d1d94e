#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Make variants of the program $1, and of $2, the same without build ID, in the folder $3: stripped, with the symbols in a
# debug file that is known by build ID or by checksum, with the small compressed table that some distributions keep.
set -eu
program=$1
no_id=$2
folder=$3

objcopy --only-keep-debug "$program" "$folder/program.debug"
objcopy --strip-all "$program" "$folder/stripped"

objcopy --only-keep-debug "$no_id" "$folder/no_id.debug"
objcopy --strip-all --add-gnu-debuglink="$folder/no_id.debug" "$no_id" "$folder/no_id_stripped"
cp "$folder/no_id.debug" "$folder/no_id_other.debug"
printf 'x' >>"$folder/no_id_other.debug"

objcopy --strip-debug --remove-section .comment "$folder/program.debug" "$folder/mini"
xz --keep --force "$folder/mini"
objcopy --strip-all --add-section .gnu_debugdata="$folder/mini.xz" "$program" "$folder/with_mini"

# What both have in common goes to a file that dwz makes; it is named by a path that leads nowhere, so that it has to be given.
cp "$program" "$folder/shared_1"
cp "$no_id" "$folder/shared_2"
rm -f "$folder/shared.alt"
if command -v dwz >/dev/null; then
    dwz -m "$folder/shared.alt" -M /nonexistent/shared.alt "$folder/shared_1" "$folder/shared_2"
fi
[ -e "$folder/shared.alt" ] || : >"$folder/shared.alt"
