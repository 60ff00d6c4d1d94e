/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The executable mappings of processes, for kernels whose own tree of them the kernel programs
 * cannot read: taken from /proc/PID/maps when a sample meets a pc that is in none, and put where the
 * programs look (struct mapping_table in bpf/record.h). Modules are numbered here then. A process
 * that ends before its first sample was handled stays without.
 */
#ifndef FLAME_DAEMON_CORE_UNWINDING_MAPPING_TABLES_H
#define FLAME_DAEMON_CORE_UNWINDING_MAPPING_TABLES_H

#include <stddef.h>
#include <stdint.h>

#include "bpf/record.h"
#include "common/cleanup.h"
#include "common/memory.h"

#define MAPS_MAX_BYTES (UINT32_C(4) << 20) /* of /proc/PID/maps, what is behind is ignored */
#define MAPS_PERIOD_NS UINT64_C(200000000) /* a process is read again no sooner */
#define MAPS_MAX_PATH  4096

struct broker_client;
struct mapping_tables;
struct module_table;

/* One executable line of /proc/PID/maps. */
struct maps_line {
	uint64_t start, end, offset;
	uint64_t inode; /* 0: no file's */
	uint32_t device;
	uint32_t path_length;
	const char
		*path; /* Borrowed (from the text), not terminated; escapes as the kernel wrote */
};

/*
 * Find the next executable mapping at *at in a text of length bytes; *at moves behind it. Returns 0
 * at the end. What does not look like a line is passed over.
 */
int maps_line_next(const char *text, size_t length, size_t *at, struct maps_line *line);

/* Read the text of a /proc/PID/maps that is open. Owned (free). */
char *maps_read(int fd, size_t *length);

/* fd (which stays the caller's) is the programs' map; the others are borrowed. */
struct mapping_tables *mapping_tables_new(int fd, struct broker_client *broker,
					  struct module_table *modules);
void mapping_tables_free(struct mapping_tables *tables);
DEFINE_CLEANUP(mapping_tables_free, struct mapping_tables)

/* Read the mappings of the process that the sample is of, when it shows that they are needed. */
void mapping_tables_on_sample(struct mapping_tables *tables, const struct record_sample *sample);

#endif
