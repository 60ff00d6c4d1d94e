/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/*
 * The processes that are profiled by their pid: children join when they are forked, and the core
 * hears of fork, exec and exit.
 */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "bpf/identity.bpf.h"
#include "bpf/unwind.bpf.h"

/* Send what happened to the process of leader. */
static inline void process_send(__u32 type, const struct task_struct *task,
				const struct task_struct *parent, __u32 target)
{
	struct record_process *record = bpf_ringbuf_reserve(&records, sizeof(*record), 0);
	const struct task_struct *leader = task->group_leader;
	struct owner owner;

	if (!record) {
		count(KERNEL_COUNTER_LOST_RECORDS);
		return;
	}
	owner = owner_of(task);
	record->header.type = type;
	record->header.size = sizeof(*record);
	record->time_ns = bpf_ktime_get_boot_ns();
	record->start_time_ns = leader->start_boottime;
	record->parent_start_time_ns = parent->group_leader->start_boottime;
	record->cgroup_id = cgroup_id_of(task);
	record->pid = pid_of(task);
	record->parent_pid = pid_of(parent);
	record->target = target;
	record->owner_uid = owner.uid;
	record->owner_gid = owner.gid;
	record->reserved = 0;
	bpf_probe_read_kernel(record->process_name, RECORD_NAME_BYTES, leader->comm);
	/* The core looks often enough; waking it would cost a fork more than all of this. */
	bpf_ringbuf_submit(record, BPF_RB_NO_WAKEUP);
}

/* The entry of the process that task belongs to, when it is profiled by pid. */
static inline struct profiled *process_find(const struct task_struct *task)
{
	__u32 pid = pid_of(task);
	struct profiled *entry = bpf_map_lookup_elem(&processes, &pid);

	if (!entry || (entry->flags & PROFILED_NOT) ||
	    !profiled_is(entry, task->group_leader->start_boottime))
		return NULL;
	return entry;
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(on_fork, struct task_struct *parent, struct task_struct *child)
{
	const struct profiled *entry;
	struct profiled inherited;
	__u32 pid = pid_of(child);

	if (child->pid != child->tgid)
		return 0; /* a thread */
	entry = process_find(parent);
	if (!entry)
		return 0;
	if (!(entry->flags & PROFILED_FOLLOW)) {
		if (entry->events & 1U << EVENT_HEAP)
			process_send(RECORD_CHILD, child, parent, entry->target);
		return 0;
	}
	inherited = *entry;
	inherited.start_time_ns = child->start_boottime;
	inherited.flags &= ~(__u32)PROFILED_EXITED;
	if (bpf_map_update_elem(&processes, &pid, &inherited, BPF_ANY)) {
		count(KERNEL_COUNTER_PROCESSES_FULL);
		return 0;
	}
	process_send(RECORD_FORK, child, parent, inherited.target);
	return 0;
}

/* Whether samples of the current task are wanted, perhaps. */
static inline int is_selected(const struct task_struct *task)
{
	const struct sampler_settings *knobs = settings_get();
	struct selection selection;

	if (!knobs || !task->mm)
		return 0;
	selection = selection_of(task, pid_of(task), task->group_leader->start_boottime, knobs);
	return selection.keep || selection.is_pending;
}

/* Linux 6.10 and later: the last moment at which the program that called exec is there. */
SEC("tp_btf/sched_prepare_exec")
int BPF_PROG(on_prepare_exec, struct task_struct *task)
{
	task = bpf_get_current_task_btf();
	if (is_selected(task))
		unwind_save(SCRATCH_EXEC, task);
	return 0;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(on_exec, struct task_struct *task)
{
	const struct profiled *entry = process_find(task);
	__u32 tid = tid_of(task);

	bpf_map_delete_elem(&saved_stacks, &tid);

	if (entry)
		process_send(RECORD_EXEC, task, task->real_parent, entry->target);
	return 0;
}

/* When the process is freed it has no number in the namespace any more. */
static __always_inline void pid_keep(const struct task_struct *task)
{
	__u32 kernel_pid = (__u32)task->tgid, pid = pid_of(task);

	bpf_map_update_elem(&ended_pids, &kernel_pid, &pid, BPF_ANY);
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(on_exit, struct task_struct *task)
{
	struct profiled *entry;

	task = bpf_get_current_task_btf();
	if (is_selected(task))
		unwind_save(SCRATCH_EXIT, task);
	entry = process_find(task);
	if (!entry || task->signal->live.counter > 0)
		return 0;
	/* Two last threads may see each other gone. */
	if (__sync_fetch_and_or(&entry->flags, PROFILED_EXITED) & PROFILED_EXITED)
		return 0;
	if (pid_is_translated)
		pid_keep(task);
	process_send(RECORD_EXIT, task, task->real_parent, entry->target);
	return 0;
}

/* Run on request for each mapping of a process: announces its files before they are sampled. */
SEC("iter/task_vma")
int on_mapping(struct bpf_iter__task_vma *context)
{
	struct task_struct *task = context->task;
	struct vm_area_struct *vma = context->vma;
	struct scratch *scratch = scratch_get(SCRATCH_ASKED);

	if (!task || !vma || !scratch)
		return 0;
	scratch->task = (__u64)task;
	scratch->mm = (__u64)task->mm;
	scratch->pid = pid_of(task);
	scratch->start_time_ns = task->group_leader->start_boottime;
	scratch->entry = (__u64)vma;
	mapping_read(SCRATCH_ASKED, vma->vm_start);
	return 0;
}

struct mapping tested_mapping;

/* Run by the broker on itself when it starts: look the pc up that is the argument. */
SEC("raw_tp")
int on_mapping_test(struct bpf_raw_tracepoint_args *context)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct scratch *scratch = scratch_get(SCRATCH_ASKED);
	int index;

	if (!scratch)
		return MAPPING_BROKEN;
	scratch->task = (__u64)task;
	scratch->mm = (__u64)task->mm;
	scratch->pid = pid_of(task);
	scratch->start_time_ns = task->group_leader->start_boottime;
	mapping_start(scratch, task);
	index = mapping_find(SCRATCH_ASKED, context->args[0]);
	if (index < 0)
		return index;
	tested_mapping = mapping_set_get(scratch)->mappings[index & (SCRATCH_MAPPINGS - 1)];
	return 0;
}

/* Run by the broker on itself when it starts: which pid namespace it lives in. */
SEC("raw_tp")
int on_pid_test(void *context)
{
	const struct pid *pid = BPF_CORE_READ(bpf_get_current_task_btf(), thread_pid);
	struct commons *own = commons_get();

	if (!own)
		return 1;
	own->pid_level = BPF_CORE_READ(pid, level);
	own->pid_namespace = (__u64)pid_read(pid, own->pid_level).ns;
	return !own->pid_namespace;
}

/* The process is gone for good: nothing more of it will be sampled, its pid may be used again. */
SEC("tp_btf/sched_process_free")
int BPF_PROG(on_free, struct task_struct *task)
{
	__u32 pid = (__u32)task->pid;
	const struct profiled *entry;

	if (task->pid != task->tgid)
		return 0;
	if (pid_is_translated) {
		__u32 *kept = bpf_map_lookup_elem(&ended_pids, &pid);

		if (!kept)
			return 0;
		__u32 kernel_pid = pid;

		pid = *kept;
		bpf_map_delete_elem(&ended_pids, &kernel_pid);
	}
	entry = bpf_map_lookup_elem(&processes, &pid);
	if (entry && profiled_is(entry, task->start_boottime))
		bpf_map_delete_elem(&processes, &pid);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
