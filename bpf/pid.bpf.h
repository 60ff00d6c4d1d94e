/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/*
 * Numbers of processes and threads. The kernel's own are those of the outermost pid namespace; where
 * flamed lives in an inner one (a container), all that enters and leaves the kernel programs is
 * numbered as that one counts, and what lies outside it has the number 0 and is never profiled.
 */
#ifndef FLAME_BPF_PID_BPF_H
#define FLAME_BPF_PID_BPF_H

#include <linux/bpf.h>

#include <bpf/bpf_core_read.h>

#include "bpf/kernel_types.bpf.h"
#include "bpf/maps.bpf.h"

#define PID_TYPE_PROCESS 1 /* enum pid_type: PIDTYPE_TGID */

/* Set by the broker before loading, when it does not live in the outermost pid namespace. */
const volatile __u32 pid_is_translated __weak = 0;

/* The number that the namespace at `level` gave, and which one that is; NULL: there is none. */
static __always_inline struct upid pid_read(const struct pid *pid, __u32 level)
{
	struct upid number = {0};
	__u64 numbers = (__u64)pid + bpf_core_field_offset(struct pid, numbers);

	if (!pid || BPF_CORE_READ(pid, level) < level)
		return number;
	if (bpf_probe_read_kernel(&number, sizeof(number),
				  (const void *)(numbers + (__u64)level * sizeof(number))))
		number.ns = NULL;
	return number;
}

/* The number in our namespace, 0: none. */
static __always_inline __u32 pid_number(const struct pid *pid)
{
	const struct commons *own = commons_get();
	struct upid number;

	if (!own || !own->pid_namespace)
		return 0;
	number = pid_read(pid, own->pid_level);
	return (__u64)number.ns == own->pid_namespace ? (__u32)number.nr : 0;
}

/* Number of the process of task; 0: it is none of ours, or is gone already. */
static __always_inline __u32 pid_of(const struct task_struct *task)
{
	if (!pid_is_translated)
		return (__u32)task->tgid;
	return pid_number(BPF_CORE_READ(task, signal, pids[PID_TYPE_PROCESS]));
}

/* The same for the thread. */
static __always_inline __u32 tid_of(const struct task_struct *task)
{
	if (!pid_is_translated)
		return (__u32)task->pid;
	return pid_number(BPF_CORE_READ(task, thread_pid));
}

#endif
