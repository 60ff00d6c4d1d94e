/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every fuzz target defines: one parser, fed with one input. With -Dfuzzers=true a fuzzing
 * engine calls it; in the unit tests replay.c does, with the corpus and mutations of it.
 */
#ifndef FLAME_TESTS_FUZZ_TARGET_H
#define FLAME_TESTS_FUZZ_TARGET_H

#include <stddef.h>
#include <stdint.h>

/* Parse size bytes at data, which are nobody's friend, and check what must hold of the result. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
