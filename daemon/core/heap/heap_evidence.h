/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How far the list of what a process holds can be believed: from when on it is known, and what is
 * missing. Embedded in its heap process; told to who asks for leaks.
 */
#ifndef FLAME_DAEMON_CORE_HEAP_HEAP_EVIDENCE_H
#define FLAME_DAEMON_CORE_HEAP_HEAP_EVIDENCE_H

#include <stdint.h>

/* What is known of what the process holds. Times: boot. */
struct heap_evidence {
	uint64_t since_ns;       /* allocations before are not known; 0: none are */
	uint64_t incomplete_ns;  /* from then on frees were missed; 0: none was */
	const char *reason;      /* of that, a sentence's end */
	uint64_t unseen_from_ns; /* since when blocks of C++ operators are not in; 0: they are */
	uint64_t unseen_to_ns;   /* those that were given before are not; 0: none are */
	int has_unseen;          /* those of some C++ operators never are */
};

/* The list begins at now_ns, with nothing in it. */
void heap_evidence_begin(struct heap_evidence *evidence, uint64_t now_ns);

/* Something was missed: the first time counts. reason is a sentence's end and static. */
void heap_evidence_miss(struct heap_evidence *evidence, uint64_t now_ns, const char *reason);

/* From now_ns on blocks of C++ operators are seen, or not. */
void heap_evidence_see(struct heap_evidence *evidence, uint64_t now_ns, int is_seen);

#endif
