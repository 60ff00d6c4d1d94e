/* SPDX-License-Identifier: Apache-2.0 */
/* The programs that are built for the tests of what reads ELF files. */
#ifndef FLAME_TESTS_UNIT_ELF_SAMPLE_H
#define FLAME_TESTS_UNIT_ELF_SAMPLE_H

/* Open the sample of that name; fails the test when it is not there. Owned. */
int elf_sample_open(const char *name);

#endif
