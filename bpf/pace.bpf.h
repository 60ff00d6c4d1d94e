/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/*
 * The coin: with what probability the next event of a thread is looked at. It follows from how
 * often the thread had such events in the last seconds and never from the event itself, so that an
 * event of probability p may stand for 1 / p of them. Threads whose mean interval is all_paced_ns
 * or longer lose nothing, unless there are so many of them that all get less (paced_keep).
 */
#ifndef FLAME_BPF_PACE_BPF_H
#define FLAME_BPF_PACE_BPF_H

#include "bpf/identity.bpf.h"

#define PACE_MIN_KEEP  (1 << 18) /* 1 of 16384 */
#define PACE_WINDOW_NS (1000ULL * 1000 * 1000)
#define PACE_PAST_NS   (2 * PACE_WINDOW_NS)  /* what counts of the past at most */
#define PACE_LEAST_NS  (PACE_WINDOW_NS / 10) /* a burst counts as if it had lasted so long */

/* Events are counted by the kernel; what is kept here are moments and the counts at them. */
struct pace {
	__u64 began_ns;     /* of this window; 0: nothing is known yet */
	__u64 began_events; /* of the thread until then */
	__u64 past_ns;      /* the window before: how long, and how many */
	__u64 past_events;
	__u32 keep; /* the probability, of KEEP_ALL */
	__u32 reserved;
};

/* Begin with every event, or as many of all threads' as may be. */
static __always_inline void pace_start(struct pace *pace, const struct sampler_settings *knobs)
{
	pace->began_ns = 0;
	pace->past_ns = 0;
	pace->past_events = 0;
	pace->keep = knobs->paced_keep;
}

/* Whether to look at the event that is happening. */
static __always_inline int pace_draws(const struct pace *pace)
{
	return pace->keep == KEEP_ALL || bpf_get_prandom_u32() <= pace->keep;
}

/* Make the window that ends now the past. */
static __always_inline void pace_turn(struct pace *pace, __u64 now_ns, __u64 events)
{
	__u64 passed_ns = now_ns - pace->began_ns, count = events - pace->began_events;

	if (passed_ns > PACE_PAST_NS) {
		count = count * (PACE_PAST_NS >> 20) / (passed_ns >> 20);
		passed_ns = PACE_PAST_NS;
	}
	pace->past_ns = passed_ns;
	pace->past_events = count;
	pace->began_ns = now_ns;
	pace->began_events = events;
}

/* The thread has had so many events by now: choose the probability of the next one. */
static __always_inline void pace_update(struct pace *pace, __u64 now_ns, __u64 events,
					const struct sampler_settings *knobs)
{
	__u64 all_ns = knobs->all_paced_ns, passed_ns, count, mean_ns, keep;

	if (!pace->began_ns) {
		pace->began_ns = now_ns;
		pace->began_events = events;
	}
	if (now_ns - pace->began_ns >= PACE_WINDOW_NS)
		pace_turn(pace, now_ns, events);
	passed_ns = now_ns - pace->began_ns + pace->past_ns;
	count = events - pace->began_events + pace->past_events;
	if (passed_ns < PACE_LEAST_NS)
		passed_ns = PACE_LEAST_NS;
	mean_ns = passed_ns / (count ? count : 1);
	if (mean_ns >= all_ns) {
		pace->keep = knobs->paced_keep;
		return;
	}
	keep = (mean_ns << 32) / (all_ns ? all_ns : 1) * knobs->paced_keep >> 32;
	if (keep < PACE_MIN_KEEP)
		keep = PACE_MIN_KEEP;
	pace->keep = keep > KEEP_ALL ? KEEP_ALL : (__u32)keep;
}

#endif
