/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What flamed was told on its command line. One table holds every option with its reader, its
 * default and its sentence; the help is printed from it. Filled in once by main(), then read by
 * broker and core.
 */
#ifndef FLAME_DAEMON_OPTIONS_H
#define FLAME_DAEMON_OPTIONS_H

#include <stdint.h>
#include <stdio.h>

#include "common/memory.h"

#define DEFAULT_SOCKET_PATH "/run/flamed/flamed.sock"

/* Texts are borrowed (the command line, or constants). */
struct options {
	const char *socket_path;
	const char *user;             /* that core and reader become; NULL: flamed, or nobody */
	const char *group;            /* whose members may do everything */
	const char *debuginfod_urls;  /* of the environment, separated by blanks; NULL: none */
	const char *debuginfod_cache; /* folder for fetched files; NULL: see fetch_cache.h */
	uint64_t bucket_ns;
	uint64_t retention_ns;
	uint64_t memory_bytes;        /* for the recorded past */
	uint64_t unwind_memory_bytes; /* for unwind rows, in the kernel */
	double budget_percent;        /* of a target's CPU */
	int attach_all;
	int verbose;
	int allow_unsafe_kernel;
	int mapping_table; /* do without the look-up in the kernel's mapping tree */
	int copied_stacks; /* do without kernel programs */
	int single_probes; /* do without links for many probes */
	int show_help;
	int show_version;
};

/* Read the command line and the environment. Errors: -EINVAL, after one line on standard error. */
must_check int options_read(int argc, char **argv, struct options *options);

/* Write the help text. */
void options_print_help(FILE *file);

#endif
