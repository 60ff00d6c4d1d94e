/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What crosses for events that are added up in the kernel (switches, page faults): the layouts that
 * both sides share. A stack is announced once, by a RECORD_SUM, under an id; from then on the
 * entry of that id in the map "sums" grows with every event. The core reads the map as it looks at
 * the threads (RECORD_LOOK, from the iterator's file or the ring buffer) and takes differences, so
 * nothing is ever reset and nothing is lost between reading and resetting.
 */
#ifndef FLAME_BPF_SUMS_H
#define FLAME_BPF_SUMS_H

#include "bpf/record.h"

#define SUMS_MAX 65536 /* stacks that are known at one time */

/*
 * One measure of an event. An event drawn with probability p counts amount / p; what was certain
 * (p = 1) is counted in certain too, the others give their weight squared times 1 - p to variance.
 */
struct sum_part {
	__u64 weight;   /* ns, bytes */
	__u64 certain;  /* of it */
	__u64 variance; /* in (weight / SUM_VARIANCE_UNIT) squared */
	__u64 largest;  /* the largest weight that was not certain, in this period */
};

#define SUM_VARIANCE_UNIT 1024

enum sum_measure {
	SUM_BLOCKED, /* waiting for something; page faults: bytes */
	SUM_WAITED,  /* for a CPU */
	SUM_MEASURES
};

/* Value of the map "sums"; key: __u64 id. */
struct sum {
	__u64 count; /* events that were drawn, those under way once a look */
	struct sum_part parts[SUM_MEASURES];
	__u32 period; /* that "largest" is about */
	__u32 reserved;
};

/*
 * A RECORD_WAKER is the stack of who woke a thread up, a sample like others, under the id of the
 * pair (sleep, waker); behind its frames stands a word more: the id of the sleep. What is counted
 * from then on of this sleep is counted under the pair. It comes when the pair is new, and, with
 * SAMPLE_COUNTED, each time that a look has counted a part of the sleep before it was known who
 * would end it; time_ns then says when the sleep began.
 */
#define WAKER_WORDS 1

/*
 * A RECORD_LOOK is a thread at a moment, with what it used since the look before: a sample without
 * stack, whose user_count words are these instead. Its event is EVENT_FAULT when sleeps of the thread
 * are not watched. Units: ns, but for counts.
 */
enum look_word {
	LOOK_ELAPSED, /* since the look before, or since the thread began; 0: nothing is known */
	LOOK_CPU,     /* thereof on a CPU */
	LOOK_WAITED,  /* thereof waiting for a CPU */
	LOOK_HITS,    /* switches and page faults since then, those that are watched */
	LOOK_WALKS,   /* of its stack, by the hooks, since then */
	LOOK_WORDS
};

#define LOOK_BYTES (sizeof(struct record_sample) + LOOK_WORDS * sizeof(__u64))

_Static_assert(sizeof(struct sum_part) == 32, "layout shared with the kernel");
_Static_assert(sizeof(struct sum) == 80, "layout shared with the kernel");
_Static_assert(LOOK_BYTES == 152, "layout shared with the kernel");

#endif
