/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel programs and their maps, from the embedded objects: loaded by the broker, gone when it
 * frees them or ends. What every event needs is loaded and attached at once, with all maps that the
 * core gets; what only sleeps and faults (watch_programs.h) or the heap (heap_programs.h) need when
 * it is first asked for: checking all of them takes the kernel a second.
 */
#ifndef FLAME_DAEMON_BROKER_PROGRAMS_H
#define FLAME_DAEMON_BROKER_PROGRAMS_H

#include <stdint.h>

#include "common/cleanup.h"
#include "common/memory.h"

/* Ring buffer for one CPU: a second of samples at 999 Hz and 1 KiB each. Units: bytes. */
#define RECORDS_BYTES_PER_CPU (UINT32_C(1) << 20)
#define RECORDS_MAX_BYTES     (UINT32_C(1) << 26)

struct mapping;
struct programs;

/*
 * Load for a host of cpu_count possible CPUs, and attach. Non-zero mapping_in_tables: the programs find mappings in tables that the core fills, instead of in the kernel's own tree.
 * Errors: as bpf(2).
 */
must_check int programs_open(int cpu_count, int mapping_in_tables, struct programs **programs);

/* Detach and unload. */
void programs_close(struct programs *programs);
DEFINE_CLEANUP(programs_close, struct programs)

/* Write the descriptors for enum broker_hello_fd, BROKER_FD_COUNT of them. Borrowed. */
void programs_get_fds(const struct programs *programs, int *fds);

/*
 * Make count (at most BROKER_MAX_FDS) more maps for unwind rows known to the programs; they are
 * numbered in the order in which they were made. Owned: fds. Errors: -E2BIG, as bpf(2).
 */
must_check int programs_add_shards(struct programs *programs, uint32_t count, int *fds);

/*
 * Announce the files that process pid has mapped as code, as if they had been sampled. Errors: as
 * bpf(2); kernels before 6.1 cannot.
 */
must_check int programs_announce(const struct programs *programs, uint32_t pid);

/*
 * Have the programs look up an address of this process, as they would for a sample. Errors: -ENOENT
 * when they find no mapping of code there, as bpf(2).
 */
must_check int programs_find_mapping(const struct programs *programs, uint64_t address,
				     struct mapping *mapping);

/* A link of the iterator that looks at all threads. Owned: fd. Errors: as bpf(2). */
must_check int programs_open_look(struct programs *programs, int *fd);

/* Attach the hooks whose bit (1 << enum broker_hook) is set, detach the others. Errors: as bpf(2). */
must_check int programs_set_hooks(struct programs *programs, uint64_t hooks);

struct prober_setup;

/*
 * Fill in everything that a prober needs to know of the programs; is_single: see heap_programs_open().
 * Borrowed. Errors: as bpf(2).
 */
must_check int programs_get_heap(struct programs *programs, int is_single,
				 struct prober_setup *setup);

/* The program to run on each CPU event. Borrowed. */
int programs_get_cpu_fd(const struct programs *programs);

#endif
