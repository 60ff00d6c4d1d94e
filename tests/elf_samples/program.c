/* SPDX-License-Identifier: Apache-2.0 */
/* A program whose symbols are known: the tests read it whole, stripped, and with its symbols kept
 * elsewhere (make_samples.sh). It is never run. */
#include <stdio.h>
#include <unistd.h>

#define KEPT __attribute__((noinline, noclone, used))

int exported_function(int number);
int weak_function(int number) __attribute__((weak));
int alias_of_static(int number) __attribute__((alias("static_function")));
int _underscored(int number) __attribute__((alias("exported_function")));

KEPT static int static_function(int number)
{
	return getppid() + number;
}

KEPT int exported_function(int number)
{
	return static_function(number) * 3;
}

KEPT static int local_function(int number)
{
	return number ^ getpgrp();
}

KEPT int weak_function(int number)
{
	return local_function(number) - getpid();
}

int main(void)
{
	return printf("%d\n", exported_function(weak_function(1)));
}
