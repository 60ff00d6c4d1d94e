/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/*
 * What every sample, stack and look tells about the thread it was taken of.
 */
#ifndef FLAME_BPF_SAMPLE_BPF_H
#define FLAME_BPF_SAMPLE_BPF_H

#include "bpf/identity.bpf.h"

/* Fill in who the thread is: everything of the sample that is neither a stack nor a measure. */
static __always_inline void sample_identify(struct record_sample *sample,
					    const struct task_struct *task, __u64 cgroup_id)
{
	const struct task_struct *leader = task->group_leader;
	struct owner owner = owner_of(task);

	sample->start_time_ns = leader->start_boottime;
	sample->cgroup_id = cgroup_id;
	sample->pid = pid_of(task);
	sample->tid = tid_of(task);
	sample->parent_pid = pid_of(task->real_parent);
	sample->owner_uid = owner.uid;
	sample->owner_gid = owner.gid;
	sample->cpu = (__u16)bpf_get_smp_processor_id();
	bpf_probe_read_kernel(sample->process_name, RECORD_NAME_BYTES, leader->comm);
	bpf_probe_read_kernel(sample->thread_name, RECORD_NAME_BYTES, task->comm);
}

#endif
