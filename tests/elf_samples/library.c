/* SPDX-License-Identifier: Apache-2.0 */
/* A library that can be run, as libc can, and that keeps an old version of a function. It is never
 * loaded. */
#include <unistd.h>

/* What makes the linker write the name of an interpreter. */
__attribute__((section(".interp"), used)) const char interpreter[] = "/lib64/ld-linux-x86-64.so.2";

int implementation(void);
int implementation(void)
{
	return getpid();
}

__asm__(".symver implementation, name_of_the_old_version@VERSION_1");
__asm__(".symver implementation, renamed@@VERSION_2");
