/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/*
 * Page faults that make memory resident: a thread touches a page that is not there, in user mode or
 * from within a system call. Faults on pages that are there (copies on write, protection) are not
 * growth and not counted. Attached only while somebody wants it.
 */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "bpf/fault.bpf.h"
#include "bpf/watched.bpf.h"

#define FAULT_IS_PRESENT 1
#define USER_SPACE_END   (1ULL << 56)

/* Take the stack of the current task; the fault is counted when its size is known. */
static __always_inline void fault_walk(struct task_struct *task, struct sleeper *thread,
				       __u64 pages, const struct sampler_settings *knobs)
{
	struct scratch *scratch = scratch_get(SCRATCH_FAULT);
	__u64 began_ns = bpf_ktime_get_boot_ns();

	if (!scratch)
		return;

	struct record_sample *sample = &scratch->sample;

	count(KERNEL_COUNTER_FAULTS_WALKED);
	thread->walks++;
	sample->event = EVENT_FAULT;
	sample->flags = 0;
	sample->target = thread->target;
	sample->reason = FRAME_MARK_NONE;
	sample->kernel_count = 0;
	thread->fault_pages = pages;
	thread->fault_keep = keep_both(thread->fault_pace.keep, knobs->duty);
	thread->fault_id = stack_take(SCRATCH_FAULT, scratch, task);
	pace_update(&thread->fault_pace, began_ns, task->min_flt + task->maj_flt, knobs);
	count_more(KERNEL_COUNTER_EVENT_COST, bpf_ktime_get_boot_ns() - began_ns);
}

static __always_inline int fault_happens(unsigned long address, unsigned long error_code)
{
	const struct sampler_settings *knobs = settings_get();
	struct task_struct *task = bpf_get_current_task_btf();
	struct sleeper *thread;
	__u64 pages = 0;

	if ((error_code & FAULT_IS_PRESENT) || address >= USER_SPACE_END || !knobs || !task->mm ||
	    (task->flags & PF_KTHREAD))
		return 0;
	/* No page will come, as when a walk, of this very program, reads beyond a stack. */
	if (task->pagefault_disabled)
		return 0;
	thread = sleeper_of(task, 1, 1U << EVENT_FAULT, knobs);
	if (!thread)
		return 0;
	count(KERNEL_COUNTER_FAULTS);
	if (thread->fault_id) {
		pages = fault_pages_of(task);
		fault_settle(thread, pages, knobs);
	}
	if (pace_draws(&thread->fault_pace))
		fault_walk(task, thread, pages ? pages : fault_pages_of(task), knobs);
	return 0;
}

SEC("tp_btf/page_fault_user")
int BPF_PROG(on_user_fault, unsigned long address, void *registers, unsigned long error_code)
{
	return fault_happens(address, error_code);
}

/* The kernel writes to memory of the process: read() into a new buffer. */
SEC("tp_btf/page_fault_kernel")
int BPF_PROG(on_kernel_fault, unsigned long address, void *registers, unsigned long error_code)
{
	return fault_happens(address, error_code);
}

/* The page is there, and may be gone again before the thread touches the next one. */
SEC("tp_btf/rss_stat")
int BPF_PROG(on_resident, struct mm_struct *mm, int member)
{
	const struct sampler_settings *knobs = settings_get();
	struct task_struct *task = bpf_get_current_task_btf();
	struct sleeper *thread = bpf_task_storage_get(&sleepers, task, 0, 0);

	if (knobs && thread && thread->fault_id && mm == task->mm)
		fault_settle(thread, fault_pages_of(task), knobs);
	return 0;
}

/* The last fault of a thread is settled before it goes. */
SEC("tp_btf/sched_process_exit")
int BPF_PROG(on_fault_exit, struct task_struct *task)
{
	const struct sampler_settings *knobs = settings_get();
	struct sleeper *thread;

	task = bpf_get_current_task_btf();
	thread = bpf_task_storage_get(&sleepers, task, 0, 0);
	if (knobs && thread && thread->fault_id)
		fault_settle(thread, fault_pages_of(task), knobs);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
