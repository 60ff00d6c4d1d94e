/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/*
 * What a thread used from one look to the next: time on a CPU, time waiting for one, and the rest,
 * which it was blocked. The scheduler's account lags behind: of who runs up to the last timer tick,
 * of who waits for a CPU until the wait is over. A thread that did not block since the last look
 * spent all of the rest in what it is doing now; that is counted ahead of the account.
 */
#ifndef FLAME_BPF_THREAD_TIME_BPF_H
#define FLAME_BPF_THREAD_TIME_BPF_H

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "bpf/kernel_types.bpf.h"

#define TICK_MAX_NS (10ULL * 1000 * 1000) /* between two ticks where they are rarest */

/* At a look. */
struct thread_time {
	__u64 cpu_ns; /* by the scheduler's account */
	__u64 waited_ns;
	__u64 cpu_ahead_ns; /* counted beyond that */
	__u64 waited_ahead_ns;
	__u64 sleeps; /* times that it had left the CPU by itself */
	__u64 was_blocked;
};

/* From one look to the next. */
struct thread_used {
	__u64 cpu_ns;
	__u64 waited_ns;
};

/* What the account grew by, without what was counted already. */
static __always_inline __u64 account_growth(__u64 grown_ns, __u64 *ahead_ns)
{
	__u64 counted_ns = *ahead_ns;

	if (!grown_ns)
		return 0;
	*ahead_ns = 0;
	return grown_ns > counted_ns ? grown_ns - counted_ns : 0;
}

/*
 * Count the rest of the time of a thread that was not blocked. Where it runs, more than a tick was
 * taken from the whole machine: it waited for a CPU that was not there.
 */
static __always_inline void count_ahead(struct thread_time *time, struct thread_used *used,
					__u64 rest_ns, int is_running)
{
	__u64 ran_ns = rest_ns < TICK_MAX_NS ? rest_ns : TICK_MAX_NS;

	if (!is_running) {
		used->waited_ns += rest_ns;
		time->waited_ahead_ns += rest_ns;
		return;
	}
	used->cpu_ns += ran_ns;
	time->cpu_ahead_ns += ran_ns;
	used->waited_ns += rest_ns - ran_ns;
}

/* Look at task, the last time elapsed_ns ago (0: never). Returns what it used since. */
static __always_inline struct thread_used
thread_time_look(struct thread_time *time, const struct task_struct *task, __u64 elapsed_ns)
{
	__u64 cpu_ns = task->se.sum_exec_runtime, waited_ns = task->sched_info.run_delay;
	__u64 sleeps = task->nvcsw;
	int is_running = task->on_cpu != 0;
	int is_blocked = !is_running && task->__state;
	int has_blocked = time->was_blocked || is_blocked || sleeps != time->sleeps;
	struct thread_used used = {0};

	if (elapsed_ns) {
		used.cpu_ns = account_growth(cpu_ns - time->cpu_ns, &time->cpu_ahead_ns);
		if (used.cpu_ns > elapsed_ns)
			used.cpu_ns = elapsed_ns;
		used.waited_ns =
			account_growth(waited_ns - time->waited_ns, &time->waited_ahead_ns);
		if (used.waited_ns > elapsed_ns - used.cpu_ns)
			used.waited_ns = elapsed_ns - used.cpu_ns;
		if (!has_blocked)
			count_ahead(time, &used, elapsed_ns - used.cpu_ns - used.waited_ns,
				    is_running);
	} else {
		time->cpu_ahead_ns = time->waited_ahead_ns = 0;
	}
	time->cpu_ns = cpu_ns;
	time->waited_ns = waited_ns;
	time->sleeps = sleeps;
	time->was_blocked = (__u64)is_blocked;
	return used;
}

#endif
