/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/*
 * The coin: with what probability the next event of a thread is looked at. It follows from how
 * often the thread had such events so far and never from the event itself, so that an event of
 * probability p may stand for 1 / p of them. Threads whose mean interval is all_paced_ns or longer
 * lose nothing.
 */
#ifndef FLAME_BPF_PACE_BPF_H
#define FLAME_BPF_PACE_BPF_H

#include "bpf/identity.bpf.h"

#define PACE_EVENTS   16        /* that the mean reaches back over */
#define PACE_MIN_KEEP (1 << 18) /* 1 of 16384 */

struct pace {
	__u64 mean_ns; /* between two events */
	__u64 time_ns; /* when it was updated last; 0: never */
	__u64 events;  /* of the thread until then */
	__u32 keep;    /* the probability, of KEEP_ALL */
	__u32 reserved;
};

/* Begin with every event. */
static __always_inline void pace_start(struct pace *pace)
{
	pace->mean_ns = 0;
	pace->time_ns = 0;
	pace->keep = KEEP_ALL;
}

/* Whether to look at the event that is happening. */
static __always_inline int pace_draws(const struct pace *pace)
{
	return pace->keep == KEEP_ALL || bpf_get_prandom_u32() <= pace->keep;
}

/* The thread has had so many events by now: choose the probability of the next one. */
static __always_inline void pace_update(struct pace *pace, __u64 now_ns, __u64 events,
					const struct sampler_settings *knobs)
{
	__u64 count = events - pace->events, all_ns = knobs->all_paced_ns;

	if (!pace->time_ns) {
		pace->mean_ns = all_ns;
	} else if (count) {
		__u64 passed_ns = now_ns - pace->time_ns;

		if (count >= PACE_EVENTS)
			pace->mean_ns = passed_ns / count;
		else
			pace->mean_ns =
				(pace->mean_ns * (PACE_EVENTS - count) + passed_ns) / PACE_EVENTS;
	}
	pace->time_ns = now_ns;
	pace->events = events;
	if (pace->mean_ns >= all_ns) {
		pace->keep = KEEP_ALL;
		return;
	}

	__u64 keep = (pace->mean_ns << 32) / all_ns * knobs->paced_keep >> 32;

	if (keep < PACE_MIN_KEEP)
		keep = PACE_MIN_KEEP;
	pace->keep = keep > KEEP_ALL ? KEEP_ALL : (__u32)keep;
}

#endif
