/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unloading FILE: load the shared library FILE, call its plugin_run and unload it, again and again.
 * Says "loaded" when it is loaded for the first time and waits for a line then; with another line it
 * ends, with status 0 if nothing was wrong.
 */
#include <dlfcn.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "tests/workloads/work.h"

static int is_told(void)
{
	struct pollfd input = {.fd = 0, .events = POLLIN};

	return poll(&input, 1, 2) != 0;
}

static int run_plugin(const char *file, int is_first)
{
	void *library = dlopen(file, RTLD_NOW | RTLD_LOCAL);
	void *symbol = library ? dlsym(library, "plugin_run") : NULL;
	int (*plugin_run)(void);
	int wrong;

	if (!symbol) {
		fprintf(stderr, "unloading: %s\n", dlerror());
		return 1;
	}
	memcpy(&plugin_run, &symbol, sizeof(plugin_run));
	if (is_first) {
		puts("loaded");
		fflush(stdout);
		if (getchar() == EOF)
			return 1;
	}
	wrong = plugin_run();
	return wrong || dlclose(library);
}

int main(int argc, char **argv)
{
	int wrong = argc < 2;

	for (int i = 0; !wrong && !(i && is_told()); i++)
		wrong = run_plugin(argv[1], i == 0);
	return wrong;
}
