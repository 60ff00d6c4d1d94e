/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/*
 * What the kernel programs remember of a thread: whether it is watched, the coins for its next
 * sleep and page fault, the sleep it is in, and its totals at the last look. Kept in the task's own
 * storage, which goes when the task goes.
 */
#ifndef FLAME_BPF_SLEEPER_BPF_H
#define FLAME_BPF_SLEEPER_BPF_H

#include "bpf/pace.bpf.h"
#include "bpf/sums.bpf.h"
#include "bpf/thread_time.bpf.h"

struct sleeper {
	__u64 id;          /* of the stack it went to sleep with */
	__u64 since_ns;    /* the sleep is counted up to here; 0: it is not (the coin said no) */
	__u64 begun_ns;    /* where counting it began */
	__u64 woken_ns;    /* when it became runnable again; 0: not yet */
	__u64 switches;    /* times the thread had been switched out when the stack was walked */
	__u32 keep;        /* probability with which this sleep was drawn */
	__u32 is_runnable; /* it was switched out, but not blocked */
	__u32 is_partial;  /* the stack was walked before all tables were there */

	__u32 generation; /* of the settings that these are about */
	__u32 events;     /* bit for each enum record_event that is wanted of it */
	__u32 target;     /* number of the target that profiles it */
	__u64 program;    /* that was judged: it is another one behind an exec */
	struct pace pace;

	struct pace fault_pace;
	__u64 fault_id;    /* of the stack of a fault whose size is not known yet; 0: none */
	__u64 fault_pages; /* that the process had in memory then */
	__u32 fault_keep;  /* probability with which it was drawn */
	__u32 reserved;

	__u64 looked_ns; /* when it was looked at last; 0: never */
	struct thread_time time;
	__u64 hits;  /* up to then */
	__u64 walks; /* since then */
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct sleeper);
} sleepers SEC(".maps") __weak;

/* How often the task has been switched out: the number stays while it sleeps. */
static __always_inline __u64 task_switches(const struct task_struct *task)
{
	return task->nvcsw + task->nivcsw;
}

/*
 * Count the sleep from where it was counted last up to until_ns. Whoever moves since_ns first
 * counts: a look from outside and the thread's waking up may meet.
 */
static __always_inline void sleeper_count(struct sleeper *sleeper, __u64 until_ns, __u64 next_ns,
					  const struct sampler_settings *knobs)
{
	__u64 from_ns = sleeper->since_ns, edge_ns = until_ns;

	if (!from_ns)
		return;
	if (__sync_val_compare_and_swap(&sleeper->since_ns, from_ns, next_ns) != from_ns)
		return;
	if (until_ns <= from_ns)
		return;
	if (sleeper->is_runnable)
		edge_ns = from_ns;
	else if (sleeper->woken_ns && sleeper->woken_ns < until_ns)
		edge_ns = sleeper->woken_ns > from_ns ? sleeper->woken_ns : from_ns;
	sum_add(sleeper->id, edge_ns - from_ns, until_ns - edge_ns,
		keep_both(sleeper->keep, knobs->duty), knobs);
}

#endif
