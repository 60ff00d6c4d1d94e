/* SPDX-License-Identifier: Apache-2.0 */
/*
 * late_library FILE: work in before_loading until a byte comes on standard input, then load the
 * shared library FILE and work in its plugin_work for ever.
 */
#include <dlfcn.h>
#include <poll.h>
#include <stdio.h>

#include "tests/workloads/work.h"

static work_frame void before_loading(void)
{
	struct pollfd input = {.fd = 0, .events = POLLIN};

	while (poll(&input, 1, 0) == 0)
		work(1000);
}

int main(int argc, char **argv)
{
	before_loading();

	void *library = argc > 1 ? dlopen(argv[1], RTLD_NOW) : NULL;
	void *symbol = library ? dlsym(library, "plugin_work") : NULL;
	void (*plugin_work)(void);

	if (!symbol) {
		fprintf(stderr, "late_library: %s\n", dlerror());
		return 1;
	}
	*(void **)&plugin_work = symbol;
	for (;;)
		plugin_work();
	return 0;
}
